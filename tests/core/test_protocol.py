"""The shipped protocols, against the tables they were written from."""

import json
import subprocess
import sys

import pytest

from tenmin import protocol
from tenmin.checks.parameters import shipped
from tenmin.dictionary import KINDS
from tenmin.errors import UnknownName
from tenmin.protocol import describe, load, protocol_ids

# id: settle, clean-time target, hard maximum, short form (science.md A.2); all windows are 600 s.
TIMINGS = {
    "human-eyes-open": (300, 480, 900, None),
    "human-eyes-closed": (300, 480, 900, 300),
    "human-meg": (300, 480, 900, None),
    "head-fixed-acute": (900, 540, 900, None),
    "head-fixed-chronic": (600, 540, 900, None),
    "two-photon": (600, 540, 900, None),
    "freely-moving": (600, 480, 1200, None),
    "anaesthetised": (1200, 570, 900, None),
    "slice": (600, 540, 900, None),
    "patch": (180, 540, 900, 300),
    "in-vitro-mea": (600, 570, 1200, None),
}
CONDITIONS = {  # what must have lasted how long before, seconds
    "human-eyes-open": {"seated": 300, "same_condition": 60},
    "human-eyes-closed": {"seated": 300, "same_condition": 60, "break_after_eyes_open": 60},
    "human-meg": {"seated": 300, "same_condition": 60, "head_position": 120},
    "head-fixed-acute": {"probe_still": 900, "head_fixed": 600},
    "head-fixed-chronic": {"head_fixed": 600, "plugged_in": 300},
    "two-photon": {"head_fixed": 600, "laser_on": 300},
    "freely-moving": {"released": 600},
    "anaesthetised": {"constant_dose": 1200, "core_temperature": 600},
    "slice": {"recovery": 3600, "chamber": 600},
    "patch": {"recovery": 3600, "chamber": 600, "break_in": 180},
    "in-vitro-mea": {"transferred": 600, "medium_change": 86400},
}
STATES = {  # states, at least, at most, enforced
    "human-eyes-open": [(("awake",), 480, None, True), (("asleep",), None, 30, True)],
    "human-eyes-closed": [(("awake", "vigall_a"), 300, None, True)],
    "human-meg": [(("awake",), 480, None, True), (("asleep",), None, 30, True)],
    "head-fixed-acute": [(("quiet_wake",), 180, None, False)],
    "head-fixed-chronic": [(("quiet_wake",), 180, None, False)],
    "two-photon": [(("quiet_wake",), 180, None, False)],
    "freely-moving": [],
    "anaesthetised": [],
    "slice": [],
    "patch": [],
    "in-vitro-mea": [],
}
REQUIRED_BY_ALL = """
dot.uuid dot.schema_version dot.parameter_hash dot.software_versions dot.protocol_id dot.condition
dot.position dot.index_in_visit dot.index_for_subject time.start_utc time.tz subject.code
subject.species subject.strain subject.sex subject.age subject.weight_g subject.drugs
env.temp_room_C env.humidity_pct ephys.line_freq_hz sync.topology operator.code lab rig.id
rig.config_hash ethics.approval_id ethics.consent_scope ethics.sharing_level
"""
BY_LETTER = {
    "H": "subject.hours_awake subject.kss_pre subject.kss_post instr.id instr.text instr.language "
    "instr.medium eyes.instructed eyes.observed_open_fraction subject.medication",
    "A": "time.zt_h subject.hours_since_food subject.hours_since_water subject.pct_baseline_weight "
    "subject.habituation_min_total",
    "E": "ephys.system ephys.channel_map ephys.fs_hz ephys.bits ephys.uV_per_bit ephys.gain "
    "ephys.hw_highpass_hz ephys.hw_lowpass_hz ephys.notch_hz ephys.sw_filters_online "
    "ephys.reference_scheme ephys.ground_location ephys.electrode_material ephys.impedance",
    "2": "img.wavelength_nm img.power_mW_at_sample img.frame_hz img.pmt_gain img.depth_um",
    "P": "patch.ljp_value_mV patch.ljp_applied patch.Rs_MOhm_pre patch.Rs_MOhm_post solution.bath "
    "ephys.hw_lowpass_hz env.bath_C",
    "S": "solution.bath solution.pipette solution.pH solution.osm solution.gas env.bath_C",
    "N": "anaes.agent anaes.percent_or_dose env.temp_subject_C",
}
EO = (
    "For the next ten minutes, please sit still and comfortable. Keep your eyes open and let them "
    "rest on the cross. Blink whenever you need to. You do not have to think about anything in "
    "particular; let thoughts come and go. Please stay awake. I will tell you when the time is "
    "over."
)
ALL = pytest.mark.parametrize("name", TIMINGS)


