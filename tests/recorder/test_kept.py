"""What the checks found, in the journal: written by a watcher that may die, read by anybody."""

from __future__ import annotations

import errno
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenmin.checks.judge import FAIL_CODE, OK_CODE, UNKNOWN_CODE
from tenmin.checks.lattice import FLAT, GAP, LINE, POP
from tenmin.checks.parameters import shipped
from tenmin.recorder.appended import FRAME, read_sections
from tenmin.recorder.files import open_raw
from tenmin.recorder.journal import StreamJournal
from tenmin.recorder.kept import ArousalLog, QualityLog, read_arousal, read_quality
from tests.recorder.filling import Filling, filling
from tests.recorder.journals import probe

STREAM = probe(3)
CHECKS = [shipped()["flat"], shipped()["line"]]
SHAPE = len(CHECKS), STREAM.n_channels
ORIGIN = 5000


def log_in(folder, checks=CHECKS, **more):
    return QualityLog(folder, STREAM, checks, "ab" * 32, **more)


def second(number, bit=0, level=OK_CODE):
    """The arguments of a second whose values tell its number."""
    bits = np.full((10, STREAM.n_channels), bit, np.uint16)
    return number, bits, np.full(SHAPE, number, float), np.full(SHAPE, level, np.int8)


def written(folder, numbers=range(5), **more):
    log = log_in(folder, **more)
    log.anchor(ORIGIN)
    for number in numbers:
        log.append(*second(number))
    log.close()
    return folder / "probe.quality"


def test_what_was_appended_is_read(tmp_path):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 4096, (4, 10, 3)).astype(np.uint16)
    values = rng.normal(size=(4, *SHAPE)).astype(np.float32)
    levels = rng.integers(0, 4, (4, *SHAPE)).astype(np.int8)
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    for k in range(4):
        log.append(k - 1, bits[k], values[k], levels[k])
    log.close()
    found = read_quality(tmp_path, "probe")
    assert found.numbers.tolist() == [-1, 0, 1, 2]
    assert np.array_equal(found.bits, bits)
    assert np.array_equal(found.values, values)
    assert np.array_equal(found.levels, levels)


def test_the_head_tells_units_thresholds_origin_and_hash(tmp_path):
    written(tmp_path)
    found = read_quality(tmp_path, "probe")
    line = found.checks[1]
    told = line["name"], line["id"], line["unit"], line["warn"], line["fail"]
    assert told == ("line", "Q04", "dB", 6.0, 15.0)
    assert (found.grid.origin, found.grid.rate_hz, found.is_t0) == (ORIGIN, 1000.0, True)
    assert found.sha256 == "ab" * 32


def test_the_file_begins_with_a_line_of_json(tmp_path):
    path = written(tmp_path)
    assert path.read_bytes().startswith(b'{"format":1,"kind":"quality","stream":"probe"')


def test_seconds_that_nobody_judged_are_unknown_and_without_bits(tmp_path):
    written(tmp_path, (0, 1, 4))
    found = read_quality(tmp_path, "probe")
    assert found.not_judged.tolist() == [2, 3]
    assert np.isnan(found.values[2:4]).all()
    assert (found.levels[2:4] == UNKNOWN_CODE).all()
    assert not found.bits.any()


