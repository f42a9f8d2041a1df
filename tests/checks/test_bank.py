from dataclasses import replace

import numpy as np
import pytest

from tenmin.checks.bank import OF_KIND, Bank
from tenmin.checks.lattice import NOISE
from tenmin.checks.parameters import shipped
from tenmin.checks.setting import Setting
from tenmin.checks.unit import Measured, Unit
from tenmin.verdict import UNKNOWN, WARN
from tests.checks.seconds import second_of
from tests.checks.signals import RATE, eeg, noise, unit_of
from tests.checks.test_amplitude import probe
from tests.checks.test_array import C, array
from tests.checks.test_array import probe as array_probe


class Told:
    """A formula that tells what it was told; its value fails in channel 1."""

    name = "loud"

    def __init__(self, by_channel=True, before=None):
        self.by_channel, self.before, self.anchored = by_channel, before, 0

    def anchor(self):
        self.anchored += 1

    def measure(self, second):
        values = np.zeros(second.low.shape[1])
        values[1] = 100.0
        return Measured(values, np.zeros(second.low.shape, bool), self.before)


def bank_with(formula, signal=None):
    """A bank of that formula alone, which has seen a signal."""
    stream = eeg()
    bank = Bank(stream, Setting())
    bank.units = [Unit(formula, stream, shipped()["loud"])]
    bank.all = tuple(bank.units)
    for seconds in bank_seconds(noise(5) if signal is None else signal):
        list(bank._judge(seconds))
    return bank


def bank_seconds(signal):
    parts = signal.reshape(-1, int(RATE), signal.shape[1])
    return [second_of(x, RATE, number=k) for k, x in enumerate(parts)]


def test_a_channel_that_fails_is_bad():
    assert np.flatnonzero(bank_with(Told()).bad_channels()).tolist() == [1]


def test_what_is_said_of_the_stream_makes_no_channel_bad():
    assert not bank_with(Told(by_channel=False)).bad_channels().any()


def test_what_is_said_of_the_stream_names_no_channel():
    verdict = bank_with(Told(by_channel=False)).verdicts()[0]
    assert (verdict.level, verdict.action) == (WARN, shipped()["loud"].action)


def test_bits_of_the_second_before_are_set_there():
    before = np.zeros((10, 8), bool)
    before[9, 3] = True
    bits = bank_with(Told(before=before)).lattice.bits()
    assert np.argwhere(bits & NOISE).tolist() == [[9, 3], [19, 3], [29, 3], [39, 3]]


def test_a_formula_is_told_of_t0():
    formula = Told()
    bank_with(formula).anchor(7000)
    assert formula.anchored == 1


def test_a_label_by_vote_makes_a_channel_bad_at_the_end_of_the_block():
    bank = Bank(array_probe(), Setting())
    similarity = unit_of(bank, "similarity").formula
    for k in range(10):
        second = bank_seconds(np.zeros((1000, C)))[0]
        similarity.measure(replace(second, number=5 * k, piece=array(k)))
    assert np.flatnonzero(bank.bad_channels()).tolist() == [6, 13, 27, 28, 29, 30, 31]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("eeg", {"pop", "correlation", "muscle", "drift"}),
        ("ecephys", {"pop", "high_frequency", "similarity", "drift", "yield", "depth"}),
        ("ieeg", {"pop", "drift"}),
    ],
)
def test_each_kind_of_stream_has_its_checks(kind, names):
    assert names <= {formula.name for formula in OF_KIND[kind]}


def test_no_check_says_ok_before_it_has_seen_anything():
    bank = Bank(probe(), Setting(50.0))
    assert {v.level for v in bank.verdicts()} == {UNKNOWN}
