"""The file before its samples: who, what and with which devices, and empty extendable series."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.recorder.chunks import LEVEL, chunk_shape
from tenmin.recorder.electrodes import add_electrodes, known_facts
from tenmin.recorder.tables import Column, dynamic_table
from tenmin.stream import Stream
from tenmin.system import priority_of

VOLTS = {"volts": 1.0, "millivolts": 1e-3, "microvolts": 1e-6, "nanovolts": 1e-9}
SUBJECT = ("subject_id", "species", "strain", "genotype", "sex", "age", "weight", "description")
SESSION = (
    "experimenter",
    "experiment_description",
    "institution",
    "lab",
    "keywords",
    "related_publications",
    "protocol",
    "surgery",
    "notes",
)


@dataclass(frozen=True)
class Places:
    """Where one stream's datasets are; None where it has none of that sort."""

    samples: str
    times: str | None = None
    counter: str | None = None


def write_skeleton(
    path: Path, block: Mapping[str, Any], streams: Mapping[str, Stream], start: datetime
) -> dict[str, Places]:
    """Write the file without samples; where each numeric stream's will go.

    Parameters
    ----------
    path : Path
        Overwritten.
    block : mapping
        ``block.json``.
    streams : mapping of str to Stream
        All streams; those of texts and of frames end up in tables and get no place.
    start : datetime
        UTC of NWB time 0.
    """
    import h5py
    from pynwb import NWBHDF5IO

    nwb = _file(block, start)
    _add_granted(nwb, block)
    places = {}
    models: dict[str, Any] = {}
    for stream in streams.values():
        device = _add_device(nwb, stream, block, models)
        if not is_table(stream):
            places[stream.name] = _add_stream(nwb, stream, device, block)
    # Given as a file: pynwb warns of a path without .nwb, which a temporary name must not have.
    with h5py.File(path, "w") as file, NWBHDF5IO(file=file, mode="w") as io:
        io.write(nwb)
    return places


def _add_granted(nwb: Any, block: Mapping[str, Any]) -> None:
    """``granted``: how the computer stood, and what it gave to each process."""
    granted = block.get("granted")
    if not granted:
        return  # a journal of an earlier version
    # This process inherits its priority from the one that follows the journal.
    granted = {**granted, "finaliser.priority": priority_of()}
    table = dynamic_table(
        "granted",
        "How the computer stood when the recording began, and what it gave to each process that "
        "asked for real-time priority, for memory that stays, and for not falling asleep.",
        [
            Column("item", "Of whom and what: process, driver, ring or host.", list(granted)),
            Column("granted", "What was granted, or why not, in words.", list(granted.values())),
        ],
    )
    nwb.add_analysis(table)


def is_table(stream: Stream) -> bool:
    """Whether a stream's samples are events, which a table takes, and no series."""
    return stream.is_marker or stream.kind == "frames"


def session_description(block: Mapping[str, Any]) -> str:
    """What kind of block this is, in a sentence or two."""
    protocol = block.get("protocol", {})
    seconds = block.get("seconds")
    parts = [
        f"Baseline of spontaneous activity, window of {seconds:g} s, "
        f"protocol {protocol.get('id', 'unknown')}, position {block.get('position', 'unknown')}."
    ]
    if block.get("simulated"):
        parts.insert(0, "SIMULATED: all devices of this recording are simulators.")
    if block.get("nonstandard"):
        parts.append("Nonstandard: its lengths are not those of the protocol.")
    return " ".join(parts)


def _file(block: Mapping[str, Any], start: datetime) -> Any:
    from pynwb import NWBFile
    from pynwb.file import Subject

    told = dict(block.get("subject", {}))
    session = {key: told[key] for key in SESSION if told.get(key)}
    software = [[str(k), str(v)] for k, v in block.get("software", {}).items()]
    nwb = NWBFile(
        session_description=session_description(block),
        identifier=block["identifier"],
        session_start_time=start,
        timestamps_reference_time=start,
        session_id=block["session_id"],
        was_generated_by=software or None,
        source_script=json.dumps(block, indent=1, ensure_ascii=False),
        source_script_file_name="block.json",
        pharmacology=_pharmacology(block),
        **session,
    )
    if told.get("subject_id"):
        nwb.subject = Subject(**{key: told[key] for key in SUBJECT if told.get(key)})
        if told.get("age") and told.get("age_reference"):
            nwb.subject.age__reference = told["age_reference"]
    return nwb


def _pharmacology(block: Mapping[str, Any]) -> str | None:
    facts = known_facts(block)
    drugs = [
        " ".join(f"{key} {value}" for key, value in drug.items())
        for drug in facts.get("subject.drugs") or []
    ]
    for key in ("anaes.agent", "subject.medication"):
        if facts.get(key):
            drugs.append(f"{key.split('.')[1]}: {facts[key]}")
    return "; ".join(drugs) or None


def named(text: str) -> str:
    """A text as the name of an object: no slash, no colon."""
    return text.replace("/", "-").replace("\\", "-").replace(":", "-")


def _add_device(nwb: Any, stream: Stream, block: Mapping[str, Any], models: dict[str, Any]) -> Any:
    facts, all_facts = stream.facts, known_facts(block)
    model = facts.get("model")
    serial = facts.get("serial_number")
    if stream.kind == "ecephys":  # the probe's own facts are those of the rig
        model, serial = (
            model or all_facts.get("ephys.probe_model"),
            serial or all_facts.get("ephys.serial"),
        )
    arguments: dict[str, Any] = {"description": facts.get("description") or _told(stream, block)}
    if serial:
        arguments["serial_number"] = str(serial)
    if model:
        name = named(str(model))
        if name not in models:
            models[name] = nwb.create_device_model(
                name=name,
                manufacturer=facts.get("manufacturer") or "unknown",
                description=f"Model of the device {stream.name}: {model}.",
            )
        arguments["model"] = models[name]
    return nwb.create_device(name=named(stream.name), **arguments)


