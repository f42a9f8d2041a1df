"""The same questions put to programs that answer them offline, and where the answers differ.

SpikeInterface, pyprep and pyABF live in an environment of their own (``make peers``): they are no
part of the lock. MNE is there for the tests anyway.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.checks.setting import Setting
from tests.scoring import bad, eyes, signals
from tests.scoring.matching import confusion, kappa
from tests.scoring.play import Seen, chunks_of, needed, watch
from tests.scoring.real_cells import ACCESS
from tests.scoring.recordings import DATA, abf, edf

SCRIPT = Path(__file__).with_name("peers_run.py")
SEEDS = (1000, 1001, 1002)


def asked(python: Path, program: str, **given: Any) -> dict[str, Any]:
    """What a program of the other environment answers."""
    with tempfile.TemporaryDirectory(prefix="tenmin-peers-") as folder:
        there, back = Path(folder) / "in.npz", Path(folder) / "out.json"
        np.savez(there, program=program, **given)
        command = [str(python), str(SCRIPT), str(there), str(back)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=580)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")
        return dict(json.loads(back.read_text()))


def row(program: str, data: str, agreement: str, differ: str) -> dict[str, str]:
    """One line of the page."""
    return {"program": program, "data": data, "agreement": agreement, "where they differ": differ}


def compare(python: Path | None) -> list[dict[str, str]]:
    """All comparisons; those that cannot be run say so."""
    rows = [muscle()]
    if python is None or not python.exists():
        why = "not run: no environment with it (`make peers`)"
        names = ("SpikeInterface", "pyprep", "pyABF")
        return [*rows, *(row(name, "-", why, "-") for name in names)]
    return [*rows, probe(python), *caps(python), *access(python)]


def muscle() -> dict[str, str]:
    """MNE's muscle annotation on the simulated episodes."""
    import mne

    table, truth_ours, truth_theirs = np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))
    for seed in SEEDS:
        counts, there, on = eyes.muscle_seen(seed)
        info = mne.create_info(list(eyes.LABELS), signals.EEG_HZ, "eeg")
        volts = counts.T * signals.EEG_UV * 1e-6
        raw = mne.io.RawArray(volts, info, verbose="error")
        found, _ = mne.preprocessing.annotate_muscle_zscore(
            raw, ch_type="eeg", threshold=4, min_length_good=0.1, verbose="error"
        )
        theirs, truth = np.zeros(len(on), bool), np.zeros(len(on), bool)
        for a in found:
            first, last = (a["onset"] - eyes.SETTLE_S) * 10, a["duration"] * 10
            theirs[max(0, round(first)) : max(0, round(first + last))] = True
        for e in there:
            truth[round(e.onset_s * 10) : round(e.offset_s * 10)] = True
        table += confusion(on, theirs, 2)
        truth_ours += confusion(truth, on, 2)
        truth_theirs += confusion(truth, theirs, 2)
    return row(
        f"MNE {mne.__version__} annotate_muscle_zscore",
        f"simulated episodes, seeds {SEEDS[0]} to {SEEDS[-1]}, bins of 0.1 s",
        f"{np.trace(table) / table.sum():.1%} of bins, kappa {kappa(table):.2f}",
        f"against the truth: ours kappa {kappa(truth_ours):.2f}, MNE's {kappa(truth_theirs):.2f}. "
        "MNE takes mean and SD over the whole record, episodes included, and filters without "
        "delay; ours takes those of the settling, and its filters look back only",
    )


