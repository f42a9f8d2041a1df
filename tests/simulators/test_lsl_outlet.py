"""The single LSL outlet: every numeric format, and how a test drives it."""

import numpy as np
import pytest
from tenmin_simulators import lsl

from tests.simulators.conftest import Heard, until

BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 63, "float32": 24, "float64": 53}


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_every_format_counts_its_samples(play, hear, dtype):
    outlet = play("lsl", "--dtype", dtype, "--channels", "3", "--rate", "1000")
    samples, _ = hear(outlet.device("simulated")).take(400)
    assert samples.dtype == dtype
    assert samples.shape[1] == 4
    expected = np.arange(len(samples)) & ((1 << BITS[dtype]) - 1)
    np.testing.assert_array_equal(samples[:, -1], expected.astype(dtype))


def test_an_unknown_format_is_refused_with_the_known_ones(play):
    wrong = play("lsl", "--dtype", "int24")
    assert wrong.process.wait(20) == 2
    assert "int16" in wrong.process.stderr.read()


def test_jitter_moves_the_stamps_and_not_the_samples(play, hear):
    outlet = play("lsl", "--rate", "100", "--fault", "jitter:2")
    samples, times = hear(outlet.device("simulated")).take(200)
    np.testing.assert_array_equal(samples[:, -1], np.arange(len(samples)))
    residual = times - np.polyval(np.polyfit(samples[:, -1], times, 1), samples[:, -1])
    assert residual.std() == pytest.approx(2e-3, rel=0.3)


def test_a_rehearsed_outlet_can_be_paused_unplugged_and_brought_back():
    outlet = lsl.rehearse(rate_hz=1000.0)
    try:
        assert outlet.faults == ("pause", "unplug")
        reader = Heard(outlet.config)
        reader.take(100)
        outlet.pause()
        until(lambda: reader.pull() == 0)
        outlet.resume()
        have = sum(map(len, reader.times))
        samples, _ = reader.take(have + 100)
        assert np.diff(samples[:, -1]).max() > 50
        reader.close()
        outlet.unplug()
        outlet.replug()
        again = Heard(outlet.config)
        later, _ = again.take(100)
        assert later[0, -1] > samples[-1, -1]
        again.close()
    finally:
        outlet.close()
