"""Clocks of a block on one time base, with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tenmin.recorder.timeline import Timeline, utc_of
from tenmin.stream import Stream

BLOCK = {
    "reference": "probe",
    "settle_host_ns": 100 * 10**9,
    "created_utc": "2026-01-20T10:15:00+00:00",
}
PROBE = Stream("probe", ("a",), 1000.0, "volts", counter=True)
WHEEL = Stream("wheel", ("a",), 100.0, "meters", counter=True)
GAZE = Stream("gaze", ("a",), 0.0, "pixels", timed=True)
FRAMES = Stream("frames", ("a",), 30.0, "n/a", kind="frames", timed=True, clock="probe")
STREAMS = {s.name: s for s in (PROBE, WHEEL, GAZE, FRAMES)}
T0 = {"t": "t0", "index": 9000, "n_window": 1000, "stop": 11000, "zero_index": 5000}


def points(name: str, x0: float, slope: float) -> list[dict]:
    """Clock points of 60 s: the stream stands at `x0` at host second 100."""
    return [
        {"t": "clock", "stream": name, "x": x0 + s * slope, "y": 100.0 + s, "n": 1}
        for s in range(60)
    ]


def timeline(lines: list[dict], arrivals: dict | None = None) -> Timeline:
    return Timeline(BLOCK, STREAMS, [T0, *lines], arrivals or {}, 6000)


def test_the_reference_counts_from_its_zero_index():
    assert timeline([]).of_index(np.array([5000, 6500])).tolist() == [0.0, 1.5]


def test_host_time_is_mapped_by_the_references_own_samples():
    line = timeline(points("probe", 5.0, 1.00002))
    assert line.of_host(110.0) == pytest.approx(10.0002, abs=1e-9)


def test_a_fast_stream_has_a_positive_drift_against_a_fast_reference():
    line = timeline([*points("probe", 5.0, 1.00002), *points("wheel", 1.0, 1.00007)])
    sync = line.clock("wheel").sync
    assert sync.drift_ppm == pytest.approx(50.0, abs=0.01)
    assert sync.measured_rate_hz == pytest.approx(100.0 * 1.00007 / 1.00002, rel=1e-9)


def test_a_regular_stream_is_placed_by_its_index():
    line = timeline([*points("probe", 5.0, 1.0), *points("wheel", 1.0, 1.0)])
    assert line.of_samples("wheel", np.array([100, 250]), None) == pytest.approx([0.0, 1.5])


def test_an_irregular_stream_is_placed_by_its_stamps_and_their_corrections():
    corrections = [
        {"t": "correction", "stream": "gaze", "host_s": 100.0 + s, "offset_s": 7.0 + s * 1e-4}
        for s in range(20)
    ]
    line = timeline([*points("probe", 5.0, 1.0), *corrections])
    at = line.of_samples("gaze", np.zeros(2), np.array([93.0, 103.0]))
    assert at == pytest.approx([0.0, 10.001], abs=1e-6)


def test_a_stream_made_from_the_reference_is_on_its_clock_exactly():
    line = timeline(points("probe", 5.0, 1.0003))
    assert line.of_samples("frames", np.zeros(1), np.array([6.25])).tolist() == [1.25]


def test_arrivals_serve_where_there_are_no_clock_points():
    arrivals = {
        "probe": [(5000 + 1000 * s, (100 + s) * 10**9) for s in range(30)],
        "wheel": [(100 * s, (100 + s) * 10**9) for s in range(30)],
    }
    line = timeline([], arrivals)
    assert line.of_samples("wheel", np.array([1000]), None) == pytest.approx([10.0])
    assert line.clock("wheel").sync.method == "arrival"


def test_without_any_point_the_drift_is_not_known():
    line = timeline([], {"wheel": [(0, 100 * 10**9)]})
    assert not math.isfinite(line.clock("wheel").sync.drift_ppm_u95)


def test_without_a_t0_the_zero_is_that_of_the_fit():
    line = Timeline(BLOCK, STREAMS, points("probe", 5.0, 1.0), {}, 6000)
    assert line.zero_index == 5000


def test_zero_is_never_after_the_first_sample():
    line = Timeline(BLOCK, STREAMS, points("probe", 7.0, 1.0), {}, 6000)
    assert line.zero_index == 6000


def test_utc_comes_from_the_nearest_pair():
    lines = [
        {"t": "clock_pair", "host_ns": 100 * 10**9, "utc": "2026-01-20T10:00:00+00:00"},
        {"t": "clock_pair", "host_ns": 900 * 10**9, "utc": "2026-01-20T12:00:00+02:00"},
    ]
    assert utc_of(BLOCK, lines, 101 * 10**9).isoformat() == "2026-01-20T10:00:01+00:00"
    assert utc_of(BLOCK, lines, 899 * 10**9).isoformat() == "2026-01-20T09:59:59+00:00"
    assert utc_of(BLOCK, [], 0).isoformat() == "2026-01-20T10:15:00+00:00"
