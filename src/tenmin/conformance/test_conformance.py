"""One fact about a driver per test."""
# ruff: noqa: D103 - the names of tests are sentences

from __future__ import annotations

import dataclasses
import json
import math
import threading
import time

import numpy as np
import pytest

from tenmin import registry
from tenmin.conformance.reading import PATIENCE_S, gather, make, read, start, until
from tenmin.errors import DeviceError, DeviceLost, StreamStalled
from tenmin.source import Corrected, DeviceConfig, Driver, Rehearsal
from tenmin.stream import Chunk

ELECTRICAL_KINDS = ("ecephys", "eeg", "ieeg", "patch")
KINDS = (*ELECTRICAL_KINDS, "behavior", "frames", "marker", "environment", "other")


def needs(far_side: Rehearsal, fault: str) -> None:
    """Skip where the simulator cannot do this."""
    if fault not in far_side.faults:
        pytest.skip(f"its simulator cannot {fault}")


def enough(driver: Driver) -> int:
    """Samples to read: a quarter of a second, or a few of an irregular stream."""
    return max(3, int(driver.stream.rate_hz / 4))


def test_it_has_the_calls_of_a_driver(made: Driver) -> None:
    assert isinstance(made, Driver)


def test_its_keys_are_a_frozen_dataclass(driver_name: str) -> None:
    config = registry.load(registry.DRIVERS, driver_name).Config
    assert issubclass(config, DeviceConfig)
    assert config.__dataclass_params__.frozen


def test_it_tells_its_name(driver: Driver) -> None:
    assert driver.stream.name == "device"


def test_its_channels_have_names_of_their_own(driver: Driver) -> None:
    channels = driver.stream.channels
    assert channels
    assert all(isinstance(label, str) and label for label in channels)
    assert len(set(channels)) == len(channels)


def test_it_tells_unit_and_scale(driver: Driver) -> None:
    stream = driver.stream
    assert stream.unit
    assert math.isfinite(stream.scale)
    assert stream.scale != 0
    assert math.isfinite(stream.offset)


def test_what_it_tells_per_channel_is_complete(driver: Driver) -> None:
    stream = driver.stream
    assert len(stream.channel_scales) in (0, stream.n_channels)
    assert len(stream.channel_units) in (0, stream.n_channels)
    assert all(math.isfinite(scale) and scale for scale in stream.channel_scales)


def test_it_tells_rate_kind_and_format(driver: Driver) -> None:
    stream = driver.stream
    assert math.isfinite(stream.rate_hz)
    assert stream.rate_hz >= 0
    assert stream.kind in KINDS
    assert stream.is_marker or np.dtype(stream.dtype).kind in "iuf"
    assert stream.range_counts is None or stream.range_counts[0] < stream.range_counts[1]


def test_its_facts_are_texts(driver: Driver) -> None:
    facts = driver.stream.facts
    assert all(isinstance(key, str) and isinstance(text, str) for key, text in facts.items())


def test_its_description_can_be_kept_as_json(driver: Driver) -> None:
    fields = dataclasses.asdict(driver.stream)
    kept = json.loads(json.dumps(fields, allow_nan=False))
    assert kept["channels"] == [*driver.stream.channels]


def test_samples_have_the_form_that_it_tells(driver: Driver) -> None:
    for chunk in gather(driver, enough(driver)):
        assert isinstance(chunk.samples, np.ndarray)
        expected = np.dtype(object if driver.stream.is_marker else driver.stream.dtype)
        assert chunk.samples.dtype == expected
        assert chunk.samples.shape == (len(chunk), driver.stream.n_channels)
        assert len(chunk) > 0
        assert chunk.samples.flags.c_contiguous


def test_a_chunk_stays_as_it_was(driver: Driver) -> None:
    early = gather(driver, 1)[0]
    if driver.stream.is_marker:
        pytest.skip("texts are objects, which no later read can change")
    before = early.samples.tobytes()
    gather(driver, enough(driver))
    assert early.samples.tobytes() == before