def _told(stream: Stream, block: Mapping[str, Any]) -> str:
    driver = next(
        (
            device.get("driver")
            for device in block.get("rig", {}).get("devices", [])
            if device.get("name") == stream.name
        ),
        None,
    )
    simulated = "Simulated device" if block.get("simulated") else "Device"
    via = f", read by the driver {driver}" if driver else ""
    return f"{simulated} {stream.name} of the rig {block.get('rig', {}).get('id', '')}{via}."


def _add_stream(nwb: Any, stream: Stream, device: Any, block: Mapping[str, Any]) -> Places:
    from pynwb import TimeSeries

    scale = VOLTS.get(stream.unit, 1.0) * stream.scale
    unscaled = np.dtype(stream.dtype).kind in "iu" and scale == 1.0 and not stream.channel_scales
    if stream.is_electrical and not unscaled:
        series = _electrical(nwb, stream, device, scale, block)
    else:
        series = TimeSeries(
            name=stream.name,
            data=_empty(stream, stream.n_channels, stream.dtype),
            unit=stream.unit or "unknown",
            conversion=float(stream.scale),
            offset=float(stream.offset),
            **_common(stream),
        )
    nwb.add_acquisition(series)
    places = {"samples": f"/acquisition/{stream.name}/data"}
    if stream.timed:
        places["times"] = _add_column(
            nwb,
            f"{stream.name}_device_time",
            stream,
            "<f8",
            "seconds",
            f"Time of each sample of {stream.name} on its sender's clock, raw as received.",
        )
    if stream.counter:
        places["counter"] = _add_column(
            nwb,
            f"{stream.name}_counter",
            stream,
            "<i8",
            "samples",
            f"The device's own number of each sample of {stream.name}, unwrapped.",
        )
    return Places(**places)


def _electrical(
    nwb: Any, stream: Stream, device: Any, scale: float, block: Mapping[str, Any]
) -> Any:
    from pynwb.ecephys import ElectricalSeries

    region, filtering = add_electrodes(nwb, stream, device, block)
    arguments: dict[str, Any] = {}
    if stream.channel_scales:
        arguments["channel_conversion"] = np.array(stream.channel_scales, np.float64)
    if filtering:
        arguments["filtering"] = filtering
    return ElectricalSeries(
        name=stream.name,
        data=_empty(stream, stream.n_channels, stream.dtype, flat=False),
        electrodes=region,
        conversion=float(scale),
        offset=float(VOLTS.get(stream.unit, 1.0) * stream.offset),
        **_common(stream),
        **arguments,
    )


def _add_column(
    nwb: Any, name: str, stream: Stream, dtype: str, unit: str, description: str
) -> str:
    from pynwb import TimeSeries

    nwb.add_acquisition(
        TimeSeries(
            name=name,
            data=_empty(stream, 1, dtype, rows_of=stream.n_channels),
            unit=unit,
            description=description,
            starting_time=0.0,
            rate=1.0,
        )
    )
    return f"/acquisition/{name}/data"


def _common(stream: Stream) -> dict[str, Any]:
    """What every series says of its stream; time base to be put right at the end."""
    integer = np.dtype(stream.dtype).kind in "iu" and stream.scale > 0
    resolution = VOLTS.get(stream.unit, 1.0) * stream.scale if integer else -1.0
    return {
        "description": stream.facts.get("description")
        or f"Samples of {stream.name} as the device delivered them.",
        "comments": _comments(stream),
        "resolution": float(resolution),
        "starting_time": 0.0,
        "rate": 1.0,
    }


def _comments(stream: Stream) -> str:
    rate = f"{stream.rate_hz:g} Hz nominal" if stream.is_regular else "irregular"
    units = stream.channel_units or ("",) * stream.n_channels
    channels = ", ".join(
        f"{label} [{unit}]" if unit else label for label, unit in zip(stream.channels, units)
    )
    parts = [f"Kind {stream.kind}, {rate}.", f"Channels: {channels}."]
    if stream.channel_scales and not stream.is_electrical:
        scales = ", ".join(f"{scale:g}" for scale in stream.channel_scales)
        parts.append(f"Further factor of each channel: {scales}.")
    told = [
        f"{key} {stream.facts[key]}"
        for key in ("stream_name", "stream_type", "source_id", "hostname", "firmware")
        if stream.facts.get(key)
    ]
    if told:
        parts.append(f"The device says: {', '.join(told)}.")
    return " ".join(parts)


def _empty(
    stream: Stream, columns: int, dtype: str, *, flat: bool = True, rows_of: int | None = None
) -> Any:
    """An empty extendable dataset, gzip and shuffle, in chunks of 1 s × at most 64 channels."""
    from pynwb import H5DataIO

    rows, width = chunk_shape(stream.rate_hz, rows_of or columns)
    one = columns == 1 and flat
    return H5DataIO(
        shape=(0,) if one else (0, columns),
        dtype=np.dtype(dtype).newbyteorder("<"),
        maxshape=(None,) if one else (None, columns),
        chunks=(rows,) if one else (rows, width),
        compression="gzip",
        compression_opts=LEVEL,
        shuffle=True,
    )
