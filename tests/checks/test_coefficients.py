import numpy as np
import pytest

from tenmin.checks.coefficients import butterworth, settled, third_band

signal = pytest.importorskip("scipy.signal")

DESIGNS = [
    (1, 0.5, "high", 250.0),
    (2, 4.0, "low", 160.0),
    (3, 300.0, "high", 30_000.0),
    (4, (110.0, 140.0), "band", 1000.0),
    (3, (0.5, 10.0), "band", 256.0),
    (2, (8.0, 12.0), "band", 128.0),
    (5, 50.0, "low", 2000.0),
]


@pytest.mark.parametrize(("order", "hz", "kind", "rate"), DESIGNS)
def test_a_filter_has_the_response_of_scipys(order, hz, kind, rate):
    frequencies = np.linspace(0.01, rate / 2.1, 500)
    _, ours = signal.sosfreqz(butterworth(order, hz, kind, rate), frequencies, fs=rate)
    names = {"low": "lowpass", "high": "highpass", "band": "bandpass"}
    expected = signal.butter(order, hz, names[kind], fs=rate, output="sos")
    _, theirs = signal.sosfreqz(expected, frequencies, fs=rate)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("order", "hz", "kind", "rate"), DESIGNS)
def test_the_settled_state_is_scipys(order, hz, kind, rate):
    sections = butterworth(order, hz, kind, rate)
    np.testing.assert_allclose(settled(sections), signal.sosfilt_zi(sections), rtol=1e-6, atol=1e-9)


def test_the_taps_are_scipys_window_method():
    np.testing.assert_allclose(third_band(), signal.firwin(33, 0.3), rtol=1e-9)


@pytest.mark.parametrize("hz", [0.0, 500.0, 600.0])
def test_a_corner_beyond_half_the_rate_is_refused(hz):
    with pytest.raises(ValueError, match="impossible"):
        butterworth(2, hz, "low", 1000.0)