def probe(python: Path) -> dict[str, str]:
    """SpikeInterface's detect_bad_channels on the simulated probe."""
    same, n, right_ours, right_theirs, version = 0, 0, 0, 0, ""
    apart: list[str] = []
    for seed in SEEDS[:1]:
        counts, truth, labels = bad.probe_labels(seed)
        told = asked(python, "spikeinterface", samples=counts * signals.PROBE_UV,
                     rate_hz=signals.PROBE_HZ)  # fmt: skip
        version = told["version"]
        both = list(zip(labels, told["labels"]))
        same += sum(a == b for a, b in both)
        n += len(both)
        right_ours += sum((a != "good") == bool(t) for a, t in zip(labels, truth))
        right_theirs += sum((b != "good") == bool(t) for b, t in zip(told["labels"], truth))
        apart += [f"{a} / {b}" for a, b in both if a != b]
    kinds = ", ".join(f"{k} ({apart.count(k)})" for k in sorted(set(apart))) or "nowhere"
    return row(
        f"SpikeInterface {version} detect_bad_channels",
        f"simulated probe, seed {SEEDS[0]}, {n} channels",
        f"same label for {same} of {n}",
        f"ours / theirs: {kinds}; bad or not as in truth: ours {right_ours}, theirs {right_theirs}",
    )


def caps(python: Path) -> list[dict[str, str]]:
    """Pyprep on two real caps."""
    rows = []
    for name in ("S001R01.edf", "S002R01.edf"):
        path = DATA / "eeg_eegmmidb" / name
        if not path.exists():
            rows.append(row("pyprep", name, "not run: no such file", "-"))
            continue
        recorded = edf(path)
        chunks = chunks_of(recorded.counts, 160.0, np.random.default_rng(0), index=recorded.index)
        seen: Seen = watch(recorded.stream, chunks, Setting(60.0))
        names = recorded.stream.channels
        told = asked(python, "pyprep", samples=recorded.counts * 0.1, rate_hz=160.0,
                     names=np.array(names))  # fmt: skip
        theirs = set(told["bads"].get("bad_all", ()))
        ours = {names[c] for c in np.flatnonzero(seen.bad)}
        reasons = {k: v for k, v in told["bads"].items() if v and k != "bad_all"}
        agreed = sum((n in ours) == (n in theirs) for n in names)
        rows.append(
            row(
                f"pyprep {told['version']} NoisyChannels",
                name,
                f"{agreed} of {len(names)} channels",
                f"only ours: {' '.join(sorted(ours - theirs)) or 'none'}; only theirs: "
                f"{' '.join(sorted(theirs - ours)) or 'none'} "
                f"({'; '.join(f'{k}: {chr(32).join(v)}' for k, v in reasons.items()) or 'none'}). "
                "PREP judges the whole record, with a criterion of the spectrum (psd) that none of "
                "ours is; deviation below 10 robust SD is WARN here, and makes no channel bad. "
                "Ours alone: more than 1 % of seconds below the least correlation, none at FAIL",
            )
        )
    return rows


def access(python: Path) -> list[dict[str, str]]:
    """PyABF's membrane test on the patch files."""
    folder = DATA / "patch_abf"
    if not folder.exists():
        return [row("pyABF", "patch_abf", "not run: no such folder", "-")]
    membrane = needed("tenmin.checks.membrane")
    paths = [str(folder / name) for name in ACCESS]
    told = asked(python, "pyabf", paths=np.array(paths))
    rows = []
    for name, path in zip(ACCESS, paths):
        cell = abf(Path(path))
        tests = [
            membrane.membrane_test(
                sweep[: cell.stop], cell.rate_hz, cell.step, cell.step_mv, cell.low_pass_hz
            )
            for sweep in cell.sweeps
        ]
        ours = float(np.median([t.access_mohm for t in tests if t is not None]))
        theirs = float(np.median(told["access"][path]))
        note = ""
        if name == "model_vc_step.abf":
            note = ". A model cell has one exponential"
        rows.append(
            row(
                f"pyABF {told['version']} membrane test",
                name,
                f"median {ours:.1f} against {theirs:.1f} MOhm",
                "pyABF goes back to the peak and counts from the steady current, which reads too "
                f"much behind a filter of {cell.low_pass_hz:.0f} Hz; it fits one exponential to "
                f"50 ms, which reads too much in a branched cell, ours as many as are there{note}",
            )
        )
    return rows
