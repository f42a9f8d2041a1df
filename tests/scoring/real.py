"""Real recordings: what their description documents, and what the checks say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.counter import Indexer
from tenmin.stream import Stream
from tests.scoring.play import Seen, chunks_of, needed, through_ring, watch
from tests.scoring.recordings import (
    DATA,
    Recorded,
    biosignalsplux,
    cyton,
    eeg_stream,
    mouse_eeg,
    muse,
)
from tests.scoring.score import NotBuilt

YES, NO, PARTLY = "yes", "**no**", "partly"


@dataclass(frozen=True)
class Said:
    """One line of the page.

    Attributes
    ----------
    file, documented, said : str
    agrees : str
        Whether it is as documented; words where that needs some.
    """

    file: str
    documented: str
    said: str
    agrees: str

    def as_row(self) -> dict[str, str]:
        """Itself by the names of the page's columns."""
        return {
            "file": f"`{self.file}`",
            "documented": self.documented,
            "what the checks say": self.said,
            "as documented": self.agrees,
        }


def yes(right: bool) -> str:
    """The page's word."""
    return YES if right else NO


def watched(recorded: Recorded, mains_hz: float, only: tuple[str, ...] | None = None) -> Seen:
    """A recording through ring and checks."""
    rng = np.random.default_rng(0)
    chunks = chunks_of(
        recorded.counts, recorded.stream.rate_hz, rng, index=recorded.index, times=recorded.times
    )
    return watch(recorded.stream, chunks, Setting(mains_hz), only=only)


def gaps_of(recorded: Recorded) -> tuple[list[int], Indexer]:
    """Lengths of the holes that the ring shows, samples, and the indexer with its counts."""
    rng, indexer = np.random.default_rng(0), Indexer(recorded.stream)
    check = needed("tenmin.checks.timing").Gaps(recorded.stream, shipped(), primary=True)
    chunks = chunks_of(
        recorded.counts, recorded.stream.rate_hz, rng, index=recorded.index, times=recorded.times
    )
    holes, following = [], None
    for piece in through_ring(recorded.stream, chunks, indexer):
        check.feed(piece)
        if following is not None and piece.index > following:
            holes.append(piece.index - following)
        following = piece.index + len(piece.samples)
    assert check.missing == sum(holes)
    return holes, indexer


def named(stream: Stream, on: np.ndarray) -> str:
    """Names of the channels that are on."""
    return " ".join(stream.channels[c] for c in np.flatnonzero(on)) or "none"


def share_on(seen: Seen, check: str, level: int = 2) -> np.ndarray:
    """Share of the seconds at which each channel's level is raised."""
    return (seen.level(check) >= level).mean(axis=0)


def cyton_gaps(path: Path) -> Iterator[Said]:
    """Six gaps of the sample index; six of eight channels railed or dead."""
    recorded = cyton(path)
    holes, _ = gaps_of(recorded)
    steps = (np.diff(recorded.index.astype(int)) - 1) % 256  # type: ignore[union-attr]
    yield Said(
        path.name,
        "6 gaps in the sample index (mod 256)",
        f"{len(holes)} gaps, {sum(holes)} samples missing; index arithmetic: "
        f"{(steps > 0).sum()} and {steps.sum()}",
        yes(len(holes) == 6 == (steps > 0).sum() and sum(holes) == steps.sum()),
    )
    seen = watched(recorded, 60.0)
    ends = np.abs(recorded.counts[1:]) >= 0.96 * 2**23
    still = np.diff(recorded.counts, axis=0) == 0
    truth = (ends | still).mean(axis=0) > 0.5
    railed = (share_on(seen, "saturation", 3) > 0.2) | (share_on(seen, "flat", 3) > 0.2)
    yield Said(
        path.name,
        "6 of 8 channels railed or dead (+-187500 uV)",
        f"saturated or flat at FAIL for more than 20 %: {named(recorded.stream, railed)}; "
        f"on the rails or still for more than half of the samples: {named(recorded.stream, truth)};"
        f" bad by any check: {named(recorded.stream, seen.bad)}",
        yes(bool((railed == truth).all()) and int(seen.bad.sum()) >= 6),
    )


