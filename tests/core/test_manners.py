"""How processes run beside others: priority, memory, garbage; and a computer that stays awake."""

import contextlib
import gc
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tenmin import system
from tenmin.system import HERE, Awake

posix_only = pytest.mark.skipif(os.name != "posix", reason="priorities are POSIX'")
BARE = replace(HERE, scheduler=False, mlockall=False, inhibitor="", power="")
TELL = (
    "import json, sys; from dataclasses import replace; from tenmin import system\n"
    "bare = replace(system.HERE, scheduler=False, mlockall=False)\n"
    "p = bare if sys.argv[2] == 'bare' else system.HERE\n"
    "granted = system.behave(sys.argv[1], platform=p)\n"
    "print(json.dumps([granted, system.priority_of(platform=p)]))\n"
)
CHILD = (
    "import json, subprocess, sys; from tenmin import system\n"
    "granted = system.behave('acquirer')\n"
    "code = 'from tenmin import system; print(system.priority_of())'\n"
    "below = int(sys.argv[1]) if sys.argv[1:] else None\n"
    "pipe = subprocess.PIPE\n"
    "child = system.spawn([sys.executable, '-c', code], stdout=pipe, below=below)\n"
    "print(json.dumps([granted['priority'], child.communicate()[0].decode().strip()]))\n"
)


def said(program, *args):
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@posix_only
@pytest.mark.parametrize("way", ["all", "bare"])
@pytest.mark.parametrize(
    ("role", "priorities"),
    [
        ("acquirer", ("fifo 10", "nice -10", "normal")),
        ("driver", ("fifo 10", "nice -10", "normal")),
        ("watcher", ("fifo 9", "nice -9", "normal")),
        ("finaliser", ("nice 19",)),
    ],
)
def test_a_process_has_the_priority_that_it_says_it_was_granted(role, priorities, way):
    granted, has = said(TELL, role, way)
    assert granted["priority"] == has
    assert has in priorities
    assert way == "all" or not has.startswith("fifo")


@posix_only
def test_memory_is_locked_or_not_but_never_fails():
    granted, _ = said(TELL, "acquirer", "all")
    assert granted["memory_lock"]
    granted, _ = said(TELL, "acquirer", "bare")
    assert granted["memory_lock"] == "not offered by this system"


@posix_only
def test_what_a_raised_process_starts_is_not_raised():
    own, child = said(CHILD)
    assert child == "normal"
    if HERE.scheduler and os.geteuid() == 0:
        assert own != child


@posix_only
def test_a_program_may_begin_some_steps_below_one_that_was_granted_real_time():
    own, child = said(CHILD, "2")
    assert child == own.replace("fifo 10", "fifo 8").replace("nice -10", "nice -8")


def test_a_program_that_cannot_be_started_is_an_error_at_any_priority():
    program = (
        "import json; from tenmin import system\n"
        "system.raise_priority()\n"
        "try:\n    system.spawn(['/no/such/program'])\n"
        "except FileNotFoundError:\n    print('true')\n"
    )
    assert said(program)


def test_garbage_of_before_is_never_looked_at_again():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        granted = system.freeze_garbage()
        assert gc.get_freeze_count() > frozen
        assert str(gc.get_threshold()[2]) in granted["gc"]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.mark.parametrize(("role", "value", "name"), [
    ("acquirer", 0x80, "high"), ("watcher", 0x8000, "above normal"),
    ("finaliser", 0x4000, "below normal"),
])  # fmt: skip
@pytest.mark.parametrize("granted", [True, False])
def test_windows_has_priority_classes(windows, role, value, name, granted):
    platform, asked = windows(SetPriorityClass=int(granted))
    before = gc.get_threshold()
    try:
        told = system.behave(role, platform=platform)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    assert told["priority"] == (name if granted else "normal")
    assert asked[-1] == ("SetPriorityClass", 1, value)


@pytest.mark.parametrize(("value", "name"), [(0x80, "high"), (0x20, "normal"), (0, "normal")])
def test_windows_tells_the_priority_of_a_process_of_its_own_only(windows, value, name):
    platform, _ = windows(GetPriorityClass=value)
    assert system.priority_of(platform=platform) == name
    assert system.priority_of(-1, platform=platform) == "not asked"


# Sleep ---------------------------------------------------------------------------------------


def test_windows_stays_awake_until_the_block_has_ended(windows):
    platform, asked = windows()
    with contextlib.suppress(KeyError), Awake(platform=platform) as awake:
        assert awake.granted == "inhibited by SetThreadExecutionState"
        raise KeyError  # as an interrupted block would
    assert [hex(args[0]) for _, *args in asked] == ["0x80000001", "0x80000000"]


@posix_only
@pytest.mark.parametrize("name", ["systemd-inhibit", "caffeinate"])
@pytest.mark.parametrize("grants", [True, False])
def test_sleep_is_inhibited_by_a_program_that_ends_with_the_block(
    tmp_path, monkeypatch, name, grants, wait_for
):
    script = tmp_path / name
    body = 'while [ "$1" != sh ]; do shift; done\necho $$ > "$0.pid"\nexec "$@"\n'
    script.write_text("#!/bin/sh\n" + (body if grants else "exit 1\n"))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Awake(platform=replace(HERE, inhibitor=name)) as awake:
        wait_for(lambda: not awake.granted.startswith("asked"))
        assert awake.granted == (f"inhibited by {name}" if grants else f"{name} refused")
        if grants:
            pid = int((tmp_path / f"{name}.pid").read_text())
            assert system.process_alive(pid)
    if grants:
        wait_for(lambda: not system.process_alive(pid))


@posix_only
def test_an_inhibitor_that_dies_within_the_block_grants_nothing_any_more(
    tmp_path, monkeypatch, wait_for
):
    script = tmp_path / "caffeinate"
    script.write_text('#!/bin/sh\necho on\nread line < "$0.fifo"\n')
    script.chmod(0o755)
    os.mkfifo(tmp_path / "caffeinate.fifo")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Awake(platform=replace(HERE, inhibitor="caffeinate")) as awake:
        wait_for(lambda: awake.granted == "inhibited by caffeinate")
        (tmp_path / "caffeinate.fifo").write_text("end\n")
        wait_for(lambda: awake.granted == "caffeinate refused")


def test_without_a_way_to_inhibit_sleep_the_block_goes_on():
    for name, told in (("", "no way to inhibit it was found"), ("no-such", "no-such refused")):
        with Awake(platform=replace(HERE, inhibitor=name)) as awake:
            assert awake.granted == told
