"""Electrodes, mains, units and noise of the real recordings that are not in `real`."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tenmin.checks.judge import LEVEL_OF_CODE
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.stream import Stream
from tests.scoring.play import Seen, chunks_of, needed, watch
from tests.scoring.real import Reader, Said, named, share_on, watched, yes
from tests.scoring.recordings import Recorded, edf, eeg_stream, eye_state


def weak_mains(folder: Path) -> Iterator[Said]:
    """Sixty hertz that is weak, and rest that was filtered so that nothing of the mains is left."""
    for name, mains_hz, documented, most in (
        ("eeg_eegmmidb/S001R01.edf", 60.0, "weak 60 Hz line (x1 to 18)", None),
        ("eeg_eegmmidb/S002R01.edf", 60.0, "weak 60 Hz line (x1 to 18)", None),
        ("eeg_eegmat/Subject00_1.edf", 50.0, "filtered: no line noise", 0),
    ):
        seen = watched(edf(folder / name), mains_hz, only=("line",))
        ratio = np.nanmedian(seen.value("line"), axis=0)
        on = share_on(seen, "line") > 0.5
        yield Said(
            Path(name).name,
            documented,
            f"line {ratio.min():.0f} to {ratio.max():.0f} dB (x{10 ** (ratio.min() / 10):.1f} to "
            f"{10 ** (ratio.max() / 10):.1f}), raised for more than half of the time in {on.sum()} "
            f"of {len(on)} channels",
            yes(int(on.sum()) == most if most is not None else float(ratio.max()) < 15.0),
        )


def arithmetic(folder: Path) -> Iterator[Said]:
    """Baselines of three minutes: artefacts, a rest that is too short, and the task itself."""
    for name, documented, loud in (
        ("Subject00_1.edf", "182 s of rest before mental arithmetic", False),
        ("Subject00_2.edf", "62 s of mental arithmetic", False),
        ("Subject13_1.edf", "182 s of rest, almost no alpha", False),
        ("Subject14_1.edf", "182 s of rest with artefacts of 427 uV", True),
        ("Subject31_1.edf", "rest that is too short: 80 s", False),
    ):
        recorded = edf(folder / name)
        keep = [c for c, n in enumerate(recorded.stream.channels) if "ECG" not in n.upper()]
        names = tuple(recorded.stream.channels[c] for c in keep)
        stream = eeg_stream("eeg", names, 500.0, 0.1, None, counter=True)
        counts = recorded.counts[:, keep]
        seen = watched(Recorded(stream, counts, recorded.index), 50.0)
        clean = seen.lattice.clean_s()
        units = int((seen.level("units") >= 2).any(axis=1).sum())
        marked = [
            check
            for check in ("pop", "blinks", "muscle", "amplitude", "loud", "hf_ratio", "correlation")
            if (seen.level(check) >= 2).any()
        ]
        peak = np.abs(counts - np.median(counts, axis=0)).max() / 10
        yield Said(
            name,
            documented,
            f"{len(seen.ticks_s)} s judged, {clean} of them clean; bad: "
            f"{named(stream, seen.bad)}; largest {peak:.0f} uV; raised: "
            f"{', '.join(marked) or 'nothing'}; units raised in {units} s",
            yes(("pop" in marked) == loud)
            if not name.startswith("Subject31")
            else yes(clean < 180) + ": no three minutes of clean time can come of it",
        )


def corrupt(path: Path) -> Iterator[Said]:
    """Four rows of one sample each that are no potentials."""
    recorded, _ = eye_state(path)
    seen = watched(recorded, 50.0, only=("pop", "saturation", "flat"))
    rows = (898, 10386, 11509, 13179)
    told = [int(((seen.lattice.bits()[int(row / 12.8)]) != 0).sum()) if row else 0 for row in rows]
    units = watched(recorded, 50.0, only=("units",))
    yield Said(
        path.name,
        f"4 corrupt rows ({', '.join(map(str, rows))}; values up to 7e5); no unit stated",
        f"channels with a bit of pop or saturation in the tenth of a second of each: "
        f"{', '.join(map(str, told))} of 14; units, in steps of 0.51 uV on an offset of 4200: "
        f"raised in {(units.level('units') >= 2).any(axis=1).sum()} s",
        yes(min(told) > 0),
    )


def bands(path: Path) -> Iterator[Said]:
    """Electrodes whose impedance the amplifier has written, channel by channel."""
    signals = _psg(path)
    # Each electrode has a trace of its own; those of pairs, "(Imp)", are left out.
    found = {
        name.split(" ")[0]: float(np.median(values))
        for name, (unit, values) in signals.items()
        if unit == "Ohm" and "mp" in name and "(Imp)" not in name
    }
    head = {n: v for n, v in found.items() if re.fullmatch(r"[CFOM][0-9]|E[12]", n)}
    judge = needed("tenmin.checks.impedance").impedance
    verdict = judge("psg", "eeg", len(head), head, {}, shipped())
    high = {n: f"{v / 1e3:.0f}" for n, v in head.items() if v > 10e3}
    yield Said(
        path.name,
        "O1 impedance about 26 kOhm, most others below 10 kOhm",
        f"impedance {verdict.level}, worst {verdict.value:.0f} kOhm; above 10 kOhm: "
        + (", ".join(f"{n} {v}" for n, v in high.items()) or "none")
        + f" of {len(head)} electrodes of head and eyes ({verdict.action.split(':')[0]})",
        yes("O1" in high and len(high) <= len(head) / 2 and verdict.level in ("WARN", "FAIL")),
    )


def _psg(path: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Signals of an EDF with their units, by name; each at its own rate."""
    data = path.read_bytes()
    size, n_records, n = int(data[184:192]), int(data[236:244]), int(data[252:256])
    at, parts = 256, {}
    fields = (
        ("name", 16), ("transducer", 80), ("unit", 8), ("low", 8), ("high", 8), ("least", 8),
        ("most", 8), ("filter", 80), ("samples", 8), ("rest", 32),
    )  # fmt: skip
    for field, width in fields:
        raw = [data[at + k * width : at + (k + 1) * width] for k in range(n)]
        parts[field] = [r.decode("utf-8", "replace").strip() for r in raw]
        at += n * width
    samples = [int(s) for s in parts["samples"]]
    records = np.frombuffer(data, "<i2", n_records * sum(samples), size).reshape(n_records, -1)
    found, first = {}, 0
    for k in range(n):
        digital = records[:, first : first + samples[k]].ravel().astype(float)
        first += samples[k]
        low, high, least, most = (float(parts[f][k]) for f in ("low", "high", "least", "most"))
        values = low + (digital - least) * (high - low) / (most - least)
        found[parts["name"][k]] = parts["unit"][k], values
    return found


