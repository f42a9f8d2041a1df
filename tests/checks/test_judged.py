"""A bank of checks behind the watcher's interface."""

import gc

import numpy as np

from tenmin.checks.judged import Judged
from tenmin.checks.second import Second
from tenmin.checks.setting import Setting
from tenmin.recorder.kept import read_quality
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import OK, UNKNOWN, WARN
from tests.checks.signals import PER_UV, RATE, eeg, noise, sine


def fed(judged, microvolts, start=0, skip=()):
    """Feed the signal in pieces of 50 ms that arrive as they are sent; ranges may be skipped."""
    counts = np.rint(microvolts * PER_UV).astype(np.int32)
    for at in range(0, len(counts), 50):
        if any(low <= at < high for low, high in skip):
            judged.skipped(50)
            continue
        index = start + at
        host_ns = round((index + 50) / RATE * 1e9)
        judged.feed(Piece(index, index, counts[at : at + 50], None, host_ns, 0))
        judged.finish()
    return judged


def brain(seconds):
    """Noise with a rhythm that all channels share: EEG channels that see nothing alike are bad."""
    shared = noise(seconds=seconds, n_channels=1, seed=1)
    return noise(seconds=seconds, sd=4.0) + shared


def new():
    return Judged(eeg(), Setting(50.0))


def levels(judged, now_s):
    return {v.check: v.level for v in judged.verdicts(now_s)}


def test_everything_is_unknown_before_anything_came():
    assert set(levels(new(), 0.0).values()) == {UNKNOWN}


def test_what_can_be_judged_is_judged_after_some_seconds():
    judged = fed(new(), noise(seconds=12))
    assert levels(judged, 12.0)["line"] == OK
    assert levels(judged, 12.0)["flat"] == OK


def test_a_fault_is_told():
    signal = noise(seconds=12)
    signal[:, 3] += sine(50.0, 40.0)
    assert levels(fed(new(), signal), 12.0)["line"] == WARN


def test_a_stream_that_has_become_silent_is_unknown():
    judged = fed(new(), noise(seconds=12))
    assert set(levels(judged, 16.0).values()) == {UNKNOWN}


def test_samples_that_were_not_seen_make_everything_unknown_once():
    judged = fed(new(), noise(seconds=12), skip=[(11_000, 11_500)])
    assert set(levels(judged, 12.0).values()) == {UNKNOWN}
    assert levels(judged, 12.0)["flat"] == OK


def test_nothing_is_told_of_clean_time_before_t0():
    assert fed(new(), noise(seconds=6)).clean(600) is None


def test_clean_time_counts_from_t0():
    judged = new()
    judged.anchor(2000)
    told = fed(judged, brain(9.1)).clean(4)
    assert (told["clean_s"], told["window_clean_s"], told["judged_s"]) == (7, 4, 7)


def test_a_channel_that_is_flat_all_along_is_bad_and_spoils_nothing():
    signal = brain(9.1)
    signal[:, 5] = 1.0
    judged = new()
    judged.anchor(0)
    told = fed(judged, signal).clean(9)
    assert told["bad"] == ["E5"]
    assert told["clean_s"] == 9


def test_seconds_that_were_not_seen_are_neither_judged_nor_clean():
    judged = new()
    judged.anchor(0)
    told = fed(judged, brain(9.1), skip=[(4000, 4500)]).clean(9)
    assert (told["clean_s"], told["judged_s"]) == (8, 8)


class Broken:
    """A formula that raises from its second call on."""

    name = "flat"

    def __init__(self, formula):
        self.formula, self.calls = formula, 0

    def measure(self, second):
        self.calls += 1
        if self.calls > 1:
            raise ZeroDivisionError("by nothing")
        return self.formula.measure(second)


def broken():
    judged = new()
    unit = next(u for u in judged.bank.units if u.parameters.name == "flat")
    unit.formula = Broken(unit.formula)
    return judged


def test_a_formula_that_raises_is_unknown_and_the_others_go_on():
    judged = fed(broken(), noise(seconds=12))
    assert levels(judged, 12.0)["flat"] == UNKNOWN
    assert levels(judged, 12.0)["line"] == OK


def test_a_formula_that_raises_is_switched_off_after_three_times():
    judged = fed(broken(), noise(seconds=12))
    assert len(judged.faults) == 3
    assert "flat: ZeroDivisionError: by nothing" in judged.faults[0]


def test_a_pass_that_raises_is_switched_off_with_its_reason():
    judged = new()
    for k in range(3):
        judged.feed(Piece(k, k, np.zeros((1, 3), np.int32), None, 0, 0))  # too few channels
        judged.finish()
    (why,) = {v.action for v in judged.verdicts(0.0)}
    assert judged.bank is None
    assert why.startswith("Switched off for this stream")


def test_a_second_that_was_just_judged_is_news_once():
    judged = fed(new(), noise(seconds=3))
    assert {v.check for v in judged.news()} == {v.check for v in judged.bank.verdicts()}
    assert judged.news() == []


def test_there_is_no_news_of_a_second_of_which_samples_were_not_seen():
    judged = fed(new(), noise(seconds=3))
    judged.skipped(50)
    assert judged.news() == []


def test_what_was_said_already_is_no_news():
    judged = fed(new(), noise(seconds=3))
    judged.verdicts(3.0)
    assert judged.news() == []


def test_streams_that_are_not_electrical_have_no_clean_time():
    body = Stream("collar", ("acc_x",), 100.0, "n/a", kind="behavior", dtype="float32")
    judged = Judged(body, Setting())
    for at in range(0, 500, 50):
        judged.feed(Piece(at, at, np.ones((50, 1), np.float32), None, at * 10**7, 0))
        judged.anchor(0)
    assert judged.clean(10) is None


def test_seconds_that_were_judged_are_not_kept():
    before = sum(type(thing) is Second for thing in gc.get_objects())
    judged = fed(new(), noise(seconds=30))
    kept = sum(type(thing) is Second for thing in gc.get_objects()) - before
    assert judged.bank is not None
    assert kept <= 2


def test_a_second_judged_before_t0_is_kept_as_one_before_t0(tmp_path):
    judged = new()
    judged.keep(tmp_path)
    fed(judged, brain(5.1))
    judged.anchor(8000)  # the seconds so far wait to be written
    fed(judged, brain(5.1), start=5100)
    judged.close()
    after = read_quality(tmp_path, "eeg", t0=True, missing=())
    before = read_quality(tmp_path, "eeg", t0=False, missing=())
    assert before.numbers[before.judged].tolist() == [0, 1, 2, 3, 4]
    assert after.numbers[after.judged].tolist() == [-3, -2, -1, 0, 1]


def test_a_piece_does_not_wait_for_the_checks_of_a_second():
    judged = fed(new(), noise(seconds=0.95))
    counts = np.zeros((50, judged.stream.n_channels), np.int32)
    for at in (950, 1000):
        judged.feed(Piece(at, at, counts, None, at * 10**6, 0))
    assert judged.bank.n_judged == 0
    assert judged.step()
    judged.finish()
    assert judged.bank.n_judged == 1


def test_seconds_that_are_due_do_not_pile_up():
    judged = new()
    counts = np.zeros((1000, judged.stream.n_channels), np.int32)
    for at in range(0, 20_000, 1000):
        judged.feed(Piece(at, at, counts, None, at * 10**6, 0))
    assert judged.bank.n_judged >= 16