def cyton_mains(path: Path) -> Iterator[Said]:
    """60 Hz in every channel."""
    recorded = cyton(path)
    seen = watched(recorded, 60.0)
    on = share_on(seen, "line") > 0.5
    worst = np.nanmedian(seen.value("line"), axis=0)
    yield Said(
        path.name,
        "60 Hz line of x2400-49000",
        f"line raised in {on.sum()} of 8 channels, FAIL for more than half of the time in "
        f"{(share_on(seen, 'line', 3) > 0.5).sum()}; median ratio {worst.min():.0f} to "
        f"{worst.max():.0f} dB",
        yes(bool(on.all())),
    )
    holes, _ = gaps_of(recorded)
    yield Said(
        path.name,
        "several rows share one host time; no gap documented",
        f"{len(holes)} gaps by the sample index",
        yes(not holes),
    )
    railed = share_on(seen, "saturation") > 0
    yield Said(
        path.name,
        "DC offsets up to 60 mV, inside the range",
        f"saturated: {named(recorded.stream, railed)}",
        yes(not railed.any()),
    )


MUSE_BAD = {
    "cueing_subject1105_session2": "",
    "cueing_subject1402_session2": "",
    "cueing_subject1405_session2": "AF7",
    "cueing_subject104_session2": "AF7 AF8",
    "N170_subject3_session3": "TP9 AF7 AF8 TP10",
}


def muse_electrodes(folder: Path) -> Iterator[Said]:
    """Electrodes that are documented as bad or off, and files without a fault."""
    for name, documented in MUSE_BAD.items():
        path = next(folder.glob(f"{name}*"))
        recorded = muse(path)
        seen = watched(recorded, 60.0)
        checks = [
            f"{check} {named(recorded.stream, share_on(seen, check, 3) > 0.2)}"
            for check in seen.codes
            if seen.level(check).shape[1] == 4 and (share_on(seen, check, 3) > 0.2).any()
        ]
        found = named(recorded.stream, seen.bad)
        yield Said(
            name,
            f"bad electrodes: {documented or 'none'}",
            f"bad: {found}"
            + (f" (FAIL for more than 20 %: {'; '.join(checks)})" if checks else ""),
            yes(found == (documented or "none")),
        )


def muse_stamps(folder: Path) -> Iterator[Said]:
    """A hole of 1160 s, and time stamps that run backwards."""
    path = next(folder.glob("cueing_subject1308_session1*"))
    recorded = muse(path)
    holes, indexer = gaps_of(recorded)
    steps = np.diff(recorded.times)  # type: ignore[arg-type]
    rate = recorded.stream.rate_hz
    yield Said(
        path.name.split("_recording")[0],
        "one hole of 1160 s",
        f"{len(holes)} gaps, the longest {max(holes, default=0) / rate:.1f} s; longest step of the "
        f"stamps {steps.max():.1f} s",
        yes(abs(max(holes, default=0) / rate - steps.max()) < 0.1),
    )
    seen = watched(recorded, 60.0)
    on = {
        check: named(recorded.stream, share_on(seen, check) > 0.2)
        for check in seen.codes
        if (share_on(seen, check) > 0.2).any()
    }
    yield Said(
        path.name.split("_recording")[0],
        "TP10 very noisy",
        f"bad: {named(recorded.stream, seen.bad)}; raised for more than 20 %: "
        + ("; ".join(f"{check} {names}" for check, names in on.items()) or "nothing"),
        yes(bool(seen.bad[3]) or any("TP10" in names for names in on.values())),
    )
    path = next(folder.glob("N170_subject10_session2*"))
    recorded = muse(path)
    holes, indexer = gaps_of(recorded)
    steps = np.diff(recorded.times)  # type: ignore[arg-type]
    yield Said(
        path.name.split("_recording")[0],
        "23 steps > 20 ms, 1654 that do not increase, nothing lost by the count of rows",
        f"{indexer.backward} backward stamps counted ({(steps < 0).sum()} steps of the file are "
        f"below zero, {(steps <= 0).sum()} not above); {len(holes)} gaps of {sum(holes)} samples",
        yes(indexer.backward == int((steps < 0).sum())),
    )


def mouse_mains(path: Path) -> Iterator[Said]:
    """50 Hz in the second channel of a mouse."""
    recorded = mouse_eeg(path)
    seen = watched(recorded, 50.0)
    on = share_on(seen, "line") > 0.5
    worst = np.nanmedian(seen.value("line"), axis=0)
    yield Said(
        path.name,
        "second channel has 50 Hz x3800",
        f"line raised: {named(recorded.stream, on)}; median ratios "
        + ", ".join(f"{w:.0f} dB" for w in worst),
        yes(bool(on[1])),
    )


