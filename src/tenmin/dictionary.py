"""The facts that are known: dotted path, type, unit, limits, example.

The paths are those of the project's metadata dictionary; `tenmin.facts` reads and checks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """What values a fact may have.

    Attributes
    ----------
    type : str
        ``text``, ``number``, ``integer``, ``texts``, ``tables``, ``any``.
    unit : str
        For the message; the unit also stands in the key where it is not obvious.
    low, high : float, optional
        Limits, both allowed.
    choices : tuple of str
        The only values allowed, where not empty.
    form : callable, optional
        Returns what is wrong with a value, or an empty text.
    example : str
        A right value, for the message.
    """

    type: str = "text"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    form: Callable[[Any], str] | None = None
    example: str = ""


DURATION = re.compile(  # ISO 8601 as nwbinspector reads it
    r"P(?!$)(\d+(?:\.\d+)?Y)?(\d+(?:\.\d+)?M)?(\d+(?:\.\d+)?W)?(\d+(?:\.\d+)?D)?"
    r"(T(?=\d)(\d+(?:\.\d+)?H)?(\d+(?:\.\d+)?M)?(\d+(?:\.\d+)?S)?)?"
)
SPECIES = re.compile(r"[A-Z][a-z]+ [a-z]+|http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")
PERSON = re.compile(r"[\w\s\-.']+,\s+[\w\s\-.']+")  # dandischema's pattern of a name
CODE = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
DOI = ("doi:", "http://dx.doi.org/", "https://doi.org/")


def _code(value: str) -> str:
    if CODE.fullmatch(value):
        return ""
    return "only letters, digits and single hyphens: it becomes a folder's name and a BIDS label"


def _species(value: str) -> str:
    return "" if SPECIES.fullmatch(value) else "not two Latin words, nor an NCBITaxon address"


def _age(value: str) -> str:
    low, slash, high = value.partition("/")
    parts = [low, high] if slash else [low]
    if not low or not all(not part or DURATION.fullmatch(part) for part in parts):
        return "not an ISO 8601 duration"
    return ""


def _persons(values: list[str]) -> str:
    wrong = [v for v in values if not PERSON.fullmatch(v)]
    return f"not of the form 'Family, Given': {', '.join(map(repr, wrong))}" if wrong else ""


def _dois(values: list[str]) -> str:
    wrong = [v for v in values if not v.startswith(DOI)]
    return f"not a DOI: {', '.join(map(repr, wrong))}" if wrong else ""


def _t(example: str = "", *choices: str) -> Kind:
    return Kind("text", example=example, choices=choices)


def _n(unit: str, low: float | None = None, high: float | None = None) -> Kind:
    return Kind("number", unit, low, high)


def _i(unit: str = "", low: float | None = 0, high: float | None = None) -> Kind:
    return Kind("integer", unit, low, high)


TEXTS, TABLES, ANY = Kind("texts"), Kind("tables"), Kind("any")

KINDS: dict[str, Kind] = {
    # who and where
    "institution": _t("Example Institute"),
    "lab": _t("Example Lab"),
    "experimenter": Kind("texts", form=_persons, example='["Family, Given"]'),
    "experiment_description": _t("Spontaneous activity before the task"),
    "keywords": Kind("texts", example='["spontaneous activity"]'),
    "related_publications": Kind("texts", form=_dois, example='["doi:10.1000/1"]'),
    "notes": _t(),
    "operator.code": _t("OP1"),
    "ethics.approval_id": _t("2026-001"),
    "ethics.consent_scope": _t("research use, no public sharing"),
    "ethics.sharing_level": _t("controlled", "open", "controlled", "closed"),
    "ethics.licence": _t("CC-BY-4.0"),
    # the subject
    "subject.code": Kind(form=_code, example="M0042"),
    "subject.species": Kind(form=_species, example="Mus musculus"),
    "subject.strain": _t("C57BL/6J"),
    "subject.genotype": _t("wild type"),
    "subject.sex": _t("F", "F", "M", "O", "U", "XO", "XX"),
    "subject.age": Kind(form=_age, example="P90D"),
    "subject.age_reference": _t("birth", "birth", "gestational"),
    "subject.date_of_birth": Kind("date", example="2026-08-01"),
    "subject.weight_g": _n("g", 1e-3, 1e7),
    "subject.description": _t("adult mouse, chronic probe"),
    "subject.handedness": _t("R", "R", "L", "A"),
    "subject.head_circumference_cm": _n("cm", 1, 100),
    "subject.hours_since_food": _n("h", 0),
    "subject.hours_since_water": _n("h", 0),
    "subject.pct_baseline_weight": _n("%", 0, 200),
    "subject.hours_awake": _n("h", 0),
    "subject.sleep_last_night_h": _n("h", 0, 24),
    "subject.kss_pre": _i("Karolinska scale", 1, 9),
    "subject.kss_post": _i("Karolinska scale", 1, 9),
    "subject.caffeine_h": _n("h since the last", 0),
    "subject.nicotine_h": _n("h since the last", 0),
    "subject.alcohol_h": _n("h since the last", 0),
    "subject.medication": _t("none"),
    "subject.habituation_min_total": _n("min", 0),
    "subject.drugs": TABLES,
    "subject.housing": _t("2 per cage, running wheel"),
    "subject.surgery": _t("headplate and craniotomy"),
    "subject.days_since_surgery": _n("d", 0),
    "time.tz": _t("Europe/Berlin"),
    "time.zt_h": _n("h", 0, 24),
    # the room
    "env.lux_at_eye": _n("lux", 0, 20000),
    "env.light_source": _t("red LED 625 nm"),
    "env.screen_state": _t("off"),
    "env.screen_luminance_cd_m2": _n("cd/m2", 0),
    "env.refresh_hz": _n("Hz", 0),
    "env.sound_dBA_mean": _n("dB(A)", 0, 140),
    "env.sound_dBA_max": _n("dB(A)", 0, 160),
    "env.temp_room_C": _n("degrees C", 5, 45),
    "env.humidity_pct": _n("%", 0, 100),
    "env.pressure_hPa": _n("hPa", 500, 1100),
    "env.temp_subject_C": _n("degrees C", 20, 45),
    "env.bath_C": _n("degrees C", 20, 40),
    "env.people_in_room": _i(),
    "env.door_events": _i(),
    # what the subject was told
    "instr.id": _t("human-eyes-open-en"),
    "instr.text": _t("Keep your eyes on the cross and let your thoughts come and go."),
    "instr.language": _t("en"),
    "instr.medium": _t("spoken"),
    "eyes.instructed": _t("open", "open", "closed", "none"),
    "eyes.observed_open_fraction": _n("", 0, 1),
    # electrophysiology
    "ephys.system": _t("Open Ephys"),
    "ephys.probe_model": _t("Neuropixels 1.0"),
    "ephys.serial": _t(),
    "ephys.channel_map": ANY,
    "ephys.fs_hz": _n("Hz", 1e-3),
    "ephys.bits": _i("bit", 1, 64),
    "ephys.uV_per_bit": _n("uV", 1e-12),
    "ephys.gain": _n("", 1e-12),
    "ephys.hw_highpass_hz": Kind("number or none", "Hz", 0),
    "ephys.hw_highpass_order": _i("", 0),
    "ephys.hw_highpass_type": _t("Butterworth"),
    "ephys.hw_lowpass_hz": Kind("number or none", "Hz", 0),
    "ephys.hw_lowpass_order": _i("", 0),
    "ephys.hw_lowpass_type": _t("Butterworth"),
    "ephys.notch_hz": Kind("number or none", "Hz", 0),
    "ephys.sw_filters_online": Kind("texts", example="[]"),
    "ephys.reference_scheme": _t("common external reference"),
    "ephys.reference_location": _t("cerebellum"),
    "ephys.ground_location": _t("skull screw"),
    "ephys.electrode_material": _t("TiN"),
    "ephys.electrode_area_um2": _n("um2", 0),
    "ephys.electrode_type": _t("silicon"),
    "ephys.impedance": ANY,
    "ephys.impedance_hz": _n("Hz", 0),
    "ephys.line_freq_hz": Kind("number", "Hz", 50, 60),
    "ephys.depth_um": _n("um", 0),
    "ephys.angle": _n("degrees", -180, 180),
    "ephys.target": _t("VISp"),
    "ephys.atlas_coords": ANY,
    "ephys.minutes_since_insertion": _n("min", 0),
    # patch clamp and solutions
    "patch.config": _t("whole cell"),
    "patch.pipette_MOhm": _n("MOhm", 0),
    "patch.seal_GOhm": _n("GOhm", 0),
    "patch.Rs_MOhm_pre": _n("MOhm", 0),
    "patch.Rs_MOhm_post": _n("MOhm", 0),
    "patch.Rs_comp_pct": _n("%", 0, 100),
    "patch.Cm_pF": _n("pF", 0),
    "patch.Rin_MOhm": _n("MOhm", 0),
    "patch.ljp_value_mV": _n("mV", -100, 100),
    "patch.ljp_sign_convention": _t(),
    "patch.ljp_method": _t(),
    "patch.ljp_applied": _t("none", "none", "online", "offline"),
    "patch.offset_after_withdrawal_mV": _n("mV"),
    "solution.bath": TABLES,
    "solution.pipette": TABLES,
    "solution.pH": _n("", 0, 14),
    "solution.osm": _n("mOsm", 0),
    "solution.gas": _t("95 % O2, 5 % CO2"),
    "solution.flow_ml_min": _n("ml/min", 0),
    # imaging
    "img.objective": _t(),
    "img.NA": _n("", 0, 2),
    "img.immersion": _t("water"),
    "img.wavelength_nm": _n("nm", 1),
    "img.emission_nm": _n("nm", 1),
    "img.power_mW_at_sample": _n("mW", 0),
    "img.power_cal_date": Kind("date"),
    "img.frame_hz": _n("Hz", 0),
    "img.line_hz": _n("Hz", 0),
    "img.pixels": ANY,
    "img.um_per_px": _n("um", 0),
    "img.planes": _i("", 1),
    "img.dwell_us": _n("us", 0),
    "img.pmt_gain": ANY,
    "img.indicator": _t("GCaMP8m"),
    "img.expression_days": _n("d", 0),
    "img.depth_um": _n("um", 0),
    # the rest of the set-up
    "cam": TABLES,
    "encoder.cpr": _n("counts per turn", 1),
    "encoder.radius_mm": _n("mm", 0),
    "encoder.sign": Kind("integer", "", -1, 1),
    "anaes.agent": _t("isoflurane"),
    "anaes.percent_or_dose": _t("1.2 %"),
    "anaes.gas": _t("O2"),
    "anaes.min_since_induction": _n("min", 0),
    "anaes.min_since_change": _n("min", 0),
    "sync.topology": _t("one computer, LSL clock"),
    "sync.pulse_period_s": _n("s", 0),
    "sync.pulse_jitter": _n("s", 0),
    "dot.minutes_since_stimulus": _n("min", 0),
    "dot.index_in_visit": _i("", 1),
    "dot.index_for_subject": _i("", 1),
    "dot.condition": _t("headfixed_taskfree"),
    "dot.state_definition": _t("head-fixed, task-free"),
    "rig.confirmed": Kind("date", example="2026-11-01"),
}
