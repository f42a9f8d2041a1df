"""What a watcher says at once, and not a second later."""

import numpy as np
import pytest

from tenmin.checks.judged import Judged
from tenmin.checks.setting import Setting
from tenmin.ring import Ring
from tenmin.stream import Stream
from tenmin.verdict import OK, WARN
from tenmin.watcher import Watched

RATE_HZ = 1000
PROBE = Stream(
    "probe", tuple("abcdefgh"), RATE_HZ, "volts", 1e-6, kind="ecephys", counter=True
)  # fmt: skip


@pytest.fixture
def watched(tmp_path):
    ring = Ring.create(tmp_path / "probe.ring", PROBE, 10.0)
    yield Watched(ring, [Judged(PROBE, Setting(50.0))])
    ring.close()


def play(watched, first_s, last_s, dead=()):
    """Seconds of noise, in pieces of 50 ms."""
    for at in range(round(first_s * RATE_HZ), round(last_s * RATE_HZ), 50):
        counts = np.random.default_rng(at).normal(0, 20, (50, 8)).astype(np.int16)
        counts[:, list(dead)] = 0
        watched.ring.write(at, counts, None, at * 10**6)
        watched.feed()
        while watched.step():
            pass


def levels(verdicts):
    return {v.check: v.level for v in verdicts}


def test_a_second_that_was_just_judged_is_told_at_once(watched):
    play(watched, 0, 1.05)
    assert levels(watched.news(1.05))["flat"] == OK


def test_nothing_is_said_while_no_second_is_over(watched):
    play(watched, 0, 0.95)
    assert watched.news(0.95) == []


def test_only_what_has_changed_is_said_at_once(watched):
    play(watched, 0, 3.05)
    before = levels(watched.tick(3.05))
    play(watched, 3.05, 4.05, dead=(2,))
    told = levels(watched.news(4.05))
    assert told["flat"] == WARN
    assert all(before[check] != level for check, level in told.items())
    assert watched.news(4.1) == []


def test_what_was_said_at_once_has_its_onset(watched):
    play(watched, 0, 3.05)
    watched.tick(3.05)
    play(watched, 3.05, 4.05, dead=(2,))
    watched.news(4.05)
    (flat,) = [v for v in watched.tick(4.5) if v.check == "flat"]
    assert (flat.level, flat.onset_s) == (WARN, 4.05)