def mouse_notched(path: Path) -> Iterator[Said]:
    """Ten minutes of a mouse, millivolts, without mains: they were notched."""
    from scipy import io

    found = io.loadmat(path)["data"][0, 0]
    rate_hz = float(found["sf"].ravel()[0])
    microvolts = 1e3 * np.stack([found["EEG_P"].ravel(), found["EMG_DIFF"].ravel()], axis=1)
    stream = eeg_stream("mouse", ("EEG", "EMG"), rate_hz, 0.01, None, kind="ieeg", counter=True)
    counts = np.rint(microvolts * 100).astype(np.int32)
    seen = watched(Recorded(stream, counts, np.arange(len(counts))), 50.0, only=("line", "units"))
    ratio = np.nanmedian(seen.value("line"), axis=0)
    yield Said(
        path.name,
        "exactly 10 min; 50 Hz already notched",
        f"{len(seen.ticks_s)} s judged; line {ratio[0]:.0f} and {ratio[1]:.0f} dB, raised in "
        f"{share_on(seen, 'line').max():.0%} of seconds; units raised in "
        f"{(seen.level('units') >= 2).sum()} s",
        yes(bool(share_on(seen, "line").max() < 0.05)),
    )


def artefacts(path: Path) -> Iterator[Said]:
    """Movement that saturates the input from about 60 s."""
    counts, sequence = biosignalsplux(path, "channel_2")
    stream = eeg_stream("bsp", ("EEG",), 1000.0, 1.0, (-32768.0, 32767.0), counter=True)
    recorded = Recorded(stream, (counts - 32768).astype(np.int32)[:, None], np.arange(len(counts)))
    seen = watched(recorded, 50.0)
    raised = np.flatnonzero(seen.raised("saturation", 0))
    first = np.flatnonzero(np.abs(counts - 32768) >= 0.96 * 32768)
    yield Said(
        path.name,
        "clean first minute, then movement that saturates the input",
        f"first saturated sample at {first[0] / 1000:.1f} s, first verdict at "
        f"{raised[0] + 1} s; {len(raised)} s raised, {(raised < 58).sum()} of them in the first "
        f"58 s; packet counter jumps: {(np.diff(sequence) % 65536 != 1).sum()}",
        yes(bool(len(raised)) and raised[0] >= 58 and raised[0] + 1 - first[0] / 1000 <= 2),
    )


def lost_frames(folder: Path) -> Iterator[Said]:
    """Frames 13 to 15 of one of three cameras were lost."""
    frames = needed("tenmin.checks.frames")
    for path in sorted(folder.glob("*.json")):
        report = json.loads(path.read_text())["RecordingReport"]
        lost = [
            int(n)
            for part in report["LostFrames"]
            for k in part.split(",")
            for n in (lambda ab: range(int(ab[0]), int(ab[-1]) + 1))(k.split("-"))
        ]
        n = report["FramesRecorded"] + len(lost)
        numbers = np.setdiff1d(np.arange(1, n + 1), lost)
        stream = Stream(
            "camera", ("value",), report["FPS"], "n/a", dtype="uint8", counter=True,
            facts={"fps": str(report["FPS"])},
        )  # fmt: skip
        check = frames.FrameDrops(stream, shipped())
        samples = np.zeros((len(numbers), 1), np.uint8)
        for piece in through_ring(stream, chunks_of(samples, 60.0, np.random.default_rng(0),
                                                    index=numbers)):  # fmt: skip
            check.feed(piece)
        verdict = check.verdict(0.0)
        yield Said(
            path.name,
            f"{report['FramesRecorded']} frames, {report['FramesLostCount']} lost "
            f"{report['LostFrames'] or ''}".strip(),
            f"{check.count.n} frames, {check.count.missing} missing, {verdict.level}",
            yes(check.count.missing == report["FramesLostCount"]),
        )


Reader = Callable[[Path], Iterator[Said]]
FILES: tuple[tuple[str, Reader], ...] = (
    ("eeg_openbci/OpenBCI_2016-02-13_Jordan_focus.txt.gz", cyton_gaps),
    ("eeg_openbci/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt.gz", cyton_mains),
    ("eeg_muse_lsl", muse_electrodes),
    ("eeg_muse_lsl", muse_stamps),
    ("eeg_mouse/sleepstages_raw_sample.txt.gz", mouse_mains),
    ("eeg_mouse/10mins_example_mat.mat", mouse_notched),
    ("eeg_biosignalsplux/eeg_sample_artefacts_seg1.h5", artefacts),
    ("camera_logs_mvr", lost_frames),
)


def look(files: tuple[tuple[str, Reader], ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the page, and the recordings that are not there."""
    rows, missing = [], []
    for name, reader in files:
        path = DATA / name
        if not path.exists():
            missing.append(name)
            continue
        try:
            rows += [said.as_row() for said in reader(path)]
        except NotBuilt as error:
            rows.append(
                Said(name, (reader.__doc__ or "").strip(), "-", f"not built: {error}").as_row()
            )
    return rows, missing
