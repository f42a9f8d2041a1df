"""Checks of other distributions: what is refused, and who is killed and given up."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.contract import Check, fault_of_name, sound
from tenmin.checks.guard import IN_A_ROW, IN_ALL, Guarded, guarded
from tenmin.checks.installed import installed
from tenmin.commands.check_guests import guests as guests_of_preflight
from tenmin.crew import Crew
from tenmin.errors import MalformedData
from tenmin.findings import SILENT_S, Findings
from tenmin.guests import HUNG_S, MAX_DEATHS, MEMORY_MAX, Guest, Guests
from tenmin.ring import Piece, Ring
from tenmin.service import messages
from tenmin.stream import Stream
from tenmin.system import HERE
from tenmin.system.usage import private_bytes
from tenmin.verdict import LEVELS, OK, UNKNOWN, WARN, Verdict
from tenmin.watcher import Watched

PROBE = Stream("probe", ("a", "b"), 1000.0, "volts", kind="ecephys", counter=True)
GOOD = Verdict("lab.a", "probe", OK, 1.0, 2.0, "volts")


class Plays(Check):
    """Says what it is told to say, or raises it."""

    def __init__(self, stream: Stream) -> None:
        self.says: object = GOOD
        self.raises: Exception | None = None
        self.seen = self.told = 0

    def feed(self, piece: Piece) -> None:
        self.seen += len(piece.samples)
        if self.raises:
            raise self.raises

    def skipped(self, n: int) -> None:
        self.told += n

    def tick(self, now_s: float) -> Verdict:
        return self.says  # type: ignore[return-value]


def piece(n: int = 10, seq: int = 0) -> Piece:
    return Piece(seq, seq, np.zeros((n, 2), np.int16), None, 0, 0)


def playing() -> tuple[Guarded, Plays]:
    (made,) = guarded("lab.a", PROBE, Plays)
    assert isinstance(made.check, Plays)
    return made, made.check


# The contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lab.a", "lab.line_noise", "my2.check.v2"])
def test_a_name_with_a_dot_is_allowed(name: str) -> None:
    assert fault_of_name(name) == ""


@pytest.mark.parametrize("name", ["gaps", "Lab.a", "lab a.b", ".a", "a.", "lab.a" * 20, "../a.b"])
def test_a_name_that_is_ours_or_no_file_name_is_refused(name: str) -> None:
    assert "form lab.check" in fault_of_name(name)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "OK",
        replace(GOOD, check="gaps"),
        replace(GOOD, stream="eeg"),
        replace(GOOD, level="FINE"),
        replace(GOOD, value="1"),  # type: ignore[arg-type]
        replace(GOOD, action=None),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_verdict_of_the_check_itself_is_refused(said: object) -> None:
    with pytest.raises(MalformedData):
        sound(said, "lab.a", "probe")


@given(st.sampled_from(LEVELS), st.floats() | st.none() | st.integers(), st.text())
def test_a_sound_verdict_fits_a_message(level: str, value: float | None, action: str) -> None:
    kept = sound(replace(GOOD, level=level, value=value, action=action), "lab.a", "probe")

    assert kept.value is None or math.isfinite(kept.value)
    assert messages.make(messages.Judged, check="lab.a", stream="probe", level=kept.level)  # type: ignore[type-var]
    assert action.startswith(kept.action)


def test_a_number_of_numpy_becomes_a_plain_one() -> None:
    assert type(sound(replace(GOOD, value=np.float32(1.5)), "lab.a", "probe").value) is float


# The guard -------------------------------------------------------------------------------------


def test_an_exception_makes_the_second_unknown_with_its_words() -> None:
    made, plays = playing()
    plays.raises = ValueError("a bad day")
    made.feed(piece())

    assert made.tick(1.0) == Verdict("lab.a", "probe", UNKNOWN, action="ValueError: a bad day")


def test_the_next_good_second_counts_again() -> None:
    made, plays = playing()
    plays.raises = ValueError("a bad day")
    made.feed(piece())
    made.tick(1.0)
    plays.raises = None
    made.feed(piece())

    assert made.tick(2.0).level == OK


def test_three_exceptions_in_a_row_switch_it_off() -> None:
    made, plays = playing()
    plays.raises = ValueError("a bad day")
    for _ in range(IN_A_ROW + 5):
        made.feed(piece())

    assert plays.seen == 10 * IN_A_ROW
    assert len(made.faults) == IN_A_ROW
    assert made.tick(1.0).action == "Switched off for this stream: ValueError: a bad day"
    assert made.tick(2.0).level == UNKNOWN


def test_exceptions_now_and_then_switch_it_off_in_the_end() -> None:
    made, plays = playing()
    for second in range(2 * IN_ALL):
        plays.raises = ValueError("now and then") if second % 2 == 0 else None
        made.feed(piece())
        made.tick(float(second))

    assert made.check is None
    assert len(made.faults) == IN_ALL


def test_a_refused_verdict_is_a_fault() -> None:
    made, plays = playing()
    plays.says = "OK"

    assert made.tick(1.0).level == UNKNOWN
    assert len(made.faults) == 1


def test_a_lack_of_memory_ends_the_process() -> None:
    made, plays = playing()
    plays.raises = MemoryError()

    with pytest.raises(MemoryError):
        made.feed(piece())


def test_a_second_that_was_not_seen_as_a_whole_is_unknown() -> None:
    made, plays = playing()
    made.skipped(7)
    made.feed(piece())

    assert plays.told == 7
    assert "did not see 7 samples" in made.tick(1.0).action
    assert made.tick(2.0).level == OK


def test_a_factory_that_raises_gives_an_unknown_verdict() -> None:
    def make(stream: Stream) -> Check:
        raise KeyError("calibration")

    (made,) = guarded("lab.a", PROBE, make)

    assert "calibration" in made.tick(1.0).action


def test_a_factory_may_say_that_it_does_not_apply() -> None:
    assert guarded("lab.a", PROBE, lambda stream: None) == []


# A stream that is watched ----------------------------------------------------------------------


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring.create(tmp_path / "probe.ring", PROBE, 1.0)
    yield made
    made.close()


def test_who_is_hopelessly_late_skips_to_the_newest_and_counts(ring: Ring) -> None:
    made, plays = playing()
    watched = Watched(Ring.attach(ring.path), [made])
    n = ring.capacity // 10
    for k in range(9):
        ring.write(k * n, np.zeros((n, 2), np.int16), None, 0)
    watched.feed()
    ring.write(9 * n, np.zeros((n, 2), np.int16), None, 0)
    watched.feed()

    assert (plays.seen, plays.told) == (n, 9 * n)
    assert watched.reader.lost_samples == 9 * n


# What the engine makes of it -------------------------------------------------------------------


def said(*verdicts: Verdict) -> messages.Verdicts:
    told = [messages.Judged(check=v.check, stream=v.stream, level=v.level) for v in verdicts]  # type: ignore[arg-type]
    return messages.Verdicts(verdicts=told)


@pytest.fixture
def findings(tmp_path: Path) -> Iterator[Findings]:
    made = Findings(tmp_path)
    yield made
    made.close()


def levels(findings: Findings, now_s: float) -> dict[str, str]:
    return {v.check: v.level for v in findings.current(now_s)}


def test_the_silence_of_one_source_leaves_the_other_alone(findings: Findings) -> None:
    findings.take("watcher", said(Verdict("gaps", "probe", OK)), 10.0)
    findings.take("check:lab.a", said(GOOD), 10.0)
    findings.take("watcher", said(Verdict("gaps", "probe", OK)), 12.0)

    assert levels(findings, 10.0 + SILENT_S + 0.5) == {"gaps": OK, "lab.a": UNKNOWN}


def test_a_death_is_told_with_its_reason_and_logged_once(findings: Findings) -> None:
    findings.take("check:lab.a", said(GOOD), 10.0)
    findings.changes(10.0, latch=True)
    findings.silence("check:lab.a", "it looped")

    (changed,) = findings.changes(10.1, latch=True)
    assert (changed.level, changed.action) == (UNKNOWN, "it looped")
    assert findings.changes(10.2, latch=True) == []
    assert findings.worst["lab.a", "probe"].level == UNKNOWN


def test_a_check_that_never_spoke_is_unknown_until_it_does(findings: Findings) -> None:
    findings.silence("check:lab.a", "It has not said anything yet.")
    assert levels(findings, 1.0) == {"lab.a": UNKNOWN}
    findings.take("check:lab.a", said(GOOD), 2.0)

    assert [(v.stream, v.level) for v in findings.current(2.0)] == [("probe", OK)]


def test_a_warning_is_not_hidden_by_a_later_silence(findings: Findings) -> None:
    findings.take("check:lab.a", said(replace(GOOD, level=WARN)), 10.0)
    findings.changes(10.0, latch=True)
    findings.silence("check:lab.a")
    findings.changes(11.0, latch=True)

    assert findings.worst["lab.a", "probe"].level == WARN


# Processes -------------------------------------------------------------------------------------

LOOP = "import time; time.sleep(60)"


@pytest.fixture
def guests(tmp_path: Path) -> Iterator[Guests]:
    """One check whose process only sleeps."""
    crew = Crew(tmp_path, {})
    made = Guests(crew)
    made.guests = {"lab.a": Guest("lab.a")}
    yield made
    for worker in crew.workers.values():
        worker.process.kill()
        worker.process.wait()


def start(guests: Guests, program: str = LOOP):
    """A process in the place of the check's own."""
    from tenmin.crew import Worker
    from tenmin.system import spawn

    worker = Worker("check:lab.a-1", "check:lab.a", spawn([sys.executable, "-c", program]))
    guests.crew.workers[worker.name] = worker
    return worker


