"""Commands on a rig.toml: its devices are played by a simulator that the commands do not know."""

import json
import os
import subprocess
import sys
import uuid

import pytest

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("record")]
LIMIT_S = 120.0
PRIVATE = "[lab]\nSessionID = {}\n[multicast]\nResolveScope = machine\n[log]\nlevel = -2\n"


class Terminal:
    """Runs ``tenmin`` where only this test's simulator is seen."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "lsl.cfg").write_text(PRIVATE.format(f"test-{uuid.uuid4()}"))
        (folder / "run").mkdir(mode=0o700)
        self.env = os.environ | {
            "TENMIN_RUNTIME_DIR": str(folder / "run"),
            "LSLAPICFG": str(folder / "lsl.cfg"),
        }

    def start(self, *words):
        return subprocess.Popen(
            [sys.executable, "-m", "tenmin", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.env,
        )

    def run(self, *words):
        process = self.start(*words, "--json")
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, json.loads(out), err

    def record(self, *words):
        files = ("--protocol", "ex/quick/protocol.toml", "--subject", "ex/quick/subject.toml")
        lengths = ("--seconds", "3", "--settle", "2", "--pads", "1")
        return ("record", "ex/quick/rig.toml", *files, *lengths, *words)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    found = Terminal(tmp_path_factory.mktemp("rig-file"))
    simulator = found.start("sim", "quick")
    with simulator:
        simulator.stdout.readline()  # it delivers when this line is there
        assert found.run("examples", "--out", "ex")[0] == 0
        yield found
        simulator.terminate()


def test_the_check_opens_the_devices_of_the_file(terminal):
    code, told, _ = terminal.run("check", "ex/quick/rig.toml")
    assert code == 0, told
    assert "16 channels" in str(told["checks"])


def test_outlets_are_listed_with_keys_that_rig_toml_takes(terminal):
    _, told, _ = terminal.run("devices")
    names = [d["keys"].get("stream_name") for d in told["devices"] if "lsl" in d["drivers"]]
    assert sorted(names) == ["markers", "probe"]


def test_a_second_engine_on_a_rig_is_refused(terminal):
    engine = terminal.start("engine", "ex/quick/rig.toml", "--json")
    with engine:
        assert json.loads(engine.stdout.readline())["rig_id"] == "example-quick"
        code, refused, _ = terminal.run("engine", "ex/quick/rig.toml")
        engine.terminate()
    assert (code, refused["kind"]) == (2, "RigBusy")
    assert engine.returncode == 0


def test_a_block_of_a_rig_file_ends_well_and_a_second_one_meanwhile_is_refused(terminal):
    first = terminal.start(*terminal.record("--json"))
    with first:
        assert any(line.startswith("RECORDING") for line in first.stderr)
        code, refused, _ = terminal.run(*terminal.record())
        out, _ = first.communicate(timeout=LIMIT_S)
    assert (code, refused["kind"]) == (2, "RigBusy")
    told = json.loads(out)
    assert (first.returncode, told["simulated"], told["n_window"]) == (0, False, 3 * 2000)