def table(path: Path) -> Iterator[Said]:
    """The impedances that an amplifier wrote into a header, with one out of range."""
    lines = path.read_text("utf-8", "replace").split("Impedance [kOhm]")[1].splitlines()[1:]
    told: dict[str, float | None] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name and name not in ("Ref", "Gnd"):
            told[name] = float(value) if value.strip().isdigit() else None
    judge = needed("tenmin.checks.impedance").impedance
    facts = {"ephys.impedance": told}
    verdict = judge("eeg", "eeg", len(told), None, facts, shipped())
    known = {n: v for n, v in told.items() if v is not None}
    rest = judge("eeg", "eeg", len(known), None, {"ephys.impedance": known}, shipped())
    unknown = [n for n, v in told.items() if v is None]
    yield Said(
        path.name,
        "impedance table: Fpz out of range",
        f"{len(told)} electrodes: impedance {verdict.level}, worst {verdict.value:.0f} kOhm "
        f"({verdict.action.split(':')[0]}); no number: {', '.join(unknown)}; without these "
        f"{rest.level}",
        yes(unknown == ["Fpz"] and verdict.level != "OK"),
    )


def scaled(folder: Path) -> Iterator[Said]:
    """Deep and cortical electrodes whose header makes tens of volts of them."""
    stem = "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg"
    values = np.fromfile(folder / f"{stem}.eeg", "<f4").reshape(-1, 10)
    header = (folder / f"{stem}.vhdr").read_text("utf-8")
    names = tuple(re.findall(r"^Ch\d+=([^,]+)", header, re.MULTILINE))
    kept = [c for c, name in enumerate(names) if not name.startswith("MOV")]
    stream = Stream(
        "ieeg", tuple(names[c] for c in kept), 1000.0, "volts", scale=1e-7, dtype="float32",
        kind="ieeg", counter=True,
    )  # fmt: skip
    seen = watched(Recorded(stream, values[:, kept], np.arange(len(values))), 50.0, only=("units",))
    last = seen.value("units")[-1]
    yield Said(
        f"{stem}.eeg",
        "unit fault: scaled as the header says the signals are tens of volts",
        f"units {LEVEL_OF_CODE[seen.level('units')[-1].max()]}: {np.nanmax(last):.0f} times what "
        f"can be, from {_first(seen, 'units')} s on",
        yes(bool((seen.level("units") >= 2).any())),
    )


def _first(seen: Seen, check: str) -> int | None:
    on = np.flatnonzero((seen.level(check) >= 2).any(axis=1))
    return int(on[0]) + 1 if len(on) else None


