"""A formula by itself, fed with whole seconds made by hand."""

import numpy as np

from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.spectrum import Spectra
from tenmin.checks.unit import Shared
from tests.checks.seconds import second_of
from tests.checks.signals import RATE, eeg


def formula(kind, stream=None, n_channels=8, setting=None):
    """The formula of a kind of check, with the parameters that fit the stream."""
    stream = stream or eeg(n_channels)
    setting = setting or Setting(50.0)
    told = shipped()[kind.name]
    if hasattr(kind, "fit"):
        told = kind.fit(stream, told, setting)
    return kind(stream, told, Shared(setting, Spectra()))


def fed(check, microvolts, rate_hz=RATE, first=0, **fields):
    """What it measured in each second of a signal, a list."""
    n = round(rate_hz)
    parts = [microvolts[k : k + n] for k in range(0, len(microvolts) - n + 1, n)]
    return [
        check.measure(second_of(x, rate_hz, number=first + k, **fields))
        for k, x in enumerate(parts)
    ]


def gap(number, n_channels=8, rate_hz=RATE):
    """A second in which samples are missing."""
    gaps = np.zeros(10, bool)
    gaps[3] = True
    samples = np.zeros((round(rate_hz), n_channels))
    return second_of(samples, rate_hz, number=number, missing=50, gaps=gaps)


def smooth_noise(seconds=12, n_channels=8, sd=10.0, hz=8.0, seed=0):
    """Noise below some Hz, microvolts: it moves little from sample to sample."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.normal(size=(n, n_channels)), axis=0)
    spectrum[np.fft.rfftfreq(n, 1 / RATE) > hz] = 0
    spectrum[0] = 0
    found = np.fft.irfft(spectrum, n, axis=0)
    return sd * found / found.std(axis=0)
