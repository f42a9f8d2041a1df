import argparse
import io
import json
import os
import subprocess
import sys

import pytest

from tenmin import __version__, cli, examples
from tenmin.commands.check_devices import devices
from tenmin.commands.plan import plan
from tenmin.commands.progress import EVERY_S, Progress, describe
from tenmin.commands.record import KEYS, POSITIONS, add_record, summary
from tenmin.errors import StreamStalled
from tenmin.source import DeviceConfig
from tenmin.stream import Stream

HEAVY = ("numba", "pynwb", "h5py", "hdmf", "zmq", "pydantic", "numpy", "textual", "pylsl")
RIG = """[rig]
id = "lab-rig"
mains_hz = 50
[[device]]
name = "eeg"
driver = "lsl"
stream_name = "nobody-sends-this"
resolve_timeout_s = 0.2
primary = true
"""


@pytest.fixture(autouse=True)
def own_runtime(tmp_path, monkeypatch):
    """No engine of anybody else is seen."""
    monkeypatch.setenv("TENMIN_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)


def tenmin(*words, code="import sys; from tenmin.cli import main; sys.exit(main())"):
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "100"},
    )


def last_json(capsys):
    out = capsys.readouterr().out
    assert out.count("\n") == 1, out
    return json.loads(out)


def test_the_version_is_printed():
    assert tenmin("--version").stdout.strip() == f"tenmin {__version__}"


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom tenmin.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    out = tenmin("--help", code=code).stdout
    assert "heavy []" in out
    assert all(name in out for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "--debug" in out
    assert ("--json" in out) == (command not in ("sim", "protocols"))


@pytest.mark.parametrize("command", [c for c in cli.COMMANDS if c not in ("sim", "protocols")])
def test_every_command_that_a_machine_reads_has_json(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "--json" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 2
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["recrod"], ["record"], ["record", "sim:quick", "--seconds", "-3"], ["note"], ["demo", "x"]],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", ["status", "attach", "abort"])
def test_asking_an_engine_that_is_not_there_says_how_to_start_one(command, capsys):
    assert cli.main([command]) == 3
    said = capsys.readouterr()
    assert "No engine runs." in said.err
    assert "tenmin record" in said.err
    assert said.out == ""


def test_an_error_is_one_json_object_on_stdout_and_words_on_stderr(capsys):
    assert cli.main(["record", "sim:mose", "--json"]) == 2
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["kind"] == "UnknownName"
    assert "Did you mean mouse" in told["error"]
    assert told["exit_code"] == 2
    assert "Did you mean mouse" in said.err


def test_an_error_has_no_traceback_unless_it_is_asked_for(capsys):
    cli.main(["record", "sim:mose"])
    assert "Traceback" not in capsys.readouterr().err
    cli.main(["record", "sim:mose", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_our_own_is_told_without_a_traceback(capsys, monkeypatch):
    monkeypatch.setattr("tenmin.examples.write", lambda out: 1 / 0)
    assert cli.main(["examples"]) == 3
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "--debug" in said
    assert "Traceback" not in said


def test_a_reader_that_goes_away_is_no_fault():
    code = (
        "import sys\nfrom tenmin import cli\nfrom tenmin.commands import files\n"
        "def broken(args, console):\n    raise BrokenPipeError\n"
        "files.examples = broken\nsys.exit(cli.main())"
    )
    ended = tenmin("examples", code=code)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_recording_a_rig_that_is_not_there_ends_with_2(capsys):
    assert cli.main(["record", "no-rig.toml", "--protocol", "human-eyes-open"]) == 2
    assert "no-rig.toml cannot be read" in capsys.readouterr().err


def test_all_that_is_missing_is_told_at_once(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG.replace("mains_hz = 50", "mains_hz = 51"))
    words = ["record", str(rig), "--set", "env.luxx=3", "--seed", "7", "--json"]
    assert cli.main(words) == 2
    told = " ".join(json.loads(capsys.readouterr().out)["faults"])
    for part in ("mains_hz = 51", "No --protocol", "env.luxx", "--seed: only a simulated"):
        assert part in told


def test_missing_facts_are_listed_with_their_units(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    assert cli.main(["record", str(rig), "--protocol", "human-eyes-open", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert "subject.code (for example M0042)" in told["faults"]
    assert "env.lux_at_eye (lux)" in told["faults"]
    assert "--set" in told["remedy"]


def test_a_faulty_fault_is_told_before_anything_starts(tmp_path, capsys):
    assert cli.main(["record", "sim:quick", "--fault", "gip@3:1"]) == 2
    assert "gip" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_unknown_protocol_is_told_with_those_there_are(capsys):
    assert cli.main(["record", "sim:quick", "--protocol", "human-eye-open"]) == 2
    assert "human-eyes-open" in capsys.readouterr().err


def test_protocols_are_listed(capsys):
    assert cli.main(["protocols", "list", "--json"]) == 0
    found = {p["id"] for p in last_json(capsys)["protocols"]}
    assert {"human-eyes-open", "head-fixed-acute", "in-vitro-mea"} <= found


def test_a_protocol_is_shown_with_what_it_asks_for(capsys):
    assert cli.main(["protocols", "show", "head-fixed-acute"]) == 0
    out = capsys.readouterr().out
    assert "subject.code" in out
    assert "600 s" in out


def test_a_protocol_is_shown_as_json(capsys):
    assert cli.main(["protocols", "show", "patch", "--json"]) == 0
    assert last_json(capsys)["id"] == "patch"


def test_a_good_protocol_file_passes_its_check(capsys):
    path = str(examples.path_of("mouse", "protocol"))
    assert cli.main(["protocols", "check", path, "--json"]) == 0
    assert last_json(capsys)["ok"] is True


def test_a_faulty_protocol_file_fails_its_check_with_lines(tmp_path, capsys):
    path = tmp_path / "own.toml"
    path.write_text(examples.path_of("mouse", "protocol").read_text("utf-8") + "\n[wrong]\n")
    assert cli.main(["protocols", "check", str(path), "--json"]) == 2
    found = last_json(capsys)["files"][0]
    assert found["faults"][0].startswith("line ")


def test_examples_are_written_where_asked(tmp_path, capsys):
    assert cli.main(["examples", "--out", str(tmp_path / "ex"), "--json"]) == 0
    assert len(last_json(capsys)["written"]) == 12
    assert (tmp_path / "ex" / "human-eeg" / "subject.toml").is_file()


def test_examples_that_cannot_be_written_say_where(tmp_path, capsys):
    (tmp_path / "ex").write_text("a file")
    assert cli.main(["examples", "--out", "ex"]) == 3
    assert "ex cannot be written" in capsys.readouterr().err


def test_check_tells_every_fault_with_its_remedy(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    (tmp_path / "out").write_text("a file")
    assert cli.main(["check", str(rig), "--out", "out", "--json"]) == 3
    told = last_json(capsys)
    found = {c["check"]: c for c in told["checks"]}
    assert not told["ok"]
    assert found["rig"]["ok"]
    assert found["clock"]["ok"]
    assert "nobody-sends-this" in found["device eeg"]["message"]
    assert found["device eeg"]["remedy"]
    assert not found["disk"]["ok"]


def test_check_of_a_wrong_file_ends_with_2_and_still_looks_at_the_rest(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG.replace("mains_hz = 50", "mains_hz = 51"))
    assert cli.main(["check", str(rig), "--subject", "none.toml", "--json"]) == 2
    found = {c["check"]: c["ok"] for c in last_json(capsys)["checks"]}
    assert (found["rig"], found["subject"], found["disk"]) == (False, False, True)


def refused_by_record(capsys, *words):
    cli.main(["record", *words, "--json"])
    return json.loads(capsys.readouterr().out)["faults"]


def checked(capsys, *words):
    cli.main(["check", *words, "--json"])
    return {c["check"]: c for c in last_json(capsys)["checks"]}


def test_check_lists_the_facts_that_record_would_refuse_to_go_without(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    subject = tmp_path / "subject.toml"
    subject.write_text('[subject]\ncode = "S1"\nspecies = "Homo sapiens"\n')
    words = (str(rig), "--protocol", "human-eyes-open", "--subject", str(subject))
    missing = checked(capsys, *words)["facts"]["faults"]
    assert missing == refused_by_record(capsys, *words)
    assert "env.lux_at_eye (lux)" in missing


def test_check_counts_each_fault_that_it_lists(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG.replace("= 50", "= 51") + "sample = 3\nhalf = 4\n")
    assert cli.main(["check", str(rig)]) == 2
    out = capsys.readouterr().out
    assert out.count("  line ") == 3
    assert out.splitlines()[-1] == "3 faults."


def test_check_without_a_protocol_says_how_facts_are_looked_at(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    found = checked(capsys, str(rig))["facts"]
    assert not found["looked"]
    assert "--protocol" in found["message"]


def test_check_names_no_need_of_devices_that_do_not_answer(tmp_path, capsys):
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    found = checked(capsys, str(rig))
    assert not found["disk"]["looked"]
    assert not found["memory"]["looked"]
    assert " 0 B" not in found["disk"]["message"] + found["memory"]["message"]


def test_check_refuses_events_as_the_reference_clock():
    stream = Stream("board", ("text",), 0.0, "n/a", dtype="str", kind="marker")

    class Events:
        def __init__(self, config):
            self.stream = stream

        def start(self):
            pass

        def read(self):
            raise StreamStalled("No event yet.")

        def stop(self):
            pass

    found = finding_of(DeviceConfig(name="board", primary=True), Events)
    assert not found.ok
    assert "regular samples" in found.message
    assert finding_of(DeviceConfig(name="board"), Events).ok


def finding_of(config, driver):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tenmin.registry.load", lambda group, name: driver)
        [(found, _)] = devices([config], [])
    return found


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("name", examples.names())
def test_the_examples_have_the_facts_for_every_position(name, position):
    parser = argparse.ArgumentParser()
    parser.set_defaults(command="record")
    add_record(parser)
    _, start = plan(parser.parse_args([f"sim:{name}", "--position", position]))
    assert start["facts"]["dot.position"] == position


def test_check_of_a_rig_in_use_says_so(tmp_path, capsys):
    from tenmin.system import FileLock

    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    (tmp_path / "run" / "lab-rig").mkdir(mode=0o700, parents=True)
    (tmp_path / "run").chmod(0o700)
    with FileLock(tmp_path / "run" / "lab-rig" / "engine.lock"):
        assert cli.main(["check", str(rig)]) == 2
    assert "has its devices" in capsys.readouterr().out


def test_a_simulated_rig_passes_its_check_and_leaves_nothing(tmp_path):
    # A process of its own: liblsl reads its configuration once.
    ended = tenmin("check", "sim:quick", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    assert {c["check"] for c in told["checks"]} >= {"device probe", "memory"}
    assert list((tmp_path / "run").iterdir()) == []


def test_devices_are_listed_with_the_keys_for_rig_toml(capsys):
    assert cli.main(["devices", "--json"]) == 0
    for one in last_json(capsys)["devices"]:
        assert one["keys"]
        assert one["description"]


def test_a_simulator_says_its_endpoint_on_its_first_line():
    args = [sys.executable, "-m", "tenmin", "sim", "quick", "--channels", "2", "--rate", "100"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.stdout.close()
    assert first["endpoint"]


def test_an_unknown_simulator_ends_with_2(capsys):
    assert cli.main(["sim", "mose"]) == 2
    assert "Did you mean mouse" in capsys.readouterr().err


def test_validating_a_file_that_is_not_there_ends_with_2(capsys):
    assert cli.main(["validate", "none.nwb", "--json"]) == 2
    assert "none.nwb" in last_json(capsys)["error"]


def test_validating_a_file_that_is_no_nwb_ends_with_2(tmp_path, capsys):
    (tmp_path / "sub-a.nwb").write_bytes(b"no file of HDF5")
    assert cli.main(["validate", "sub-a.nwb", "--json"]) == 2
    assert "No NWB file: sub-a.nwb" in last_json(capsys)["error"]


def test_recovering_a_folder_that_is_no_journal_says_so(tmp_path, capsys):
    assert cli.main(["recover", str(tmp_path), "--json"]) == 3
    assert last_json(capsys)["kind"] == "JournalDamaged"


SNAPSHOT = {
    "phase": "RECORDING",
    "window_s": 30.0,
    "target_s": 60.0,
    "streams": [{"name": "probe", "received_missing": 3}],
    "verdicts": [{"level": "FAIL", "check": "gaps", "stream": "probe"}],
}


def test_a_line_of_progress_says_how_far_and_what_is_wrong():
    assert describe(SNAPSHOT) == (
        "RECORDING, 30 of 60 s, 1 stream, 3 samples lost, FAIL gaps probe"
    )


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    bar = Progress(out)
    bar.show(SNAPSHOT)
    assert "[############------------]" in out.getvalue()
    assert "\n" not in out.getvalue()


def test_a_file_gets_a_line_at_a_new_phase_only():
    out = io.StringIO()
    lines = Progress(out)
    assert EVERY_S > 1
    for phase in ("SETTLE", "SETTLE", "RECORDING", "RECORDING"):
        lines.show({"phase": phase})
    assert out.getvalue().split() == ["SETTLE", "RECORDING"]


def test_the_summary_names_path_streams_gaps_and_verdicts():
    result = dict.fromkeys(KEYS) | {
        "nwb": "a.nwb",
        "seconds_asked": 60.0,
        "simulated": True,
        "streams": [
            {
                "name": "probe",
                "samples": 100,
                "window_samples": 60,
                "missing_samples": 10,
                "gaps": [[3, 10]],
                "rate_hz": 30000.0,
                "drift_ppm": 0.0,
                "drift_ppm_u95": None,
            }
        ],
        "verdicts": [
            {
                "check": "gaps",
                "stream": "probe",
                "level": "FAIL",
                "value": 10.0,
                "limit": 0.0,
                "unit": "samples",
            }
        ],
    }
    text = summary(result)
    assert "a.nwb" in text
    assert "60 s (simulated)" in text
    assert "probe" in text
    assert "FAIL     gaps" in text