def test_a_second_of_which_no_check_knows_anything_is_not_judged(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(*second(0))
    number, bits, values, levels = second(1, level=UNKNOWN_CODE)
    log.append(number, bits, values * np.nan, levels)
    log.close()
    assert read_quality(tmp_path, "probe").not_judged.tolist() == [1]


def test_missing_samples_are_gaps_whether_or_not_they_were_judged(tmp_path):
    written(tmp_path, (0, 1, 4))
    journal = StreamJournal(tmp_path, STREAM)
    for index, n in ((5000, 1250), (6310, 790), (8000, 2000)):
        journal.append(index, np.zeros((n, 3), np.int16), None, 0)
    journal.close()
    found = read_quality(tmp_path, "probe")
    gaps = np.flatnonzero((found.bits == GAP).all(axis=2).ravel())
    assert gaps.tolist() == [12, 13, *range(21, 30)]


def test_a_window_is_filled_up_with_what_is_unknown(tmp_path):
    written(tmp_path, (1, 2, 7))
    found = read_quality(tmp_path, "probe", window=(0, 5))
    assert found.judged.tolist() == [False, True, True, False, False]


def test_bits_that_come_later_are_added_and_values_stay(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(*second(3, LINE))
    log.append(3, np.full((10, 3), POP, np.uint16), np.full(SHAPE, np.nan))
    log.close()
    found = read_quality(tmp_path, "probe")
    assert set(found.bits.ravel()) == {LINE | POP}
    assert (found.values == 3).all()
    assert (found.levels == OK_CODE).all()


def test_values_without_levels_are_unknown(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(*second(0)[:3])
    log.close()
    assert (read_quality(tmp_path, "probe").levels == UNKNOWN_CODE).all()


def test_what_came_before_t0_is_apart(tmp_path):
    log = log_in(tmp_path)
    log.anchor(77, t0=False)
    log.append(*second(0, FLAT))
    log.append(*second(1, FLAT))
    log.anchor(ORIGIN)
    log.append(*second(0))
    log.close()
    block, settling = (read_quality(tmp_path, "probe", t0=t0) for t0 in (True, False))
    assert (len(block.judged), block.grid.origin, block.bits.any()) == (1, ORIGIN, False)
    assert (len(settling.judged), settling.grid.origin) == (2, 77)
    assert (settling.bits == FLAT).all()


def test_a_restarted_watcher_goes_on_in_the_same_file(tmp_path):
    written(tmp_path, (0, 1))
    written(tmp_path, (4, 5))
    found = read_quality(tmp_path, "probe")
    assert found.judged.tolist() == [True, True, False, False, True, True]
    assert found.values[4, 0, 0] == 4


def test_checks_in_another_order_after_a_restart_keep_their_values(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(0, *second(0)[1:2], np.array([[1.0] * 3, [2.0] * 3]))
    log.close()
    log = log_in(tmp_path, [CHECKS[1], shipped()["pop"], CHECKS[0]])
    log.anchor(ORIGIN)
    log.append(1, second(1)[1], np.array([[2.0] * 3, [3.0] * 3, [1.0] * 3]))
    log.close()
    found = read_quality(tmp_path, "probe")
    assert [check["name"] for check in found.checks] == ["flat", "line", "pop"]
    assert found.values[:, :, 0].tolist()[1] == [1.0, 2.0, 3.0]
    assert found.values[0, :2, 0].tolist() == [1.0, 2.0]


def test_the_newest_rule_for_whole_blocks_counts(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(*second(0))
    for mask in ([True, True, False], [False, True, False]):
        log.append_bad({"correlation": np.array(mask)})
    log.close()
    assert read_quality(tmp_path, "probe").bad == {"correlation": (1,)}


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_tail_is_left_out_and_cut_off_by_the_next_writer(tmp_path, kept):
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-kept])
    found = read_quality(tmp_path, "probe")
    assert (found.numbers.tolist(), found.damaged) == ([0, 1, 2, 3], 0)
    written(tmp_path, (4,))
    found = read_quality(tmp_path, "probe")
    assert (found.judged.all(), len(found.judged), found.damaged) == (True, 5, 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_spoilt_byte_is_ever_believed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("spoilt")
    log = log_in(folder)
    log.anchor(77, t0=False)
    log.append(*second(0, FLAT))
    log.anchor(ORIGIN)
    for number in range(4):
        log.append(*second(number))
    log.close()
    path = folder / "probe.quality"
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    found = read_quality(folder, "probe")
    if found is not None:
        told = found.values[found.judged]
        assert np.array_equal(
            told, np.broadcast_to(found.numbers[found.judged, None, None], told.shape)
        )
        assert not found.bits.any()
        assert len(told) >= 3


def test_a_spoilt_record_costs_itself_and_is_counted(tmp_path):
    path = written(tmp_path)
    whole = bytearray(path.read_bytes())
    size = read_sections(path)[0][0].head["record_bytes"]
    whole[-2 * size - FRAME] ^= 1
    path.write_bytes(whole)
    found = read_quality(tmp_path, "probe")
    assert (found.not_judged.tolist(), found.damaged) == ([2], 1)


def test_records_of_a_section_whose_line_is_spoilt_belong_to_no_other(tmp_path):
    log = log_in(tmp_path)
    log.anchor(77, t0=False)
    log.append(*second(0))
    log.anchor(ORIGIN)
    log.append(*second(1))
    log.close()
    path = tmp_path / "probe.quality"
    path.write_bytes(path.read_bytes().replace(b'"origin":5000', b'"origin":9000'))
    assert read_quality(tmp_path, "probe") is None
    assert read_quality(tmp_path, "probe", t0=False).numbers.tolist() == [0]


def test_nothing_kept_is_nothing_found(tmp_path):
    assert read_quality(tmp_path, "probe") is None
    assert read_arousal(tmp_path) is None


def test_a_full_disk_loses_records_and_counts_them(tmp_path):
    Filling.room, Filling.code = 10_000, errno.ENOSPC
    log = log_in(tmp_path, opener=filling)
    log.anchor(ORIGIN)
    for number in range(200):
        log.append(*second(number))
    log.close()
    n = len(read_quality(tmp_path, "probe").judged)
    assert n > 0
    assert log.file.lost == 200 - n
    assert "full" in str(log.file.failure)


def test_a_disk_that_hangs_holds_nobody_up(tmp_path):
    gate = threading.Event()

    class Hanging:
        def __init__(self, path, mode):
            self.inner = open_raw(path, mode)

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def write(self, data):
            gate.wait()
            return self.inner.write(data)

    log = QualityLog(tmp_path, probe(384), CHECKS, opener=Hanging)
    log.anchor(ORIGIN)
    for number in range(1000):
        log.append(number, np.zeros((10, 384), np.uint16), np.zeros((len(CHECKS), 384)))
    lost = log.file.lost
    assert 0 < lost < 1000
    gate.set()
    log.close()
    assert read_quality(tmp_path, "probe").judged.sum() == 1000 - lost


FEATURES = ("speed", "pupil")


def track_in(folder, ticks, features=FEATURES, sha256="cd" * 32):
    log = ArousalLog(folder, features, "animal", {"version": "1"}, sha256)
    for host_s, state in ticks:
        log.append(host_s, np.arange(len(features)) + state, state, state / 10, state * 3)
    log.close()


def test_an_arousal_track_is_read_as_it_was_kept(tmp_path):
    track_in(tmp_path, [(1000.1, 3), (1000.2, 5)])
    found = read_arousal(tmp_path)
    assert found.host_s.tolist() == [1000.1, 1000.2]
    assert (found.states.tolist(), found.modalities.tolist()) == ([3, 5], [9, 15])
    assert found.confidence == pytest.approx([0.3, 0.5])
    assert found.values.tolist() == [[3, 4], [5, 6]]
    assert (found.family, found.eyes, found.features) == ("animal", "open", FEATURES)
    assert found.ruleset == {"version": "1"}


def test_a_restarted_watcher_goes_on_with_the_track(tmp_path):
    track_in(tmp_path, [(1000.1, 3)])
    track_in(tmp_path, [(1003.0, 4)])
    assert read_arousal(tmp_path).states.tolist() == [3, 4]


def test_a_track_by_other_rules_is_not_mixed_in(tmp_path):
    track_in(tmp_path, [(1000.1, 3)])
    track_in(tmp_path, [(1003.0, 4)], sha256="ef" * 32)
    assert read_arousal(tmp_path).states.tolist() == [4]


def test_levels_of_a_failing_channel_are_kept(tmp_path):
    log = log_in(tmp_path)
    log.anchor(ORIGIN)
    log.append(*second(0, level=FAIL_CODE))
    log.close()
    assert (read_quality(tmp_path, "probe").levels == FAIL_CODE).all()