def test_samples_are_numbered_where_it_counts(driver: Driver) -> None:
    for chunk in gather(driver, enough(driver)):
        assert (chunk.index is not None) == driver.stream.counter
        if chunk.index is not None:
            assert chunk.index.shape == (len(chunk),)
            assert chunk.index.dtype.kind in "iu"


def test_the_index_rises_by_one(driver: Driver) -> None:
    stream = driver.stream
    if not stream.counter:
        pytest.skip("it does not count its samples")
    index = np.concatenate([chunk.index for chunk in gather(driver, enough(driver))])
    steps: np.ndarray = np.diff(index.astype(np.int64))
    if stream.index_bits is not None:
        steps = np.remainder(steps, 1 << stream.index_bits)
    assert (steps == 1).all()


def test_samples_are_timed_where_it_says_so(driver: Driver) -> None:
    for chunk in gather(driver, enough(driver)):
        assert (chunk.device_time is not None) == driver.stream.timed
        if chunk.device_time is not None:
            assert chunk.device_time.shape == (len(chunk),)
            assert chunk.device_time.dtype == np.float64
            assert np.isfinite(chunk.device_time).all()


def test_arrival_is_the_time_of_the_read(driver: Driver) -> None:
    before = time.monotonic_ns()
    for chunk in gather(driver, enough(driver)):
        assert before <= chunk.host_ns <= time.monotonic_ns()
        before = chunk.host_ns


def test_its_clock_correction_does_not_block(driver: Driver) -> None:
    if not isinstance(driver, Corrected):
        pytest.skip("its transport measures no clock")
    deadline = time.monotonic() + PATIENCE_S
    while (correction := driver.correction()) is None:
        assert time.monotonic() < deadline, "it never becomes known"
        read(driver)
    assert math.isfinite(correction)


def test_a_stall_is_reported_in_time(driver: Driver, far_side: Rehearsal) -> None:
    needs(far_side, "pause")
    gather(driver, 1)
    far_side.pause()
    error = until(driver, lambda result: not isinstance(result, Chunk))
    assert isinstance(error, StreamStalled)
    assert error.remedy


def test_reading_goes_on_after_a_stall(driver: Driver, far_side: Rehearsal) -> None:
    needs(far_side, "pause")
    far_side.pause()
    until(driver, lambda result: isinstance(result, StreamStalled))
    far_side.resume()
    assert isinstance(until(driver, lambda result: isinstance(result, Chunk)), Chunk)


def test_an_unplugged_device_is_told_by_no_other_error(driver: Driver, far_side: Rehearsal) -> None:
    needs(far_side, "unplug")
    gather(driver, 1)
    far_side.unplug()
    error = until(driver, lambda result: not isinstance(result, Chunk))
    assert isinstance(error, DeviceLost | StreamStalled)
    assert error.remedy


def test_a_device_that_is_not_there_is_told_at_the_start(made: Driver, far_side: Rehearsal) -> None:
    needs(far_side, "unplug")
    far_side.unplug()
    with pytest.raises(DeviceError) as caught:
        made.start()
    assert caught.value.remedy


def test_a_device_that_comes_back_is_read_again(driver: Driver, far_side: Rehearsal) -> None:
    needs(far_side, "unplug")
    gather(driver, 1)
    far_side.unplug()
    until(driver, lambda result: not isinstance(result, Chunk))
    driver.stop()
    far_side.replug()
    start(driver)
    assert gather(driver, 1)


def test_it_may_be_stopped_twice(driver: Driver) -> None:
    driver.stop()
    driver.stop()


def test_it_may_be_stopped_before_it_was_started(made: Driver) -> None:
    made.stop()


def test_it_may_be_started_again(driver: Driver) -> None:
    gather(driver, 1)
    driver.stop()
    start(driver)
    assert gather(driver, 1)


def test_reading_a_stopped_device_is_an_error_of_the_device(driver: Driver) -> None:
    driver.stop()
    with pytest.raises(DeviceError):
        driver.read()


def test_no_thread_is_left(driver_name: str, far_side: Rehearsal) -> None:
    before = set(threading.enumerate())
    driver = make(driver_name, far_side.config)
    start(driver)
    gather(driver, 1)
    driver.stop()
    assert set(threading.enumerate()) <= before
