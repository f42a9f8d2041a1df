"""Eyes open and closed, sleep, and blinks of the real EEGs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.parameters import ParameterSet, load
from tenmin.checks.setting import Setting
from tests.scoring.aroused import arousal_of
from tests.scoring.matching import balanced_accuracy, confusion, kappa
from tests.scoring.play import Seen, chunks_of, needed, watch
from tests.scoring.real import NO, PARTLY, Reader, Said, watched, yes
from tests.scoring.recordings import Recorded, cyton, edf, eeg_stream, eye_state

LOW = (1, 2)  # asleep, drowsy
EYES_OPEN = {"dot.condition": "EO_fix"}


def eyes_seen(recorded: Recorded, level_uv2: float | None, window_s: int = 20) -> Seen:
    """A recording that is said to be with open eyes, through the checks of the eyes alone.

    `window_s` other than 20 is what a lab's own file of parameters can ask for.
    """
    blinks = needed("tenmin.checks.blinks")
    facts: dict[str, Any] = dict(EYES_OPEN)
    if level_uv2 is not None:
        facts["own.eyes_open_alpha_uv2"] = level_uv2
    chunks = chunks_of(
        recorded.counts, recorded.stream.rate_hz, np.random.default_rng(0), index=recorded.index
    )
    return watch(
        recorded.stream, chunks, Setting(60.0, facts=facts, parameters=_windowed(window_s)),
        only=("eyes", "blinks", "few_blinks"),
        extra=(blinks.Blinks, blinks.FewBlinks, blinks.Eyes),
    )  # fmt: skip


def _windowed(window_s: int) -> ParameterSet:
    with tempfile.TemporaryDirectory(prefix="tenmin-scoring-") as folder:
        path = Path(folder) / "checks.toml"
        path.write_text(f"[eyes.values]\nwindow_s = {window_s}.0\n")
        return load(path)


def blinked(recorded: Recorded) -> int:
    """How many blinks the checks find."""
    return sum(not blink.closure for blink in excursions(recorded))


def excursions(recorded: Recorded) -> list[Any]:
    """Blinks and long closures that the checks find in frontal channels."""
    module = needed("tenmin.checks.blinks")
    setting = Setting(60.0, facts=dict(EYES_OPEN))
    found: list[Any] = []

    def keep(bank: Any) -> None:
        found[:] = next(
            unit.formula.eye.blinks
            for unit in bank.units
            if isinstance(unit.formula, module.Blinks)
        )

    chunks = chunks_of(
        recorded.counts, recorded.stream.rate_hz, np.random.default_rng(0), index=recorded.index
    )
    watch(recorded.stream, chunks, setting, only=("blinks",), extra=(module.Blinks,), each=keep)
    return found


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
    other = open_level(edf(folder / "S002R01.edf"))
    for name, closed in (
        ("S001R01.edf", False),
        ("S001R02.edf", True),
        ("S001R04.edf", False),
        ("S002R01.edf", False),
    ):
        own = name.startswith("S001")
        recorded = edf(folder / name)
        seen = eyes_seen(recorded, level if own else other)
        values, on = seen.value("eyes")[:, 0], seen.level("eyes")[:, 0] >= 2
        known = np.isfinite(values)
        first = int(np.flatnonzero(on)[0]) + 1 if on.any() else None
        few = seen.level("few_blinks")[:, 0] >= 2
        yield Said(
            name,
            "eyes closed"
            if closed
            else "eyes open" + ("; frontal blinks" if "R01" in name else ""),
            f"alpha {np.nanmedian(values):.1f} times the level of {'R01' if own else 'itself'} "
            f"(known for {known.sum()} s); {blinked(recorded)} blinks; "
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
    played = Recorded(stream, recorded.counts, recorded.index)
    yield Said(
        path.name,
        "eye state of each sample, 23 changes in 117 s (median stay 4 s)",
        "the verdict: " + _eye_states(eyes_seen(played, level), closed)
        + "; the rule asks for 20 s of alpha without a blink, and most stays are shorter",
        "by its rule it cannot follow",
    )  # fmt: skip
    seconds = eyes_seen(played, level, window_s=1)
    values = seconds.value("eyes")[:, 0]
    sample = np.minimum(np.arange(len(closed)) // 128, len(values) - 1)
    known = np.isfinite(values)[sample]
    area = _area(values[sample][known], closed[known])
    by_scipy = [_area(power, closed) for power in _alpha(recorded, ~wild).T]
    by_frontal = _closures(played, len(closed))
    table = confusion(closed, by_frontal, 2)
    yield Said(
        path.name,
        "the same; no verdict but what the check measures, second by second, with the same limit",
        "alpha of one second above twice the eyes-open level: " + _eye_states(seconds, closed)
        + f"; whatever the limit, area under the curve {area:.2f}; closures of the frontal trace: "
        f"kappa {kappa(table):.2f}, balanced accuracy {balanced_accuracy(table):.2f}. The level is "
        "that of the open seconds of the same two minutes; scipy's alpha of a second, both ways, "
        f"has an area of {by_scipy[0]:.2f} at O1 and {by_scipy[1]:.2f} at O2",
        f"{NO}: posterior alpha does not follow the labels of this recording",
    )  # fmt: skip


def _eye_states(seen: Seen, closed: np.ndarray) -> str:
    """How far a raised level of `eyes` agrees with the label of each sample."""
    sample = np.minimum(np.arange(len(closed)) // 128, len(seen.ticks_s) - 1)
    found = (seen.value("eyes")[:, 0] > 2.0)[sample].astype(int)
    known = np.isfinite(seen.value("eyes")[:, 0])[sample]
    table = confusion(closed[known], found[known], 2)
    return (
        f"kappa {kappa(table):.2f}, balanced accuracy {balanced_accuracy(table):.2f} over the "
        f"{known.mean():.0%} of samples that are judged"
    )


def _area(values: np.ndarray, closed: np.ndarray) -> float:
    """Area under the curve of hits and false alarms: chance that a closed sample's is larger."""
    from scipy import stats

    n_closed, n_open = int(closed.sum()), int((1 - closed).sum())
    ranks = stats.rankdata(values)
    return float((ranks[closed == 1].sum() - n_closed * (n_closed + 1) / 2) / n_closed / n_open)


