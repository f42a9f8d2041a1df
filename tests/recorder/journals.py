"""Journals as the acquirer leaves them, of any length, with faults, made without any device."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.recorder.journal import JournalWriter, JsonLog
from tenmin.stream import Stream

SETTLE_NS = 1_000_000_000_000  # host time of the start of SETTLE
UTC0 = datetime(2026, 1, 20, 10, 15, tzinfo=UTC)  # of that moment

MOUSE = {
    "subject_id": "M0042",
    "species": "Mus musculus",
    "sex": "F",
    "age": "P90D",
    "weight": "21.4 g",
    "strain": "C57BL/6J",
    "genotype": "wild type",
    "description": "Adult mouse with headplate.",
}
HUMAN = {
    "subject_id": "H0007",
    "species": "Homo sapiens",
    "sex": "F",
    "age": "P27Y",
    "description": "Healthy adult volunteer.",
}
SESSION = {
    "experimenter": ["Operator, Rig"],
    "experiment_description": "Spontaneous activity.",
    "institution": "Example Institute",
    "lab": "Example Lab",
    "keywords": ["spontaneous activity", "baseline"],
    "protocol": "EXAMPLE-2026-001",
}


@dataclass
class Source:
    """One stream and how its clock runs.

    Attributes
    ----------
    ppm : float
        How much faster than the host's clock it samples.
    gaps : list of (int, int)
        Missing samples: position from the first recorded one, and how many.
    chunk : int
        Samples of a run.
    first : int
        Device index of the first recorded sample.
    times : ndarray, optional
        Host seconds of each sample of an irregular stream.
    stamp_offset : float
        Sender's clock minus host's clock, seconds.
    correction : bool
        Whether the transport measures that.
    """

    stream: Stream
    ppm: float = 0.0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    chunk: int = 0
    first: int = 0
    times: np.ndarray | None = None
    stamp_offset: float = 0.0
    correction: bool = False


@dataclass
class Made:
    """A journal and what was put into it."""

    folder: Path
    block: dict[str, Any]
    index: dict[str, np.ndarray] = field(default_factory=dict)
    samples: dict[str, np.ndarray] = field(default_factory=dict)
    times: dict[str, np.ndarray] = field(default_factory=dict)
    host_s: dict[str, np.ndarray] = field(default_factory=dict)
    t0: int = 0
    n_window: int = 0
    zero_index: int = 0


def probe(n_channels: int = 16, rate_hz: float = 1000.0, **more: Any) -> Stream:
    channels = tuple(f"AP{i}" for i in range(n_channels))
    fields = {"scale": 2.34375e-6, "kind": "ecephys", "counter": True, **more}
    return Stream("probe", channels, rate_hz, "volts", **fields)


def treadmill() -> Stream:
    return Stream(
        "treadmill",
        ("position",),
        500.0,
        "meters",
        1.5e-4,
        dtype="int32",
        kind="behavior",
        counter=True,
        index_bits=32,
    )


def eeg(n_channels: int = 8) -> Stream:
    channels = tuple(f"E{i}" for i in range(n_channels))
    facts = {"stream_name": "eeg", "source_id": "amp-1", "reference": "FCz", "xml": "<info/>"}
    return Stream(
        "eeg", channels, 250.0, "volts", 1e-6, dtype="float32", kind="eeg", timed=True, facts=facts
    )


def gaze() -> Stream:
    return Stream("gaze", ("x", "y"), 0.0, "pixels", dtype="float32", kind="behavior", timed=True)


def markers() -> Stream:
    return Stream("markers", ("marker",), 0.0, "n/a", dtype="str", kind="marker", timed=True)


def frames() -> Stream:
    return Stream(
        "frames", ("level",), 30.0, "n/a", dtype="int16", kind="frames", timed=True, clock="probe"
    )


def make(
    out: Path,
    sources: list[Source],
    *,
    seconds: float = 3.0,
    settle_s: float = 2.0,
    pad_s: float = 1.0,
    subject: dict[str, Any] | None = None,
    markers_at: list[tuple[float, str]] | None = None,
    stop_s: float | None = None,
    end: str | None = "complete",
    simulated: bool = True,
    events: bool = True,
) -> Made:
    """Write a journal under `out`; the first source is the reference.

    `stop_s` ends all streams so many seconds after the start; `end` None leaves no end line.
    """
    subject = MOUSE if subject is None else subject
    session = UTC0.strftime("%Y%m%dT%H%M%S") + ("sim" if simulated else "")
    stem = f"sub-{subject['subject_id']}_ses-{session}"
    folder = out / f"sub-{subject['subject_id']}" / f"{stem}.dot"
    reference = sources[0].stream
    rate = reference.rate_hz
    streams = [source.stream for source in sources]
    block = {
        "identifier": "5b2e6a5e-1c1f-4d3e-9d2b-0f6f6c1d7a11",
        "created_utc": UTC0.isoformat(),
        "simulated": simulated,
        "nonstandard": seconds != 600.0,
        "software": {"tenmin": "0.1.0", "numpy": np.__version__},
        "granted": {"host.power": "mains", "acquirer.priority": "fifo 10"},
        "position": "standalone",
        "seconds": seconds,
        "pad_s": pad_s,
        "settle_host_ns": SETTLE_NS,
        "reference": reference.name,
        "nwb": f"{stem}_ecephys.nwb",
        "session_id": session,
        "rig": {"id": "bench", "devices": [{"name": s.name, "driver": "lsl"} for s in streams]},
        "protocol": {"id": "head-fixed-acute"},
        "subject": {**SESSION, **subject},
        "facts": {"ephys.target": "VISp" if subject is MOUSE else "scalp"},
        "hashes": {"rig": "0" * 64},
        "streams": {s.name: asdict(s) for s in streams},
    }
    if markers_at is not None:
        block["streams"]["markers"] = asdict(markers())
    made = Made(folder, block)
    made.zero_index = sources[0].first - round(settle_s * rate)
    made.t0 = sources[0].first + round(pad_s * rate)
    made.n_window = round(seconds * rate)
    total_s = seconds + 2 * pad_s
    start_ns = SETTLE_NS + round(settle_s * 1e9)
    writer = JournalWriter(folder)
    writer.write_block(block)
    log = writer.log
    _clock_pairs(log, settle_s + total_s)
    log.write({"t": "start", "host_ns": start_ns, "reference": reference.name, "pad_s": pad_s})
    log.write(
        {
            "t": "t0",
            "index": made.t0,
            "n_window": made.n_window,
            "stop": made.t0 + made.n_window + round(pad_s * rate),
            "zero_index": made.zero_index,
            "host_ns": start_ns + round(pad_s * 1e9),
        }
    )
    recorded_s = total_s if stop_s is None else stop_s
    for source in sources:
        _write(writer, made, source, start_ns, recorded_s, settle_s)
    for at_s, value in markers_at or []:
        host_ns = start_ns + round(at_s * 1e9)
        line = {"t": "marker", "stream": "markers", "index": 0, "host_ns": host_ns + 3_000_000}
        log.write({**line, "device_time": host_ns * 1e-9 + 50.0, "value": value})
    if markers_at:
        for at_s in range(int(total_s) + 1):
            host_s = start_ns * 1e-9 + at_s
            log.write({"t": "correction", "stream": "markers", "host_s": host_s, "offset_s": -50.0})
    if events:
        _events(folder, start_ns, total_s)
    if end is not None:
        line = {"t": "end", "reason": end, "host_ns": start_ns + round(recorded_s * 1e9)}
        samples = {name: journal.samples for name, journal in writer.streams.items()}
        log.write({**line, "samples": samples})
    writer.close()
    return made


def _clock_pairs(log: JsonLog, seconds: float) -> None:
    for at_s in (0.0, seconds):
        utc = UTC0 + timedelta(seconds=at_s)
        host_ns = SETTLE_NS + round(at_s * 1e9)
        log.write({"t": "clock_pair", "host_ns": host_ns, "utc": utc.isoformat()})


def _events(folder: Path, start_ns: int, total_s: float) -> None:
    log = JsonLog(folder / "events.jsonl")
    verdict = {"check": "alive", "stream": "probe", "level": "OK", "value": 1.0, "limit": 2.0}
    start_s, zero_s = start_ns * 1e-9, SETTLE_NS * 1e-9
    for onset_s, code, value in (
        (zero_s - 5.0, "phase", "PREFLIGHT"),
        (zero_s, "phase", "SETTLE"),
        (start_s, "phase", "RECORDING"),
        (start_s + 0.5, "verdict", json.dumps({**verdict, "unit": "s", "action": ""})),
        (start_s + 0.6, "gate", json.dumps({"id": "facts", "level": "OK", "unit": ""})),
        (start_s + 1.5, "comment", "the animal {is: quiet}"),
        (start_s + total_s, "phase", "CLOSING"),
    ):
        log.write(
            {
                "onset_s": onset_s,
                "duration_s": 0.0,
                "code": code,
                "value": value,
                "source": "operator" if code == "comment" else "plugin",
                "latency": "human" if code == "comment" else "software",
            }
        )
    log.close()


def _write(
    writer: JournalWriter,
    made: Made,
    source: Source,
    start_ns: int,
    seconds: float,
    settle_s: float,
) -> None:
    stream, name = source.stream, source.stream.name
    rng = np.random.default_rng(len(name))
    start_s = start_ns * 1e-9
    if source.times is not None:
        host_s = start_s + source.times
        index = source.first + np.arange(len(host_s), dtype=np.int64)
    else:
        true_rate = stream.rate_hz * (1 + source.ppm * 1e-6)
        n = round(seconds * true_rate)
        index = source.first + np.arange(n, dtype=np.int64)
        host_s = start_s + np.arange(n) / true_rate
        kept = np.ones(n, bool)
        for at, missing in source.gaps:
            kept[at : at + missing] = False
        index, host_s = index[kept], host_s[kept]
        _clock_points(writer.log, source, start_s, true_rate, settle_s, seconds)
    samples = _samples(rng, stream, len(index))
    if stream.clock is not None:
        times = (made.index[stream.clock][0] + (host_s - start_s) * 1000.0) / 1000.0
    else:
        times = host_s + source.stamp_offset
    if source.correction:
        for at_s in np.arange(0.0, settle_s + seconds, 1.0):
            line = {"t": "correction", "stream": name, "offset_s": -source.stamp_offset}
            writer.log.write({**line, "host_s": start_s - settle_s + at_s})
    journal = writer.add(stream)
    chunk = source.chunk or max(1, int(stream.rate_hz // 20) or 3)
    step = np.flatnonzero(np.diff(index) > 1) + 1
    cuts = sorted({0, *range(0, len(index), chunk), *step.tolist(), len(index)})
    for a, b in pairwise(cuts):
        gap = a > 0 and index[a] != index[a - 1] + 1
        if gap:
            line = {"t": "gap", "stream": name, "index": int(index[a - 1] + 1)}
            lost = int(index[a] - index[a - 1] - 1)
            writer.log.write({**line, "n": lost, "reason": "counter", "estimated": False})
        when = times[a:b] if stream.timed else None
        arrived_ns = round((host_s[b - 1] + 1e-3) * 1e9)
        journal.append(int(index[a]), samples[a:b], when, arrived_ns, int(gap), a)
        journal.commit(float(host_s[b - 1]))
    made.index[name], made.samples[name], made.host_s[name] = index, samples, host_s
    if stream.timed:
        made.times[name] = times


def _clock_points(
    log: JsonLog, source: Source, start_s: float, rate: float, settle_s: float, seconds: float
) -> None:
    if source.stream.clock is not None:
        return
    for at_s in np.arange(-settle_s, seconds, 0.5):
        x = (source.first + at_s * rate) / source.stream.rate_hz
        line = {"t": "clock", "stream": source.stream.name, "x": float(x)}
        log.write({**line, "y": float(start_s + at_s), "n": 1})


def _samples(rng: np.random.Generator, stream: Stream, n: int) -> np.ndarray:
    shape = n, stream.n_channels
    if np.dtype(stream.dtype).kind == "f":
        return rng.normal(0.0, 20.0, shape).astype(stream.dtype)
    return rng.integers(-500, 500, shape).astype(stream.dtype)


def mouse(out: Path, **more: Any) -> Made:
    """A probe, a treadmill with drift, frames from the probe, irregular gaze, and markers."""
    gaze_at = np.cumsum(np.random.default_rng(5).uniform(0.01, 0.09, 80))
    return make(
        out,
        [
            Source(probe(), first=123_456),
            Source(treadmill(), ppm=37.0, first=7),
            Source(frames(), ppm=-20.0),
            Source(gaze(), times=gaze_at, stamp_offset=1234.5, correction=True),
        ],
        markers_at=[(0.5, "start"), (1.25, "stimulus"), (2.0, "stop")],
        **more,
    )


def human(out: Path, **more: Any) -> Made:
    """Timed EEG without a counter, and markers."""
    return make(
        out,
        [Source(eeg(), stamp_offset=-3.0, correction=True)],
        markers_at=[(0.5, "eyes open"), (1.5, '{"code": 7}')],
        subject=HUMAN,
        **more,
    )
