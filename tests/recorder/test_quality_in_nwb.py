"""What the checks found, from the journal into the file, and nothing claimed that nobody saw."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import h5py
import numpy as np
import pytest

from tenmin import protocol
from tenmin.checks.arousal import Arousal, Features
from tenmin.checks.arousal import shipped as rules_shipped
from tenmin.checks.arousal.features import NAMES
from tenmin.checks.judge import FAIL_CODE, OK_CODE, UNKNOWN_CODE, WARN_CODE
from tenmin.checks.lattice import CLIP, EYE, FLAT, GAP, INTERVENTION, LINE, NOISE
from tenmin.checks.parameters import shipped
from tenmin.recorder.finaliser import finalise
from tenmin.recorder.journal import JsonLog, write_block
from tenmin.recorder.kept import ArousalLog, QualityLog
from tenmin.recorder.recover import recover
from tenmin.validate import invariants, validate
from tests.recorder import journals
from tests.recorder.journals import Source, make, probe
from tests.recorder.reading import opened

CHECKS = [shipped()[name] for name in ("flat", "saturation", "line", "similarity")]
FLAT_ROW, CLIP_ROW, LINE_ROW, SIMILARITY_ROW = range(4)
RULES = rules_shipped()


def messages(made):
    found = validate([made.folder.parent / made.block["nwb"]])
    return [(f.check, f.message) for f in found if f.level != "OK"]


def keep_quality(
    made, n=None, *, stream=None, bits=(), levels=(), leave_out=(), bad=None, origin=None
):
    """Seconds from one before t0 to one behind the window, all OK but what is told.

    `bits`: (bins from t0 on, channels, bit); `levels`: (check, seconds, channels, code).
    """
    stream = stream or probe()
    n = round(made.n_window / 1000) if n is None else n
    lattice = np.zeros(((n + 2) * 10, stream.n_channels), np.uint16)
    for bins, channels, bit in bits:
        lattice[np.asarray(bins)[:, None] + 10, channels] |= bit
    shape = n + 2, len(CHECKS), stream.n_channels
    told = np.full(shape, OK_CODE, np.int8)
    values = np.arange(n + 2)[:, None, None] + np.zeros(shape) + np.arange(len(CHECKS))[:, None] / 8
    told[:, SIMILARITY_ROW], values[:, SIMILARITY_ROW] = UNKNOWN_CODE, np.nan
    for check, seconds, channels, code in levels:
        told[np.asarray(seconds)[:, None] + 1, check, channels] = code
    log = QualityLog(made.folder, stream, CHECKS, shipped().sha256)
    log.anchor(made.t0 - 1000 * 3, t0=False)
    log.append(0, lattice[:10], values[0], told[0])
    log.append(1, lattice[:10], values[0], told[0])
    log.anchor(made.t0 if origin is None else origin)
    for k in range(n + 2):
        if k - 1 not in leave_out:
            log.append(k - 1, lattice[10 * k : 10 * k + 10], values[k], told[k])
    if bad is not None:
        log.append_bad(bad)
    log.close()


def keep_arousal(made, seconds, *, ppm=0.0, skip=(), start_s=0.0, phase_s=0.03):
    """Running every other five seconds; gives the session that saw it."""
    arousal = Arousal("animal", RULES)
    log = ArousalLog(made.folder, NAMES, "animal", RULES.as_dict(), RULES.sha256)
    t0_s = (made.t0 - made.zero_index) / 1000
    for k in range(round((seconds - start_s) * 10)):
        t = start_s + phase_s + (k + 1) * 0.1
        raw = Features(speed=20.0 if t % 10 >= 5 else 0.0, motion=float(k % 7))
        tick = arousal.step(t, raw, t <= t0_s)
        if not any(low <= t < high for low, high in skip):
            values = np.array(list(asdict(arousal.raw[-1]).values()))
            host_s = journals.SETTLE_NS * 1e-9 + t
            log.append(host_s, values, tick.state, tick.confidence, tick.modalities)
    log.close()
    return arousal


def row_of(table, **keys):
    frame = table.to_dataframe()
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """20 s of 16 channels; AP3 is flat for 6 s, all clip for 0.7 s, AP5 has line noise."""
    made = make(tmp_path_factory.mktemp("judged"), [Source(probe(), first=123_456)], seconds=20.0)
    made.block["checks"] = shipped().as_dict()
    made.block["hashes"]["checks"] = shipped().sha256
    write_block(made.folder, made.block)
    keep_quality(
        made,
        bits=[
            (range(20, 80), [3], FLAT),
            (range(101, 108), slice(None), CLIP),
            (range(120, 124), slice(None), NOISE),
            (range(150, 170), [5], LINE),
        ],
        levels=[
            (FLAT_ROW, range(2, 8), [3], FAIL_CODE),
            (LINE_ROW, range(15, 17), [5], WARN_CODE),
        ],
        leave_out=(18,),
    )
    keep_arousal(made, 25.0)
    return made, finalise(made.folder)


def test_nothing_is_said_of_a_file_with_findings(judged):
    assert messages(judged[0]) == []


def test_the_mask_has_a_row_per_tenth_of_a_second_of_the_window(judged):
    made, _ = judged
    with opened(made) as nwb:
        series = nwb.processing["ecephys"]["probe_mask"]
        data = series.data[:]
        assert (data.shape, data.dtype) == ((200, 16), np.uint16)
        assert series.starting_time == pytest.approx(3.0, abs=1e-9)
        assert series.rate == pytest.approx(10.0, rel=1e-12)
        assert (series.data.compression, series.data.shuffle) == ("gzip", True)
    assert np.flatnonzero(data[:, 3] & FLAT).tolist() == list(range(20, 80))
    assert np.flatnonzero((data & CLIP).all(axis=1)).tolist() == list(range(101, 108))


def test_the_description_of_the_mask_tells_every_code(judged):
    with opened(judged[0]) as nwb:
        told = nwb.processing["ecephys"]["probe_mask"].description
    assert "1 gap, 2 flat, 4 clip, 8 pop, 16 line, 32 noise, 64 muscle, 128 eye" in told
    assert "512 operator, 1024 intervention, 2048 sync" in told


def test_values_of_a_check_are_a_series_with_unit_limits_and_hash(judged):
    with opened(judged[0]) as nwb:
        series = nwb.processing["ecephys"]["probe_line"]
        data = series.data[:]
        assert (series.unit, series.rate) == ("dB", pytest.approx(1.0))
        for text in ("Q04", "warn at 6", "fail at 15", shipped().sha256):
            assert text in series.description
    assert data.shape == (20, 16)
    assert data[:3, 0].tolist() == [1.25, 2.25, 3.25]
    assert np.isnan(data[18]).all()


def test_a_check_that_knew_nothing_has_no_series_and_is_unknown(judged):
    with opened(judged[0]) as nwb:
        assert "probe_similarity" not in nwb.processing["ecephys"].data_interfaces
        row = row_of(nwb.analysis["checks"], check="similarity")
        assert (row.level, row.unknown_share) == ("UNKNOWN", 1.0)


def test_the_table_tells_what_each_check_came_to(judged):
    with opened(judged[0]) as nwb:
        table = nwb.analysis["checks"]
        assert row_of(table, check="flat").level == "FAIL"
        assert row_of(table, check="flat").fail_share == pytest.approx(6 / 320)
        assert row_of(table, check="line").level == "WARN"
        assert row_of(table, check="saturation").level == "OK"


def test_clean_seconds_follow_the_definition_and_what_was_not_judged_is_not_clean(judged):
    made, result = judged
    with opened(made) as nwb:
        clean = nwb.processing["ecephys"]["probe_clean"].data[:]
    spoilt = {10: 0, 12: 0, 18: -1}
    assert clean.tolist() == [spoilt.get(k, 1) for k in range(20)]
    told = result["quality"]["probe"]
    assert (told["clean_s"], told["judged_s"], told["window_s"]) == (17, 19, 20)


def test_a_bad_channel_and_why_stand_with_its_electrode(judged):
    made, result = judged
    with opened(made) as nwb:
        table = nwb.electrodes.to_dataframe()
    assert table.status.tolist() == ["good"] * 3 + ["bad"] + ["good"] * 12
    assert table.status_description[3] == "flat failed in 30 % of the seconds"
    assert result["quality"]["probe"]["bad"] == ["AP3"]


def test_a_mask_common_to_all_channels_for_half_a_second_is_an_invalid_time(judged):
    with opened(judged[0]) as nwb:
        rows = nwb.invalid_times.to_dataframe()
    rows = rows[rows.reason.str.startswith("mask")]
    assert rows.reason.tolist() == ["mask: clip"]
    assert rows.stream.tolist() == ["probe"]
    assert (rows.start_time.item(), rows.stop_time.item()) == pytest.approx((13.1, 13.8), abs=1e-9)


def test_what_came_before_t0_is_kept_apart(judged):
    with opened(judged[0]) as nwb:
        module = nwb.processing["ecephys"]
        rows = module["probe_quality_settling"].to_dataframe()
    assert rows.start_time.tolist() == pytest.approx([0.0, 1.0])
    assert rows.probe_line_settling.iloc[0].tolist() == [0.25] * 16


@pytest.mark.parametrize(
    ("name", "sha256"),
    [("check_parameters", shipped().sha256), ("arousal_ruleset", RULES.sha256)],
)
def test_parameters_and_rules_are_texts_whose_hash_anybody_can_check(judged, name, sha256):
    with opened(judged[0]) as nwb:
        text = nwb.scratch[name].data
        text = text if isinstance(text, str) else text[()]
        assert sha256 in nwb.scratch[name].description
    assert hashlib.sha256(str(text).encode()).hexdigest() == sha256


def sound(table, t0_s, end_s, borders):
    """Science.md C.5: sorted, no overlap, no hole, neighbours differ but at a border."""
    rows = table.to_dataframe()
    assert rows.start_time.dtype == rows.stop_time.dtype == np.float64
    starts, stops = rows.start_time.to_numpy(), rows.stop_time.to_numpy()
    assert starts[0] == pytest.approx(t0_s, abs=1e-9)
    assert stops[-1] == pytest.approx(end_s, abs=1e-9)
    assert np.array_equal(starts[1:], stops[:-1])
    same = rows.state.to_numpy()[1:] == rows.state.to_numpy()[:-1]
    assert all(any(abs(at - b) < 1e-9 for b in borders) for at in starts[1:][same])
    return rows


def test_both_tracks_of_arousal_cover_the_block_from_t0_to_the_end(judged):
    with opened(judged[0]) as nwb:
        for name in ("arousal_states_online", "arousal_states_final"):
            rows = sound(nwb.intervals[name], 3.0, 24.0, [23.0])
            assert set(rows.columns) == {
                "start_time", "stop_time", "state", "label", "coarse", "confidence",
                "modalities", "ruleset_version", "n_masked_bins",
            }  # fmt: skip


def test_the_online_track_is_what_was_shown(judged):
    with opened(judged[0]) as nwb:
        rows = nwb.intervals["arousal_states_online"].to_dataframe()
    running = rows[rows.label == "locomotion"]
    assert len(running) == 2
    assert running.start_time.to_numpy() == pytest.approx([5.0, 15.0], abs=1.0)
    assert set(running.modalities) == {1}


def test_masked_bins_are_counted_with_the_state(judged):
    with opened(judged[0]) as nwb:
        rows = nwb.intervals["arousal_states_final"].to_dataframe()
    assert rows[rows.start_time < 23].n_masked_bins.sum() == 7 + 4
    assert rows[rows.start_time >= 23].n_masked_bins.tolist() == [-1]


def test_features_are_series_with_units_from_the_settling_on(judged):
    with opened(judged[0]) as nwb:
        series = nwb.processing["behavior"]["arousal_features"].time_series
        speed = series["speed"]
        assert (speed.unit, speed.rate) == ("cm/s", pytest.approx(10.0, rel=1e-9))
        assert speed.starting_time == pytest.approx(0.03, abs=1e-6)
        assert len(speed.data) == 250
        assert speed.data[60] == 20.0
        assert "pupil" not in series


def test_the_result_tells_seconds_in_each_state(judged):
    told = judged[1]["arousal"]
    assert sum(told["final"].values()) == pytest.approx(20.0)
    assert told["online"]["locomotion"] == pytest.approx(10.0, abs=1.5)


def test_states_with_a_hole_or_cut_without_need_are_found(judged, tmp_path):
    made, _ = judged
    source = made.folder.parent / made.block["nwb"]
    for column, value, text in (
        ("stop_time", 4.0, "hole or an overlap"),
        ("state", 5, "neighbours"),
    ):
        path = tmp_path / f"{column}.nwb"
        path.write_bytes(source.read_bytes())
        with h5py.File(path, "r+") as file:
            file[f"intervals/arousal_states_final/{column}"][0] = value
        assert any(text in found.message for found in invariants(path))


# Other journals -------------------------------------------------------------------------------


def test_a_journal_without_findings_says_unknown(tmp_path):
    made = journals.mouse(tmp_path)
    result = finalise(made.folder)
    assert messages(made) == []
    with opened(made) as nwb:
        assert set(nwb.electrodes.to_dataframe().status) == {"unknown"}
        assert row_of(nwb.analysis["checks"], check="clean_time").level == "UNKNOWN"
        assert row_of(nwb.analysis["checks"], check="bad_channels").level == "UNKNOWN"
        rows = nwb.intervals["arousal_states_final"].to_dataframe()
        assert set(rows.label) == {"unknown"}
        assert set(rows.ruleset_version) == {"none"}
    told = result["quality"]["probe"]
    assert told == {"clean_s": None, "judged_s": 0, "window_s": 3, "bad": None}
    assert result["arousal"]["online"] == {"unknown": pytest.approx(3.0)}


@pytest.mark.parametrize(("seconds", "stop_s"), [(3.0, None), (2.0, None), (1.0, None), (9.0, 4.4)])
def test_short_and_aborted_blocks_with_findings_pass_all_validators(tmp_path, seconds, stop_s):
    made = make(tmp_path, [Source(probe())], seconds=seconds, stop_s=stop_s)
    keep_quality(made, bits=[(range(5), slice(None), EYE)], leave_out=(0,))
    keep_arousal(made, 2.0 + (stop_s or seconds + 2))
    finalise(made.folder)
    assert messages(made) == []


def test_fewer_seconds_than_channels_are_a_table(tmp_path):
    made = make(tmp_path, [Source(probe(40))], seconds=3.0)
    keep_quality(made, stream=probe(40), bits=[(range(13, 17), [2], LINE)])
    finalise(made.folder)
    with opened(made) as nwb:
        table = nwb.processing["ecephys"]["probe_quality"]
        rows = table.to_dataframe()
        masks = table["probe_mask"].data[:]
    assert rows.start_time.tolist() == pytest.approx([3.0, 4.0, 5.0])
    assert masks.shape == (3, 10, 40)
    assert np.argwhere(masks).tolist() == [[1, k, 2] for k in range(3, 7)]
    assert rows.probe_line.iloc[2].tolist() == [3.25] * 40


def test_missing_samples_and_marks_of_the_operator_are_in_the_mask(tmp_path):
    made = make(tmp_path, [Source(probe(), gaps=[(4000, 250)])], seconds=20.0)
    made.block["protocol"] = protocol.load("head-fixed-acute").as_dict()
    write_block(made.folder, made.block)
    log = JsonLog(made.folder / "events.jsonl")
    log.write({"onset_s": journals.SETTLE_NS * 1e-9 + 8.0, "code": "prompt", "source": "operator"})
    log.close()
    keep_quality(made)
    result = finalise(made.folder)
    assert messages(made) == []
    with opened(made) as nwb:
        mask = nwb.processing["ecephys"]["probe_mask"].data[:]
        clean = nwb.processing["ecephys"]["probe_clean"].data[:]
        reasons = nwb.invalid_times.to_dataframe().reason.tolist()
    assert np.flatnonzero((mask & GAP).all(axis=1)).tolist() == [30, 31, 32]
    # At 5 s of the window, from 1 s before it to 10 s after it.
    assert np.flatnonzero((mask & INTERVENTION).any(axis=1)).tolist() == list(range(40, 150))
    assert np.flatnonzero(clean == 0).tolist() == list(range(3, 15))
    assert not any(reason.startswith("mask") for reason in reasons)
    assert result["quality"]["probe"]["clean_s"] == 8


def test_channels_of_a_watcher_that_was_dead_for_long_are_unknown(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=10.0)
    keep_quality(made, leave_out=range(3), levels=[(FLAT_ROW, range(4, 8), [2], FAIL_CODE)])
    finalise(made.folder)
    with opened(made) as nwb:
        table = nwb.electrodes.to_dataframe()
        row = row_of(nwb.analysis["checks"], check="saturation")
    assert table.status.tolist() == ["unknown", "unknown", "bad"] + ["unknown"] * 13
    assert row.level == "UNKNOWN"


def test_a_rule_for_whole_blocks_makes_a_channel_bad(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=3.0)
    keep_quality(made, bad={"similarity": np.arange(16) == 7})
    finalise(made.folder)
    with opened(made) as nwb:
        table = nwb.electrodes.to_dataframe()
    assert (table.status == "bad").to_numpy().nonzero()[0].tolist() == [7]
    assert table.status_description[7] == "similarity by its rule for whole blocks"


def test_a_stream_with_a_drifting_clock_has_its_masks_on_the_files_clock(tmp_path):
    second = replace(probe(4), name="second")
    made = make(tmp_path, [Source(probe(4)), Source(second, ppm=500.0, first=900)], seconds=20.0)
    origin = 900 + round(1000 * (1 + 5e-4))
    keep_quality(made, stream=second, origin=origin, bits=[(range(100, 110), slice(None), CLIP)])
    finalise(made.folder)
    with opened(made) as nwb:
        series = nwb.processing["ecephys"][f"{second.name}_mask"]
        rows = nwb.invalid_times.to_dataframe()
        assert series.rate == pytest.approx(10 * (1 + 5e-4), rel=1e-6)
        assert series.starting_time == pytest.approx(3.0, abs=1e-3)
    row = rows[rows.stream == second.name].iloc[0]
    assert row.start_time == pytest.approx(3.0 + 10.0 / (1 + 5e-4), abs=1e-3)


def test_ticks_that_nobody_kept_are_unknown(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=20.0)
    keep_arousal(made, 25.0, skip=[(10.0, 14.0)])
    finalise(made.folder)
    with opened(made) as nwb:
        rows = sound(nwb.intervals["arousal_states_online"], 3.0, 24.0, [23.0])
    hole = rows[(rows.start_time > 9.5) & (rows.stop_time < 14.5)]
    assert set(hole.label) == {"unknown"}
    assert (hole.stop_time - hole.start_time).sum() == pytest.approx(4.0, abs=0.21)


def test_ticks_by_a_drifting_host_leave_no_holes(tmp_path):
    made = make(tmp_path, [Source(probe(), ppm=300.0)], seconds=400.0)
    log = ArousalLog(made.folder, NAMES, "animal", RULES.as_dict(), RULES.sha256)
    for k in range(4060):
        host_s = journals.SETTLE_NS * 1e-9 + 0.1 * k
        log.append(host_s, np.full(len(NAMES), np.nan), 3, 0.5, 1)
    log.close()
    finalise(made.folder)
    with opened(made) as nwb:
        rows = nwb.intervals["arousal_states_online"].to_dataframe()
    assert rows.label.tolist() == ["quiet_wake"] * 2


def test_the_final_track_is_made_from_what_was_kept(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=100.0)
    arousal = keep_arousal(made, 105.0, phase_s=0.0)
    finalise(made.folder)
    with opened(made) as nwb:
        rows = nwb.intervals["arousal_states_final"].to_dataframe()
    truth = {round(t.t, 3): t.state for t in arousal.close()}
    for row in rows.itertuples():
        ticks = np.arange(round(row.start_time * 10) + 1, round(row.stop_time * 10) + 1)
        assert {truth[round(k * 0.1, 3)] for k in ticks} == {row.state}


def test_a_track_of_another_version_is_kept_and_its_final_track_unknown(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=3.0)
    log = ArousalLog(made.folder, ("speed", "whiskers"), "animal", RULES.as_dict(), "0" * 64)
    for k in range(70):
        log.append(journals.SETTLE_NS * 1e-9 + 0.1 * k, np.zeros(2), 3, 0.5, 1)
    log.close()
    told = finalise(made.folder)["arousal"]
    assert set(told["online"]) == {"quiet_wake"}
    assert set(told["final"]) == {"unknown"}


def test_a_check_of_the_stream_as_a_whole_makes_no_channel_bad(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=3.0)
    log = QualityLog(made.folder, probe(), CHECKS[:1], whole=["flat"])
    log.anchor(made.t0)
    for k in range(3):
        failed = np.full((1, 16), FAIL_CODE, np.int8)
        log.append(k, np.zeros((10, 16), np.uint16), np.ones((1, 16)), failed)
    log.close()
    assert finalise(made.folder)["quality"]["probe"]["bad"] == []


def test_recover_makes_the_same_from_the_journal_alone(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=12.0)
    keep_quality(made, bits=[(range(13, 27), slice(None), CLIP)])
    keep_arousal(made, 15.0)
    first = finalise(made.folder)
    path = made.folder.parent / made.block["nwb"]
    path.unlink()
    (made.folder / "result.json").unlink()
    again = recover(made.folder)
    for key in ("quality", "arousal", "spoilt"):
        assert again[key] == first[key]
    assert (
        json.loads((made.folder / "result.json").read_text())["quality"]["probe"]["clean_s"] == 10
    )


def test_spoilt_findings_are_counted_and_the_rest_is_in_the_file(tmp_path):
    made = make(tmp_path, [Source(probe())], seconds=12.0)
    keep_quality(made)
    keep_arousal(made, 15.0)
    for name in ("probe.quality", "arousal.track"):
        path = made.folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    result = finalise(made.folder)
    assert result["spoilt"] == {"probe.quality": 1, "arousal.track": 1}
    assert result["quality"]["probe"]["judged_s"] == 11
    assert messages(made) == []
