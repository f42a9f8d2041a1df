"""The device in shared memory that the bench records from."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tenmin.bench.source import HOLD_S, Bank, BankConfig
from tenmin.errors import DeviceLost, DeviceMissing
from tenmin.source import Driver


@pytest.fixture
def bank(tmp_path):
    rows = np.arange(4000, dtype=np.int16).reshape(1000, 4)
    rows.tofile(tmp_path / "bank")
    source = Bank(BankConfig(name="a", bank=tmp_path / "bank", channels=4, rate_hz=10000.0))
    yield source
    source.stop()


def test_it_is_a_driver_like_any_other(bank):
    assert isinstance(bank, Driver)


def test_chunks_follow_each_other_and_begin_again_at_the_banks_end(bank):
    bank.start()
    chunks = [bank.read() for _ in range(12)]
    index = np.concatenate([chunk.index for chunk in chunks])
    assert (index == np.arange(1200)).all()
    rows = np.concatenate([chunk.samples for chunk in chunks])
    assert (rows[:, 0] == (np.arange(1200) % 1000 * 4).astype(np.int16)).all()


def test_no_chunk_comes_before_it_is_complete(bank):
    bank.start()
    chunk = bank.read()
    assert chunk.host_ns <= time.monotonic_ns()


def test_what_is_held_for_too_long_is_lost_and_its_numbers_show_it(bank):
    bank.start()
    bank.read()
    bank._began_ns -= int((HOLD_S + 0.5) * 1e9)  # as if nobody had read for a second
    first = int(bank.read().index[0])
    assert first >= 100 * round(HOLD_S / 0.01)
    assert first % 100 == 0


def test_a_bank_that_is_not_there_is_a_missing_device(tmp_path):
    config = BankConfig(name="a", bank=tmp_path / "none", channels=4, rate_hz=1000.0)
    with pytest.raises(DeviceMissing, match="none"):
        Bank(config).start()


def test_a_closed_device_cannot_be_read(bank):
    with pytest.raises(DeviceLost):
        bank.read()
