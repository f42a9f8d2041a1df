import numpy as np
import pytest

from tenmin.checks.lattice import (
    BITS,
    EYE,
    FLAT,
    GAP,
    LINE,
    MUSCLE,
    SPOILS,
    SYNC,
    Lattice,
)

C = 10


def lattice_of(*seconds, first=0):
    """A lattice of seconds, each a dict of (bin, channel): bit."""
    lattice = Lattice(C)
    for k, marks in enumerate(seconds):
        bits = np.zeros((10, C), np.uint16)
        for (at, channel), bit in marks.items():
            bits[at, channel] |= bit
        lattice.add(first + k, bits, np.zeros(C, bool))
    return lattice


def test_the_bit_codes_are_those_of_the_specification():
    assert list(BITS.values()) == [2**k for k in range(12)]


def test_line_and_eye_and_motion_leave_a_second_clean():
    assert SPOILS == 1 | 2 | 4 | 8 | 32 | 64 | 512 | 1024 | 2048


def test_two_bad_channels_of_ten_leave_a_second_clean():
    assert lattice_of({(3, 0): FLAT, (5, 1): MUSCLE}).clean().tolist() == [True]


def test_three_bad_channels_of_ten_spoil_a_second():
    spoilt = {(3, 0): FLAT, (5, 1): MUSCLE, (9, 2): FLAT}
    assert lattice_of(spoilt).clean().tolist() == [False]


@pytest.mark.parametrize("bit", [GAP, SYNC])
def test_a_gap_or_a_lost_clock_in_one_channel_spoils_a_second(bit):
    assert lattice_of({(3, 0): bit}).clean().tolist() == [False]


@pytest.mark.parametrize("bit", [LINE, EYE])
def test_line_and_eye_in_all_channels_leave_a_second_clean(bit):
    assert lattice_of({(k, c): bit for k in range(10) for c in range(C)}).clean_s() == 1


def test_channels_that_fail_for_more_than_a_fifth_of_the_block_are_bad():
    lattice = Lattice(C)
    for k in range(10):
        failed = np.zeros(C, bool)
        failed[1], failed[2] = k < 2, k < 3
        lattice.add(k, np.zeros((10, C), np.uint16), failed)
    assert np.flatnonzero(lattice.bad_channels()).tolist() == [2]


def test_bad_channels_do_not_count_towards_clean_seconds():
    lattice = Lattice(C)
    bits = np.zeros((10, C), np.uint16)
    bits[:, :5] = FLAT
    for k in range(4):
        lattice.add(k, bits, np.arange(C) < 5)
    assert lattice.clean_s() == 4


def test_without_a_good_channel_nothing_is_clean():
    lattice = Lattice(C)
    lattice.add(0, np.zeros((10, C), np.uint16), np.ones(C, bool))
    assert lattice.clean_s() == 0


def test_seconds_that_never_came_are_gaps():
    lattice = lattice_of({})
    lattice.add(3, np.zeros((10, C), np.uint16), np.zeros(C, bool))
    assert lattice.clean().tolist() == [True, False, False, True]


def test_only_seconds_of_the_window_are_counted():
    assert lattice_of({}, {}, {}, {}, first=-2).clean_s(0, 1) == 1


def test_a_lattice_grows_with_the_block():
    lattice = lattice_of(*[{}] * 700)
    assert (lattice.clean_s(), lattice.bits().shape) == (700, (7000, C))


def test_a_mark_afterwards_spoils_the_seconds_that_it_touches():
    lattice = lattice_of({}, {}, {})
    lattice.mark(9, 11, SYNC)
    assert lattice.clean().tolist() == [False, False, True]


def test_a_mark_outside_of_what_was_seen_changes_nothing():
    lattice = lattice_of({}, {})
    lattice.mark(-50, 0, SYNC)
    lattice.mark(20, 40, SYNC)
    assert lattice.clean_s() == 2


def test_seconds_that_nobody_looked_at_are_no_gaps_and_not_clean():
    lattice = lattice_of({})
    lattice.unseen([1, 2])
    lattice.add(3, np.zeros((10, C), np.uint16), np.zeros(C, bool))
    assert lattice.clean().tolist() == [True, False, False, True]
    assert not lattice.bits().any()