def test_there_is_one_protocol_per_preparation():
    assert set(protocol_ids()) == set(TIMINGS)


@ALL
def test_a_protocol_is_named_like_its_file(name):
    assert load(name).id == name


@ALL
def test_the_timing_is_that_of_the_table(name):
    timing = load(name).timing
    settle, clean, hard, short = TIMINGS[name]
    assert (timing.settle_s, timing.block_s, timing.pads_s) == (settle, 600, 30)
    assert (timing.clean_target_s, timing.hard_max_s, timing.short_s) == (clean, hard, short)


@ALL
def test_what_must_have_lasted_before_is_that_of_the_table(name):
    assert {c.id: c.at_least_s for c in load(name).conditions} == CONDITIONS[name]


@ALL
def test_the_state_targets_are_those_of_the_table(name):
    found = [(t.states, t.at_least_s, t.at_most_s, t.enforced) for t in load(name).states]
    assert found == STATES[name]


@ALL
def test_only_short_clean_time_extends_a_shipped_protocol_and_by_a_minute(name):
    extend = load(name).extend
    assert (extend.rules, extend.step_s) == (("clean_time",), 60)


@ALL
def test_the_gates_are_those_of_the_state_machine(name):
    gates = load(name).gates
    assert (gates.alive_s, gates.clock_s, gates.disk_factor) == (60, 120, 3)
    assert (gates.stationarity_db_per_min, gates.stationarity_window_s) == (1, 120)
    assert gates.brightness_pct_per_min == (1 if name == "two-photon" else None)


@ALL
def test_what_all_must_tell_is_required(name):
    assert set(REQUIRED_BY_ALL.split()) <= set(load(name).required_fields)


@ALL
def test_what_a_preparation_must_tell_is_required(name):
    found = load(name)
    wanted = {key for letter in found.letters for key in BY_LETTER[letter].split()}
    assert wanted <= set(found.required_fields)


@pytest.mark.parametrize(
    ("name", "letters"),
    {
        "human-eyes-open": "HE", "human-eyes-closed": "HE", "human-meg": "H",
        "head-fixed-acute": "AE", "head-fixed-chronic": "AE", "two-photon": "A2",
        "freely-moving": "AE", "anaesthetised": "AEN", "slice": "ES", "patch": "PS",
        "in-vitro-mea": "ES",
    }.items(),
)  # fmt: skip
def test_a_preparation_has_its_letters(name, letters):
    assert load(name).letters == tuple(letters)


@pytest.mark.parametrize("name", ["slice", "patch", "in-vitro-mea"])
def test_light_at_the_eye_is_not_asked_where_there_is_no_eye(name):
    assert "env.lux_at_eye" not in load(name).required_fields


def test_the_time_since_the_last_stimulus_is_asked_only_within_a_task():
    found = load("head-fixed-acute")
    assert "dot.minutes_since_stimulus" not in found.asked_before("standalone")
    assert "dot.minutes_since_stimulus" in found.asked_before("between")


def test_a_wheel_of_the_rig_makes_its_facts_required():
    found = load("head-fixed-acute")
    assert "encoder.cpr" not in found.asked_before()
    assert "encoder.cpr" in found.asked_before(equipment=("wheel",))


@ALL
def test_what_is_asked_for_can_be_told(name):
    found = load(name)
    everything = (*found.asked_before("between", ("wheel", "camera", "sync_line", "screen")),)
    assert set((*everything, *found.asked_after)) <= set(KINDS)


