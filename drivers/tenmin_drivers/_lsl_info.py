"""What an LSL stream says of itself: its XML description as a `Stream`. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from tenmin.errors import MalformedData
from tenmin.stream import MARKER_DTYPE

XML_LIMIT = 256 * 1024  # characters kept in the file; 1024 channels with labels take about 100 000

FORMATS = {  # XML channel_format -> numpy name
    "float32": "float32",
    "double64": "float64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "string": MARKER_DTYPE,
}

# Stream types as seen in the field (protocols/lsl.md, XDF wiki), lower case.
KINDS = {
    "eeg": ("eeg",),
    "ieeg": ("ecog", "ieeg", "seeg", "dbs", "lfp"),
    "ecephys": ("ecephys", "ephys", "electrophysiology", "extracellular", "neuropixels", "probe"),
    "patch": ("patch", "intracellular"),
    "marker": ("marker", "markers", "event", "events", "annotations", "stim", "trigger"),
    "behavior": ("behavior", "behaviour", "gaze", "pupil", "mocap", "position", "face", "wheel"),
    "environment": ("environment", "temperature", "light"),
    "frames": ("frames",),
}
ELECTRICAL = ("eeg", "ieeg", "ecephys", "patch")
BIOPOTENTIALS = ("eeg", "ecog", "seeg", "dbs", "eog", "emg", "ecg", "bio", "ieeg", "lfp")

_VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "μv": 1e-6, "nv": 1e-9}
UNITS = {  # lower case -> SI name and factor
    **{name: ("volts", factor) for name, factor in _VOLTS.items()},
    **{
        f"{prefix}{word}": ("volts", factor)
        for prefix, factor in (("", 1.0), ("milli", 1e-3), ("micro", 1e-6), ("nano", 1e-9))
        for word in ("volt", "volts")
    },
    "m": ("meters", 1.0),
    "meters": ("meters", 1.0),
    "cm": ("meters", 1e-2),
    "mm": ("meters", 1e-3),
    "um": ("meters", 1e-6),
    "s": ("seconds", 1.0),
    "seconds": ("seconds", 1.0),
    "ms": ("seconds", 1e-3),
    "hz": ("hertz", 1.0),
    "ohm": ("ohms", 1.0),
    "kohm": ("ohms", 1e3),
    "na": ("amperes", 1e-9),
    "pa": ("amperes", 1e-12),
    "celsius": ("degrees Celsius", 1.0),
    "lux": ("lux", 1.0),
    "lx": ("lux", 1.0),
    "none": ("n/a", 1.0),
    "n/a": ("n/a", 1.0),
    "": ("unknown", 1.0),
}

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Info:
    """The description of one outlet, before anything of rig.toml is applied.

    Attributes
    ----------
    labels, types, units : tuple of str
        One per channel; empty texts where the sender says nothing. Labels are unique.
    dtype : str
        numpy name of its samples; ``"str"`` for texts.
    rate_hz : float
        Nominal rate; 0 for irregular streams.
    uv_per_count : float, optional
        What ``desc/acquisition/uV_per_count`` says: the voltage of one count of an integer format.
    facts : dict of str to str
        Everything else, the XML itself among it.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    types: tuple[str, ...]
    units: tuple[str, ...]
    dtype: str
    rate_hz: float
    uid: str
    facts: dict[str, str]
    uv_per_count: float | None = None

    @property
    def kind(self) -> str:
        """Kind of stream, from the stream's type; a text stream of no known type is a marker."""
        known = next((kind for kind, types in KINDS.items() if self.type.lower() in types), None)
        return known or ("marker" if self.dtype == MARKER_DTYPE else "other")


def parse(xml: str) -> Info:
    """Read an outlet's XML description (``info.as_xml()``).

    Raises
    ------
    MalformedData
        It is no XML, or has a format or a number that LSL does not have.
    """
    try:
        root = ElementTree.fromstring(_ILLEGAL.sub("", xml))
        count = int(_text(root, "channel_count"))
        dtype = FORMATS[_text(root, "channel_format")]
        rate_hz = float(_text(root, "nominal_srate"))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise MalformedData(f"An LSL outlet describes itself in no valid XML: {error}.") from error
    nodes = root.findall("desc/channels/channel")[:count]
    nodes += [ElementTree.Element("channel")] * (count - len(nodes))
    return Info(
        name=_text(root, "name"),
        type=_text(root, "type"),
        labels=unique_labels([_text(node, "label") for node in nodes]),
        types=tuple(_text(node, "type") for node in nodes),
        units=tuple(_text(node, "unit") for node in nodes),
        dtype=dtype,
        rate_hz=rate_hz,
        uid=_text(root, "uid"),
        facts=_facts(root, xml),
        uv_per_count=_positive(_text(root, "desc/acquisition/uV_per_count")),
    )


