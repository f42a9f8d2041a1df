"""The histogram of delays, against numpy."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks.setting import Setting
from tenmin.delays import LONGEST_NS, STEPS, Delays
from tenmin.findings import Findings
from tenmin.ring import Ring
from tenmin.service import messages
from tenmin.stream import Stream
from tenmin.watcher import Watched, own

DELAYS = st.lists(st.integers(STEPS, LONGEST_NS - 1), min_size=1)


def taken(delays_ns: list[int]) -> dict[str, float]:
    delays = Delays()
    for ns in delays_ns:
        delays.add(ns)
    return delays.take()


@given(DELAYS)
def test_quantiles_are_those_of_the_delays_or_an_eighth_more(delays_ns):
    told = taken(delays_ns)
    for name, share in (("p50_ms", 50), ("p99_ms", 99)):
        true_ms = np.percentile(delays_ns, share, method="inverted_cdf") * 1e-6
        assert true_ms <= told[name] <= true_ms * (1 + 1 / STEPS) + 1e-6


@given(DELAYS)
def test_each_delay_is_counted_once(delays_ns):
    assert taken(delays_ns)["n"] == len(delays_ns)


def test_what_was_told_is_forgotten():
    delays = Delays()
    delays.add(1_000_000)
    delays.take()
    assert delays.take() == {}


def test_delays_beyond_the_ends_count_as_the_ends():
    assert taken([-5, 0, LONGEST_NS, 2**62])["n"] == 4


def test_the_watcher_counts_a_delay_for_each_chunk(tmp_path):
    ring = Ring.create(tmp_path / "a.ring", Stream("a", ("x",), 1000.0, "volts"), 1.0)
    watched = Watched(ring, own(ring.stream, Setting()))
    for k in range(3):
        ring.write(10 * k, np.zeros((10, 1), np.int16), None, time.monotonic_ns())
    watched.feed()

    told = watched.delays.take()
    assert told["n"] == 3
    assert 0 < told["p50_ms"] <= told["p99_ms"]
    ring.close()


def test_delays_are_known_until_the_stream_or_the_watcher_falls_silent(tmp_path):
    findings = Findings(tmp_path)
    late = {"n": 5, "p50_ms": 0.5, "p99_ms": 1.5}

    def say(name: str, delays: dict) -> None:
        message = messages.make(messages.Verdicts, verdicts=[], lost={name: 0}, delays=delays)
        findings.take("watcher", message, 1.0)

    say("a", {"a": late})
    say("b", {"b": late})
    assert findings.delays == {"watcher": {"a": late, "b": late}}
    say("a", {})
    assert findings.delays == {"watcher": {"b": late}}
    findings.silence("watcher")
    assert findings.delays == {}
    findings.close()