def _alpha(recorded: Recorded, sound: np.ndarray) -> np.ndarray:
    """Power of 8-12 Hz at O1 and O2, means of a second around each sample; scipy."""
    from scipy import signal

    at = np.flatnonzero(sound)
    columns = [recorded.stream.channels.index(name) for name in ("O1", "O2")]
    whole = np.arange(len(sound))
    counts = np.stack([np.interp(whole, at, recorded.counts[at, c]) for c in columns], axis=1)
    sos = signal.butter(2, (8.0, 12.0), "band", fs=128.0, output="sos")
    power = signal.sosfiltfilt(sos, counts, axis=0) ** 2
    return np.stack([np.convolve(p, np.ones(128) / 128, "same") for p in power.T], axis=1)


def _closures(recorded: Recorded, n: int) -> np.ndarray:
    """Per sample: within an excursion of the frontal trace that the check calls a long closure."""
    found = np.zeros(n, int)
    for blink in excursions(recorded):
        if blink.closure:
            first = int(blink.onset_s * 128)
            found[first : first + int(blink.duration_s * 128)] = 1
    return found


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


def shown(path: Path) -> Iterator[Said]:
    """Blinks, a clenched jaw and alpha that were made to be seen; the usual places are taken."""
    recorded = cyton(path)
    names = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")  # as the program proposes
    stream = eeg_stream("cyton", names, 250.0, recorded.stream.scale * 1e6, None, counter=True)
    # The sample index was looked at elsewhere: rows have no gap.
    played = Recorded(stream, recorded.counts, np.arange(len(recorded.counts)))
    found = blinked(played)
    seen = watched(played, 60.0, only=("muscle",))
    on = (seen.level("muscle") >= 2).any(axis=1)
    known = np.isfinite(seen.value("muscle")).any(axis=1)
    yield Said(
        path.name,
        "blinks, jaw clench, alpha; when is not told",
        f"{found} blinks in {len(on)} s; muscle raised in {on.sum()} of {known.sum()} s that are "
        "judged (30-45 Hz, approximate, after 10 s of settling)",
        yes(found > 0 and bool(on.any())),
    )


def drifts(folder: Path) -> Iterator[Said]:
    """Slow drift of ten-bit counts."""
    for name in ("eeg_eo.txt", "eeg_ec.txt"):
        counts = np.loadtxt(folder / name).reshape(-1, 1).astype(np.int32)
        stream = eeg_stream("eeg", ("O1",), 125.0, 1.0, (0.0, 1023.0), counter=True)
        recorded = Recorded(stream, counts, np.arange(len(counts)))
        seen = watched(recorded, 50.0, only=("drift", "saturation", "units"))
        on = {check: int((seen.level(check) >= 2).any(axis=1).sum()) for check in seen.codes}
        minutes = [np.mean(counts[k : k + 1250]) for k in range(0, len(counts) - 1250, 1250)]
        yield Said(
            name,
            f"10-bit counts, {len(counts) / 125:.1f} s, large slow drift",
            f"drift raised in {on['drift']} s, saturation in {on['saturation']} s, units (one "
            f"microvolt a count taken) in {on['units']} s. SD {counts.std():.0f} counts, but means "
            f"of 10 s within {np.ptp(minutes):.0f}: it swings for seconds, to the ends of the "
            "range, and comes back, so that the mean of 10 s hardly moves",
            yes(on["drift"] > 0)
            if on["drift"]
            else f"{PARTLY}: as saturation, not as drift of the mean",
        )


FILES: tuple[tuple[str, Reader], ...] = (
    ("eeg_eegmmidb", eegmmidb),
    ("eeg_biosppy", biosppy),
    ("eeg_biosppy", drifts),
    ("eeg_openbci/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt.gz", shown),
    ("eeg_eyestate_uci/EEG_Eye_State.arff.gz", uci),
    ("eeg_yasa/N3_no-spindles_30sec_100Hz.txt", sleep),
)