def unique_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels with empty ones named by position and repeated ones numbered.

    Examples
    --------
    >>> unique_labels(["Cz", "", "Cz"])
    ('Cz', 'ch1', 'Cz-2')
    """
    named = [label or f"ch{position}" for position, label in enumerate(labels)]
    taken, found = set(named), set[str]()
    for position, label in enumerate(named):
        number = 2
        while named[position] in found:
            candidate = f"{label}-{number}"
            if candidate not in taken:
                named[position] = candidate
            number += 1
        found.add(named[position])
        taken.add(named[position])
    return tuple(named)


def si_unit(unit: str, channel_type: str = "", electrical: bool = False) -> tuple[str, float]:
    """SI name and factor of a channel's unit.

    Texts that are not known are kept as they are. A whole number is mne-lsl's way to say the
    power of ten of a channel's SI unit, which is the volt for biopotentials.

    Examples
    --------
    >>> si_unit("microvolts")
    ('volts', 1e-06)
    >>> si_unit("-6", "eeg")
    ('volts', 1e-06)
    """
    unit = unit.strip()
    if re.fullmatch(r"[+-]?\d{1,2}", unit):
        potential = channel_type.lower() in BIOPOTENTIALS or (electrical and not channel_type)
        return ("volts", float(f"1e{int(unit)}")) if potential else ("n/a", 1.0)
    if unit in ("mV", "mA", "MV"):  # the only pair that differs by case alone
        return {"mV": ("volts", 1e-3), "mA": ("amperes", 1e-3), "MV": ("volts", 1e6)}[unit]
    return UNITS.get(unit.lower(), (unit, 1.0))


def common_unit(
    units: Sequence[tuple[str, float]], electrical: bool
) -> tuple[str, float, tuple[float, ...], tuple[str, ...]]:
    """One unit and scale for a stream, and what differs per channel.

    Returns
    -------
    unit, scale : str, float
        Those of most channels; volts for an electrical stream that has any.
    channel_scales, channel_units : tuple
        Factors on top of `scale` and units per channel; empty where all are alike.
    """
    counts = Counter(unit for unit in units if not electrical or unit[0] == "volts")
    (unit, scale), _ = (counts or Counter(units)).most_common(1)[0]
    factors = tuple(1.0 if factor == scale else factor / scale for _, factor in units)
    names = tuple(name for name, _ in units)
    return (
        unit,
        scale,
        factors if any(factor != 1.0 for factor in factors) else (),
        names if any(name != unit for name in names) else (),
    )


def _facts(root: ElementTree.Element, xml: str) -> dict[str, str]:
    """What the description says beside its channels, without empty entries."""
    facts = {
        "stream_name": _text(root, "name"),
        "stream_type": _text(root, "type"),
        "source_id": _text(root, "source_id"),
        "hostname": _text(root, "hostname"),
        "created_at": _text(root, "created_at"),
        "uid": _text(root, "uid"),
        "manufacturer": _first(root, "desc/acquisition/manufacturer", "desc/manufacturer"),
        "model": _first(root, "desc/acquisition/model", "desc/model"),
        "serial_number": _first(
            root, "desc/acquisition/serial_number", "desc/serial_number", "desc/serial"
        ),
        "reference": _first(root, "desc/reference/label", "desc/channels/reference/label"),
        "filtering": _filtering(root),
        "channel_types": ",".join(
            _text(node, "type") for node in root.findall("desc/channels/channel")
        ).strip(","),
    }
    facts["xml" if len(xml) <= XML_LIMIT else "xml_omitted"] = (
        xml if len(xml) <= XML_LIMIT else f"{len(xml)} characters"
    )
    return {key: value for key, value in facts.items() if value}


def _filtering(root: ElementTree.Element) -> str:
    """Filters of the first channel that has any, or of the stream, as ``highpass: lower=0.1``."""
    node = root.find("desc/channels/channel/filtering")
    node = root.find("desc/filtering") if node is None else node
    if node is None:
        return ""
    parts = []
    for band in node:
        inner = " ".join(f"{leaf.tag}={leaf.text.strip()}" for leaf in band if leaf.text)
        parts.append(f"{band.tag}: {inner or (band.text or '').strip()}")
    return "; ".join(parts) or (node.text or "").strip()


def _positive(text: str) -> float | None:
    """A number above zero, or None where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _first(root: ElementTree.Element, *paths: str) -> str:
    return next((text for path in paths if (text := _text(root, path))), "")


def _text(node: ElementTree.Element, path: str) -> str:
    return (node.findtext(path) or "").strip()
