"""Eyes open and closed, sleep, and blinks of the real EEGs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.setting import Setting
from tests.scoring.aroused import arousal_of
from tests.scoring.matching import balanced_accuracy, confusion, kappa
from tests.scoring.play import Seen, chunks_of, needed, watch
from tests.scoring.real import PARTLY, Reader, Said, yes
from tests.scoring.recordings import Recorded, edf, eeg_stream, eye_state

LOW = (1, 2)  # asleep, drowsy
EYES_OPEN = {"dot.condition": "EO_fix"}


def eyes_seen(recorded: Recorded, level_uv2: float | None) -> Seen:
    """A recording that is said to be with open eyes, through the checks of the eyes alone."""
    blinks = needed("tenmin.checks.blinks")
    facts: dict[str, Any] = dict(EYES_OPEN)
    if level_uv2 is not None:
        facts["own.eyes_open_alpha_uv2"] = level_uv2
    chunks = chunks_of(
        recorded.counts, recorded.stream.rate_hz, np.random.default_rng(0), index=recorded.index
    )
    return watch(
        recorded.stream, chunks, Setting(60.0, facts=facts), only=("eyes", "blinks", "few_blinks"),
        extra=(blinks.Blinks, blinks.FewBlinks, blinks.Eyes),
    )  # fmt: skip


def open_level(recorded: Recorded) -> float:
    """Posterior power of 8-12 Hz with open eyes, median of seconds; scipy's filter."""
    from scipy import signal

    names = recorded.stream.channels
    columns = [c for c, n in enumerate(names) if n.upper().startswith(("O1", "O2", "OZ", "PO"))]
    sos = signal.butter(2, (8.0, 12.0), "band", fs=recorded.stream.rate_hz, output="sos")
    uv = recorded.counts[:, columns] * recorded.stream.scale * 1e6
    alpha = signal.sosfilt(sos, uv, axis=0)
    n = round(recorded.stream.rate_hz)
    seconds = alpha[: len(alpha) // n * n].reshape(-1, n, len(columns))
    return float(np.median(np.median((seconds**2).mean(axis=1), axis=1)[2:]))


def eegmmidb(folder: Path) -> Iterator[Said]:
    """The same person with open eyes (R01) and with closed ones (R02)."""
    rest = edf(folder / "S001R01.edf")
    level = open_level(rest)
    for name, closed in (("S001R01.edf", False), ("S001R02.edf", True), ("S001R04.edf", False)):
        seen = eyes_seen(edf(folder / name), level)
        values, on = seen.value("eyes")[:, 0], seen.level("eyes")[:, 0] >= 2
        known = np.isfinite(values)
        first = int(np.flatnonzero(on)[0]) + 1 if on.any() else None
        few = seen.level("few_blinks")[:, 0] >= 2
        yield Said(
            name,
            "eyes closed" if closed else "eyes open",
            f"alpha {np.nanmedian(values):.1f} times the level of R01 (known for {known.sum()} s); "
            f"warned in {on.sum()} s"
            + (f", first after {first} s" if first else "")
            + f"; hardly a blink: {few.sum()} s",
            yes(bool(on.any()) == closed),
        )


def biosppy(folder: Path) -> Iterator[Said]:
    """One posterior channel of 10 bits, open and closed; no blinks can be seen in it."""
    blinks = needed("tenmin.checks.blinks")
    levels = {}
    for name in ("eeg_eo.txt", "eeg_ec.txt"):
        counts = np.loadtxt(folder / name).reshape(-1, 1)
        stream = eeg_stream("eeg", ("O1",), 125.0, 1.0, (0.0, 1023.0), dtype="int32", counter=True)
        recorded = Recorded(stream, counts.astype(np.int32), np.arange(len(counts)))
        levels[name] = open_level(recorded)
        made = blinks.Eyes(stream, Setting().parameters["eyes"], _shared())
        ratio = levels[name] / levels["eeg_eo.txt"]
        yield Said(
            name,
            "eyes open" if name == "eeg_eo.txt" else "eyes closed; alpha differs little",
            f"alpha {ratio:.2f} times the eyes-open file's; the check can judge: {made.possible} "
            "(no channel sees blinks)",
            "UNKNOWN, never OK" if not made.possible else PARTLY,
        )


def _shared() -> Any:
    unit, spectrum = needed("tenmin.checks.unit"), needed("tenmin.checks.spectrum")
    return unit.Shared(Setting(), spectrum.Spectra())


def uci(path: Path) -> Iterator[Said]:
    """Eye state of each sample, from video: 14 channels, 117 s, 23 changes."""
    recorded, closed = eye_state(path)
    wild = np.abs(recorded.counts).max(axis=1) > 5000
    names = ("Fp1", *recorded.stream.channels[1:13], "Fp2")
    # AF3 and AF4 are this cap's places nearest to Fp1 and Fp2, which the check knows.
    stream = eeg_stream("emotiv", names, 128.0, 0.51, (-8200.0, 8200.0), counter=True)
    quiet = ~wild & (closed == 0)
    level = open_level(Recorded(stream, recorded.counts[quiet], None))
    seen = eyes_seen(Recorded(stream, recorded.counts, recorded.index), level)
    ticks = np.array(seen.ticks_s)
    told = seen.level("eyes")[:, 0]
    per_sample = np.minimum(np.arange(len(closed)) // 128, len(ticks) - 1)
    found = (told >= 2)[per_sample].astype(int)
    known = np.isfinite(seen.value("eyes")[:, 0])[per_sample]
    table = confusion(closed[known], found[known], 2)
    yield Said(
        path.name,
        "eye state of each sample, 23 changes in 117 s (median stay 3 s)",
        f"kappa {kappa(table):.2f}, balanced accuracy {balanced_accuracy(table):.2f} over the "
        f"{known.mean():.0%} of samples that are judged; the rule asks for 20 s of alpha without a "
        "blink, and most stays are shorter",
        "by its rule it cannot follow",
    )


def sleep(path: Path) -> Iterator[Said]:
    """Thirty seconds of N3, scored by a person; one class, so accuracy."""
    microvolts = np.loadtxt(path)
    stream = eeg_stream("psg", ("C4",), 100.0, 0.01, None, counter=True)
    # The rules compare with the person's own settling: the snippet is its own, three times over.
    counts = np.rint(np.tile(microvolts, 3) * 100).astype(np.int32)[:, None]
    chunks = chunks_of(counts, 100.0, np.random.default_rng(0), index=np.arange(len(counts)))
    tracker = arousal_of([(stream, chunks)], "human", 0.0, eyes="closed")
    live = np.array([tick.state for tick in tracker.live])
    final = np.array([tick.state for tick in tracker.close()])
    awake = [(np.isin(states, (3, 4, 5))).sum() / 10.0 for states in (live, final)]
    low = [np.isin(states, LOW).mean() for states in (live, final)]
    yield Said(
        path.name,
        "N3: must never be called awake",
        f"called awake for {awake[0]:.1f} s of {len(live) / 10:.0f} s live, {awake[1]:.1f} s "
        f"final; low arousal in {low[0]:.0%} and {low[1]:.0%}, the rest unknown",
        yes(awake[0] == 0 and awake[1] == 0),
    )


FILES: tuple[tuple[str, Reader], ...] = (
    ("eeg_eegmmidb", eegmmidb),
    ("eeg_biosppy", biosppy),
    ("eeg_eyestate_uci/EEG_Eye_State.arff.gz", uci),
    ("eeg_yasa/N3_no-spindles_30sec_100Hz.txt", sleep),
)
