"""The electrodes of electrical streams: one row a channel, one group a device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenmin.stream import Stream

NOT_KNOWN, NOT_JUDGED = "unknown", "not judged"
HUMAN = ("Homo sapiens", "http://purl.obolibrary.org/obo/NCBITaxon_9606")
STATUS = {  # filled in at the end of the block
    "status": "Whether the channel was good, bad or unknown in the canonical window.",
    "status_description": "Why: checks that failed, and in how many of the seconds.",
}
COLUMNS = {
    "electrode_name": "Label of the channel, as the device gives it.",
    "reference": "Electrode or scheme that the potentials refer to.",
    "ground": "Electrode that grounds the subject.",
    "material": "Material of the contact.",
}


def known_facts(block: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that have a value, and not only a reason why there is none."""
    facts = block.get("facts", {})
    return {k: v for k, v in facts.items() if not (isinstance(v, Mapping) and "missing" in v)}


def add_electrodes(
    nwb: Any, stream: Stream, device: Any, block: Mapping[str, Any]
) -> tuple[Any, str]:
    """Add the electrodes of one stream; their region, and the filters of the hardware.

    Parameters
    ----------
    nwb : NWBFile
        To which they are added.
    stream : Stream
        An electrical stream.
    device : Device
        What they are connected to.
    block : mapping
        ``block.json``; what the device does not say itself comes from its facts.
    """
    facts = known_facts(block)
    location = _location(stream, block)
    group = nwb.create_electrode_group(
        name=f"{stream.name} electrodes",
        description=f"Electrodes of {stream.name}, {stream.kind}.",
        location=location,
        device=device,
    )
    given = {
        "reference": stream.facts.get("reference")
        or facts.get("ephys.reference_location")
        or facts.get("ephys.reference_scheme")
        or "unknown",
        "ground": stream.facts.get("ground") or facts.get("ephys.ground_location") or "unknown",
        "material": stream.facts.get("material")
        or facts.get("ephys.electrode_material")
        or "unknown",
    }
    filtering = stream.facts.get("filtering") or _filters(facts)
    first = 0 if nwb.electrodes is None else len(nwb.electrodes)
    if nwb.electrodes is None or "electrode_name" not in nwb.electrodes.colnames:
        for name, description in {**COLUMNS, **STATUS}.items():
            nwb.add_electrode_column(name=name, description=description)
    impedances = _impedances(stream, facts)
    if first and "imp" not in nwb.electrodes.colnames:
        impedances = None  # the column cannot be added to electrodes that are there already
    elif first and impedances is None:
        impedances = [math.nan] * stream.n_channels
    for position, label in enumerate(stream.channels):
        measured = {"imp": impedances[position]} if impedances else {}
        nwb.add_electrode(
            group=group,
            location=location,
            filtering=filtering or "unknown",
            electrode_name=label,
            status=NOT_KNOWN,
            status_description=NOT_JUDGED,
            **{key: str(value) for key, value in given.items()},
            **measured,
        )
    region = nwb.create_electrode_table_region(
        region=list(range(first, first + stream.n_channels)),
        description=f"The channels of {stream.name}, in order.",
    )
    return region, filtering


def _location(stream: Stream, block: Mapping[str, Any]) -> str:
    told = stream.facts.get("location") or known_facts(block).get("ephys.target")
    if told:
        return str(told)
    human = block.get("subject", {}).get("species") in HUMAN
    return "scalp" if stream.kind == "eeg" and human else "unknown"


def _filters(facts: Mapping[str, Any]) -> str:
    """The hardware's filters in words, as far as they are known."""
    parts = []
    for key, word in (("hw_highpass", "high-pass"), ("hw_lowpass", "low-pass")):
        corner = facts.get(f"ephys.{key}_hz")
        if corner == "none":
            parts.append(f"no {word}")
        elif corner is not None:
            kind = facts.get(f"ephys.{key}_type")
            order = facts.get(f"ephys.{key}_order")
            how = ", ".join(
                text for text in (kind, f"order {order}" if order is not None else None) if text
            )
            parts.append(f"{word} {corner:g} Hz" + (f" ({how})" if how else ""))
    notch = facts.get("ephys.notch_hz")
    if notch is not None:
        parts.append("no notch" if notch == "none" else f"notch {notch:g} Hz")
    return "; ".join(parts)


def _impedances(stream: Stream, facts: Mapping[str, Any]) -> list[float] | None:
    """Impedance of each channel in ohms, where all were measured (``ephys.impedance``, kOhm)."""
    told = facts.get("ephys.impedance")
    if isinstance(told, Mapping):
        told = [told.get(label) for label in stream.channels]
    if not isinstance(told, list) or len(told) != stream.n_channels:
        return None
    if not all(isinstance(value, int | float) for value in told):
        return None
    return [float(value) * 1e3 for value in told]
