"""Clocks, counters and light pulses of the real recordings."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.stream import Stream
from tests.scoring.play import needed
from tests.scoring.real import Reader, Said, gaps_of, yes
from tests.scoring.recordings import WALL, Recorded, biosignalsplux, seconds_of


def drift(reference_s: np.ndarray, stream_s: np.ndarray) -> tuple[float, str]:
    """Drift of a stream, ppm, and the verdicts of Q32 to Q35 in words."""
    timing = needed("tenmin.checks.timing")
    points = timing.Points()
    points.add(reference_s, stream_s)
    stream = Stream("device", ("t",), 1.0, "n/a")
    checks = timing.sync_checks(stream, shipped(), points, hardware=False)
    # Two of three ticks raise a level.
    said = [[check.verdict(float(k)) for k in range(3)][-1] for check in checks]
    words = ", ".join(
        f"{v.check} {v.level}" + (f" {v.value:.2f} {v.unit}" if v.value is not None else "")
        for v in said
    )
    return points.line().ppm, words


def encoder(folder: Path) -> Iterator[Said]:
    """104 ppm between the encoder's clock and the host's; and a camera of -215 ppm."""
    with gzip.open(folder / "_iblrig_encoderPositions.raw.ssv.gz", "rt") as file:
        rows = [line.split() for line in file]
    device = np.array([float(r[1]) for r in rows]) * 1e-3
    # The file is written in units of a microsecond on the first field; see the ratio of the two.
    host = np.array([_iso(r[3]) for r in rows])
    host -= host[0]
    device -= device[0]
    scale = round(float(host[-1] / device[-1]), 3)
    device *= 10.0 ** np.round(np.log10(scale))
    keep = np.concatenate(([True], np.diff(device) > 0))
    ppm, words = drift(host[keep], device[keep])
    polyfit = (np.polyfit(host[keep] - host.mean(), device[keep], 1)[0] - 1) * 1e6
    yield Said(
        "_iblrig_encoderPositions.raw.ssv.gz",
        "104 ppm drift between device and host",
        f"{ppm:.1f} ppm (numpy's fit: {polyfit:.1f}); {words}",
        yes(abs(abs(ppm) - 104) < 3),
    )
    steps = np.diff(device)
    yield Said(
        "_iblrig_encoderPositions.raw.ssv.gz",
        "29 757 repeated device times, one gap of 54.6 s, host latency SD 0.9 ms",
        f"{(steps == 0).sum()} repeated times, left out of the line of the clocks, which bears "
        f"them; longest step {steps.max():.1f} s; scatter of the stamps: robust sigma above",
        "no check: events of an encoder that stands still have no rate, and a gap is none",
    )
    lines = (folder / "_iblrig_bodyCamera.timestamps.ssv").read_text().splitlines()
    host = np.array([_iso(line.split()[0]) for line in lines])
    packed = np.array([int(line.split()[1]) for line in lines], np.int64)
    camera = ((packed >> 25) & 127) + ((packed >> 12) & 8191) / 8000.0
    camera += (packed & 4095) / 3072.0 / 8000.0
    camera = np.unwrap(camera, period=128.0)
    ppm, words = drift(host - host[0], camera - camera[0])
    frames = needed("tenmin.checks.frames")
    missing = int(frames.missing_by_interval(camera).sum())
    yield Said(
        "_iblrig_bodyCamera.timestamps.ssv",
        "-215 ppm camera against host, no dropped frame",
        f"{ppm:.1f} ppm, {missing} frames missing by intervals of the camera's clock; {words}",
        yes(abs(abs(ppm) - 215) < 5 and missing == 0),
    )


def counters(folder: Path) -> Iterator[Said]:
    """Cameras and a Harp encoder whose counters and clocks show that nothing was lost."""
    frames = np.fromfile(
        folder / "behaviour_ibl/session_ephys/_iblrig_bodyCamera.frame_counter.bin"
    )
    stream = Stream("camera", ("value",), 30.0, "n/a", dtype="uint8", counter=True, index_bits=32)
    recorded = Recorded(stream, np.zeros((len(frames), 1), np.uint8), frames.astype(np.int64))
    holes, _ = gaps_of(recorded)
    yield Said(
        "_iblrig_bodyCamera.frame_counter.bin",
        "no dropped frame",
        f"{len(frames)} frames by their counter, {len(holes)} gaps",
        yes(not holes),
    )
    name = "monotonic/2022-06-13T13_14_25/Patch2/Patch2_90_2022-06-13T12-00-00.bin"
    raw = np.fromfile(folder / "harp_aeon" / name, np.uint8).reshape(-1, 16)
    seconds = np.ascontiguousarray(raw[:, 5:9]).view("<u4")[:, 0].astype(float)
    seconds += np.ascontiguousarray(raw[:, 9:11]).view("<u2")[:, 0] * 32e-6
    stream = Stream("wheel", ("angle",), 500.0, "n/a", dtype="int16", timed=True)
    angle = np.ascontiguousarray(raw[:, 11:13]).view("<i2")
    holes, indexer = gaps_of(Recorded(stream, angle, None, seconds - seconds[0]))
    yield Said(
        "Patch2_90_2022-06-13T12-00-00.bin",
        "2000 messages of 500 Hz, 4 s",
        f"{len(seconds)} messages, {len(holes)} gaps by their own stamps, "
        f"{indexer.backward} backward",
        yes(not holes and not indexer.backward),
    )


def restarts(path: Path) -> Iterator[Said]:
    """A LabRecorder file whose host clock began anew in the middle."""
    import logging

    import pyxdf

    logging.getLogger("pyxdf").setLevel(logging.ERROR)
    streams, _ = pyxdf.load_xdf(
        path, synchronize_clocks=False, dejitter_timestamps=False, handle_clock_resets=False
    )
    found = next(s for s in streams if s["info"]["type"][0] == "EEG")
    stream = Stream(
        "biosemi", tuple(f"E{c}" for c in range(8)), 100.0, "n/a", dtype="float64", timed=True
    )
    stamps = found["time_stamps"]
    values = np.asarray(found["time_series"], np.float64)[:, :8]
    holes, indexer = gaps_of(Recorded(stream, values, None, stamps))
    back = int((np.diff(stamps) < 0).sum())
    yield Said(
        path.name,
        "the host's clock begins anew (a jump of 6.5e5 s); values are random numbers",
        f"{indexer.backward} backward stamps of {back} in the file (by {-np.diff(stamps).min():.0f}"
        f" s); {len(holes)} gaps of {sum(holes)} samples among {len(stamps)}",
        yes(indexer.backward >= back > 0),
    )


def volumes(path: Path) -> Iterator[Said]:
    """Triggers of slices and volumes of an EEG in a scanner; the signals are not there."""
    lines = [line.split(",") for line in path.read_text("utf-8").splitlines() if line[:2] == "Mk"]
    frames = needed("tenmin.checks.frames")
    for what, word, n in (("slice", "s ", 9000), ("volume", "Scan Start", 300)):
        at = np.array([int(p[2]) for p in lines if p[1] == word]) / 250.0
        missing = int(frames.missing_by_interval(at).sum())
        yield Said(
            f"sub-32_task-rest_eeg.vmrk: {what} triggers",
            f"{n} {what} triggers in 10.8 min",
            f"{len(at)} triggers, every {1e3 * np.median(np.diff(at)):.0f} ms, {missing} missing "
            "by intervals",
            yes(len(at) == n and missing == 0),
        )


def _iso(text: str) -> float:
    head, _, tail = text.partition(".")
    digits = "".join(c for c in tail[:7] if c.isdigit())
    zone = tail[len(digits) :]
    return datetime.fromisoformat(f"{head}.{digits[:6]}{zone}").timestamp() + int(
        digits[6:] or 0
    ) * 10.0 ** -len(digits)


def teensy(folder: Path) -> Iterator[Said]:
    """19 ppm between board and host, and one sync pulse that is missing."""
    timing = needed("tenmin.checks.timing")
    lines = (folder / "20-21-09_01-13-2023.csv").read_text().splitlines()[5:]
    parts = [line.split(",") for line in lines if line[:2] == "20"]
    host = seconds_of([p[0].strip() for p in parts], WALL)
    board = np.array([float(p[1]) for p in parts]) * 1e-3
    ppm, words = drift(host, board - board[0])
    yield Said(
        "20-21-09_01-13-2023.csv",
        "19 ppm drift",
        f"{ppm:.1f} ppm; {words}",
        yes(abs(abs(ppm) - 19) < 3),
    )
    lines = (folder / "20-21-09_01-13-2023_sync.csv").read_text().splitlines()[5:]
    pulses = np.array([float(line.split(",")[1]) for line in lines if line[:2] == "20"]) * 1e-3
    period = float(np.median(np.diff(pulses)))
    missing = needed("tenmin.checks.frames").missing_by_interval(pulses)
    n = len(pulses) + int(missing.sum())
    sent = pulses[0] + period * np.arange(n)
    here, _ = timing.pair_pulses(sent, pulses)
    late = [f"{1e3 * a:.0f}-{1e3 * b:.0f} ms" for a, b in pairwise(pulses) if b - a > 0.2]
    yield Said(
        "20-21-09_01-13-2023_sync.csv",
        "1183 sync events every 110 ms, one missing (interval of 221 ms)",
        f"{len(pulses)} pulses, {missing.sum()} missing by intervals ({', '.join(late)} of the "
        f"board's clock); paired with an even train: {len(here)} pairs of {n} sent",
        yes(int(missing.sum()) == len(late) and len(here) == len(pulses))
        + f": one in each of the file's {len(late)} intervals of 221 ms, of which its description "
        "names one",
    )


def lights(folder: Path) -> Iterator[Said]:
    """Two hubs that saw the same flashes: started apart, and joined by a cable."""
    timing = needed("tenmin.checks.timing")
    for names, documented, joined in (
        (
            ("sync_light_1.h5", "sync_light_2.h5"),
            "offset to be found from the light (started 16 s apart by the hosts)",
            False,
        ),
        (("sync_cable_light.h5", "sync_cable_light.h5"), "joined by a cable: control", True),
    ):
        edges = []
        for k, name in enumerate(names):
            counts, _ = biosignalsplux(folder / name, "channel_1", k if joined else 0)
            middle = (np.percentile(counts, 2) + np.percentile(counts, 98)) / 2.0
            edges.append(np.flatnonzero(np.diff((counts > middle).astype(int)) == 1) / 1000.0)
        one, other = timing.pair_pulses(*edges)
        apart = other - one
        spread = float(np.ptp(apart)) * 1e3 if len(apart) else np.nan
        yield Said(
            " + ".join(sorted(set(names))),
            documented,
            f"{len(edges[0])} and {len(edges[1])} flashes, {len(one)} paired; offset "
            f"{np.median(apart) if len(apart) else np.nan:.3f} s, spread {spread:.0f} ms"
            + ("" if joined else "; the hosts' stamps alone would be off by the rest of the 16 s"),
            yes(bool(len(one)) and spread < (20 if joined else 60)),
        )


FILES: tuple[tuple[str, Reader], ...] = (
    ("behaviour_ibl/session_ephys", encoder),
    ("", counters),
    ("behaviour_wheel_teensy", teensy),
    ("sync_biosignalsplux", lights),
    ("xdf/clock_resets.xdf", restarts),
    ("bids_sidecars/eeg_rest_fmri/derivatives/sub-32/eeg/sub-32_task-rest_eeg.vmrk", volumes),
)