@ALL
def test_the_operator_is_offered_known_events_only(name):
    found = load(name)
    assert set(found.events) <= {event.code for event in found.vocabulary}


# science.md A.4: code, mask, before, after
VOCABULARY = [
    *[(code, None, 0, 0) for code in ("block_start", "block_end", "canonical_end", "pad_end")],
    ("prompt", 1024, 1, 10),
    *[(c, 256, 1, 1) for c in ("speech", "cough", "movement", "swallow", "groom", "sneeze")],
    *[(code, 512, 2, 2) for code in ("noise_ext", "light_change", "door", "vibration")],
    *[(c, None, 0, 0) for c in ("eyes_closed_start", "eyes_closed_stop", "sleep_suspected")],
    *[(code, None, 0, 0) for code in ("drug", "topup", "temp_change", "flow_change")],
    ("test_pulse", 1024, 0.05, 0.05),
    ("sync_pulse", None, 0, 0),
    ("device_warning", 2048, 0, 0),
    ("buffer_overrun", 1, 0, 0),
    ("reconnect", 1, 0, 0),
    ("comment", None, 0, 0),
]


@pytest.mark.parametrize(("code", "mask", "before", "after"), VOCABULARY)
def test_an_event_masks_what_the_vocabulary_says(code, mask, before, after):
    event = {event.code: event for event in protocol.shared_events()}[code]
    assert (event.mask, event.before_s, event.after_s) == (mask, before, after)


def test_the_words_for_open_eyes_are_kept_to_the_letter():
    (told,) = load("human-eyes-open").instructions
    assert (told.id, told.language, told.text) == ("EO_v1_en", "en", EO)


def test_the_words_for_closed_eyes_differ_only_in_the_sentence_about_the_eyes():
    (told,) = load("human-eyes-closed").instructions
    told_of_eyes = "Please keep your eyes gently closed."
    open_eyes = "Keep your eyes open and let them rest on the cross. Blink whenever you need to."
    assert told.id == "EC_v1_en"
    assert told.text == EO.replace(open_eyes, told_of_eyes)


def test_patch_ends_the_window_when_the_cell_is_lost():
    ends = {rule.check: rule.for_s for rule in load("patch").rules if rule.then == "end"}
    assert ends == {"access_change": 0, "seal": 0, "resting_potential": 30}


@ALL
def test_a_rule_asks_a_check_that_there_is(name):
    asked = {rule.check for rule in load(name).rules}
    assert asked <= {*shipped().checks, "alive", "condition"}


@ALL
def test_every_protocol_aborts_early_on_five_seconds_of_missing_samples(name):
    rule = {rule.id: rule for rule in load(name).rules}["primary_gaps"]
    assert (rule.check, rule.then, rule.streams) == ("gaps", "abort", "primary")
    assert (rule.more_than, rule.within_s) == (5, 120)


@ALL
def test_a_protocol_as_json_tells_all_of_it(name):
    found = load(name)
    plain = found.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["required_fields"] == list(found.required_fields)
    assert plain["timing"]["settle_s"] == TIMINGS[name][0]


def test_the_hash_follows_every_parameter(tmp_path):
    text = (protocol.SHIPPED / "slice.toml").read_text("utf-8")
    path = tmp_path / "slice.toml"
    path.write_text("# the same\n" + text, "utf-8")
    assert load(path).sha256 == load("slice").sha256
    path.write_text(text.replace("settle_s = 600.0", "settle_s = 601.0"), "utf-8")
    assert load(path).sha256 != load("slice").sha256


def test_hashes_of_two_protocols_differ():
    assert len({load(name).sha256 for name in protocol_ids()}) == len(TIMINGS)


@ALL
def test_a_description_names_settling_and_every_step(name):
    found = load(name)
    text = describe(found)
    assert f"settling        {TIMINGS[name][0]} s" in text
    assert all(step.text in text for step in found.steps)


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match="human-eyes-open"):
        load("eyes-open")


def test_listing_protocols_loads_neither_numpy_nor_pydantic():
    code = (
        "import sys, tenmin.protocol as p; p.load(p.protocol_ids()[0])\n"
        "print([m for m in ('numpy', 'numba', 'pydantic', 'zmq', 'h5py') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
