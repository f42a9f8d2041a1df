"""What the computer tells of its processor, its power and its clock."""

import os
from dataclasses import replace

import pytest

from tenmin import granted, system
from tenmin.commands import check_machine
from tenmin.system import HERE

LINUX = replace(HERE, power="sysfs")
MAC = replace(HERE, power="pmset", scheduler=False, mlockall=False)
NOBODY = replace(HERE, power="")


@pytest.fixture
def sys_folder(tmp_path):
    """A /sys with files of these contents, by their paths below it."""

    def make(**files):
        root = tmp_path / "sys"
        root.mkdir(exist_ok=True)
        for path, text in files.items():
            file = root / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        return root

    return make


@pytest.fixture
def cpu(sys_folder):
    """A /sys whose only core has these cpufreq files."""

    def make(**files):
        return sys_folder(
            **{f"devices__system__cpu__cpu0__cpufreq__{n}": t for n, t in files.items()}
        )

    return make


@pytest.fixture
def supplies(sys_folder):
    """A /sys with these power supplies: name -> (type, status or online, scope)."""

    def make(**found):
        files = {}
        for name, (kind, state, *scope) in found.items():
            files[f"class__power_supply__{name}__type"] = kind
            files[f"class__power_supply__{name}__{'online' if state in '01' else 'status'}"] = state
            if scope:
                files[f"class__power_supply__{name}__scope"] = scope[0]
        return sys_folder(**files)

    return make


@pytest.fixture
def pmset(tmp_path, monkeypatch):
    """A program that says what macOS would."""

    def make(text, code=0):
        script = tmp_path / "pmset"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make


@pytest.mark.parametrize(
    ("files", "governor", "saving"),
    [
        ({"scaling_governor": "performance"}, "performance", False),
        ({"scaling_governor": "powersave", "scaling_driver": "acpi-cpufreq"}, "powersave", True),
        (
            {
                "scaling_governor": "powersave",
                "scaling_driver": "intel_pstate",
                "energy_performance_preference": "balance_performance",
            },
            "powersave of intel_pstate, balance_performance",
            False,
        ),
        (
            {
                "scaling_governor": "powersave",
                "scaling_driver": "amd-pstate-epp",
                "energy_performance_preference": "power",
            },
            "powersave of amd-pstate-epp, power",
            True,
        ),
        ({}, "unknown", False),
    ],
)
def test_linux_tells_who_chooses_the_frequency(cpu, files, governor, saving):
    found = system.processor(platform=LINUX, root=cpu(**files))
    assert (found.governor, found.saving) == (governor, saving)


@pytest.mark.parametrize(("limit", "held"), [("3600000", False), ("1200000", True)])
def test_a_limit_below_the_processors_own_holds_it_back(cpu, limit, held):
    root = cpu(scaling_max_freq=limit, cpuinfo_max_freq="3600000")
    assert system.processor(platform=LINUX, root=root).held is held


def test_files_that_hold_nonsense_tell_nothing(cpu):
    root = cpu(scaling_max_freq="<unsupported>", cpuinfo_max_freq="")
    found = system.processor(platform=LINUX, root=root)
    assert (found.limit_hz, found.governor) == (None, "unknown")


@pytest.mark.parametrize(
    ("found", "source"),
    [
        ({"AC": ("Mains", "1"), "BAT0": ("Battery", "Charging")}, "mains"),
        ({"AC": ("Mains", "0"), "BAT0": ("Battery", "Discharging")}, "battery"),
        ({"BAT0": ("Battery", "Full")}, "mains"),
        ({"usb": ("USB", "1"), "BAT0": ("Battery", "Unknown")}, "mains"),
        ({"BAT0": ("Battery", "Unknown")}, "unknown"),
        ({"mouse": ("Battery", "Discharging", "Device")}, "mains"),
    ],
)
def test_linux_tells_what_the_computer_runs_on(supplies, found, source):
    assert system.power_source(platform=LINUX, root=supplies(**found)) == source


def test_without_that_folder_nobody_knows_what_the_computer_runs_on(tmp_path):
    assert system.power_source(platform=LINUX, root=tmp_path / "none") == "unknown"
    assert system.power_source(platform=NOBODY) == "unknown"


@pytest.mark.parametrize(("line", "source"), [(0, "battery"), (1, "mains"), (255, "unknown")])
def test_windows_tells_what_the_computer_runs_on(windows, line, source):
    platform, _ = windows(line=line)
    assert system.power_source(platform=platform) == source


