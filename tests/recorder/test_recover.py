"""A finaliser that follows, dies, finds the disk full, or has only half a journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tenmin.errors import JournalDamaged, RigBusy
from tenmin.recorder.finaliser import finalise, main
from tenmin.recorder.journal import JsonLog, StreamJournal, write_block
from tenmin.recorder.recover import recover
from tenmin.system import FileLock
from tests.recorder import journals
from tests.recorder.journals import Source, eeg, make, probe, treadmill
from tests.recorder.reading import opened, stream_of
from tests.recorder.small_disk import run_on_small_disk
from tests.recorder.waiting import until

ROOT = Path(__file__).parents[2]


def start_following(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "tenmin.recorder.finaliser", str(folder), "--follow"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def growing(tmp_path):
    """A journal with everything but its last half of samples and its end, and how to add them."""
    made = make(tmp_path, [Source(probe(64, 5000.0))], end=None)
    whole = made.samples["probe"]
    half = len(whole) // 2 // 250 * 250
    journal = StreamJournal(made.folder, probe(64, 5000.0))
    journal.append(0, whole[:half], None, journals.SETTLE_NS + 10**9)
    journal.commit(0.0)

    def rest():
        for row in range(half, len(whole), 250):
            piece = whole[row : row + 250]
            journal.append(row, piece, None, journals.SETTLE_NS + 10**9 + row * 200_000)
            journal.commit(float(row))
        journal.close()
        log = JsonLog(made.folder / "acquirer.jsonl")
        log.write({"t": "end", "reason": "complete", "host_ns": journals.SETTLE_NS + 7 * 10**9})
        log.close()

    return made, rest


def part_of(made) -> Path:
    return made.folder.parent / (made.block["nwb"] + ".part")


def test_a_follower_finishes_when_the_journal_is_closed(tmp_path):
    made, rest = growing(tmp_path)
    follower = start_following(made.folder)
    until(lambda: part_of(made).exists() and part_of(made).stat().st_size > 500_000)
    assert not (made.folder.parent / made.block["nwb"]).exists()
    rest()
    _, errors = follower.communicate(timeout=60)
    assert follower.returncode == 0, errors
    with opened(made) as nwb:
        assert nwb.acquisition["probe"].data[:].tobytes() == made.samples["probe"].tobytes()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("size", [0, 40_000, 500_000])
def test_a_killed_follower_is_replaced_and_nothing_is_lost(tmp_path, size):
    made, rest = growing(tmp_path)
    follower = start_following(made.folder)
    until(lambda: part_of(made).exists() and part_of(made).stat().st_size >= size)
    follower.send_signal(signal.SIGKILL)
    follower.communicate()
    rest()
    finalise(made.folder, follow=True)
    with opened(made) as nwb:
        assert nwb.acquisition["probe"].data[:].tobytes() == made.samples["probe"].tobytes()
    assert not part_of(made).exists()


def test_a_stream_that_joins_late_is_in_the_file(tmp_path):
    made = make(tmp_path, [Source(probe()), Source(treadmill())])
    late = made.block["streams"].pop("treadmill")
    write_block(made.folder, made.block)
    follower = start_following(made.folder)
    until(lambda: part_of(made).exists() or follower.poll() is not None)
    write_block(
        made.folder, {**made.block, "streams": {**made.block["streams"], "treadmill": late}}
    )
    follower.communicate(timeout=60)
    if follower.returncode == 0:  # it may have been done before the stream came
        finalise(made.folder)
    with opened(made) as nwb:
        assert "treadmill" in nwb.acquisition


@pytest.mark.parametrize("seed", range(8))
def test_a_journal_cut_anywhere_gives_a_file_of_what_is_whole(tmp_path, seed):
    made = make(tmp_path, [Source(probe(), chunk=100), Source(eeg())], seconds=2.0)
    rng = np.random.default_rng(seed)
    paths = sorted(p for p in made.folder.iterdir() if p.suffix in (".bin", ".idx", ".time"))
    paths.append(made.folder / "acquirer.jsonl")
    for path in paths:
        os.truncate(path, int(rng.integers(path.stat().st_size // 3, path.stat().st_size)))
    result = recover(made.folder)
    n = stream_of(result, "probe")["samples"]
    assert n > 0
    with opened(made) as nwb:
        data = nwb.acquisition["probe"].data[:]
    assert data.tobytes() == made.samples["probe"][:n].tobytes()


def test_a_block_json_without_any_log_still_gives_a_file(tmp_path):
    made = make(tmp_path, [Source(probe())])
    (made.folder / "acquirer.jsonl").unlink()
    (made.folder / "events.jsonl").unlink()
    result = recover(made.folder)
    assert stream_of(result, "probe")["samples"] == 5000


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A rig whose acquirer is alive and records into the journal."""
    runtime = tmp_path / "run"
    (runtime / "rig").mkdir(parents=True)
    for folder in (runtime, runtime / "rig"):
        folder.chmod(0o700)
    monkeypatch.setenv("TENMIN_RUNTIME_DIR", str(runtime))
    made = make(tmp_path / "data", [Source(probe())], end=None)
    (runtime / "rig" / "spool.json").write_text(json.dumps({"dot": str(made.folder)}))
    return made, FileLock(runtime / "rig" / "acquirer.lock")


def test_a_journal_that_is_being_recorded_is_left_alone(locked):
    made, lock = locked
    with lock, pytest.raises(RigBusy, match="still being recorded"):
        recover(made.folder)


def test_a_journal_whose_acquirer_died_is_recovered(locked):
    made, lock = locked
    with lock:
        pass
    assert recover(made.folder)["verified"]


def test_two_finalisers_never_write_the_same_file(tmp_path, capsys):
    made = make(tmp_path, [Source(probe())])
    with FileLock(made.folder / "finaliser.lock"):
        with pytest.raises(RigBusy, match="Another process"):
            recover(made.folder)
        assert main([str(made.folder)]) != 0
    assert "locked" in capsys.readouterr().err


def test_a_folder_that_is_no_journal_is_refused(tmp_path):
    with pytest.raises(JournalDamaged):
        recover(tmp_path)
    with pytest.raises(JournalDamaged):
        recover(tmp_path / "nothing")


FULL = """
import sys
from pathlib import Path
from tenmin.errors import DiskFull
from tenmin.recorder.finaliser import finalise
from tests.recorder.journals import Source, make, probe
made = make(Path(sys.argv[1]), [Source(probe(64, 5000.0))])
try:
    finalise(made.folder)
except DiskFull as error:
    left = [p.name for p in made.folder.parent.iterdir()]
    print("full", left == [made.folder.name])
"""


def test_a_disk_too_small_for_the_file_leaves_the_journal_alone(tmp_path):
    assert run_on_small_disk(tmp_path, "4m", FULL) == ["full", "True"]


HOMELESS = """
import sys
from tenmin.recorder.recover import recover
from tenmin.validate import validate
result = recover(sys.argv[1])
print(result["verified"], sorted({found.level for found in validate([result["path"]])}))
"""


def test_a_home_that_cannot_be_written_keeps_nobody_from_the_file(tmp_path):
    made = make(tmp_path / "data", [Source(probe())])
    home = tmp_path / "no folder"
    home.touch()
    environ = {key: item for key, item in os.environ.items() if not key.startswith("XDG_")}
    environ |= {"HOME": str(home), "TENMIN_RUNTIME_DIR": str(tmp_path / "run")}
    command = [sys.executable, "-c", HOMELESS, str(made.folder)]
    run = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout == "True ['OK']\n", run.stderr
