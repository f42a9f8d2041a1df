"""One short block on a simulated rig through the real command, asked and told by others."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tenmin.commands.record import KEYS, VERDICT_KEYS

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("record")]
SHORT = ("--seconds", "4", "--settle", "2", "--pads", "1")
LIMIT_S = 120.0


def start(tmp_path, *words):
    env = {**os.environ, "TENMIN_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir(mode=0o700, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tenmin", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=env,
    )


def ask(tmp_path, *words):
    process = start(tmp_path, *words)
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


def until_line(process, words):
    """The lines of stderr up to the first that begins with one of `words`."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith(words):
            return seen
    process.kill()
    process.communicate()
    pytest.fail(f"{words} never came: {seen}")


def until_result(looker):
    """The lines of `tenmin attach --json` up to the result; nobody waits for the engine's end."""
    seen = []
    with looker:
        for line in looker.stdout:
            seen.append(json.loads(line))
            if seen[-1]["type"] == "result":
                break
        looker.terminate()
    return seen


@dataclass
class Block:
    code: int
    out: str
    err: str
    asked: dict = field(default_factory=dict)

    @property
    def told(self):
        return json.loads(self.out)


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """A whole block; while it records, a second terminal asks, notes and looks on."""
    tmp_path = tmp_path_factory.mktemp("record")
    process = start(
        tmp_path, "record", "sim:quick", *SHORT, "--fault", "gap@1:10", "--keep-journal", "--json"
    )
    seen = until_line(process, ("RECORDING",))
    looker = start(tmp_path, "attach", "--json")
    asked = {
        "status": ask(tmp_path, "status", "--json"),
        "note": ask(tmp_path, "note", "the door opened"),
    }
    out, err = process.communicate(timeout=LIMIT_S)
    asked["attach"] = until_result(looker)
    return Block(process.returncode, out, "".join(seen) + err, asked)


def test_the_result_is_one_object_with_the_keys_of_the_contract(block):
    assert block.out.count("\n") == 1
    assert tuple(block.told) == KEYS


def test_the_window_has_as_many_samples_as_seconds_times_rate(block):
    assert block.told["n_window"] == 4 * 2000


def test_a_rehearsal_on_a_simulated_rig_is_marked(block):
    assert (block.told["simulated"], block.told["nonstandard"]) == (True, True)


def test_the_gap_is_told_exactly(block):
    probe = next(s for s in block.told["streams"] if s["name"] == "probe")
    t0 = block.told["t0_index"]
    assert [n for _, n in probe["gaps"]] == [10]
    assert t0 <= probe["gaps"][0][0] < t0 + 8000
    assert probe["missing_samples"] == 10


def test_verdicts_have_the_keys_of_the_contract(block):
    assert block.told["verdicts"]
    assert all(tuple(v) == VERDICT_KEYS for v in block.told["verdicts"])


def test_the_file_is_where_the_result_says(block):
    assert os.path.getsize(block.told["nwb"]) > 0


def test_the_journal_is_kept_where_that_was_asked_for(block):
    assert os.path.isfile(os.path.join(block.told["journal"], "block.json"))


def test_a_gap_makes_the_block_fail_its_check_but_keeps_the_file(block):
    gaps = next(v for v in block.told["verdicts"] if (v["check"], v["stream"]) == ("gaps", "probe"))
    assert (block.code == 0) == (gaps["level"] != "FAIL")


def test_progress_goes_to_stderr(block):
    assert "SETTLE" in block.err
    assert "RECORDING" in block.err


def test_the_status_of_a_running_block_is_told(block):
    code, out, _ = block.asked["status"]
    assert code == 0
    assert json.loads(out)["snapshot"]["phase"] in ("RECORDING", "CLOSING")


def test_a_note_is_in_the_journal(block):
    assert block.asked["note"][0] == 0
    with open(os.path.join(block.told["journal"], "events.jsonl"), encoding="utf-8") as file:
        assert "the door opened" in file.read()


def test_attach_tells_a_line_per_snapshot_and_the_result(block):
    kinds = [line["type"] for line in block.asked["attach"]]
    assert kinds[0] == "status"
    assert kinds.count("snapshot") > 10
    assert kinds[-1] == "result"


def test_the_journal_alone_gives_the_same_file_again(block, tmp_path):
    dot = block.told["journal"]
    copy = tmp_path / os.path.basename(os.path.dirname(dot)) / os.path.basename(dot)
    shutil.copytree(dot, copy)
    code, out, _ = ask(tmp_path, "recover", str(copy), "--json")
    told = json.loads(out)
    assert code == block.code
    assert (told["streams"], told["n_window"]) == (block.told["streams"], block.told["n_window"])


def test_nobody_has_anything_to_say_about_the_file(block, tmp_path):
    code, out, _ = ask(tmp_path, "validate", block.told["nwb"], "--json")
    checks = json.loads(out)["checks"]
    assert {c["check"] for c in checks} == {"schema", "inspector", "dandi", "invariants"}
    assert [c["message"] for c in checks if c["level"] not in ("OK", "UNKNOWN")] == []
    assert code == 0


def test_ctrl_c_ends_the_block_in_good_order_with_4(tmp_path):
    process = start(tmp_path, "record", "sim:quick", "--seconds", "60", *SHORT[2:], "--json")
    until_line(process, ("RECORDING",))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 4
    assert tuple(json.loads(out)) == KEYS


def test_a_killed_command_leaves_the_block_to_go_on(tmp_path):
    process = start(tmp_path, "record", "sim:quick", *SHORT, "--json")
    until_line(process, ("SETTLE", "READY", "RECORDING"))
    process.kill()
    process.communicate()
    result = until_result(start(tmp_path, "attach", "--json"))[-1]
    assert os.path.getsize(result["nwb"]) > 0