def test_who_is_silent_for_too_long_is_killed(guests: Guests) -> None:
    worker = start(guests)
    guests.hear(worker, said(GOOD), 100.0)
    guests.step(100.0 + HUNG_S - 0.1)
    assert worker.process.poll() is None
    guests.step(100.0 + HUNG_S + 0.1)

    assert worker.process.wait(10) == -signal.SIGKILL
    assert "it looped" in guests.died(worker, "").text


def test_who_speaks_for_another_check_is_killed(guests: Guests) -> None:
    worker = start(guests)
    guests.hear(worker, said(Verdict("gaps", "probe", OK)), 100.0)

    worker.process.wait(10)
    assert "spoke for the check gaps" in guests.died(worker, "").text


def test_after_three_deaths_it_is_switched_off_until_the_next_block(guests: Guests) -> None:
    worker = start(guests, "")
    worker.process.wait(10)
    told = [guests.died(worker, "").text for _ in range(MAX_DEATHS)]

    assert ["Switched off" in text for text in told] == [False] * (MAX_DEATHS - 1) + [True]
    assert guests.guests["lab.a"].off
    guests.crew._due.clear()
    guests.crew.workers.clear()
    assert guests.begin() == []
    assert not guests.guests["lab.a"].off


@pytest.mark.skipif(private_bytes() is None, reason="this system does not tell")
def test_who_grows_too_big_is_killed_though_it_does_not_look_itself(guests: Guests) -> None:
    worker = start(guests, f"a = bytearray({MEMORY_MAX + 50_000_000}); {LOOP}")
    end = time.monotonic() + 60
    now = 100.0
    while worker.process.poll() is None and time.monotonic() < end:
        now += 1.0
        guests.step(now)

    assert "GB of memory" in guests.died(worker, "").text


# Memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", [HERE, replace(HERE, proc=False)])
def test_private_memory_of_this_process_is_known(platform) -> None:
    before = private_bytes(platform=platform)
    kept = np.ones(200_000_000, np.uint8)

    after = private_bytes(platform=platform)
    assert before is not None
    assert after is not None
    assert after >= 200_000_000
    assert kept[-1] == 1


def test_without_proc_nobody_tells_of_another_process() -> None:
    assert private_bytes(1, platform=replace(HERE, proc=False)) is None


# What is installed -----------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that puts a distribution with one check onto the path of all programs."""

    def add(name: str, text: str) -> None:
        info = tmp_path / "lab_checks-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-checks\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tenmin.checks]\n{name} = lab_checks_of_test:make")
        (tmp_path / "lab_checks_of_test.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return add


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("make = print", ""),
        ("import no_such_library", "no_such_library"),
        ("1 / 0", "ZeroDivisionError"),
        ("import ctypes; ctypes.string_at(0)", "string_at"),
    ],
)
def test_what_an_import_does_is_told_and_harms_nobody(install, text: str, fault: str) -> None:
    install("lab.a", text)
    found = {one.name: one for one in installed()}["lab.a"]

    assert found.distribution == "lab-checks"
    assert fault in found.fault
    assert bool(found.fault) == bool(fault)


def test_the_preflight_warns_of_a_check_that_cannot_be_loaded(install) -> None:
    install("lab.a", "import no_such_library")
    (finding,) = [f for f in guests_of_preflight() if f.check == "check lab.a"]

    assert finding.ok
    assert finding.warning
    assert "lab-checks" in finding.remedy