def test_windows_that_names_no_power_plan_is_unknown(windows):
    platform, _ = windows(PowerGetActiveScheme=2)
    assert system.processor(platform=platform).governor == "unknown"


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands for it")
@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Now drawing from 'AC Power'\n -InternalBattery-0 100%; charged", "mains"),
        ("Now drawing from 'Battery Power'\n -InternalBattery-0 80%; discharging", "battery"),
        ("No such thing", "unknown"),
    ],
)
def test_macos_tells_what_the_computer_runs_on(pmset, text, source):
    pmset(text)
    assert system.power_source(platform=MAC) == source


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands for it")
@pytest.mark.parametrize(
    ("text", "code", "governor", "saving"),
    [
        (" sleep 1\n lowpowermode         1", 0, "low power mode", True),
        (" lowpowermode         0", 0, "normal", False),
        ("lowpowermode 1", 1, "unknown", False),
    ],
)
def test_macos_tells_of_its_low_power_mode(pmset, text, code, governor, saving):
    pmset(text, code)
    found = system.processor(platform=MAC)
    assert (found.governor, found.saving) == (governor, saving)


@pytest.mark.parametrize(("step", "coarse"), [(1e-9, False), (0.015625, True)])
def test_a_clock_that_moves_in_long_steps_is_coarse(step, coarse):
    assert system.clock_steps(step).startswith("coarse") is coarse


# The pre-flight ------------------------------------------------------------------------------


def test_a_computer_on_its_battery_is_a_fault(supplies):
    root = supplies(BAT0=("Battery", "Discharging"))
    found = check_machine.power(platform=LINUX, root=root)
    assert not found.ok
    assert found.remedy


def test_power_that_cannot_be_asked_is_said_to_be_not_looked_at():
    found = check_machine.power(platform=NOBODY)
    assert found.ok
    assert not found.looked


@pytest.mark.parametrize(("governor", "warning"), [("powersave", True), ("performance", False)])
def test_a_processor_that_saves_power_is_a_warning(cpu, governor, warning, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    found = check_machine.processor(platform=LINUX, root=cpu(scaling_governor=governor))
    assert found.ok
    assert found.warning is warning
    assert bool(found.remedy) is warning


def test_a_busy_computer_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 0.1, 0.1))
    found = check_machine.processor(platform=LINUX, root=tmp_path)
    assert found.warning
    assert "End what else is running" in found.remedy


@pytest.mark.parametrize(
    ("priority", "memory", "lines"),
    [
        ("fifo 10", "all", []),
        ("normal", "limited to 8388608 bytes", ["rtprio 10", "memlock unlimited"]),
        ("nice -10", "all", ["rtprio 10"]),
        ("fifo 10", "Cannot allocate memory", ["memlock unlimited"]),
    ],
)
def test_the_remedy_for_a_refused_priority_is_the_line_to_write(priority, memory, lines):
    platform = replace(HERE, scheduler=True, mlockall=True)
    told = {"priority": priority, "memory_lock": memory}
    found = check_machine.priority(told, platform=platform)
    assert found.ok
    assert found.warning is bool(lines)
    assert all(line in found.remedy for line in lines)
    assert ("rtprio" in found.remedy) is ("rtprio 10" in lines)


def test_where_no_priority_can_be_granted_the_remedy_is_to_end_other_programs():
    told = {"priority": "normal", "memory_lock": "not offered by this system"}
    found = check_machine.priority(told, platform=MAC)
    assert found.warning
    assert "limits.d" not in found.remedy


def test_a_priority_that_could_not_be_asked_for_is_not_looked_at():
    assert not check_machine.priority({}).looked


def test_the_pre_flight_asks_without_keeping_what_it_is_granted():
    before = system.priority_of()
    assert set(check_machine.asked_for()) >= {"priority", "memory_lock"}
    assert system.priority_of() == before


# What is told --------------------------------------------------------------------------------


def test_rings_that_are_alike_are_told_once():
    alike = {"mapping": "twice", "prefault": "all pages"}
    assert granted.rings_told({"a": alike, "b": alike}) == {
        "rings.mapping": "twice",
        "rings.prefault": "all pages",
    }


def test_rings_that_differ_are_told_one_by_one():
    told = granted.rings_told({"a": {"mapping": "twice"}, "b": {"mapping": "once"}})
    assert told == {"ring a.mapping": "twice", "ring b.mapping": "once"}


def test_the_host_tells_of_cores_governor_power_and_clock():
    assert set(granted.host()) >= {"host.cores", "host.governor", "host.power", "host.clock"}