def axona(folder: Path) -> Iterator[Said]:
    """Eight bits whose ends are hit; light pulses from 600 s on; lamps that were lost."""
    raw = (folder / "M851_140908t2rh.eeg").read_bytes()
    start = raw.index(b"data_start") + len(b"data_start")
    samples = np.frombuffer(raw, np.int8, offset=start)[: 600 * 250]
    stream = eeg_stream("lfp", ("LFP",), 250.0, 1.0, (-128.0, 127.0), dtype="int8", kind="ieeg",
                        counter=True)  # fmt: skip
    seen = watched(Recorded(stream, samples[:, None], np.arange(len(samples))), 50.0,
                   only=("saturation",))  # fmt: skip
    ends = np.abs(samples.astype(int)) >= 0.96 * 127
    share = (samples == -128) | (samples == 127)
    told = np.nanmean(seen.value("saturation"))
    yield Said(
        "M851_140908t2rh.eeg",
        "2 % of samples on the rails of 8 bits in the first 600 s",
        f"saturation: {told:.1%} of samples on average (at the rails {share.mean():.1%}, within "
        f"4 % of them {ends.mean():.1%}); FAIL in {(seen.level('saturation') >= 3).mean():.0%} of "
        "seconds",
        yes(abs(told - ends.mean()) < 0.002),
    )
    pulses = np.frombuffer((folder / "M851_140908t2rh.stm").read_bytes().split(b"data_start")[1],
                           ">u4", count=8000) / 1000.0  # fmt: skip
    yield Said(
        "M851_140908t2rh.stm, .pos.gz",
        "600 s without stimuli, then 8000 light pulses; tracking lost in 12.5 % of 10 min",
        f"first pulse at {pulses[0]:.2f} s, {len(pulses)} pulses; a stream of positions has no "
        "check of its losses, and its state is unknown where there is no value",
        "no check: of lost tracking",
    )


def probe(path: Path) -> Iterator[Said]:
    """Half a second of a Neuropixels 2.0, and the same half second over and over."""
    counts = np.frombuffer(lzma.decompress(path.read_bytes()), "<i2").reshape(-1, 385)[:, :384]
    microvolts = 0.5 / 8192 / 80 * 1e6
    stream = eeg_stream("ap", tuple(f"AP{c}" for c in range(384)), 30000.0, microvolts,
                        (-8192.0, 8191.0), dtype="int16", kind="ecephys", counter=True)  # fmt: skip
    once = _played(stream, counts, 1)
    turns = _played(stream, counts, 20)
    noise = np.nanmedian(turns.value("noise")[-1])
    by_scipy = [_above(counts * microvolts, hz) for hz in (300.0, 600.0)]
    yield Said(
        path.name,
        "0.5 s; noise of 22 uV after a high-pass; spikes on some channels",
        f"{len(once.ticks_s)} s judged: a second is not full, all is UNKNOWN; played twenty times "
        f"in a row: noise above 300 Hz {noise:.0f} uV (robust SD, median channel; scipy's "
        f"{by_scipy[0]:.0f}, above 600 Hz {by_scipy[1]:.0f}), noise raised in "
        f"{(turns.level('noise')[-1] >= 2).sum()} of 384, units raised in "
        f"{(turns.level('units') >= 2).any(axis=1).sum()} s",
        yes(abs(noise / by_scipy[0] - 1) < 0.1) + ": the corner of the documented 22 is not told",
    )


def _above(microvolts: np.ndarray, hz: float) -> float:
    """Robust SD above a corner, second order, both ways; of the median channel."""
    from scipy import signal

    sos = signal.butter(2, hz, "high", fs=30000.0, output="sos")
    fast = signal.sosfiltfilt(sos, microvolts, axis=0)[1500:-1500]
    return float(np.median(1.4826 * np.median(np.abs(fast), axis=0)))


def _played(stream: Stream, counts: np.ndarray, times: int) -> Seen:
    samples = np.tile(counts, (times, 1))
    rng, index = np.random.default_rng(0), np.arange(len(samples))
    only = ("noise", "units")
    return watch(stream, chunks_of(samples, 30000.0, rng, index=index), Setting(50.0), only=only)


def absent(folder: Path) -> Iterator[Said]:
    """What is documented of signals that are too short or not there."""
    fixture = folder / "ephys_openephys_binary" / "Record Node 104"
    data = next(fixture.rglob("continuous.dat"))
    yield Said(
        data.name,
        "33 ms of a Neuropixels: a fixture of the format",
        f"{data.stat().st_size // 770} samples: no second, so every check is UNKNOWN",
        "UNKNOWN, never OK",
    )
    channels = folder / "bids_sidecars/eeg_matchingpennies/sub-05/eeg"
    lines = next(channels.glob("*channels.tsv")).read_text().splitlines()[1:]
    bad = [line.split("\t")[0] for line in lines if "\tbad\t" in line]
    yield Said(
        "sub-05_task-matchingpennies_channels.tsv",
        f"bad by a person: {' '.join(bad)} of {len(lines)}",
        "the signals are not there; bad channels are scored on simulated ones alone",
        "simulated only",
    )
    yield Said(
        "-",
        "REM sleep: no recording with it is there",
        "states of REM are scored on simulated animals alone",
        "simulated only",
    )


FILES: tuple[tuple[str, Reader], ...] = (
    ("", weak_mains),
    ("eeg_eegmat", arithmetic),
    ("eeg_eyestate_uci/EEG_Eye_State.arff.gz", corrupt),
    ("eeg_psg_impedance/subject1.edf", bands),
    ("bids_sidecars/eeg_rest_fmri/sub-32/eeg/sub-32_task-rest_eeg.vhdr", table),
    ("ieeg_bids_testsub/sub-testsub/ses-EphysMedOff/ieeg", scaled),
    ("ephys_axona_mouse", axona),
    ("ephys_spikeglx_np2/run-001_g0_imec0/run-001_g0_t0.imec0.ap.bin.xz", probe),
    ("", absent),
)
