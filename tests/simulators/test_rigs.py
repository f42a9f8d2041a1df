"""Rigs of several devices on their real wires, read by readers of our own."""

import json
import os
import signal

import numpy as np
import pytest
import serial

from tests.simulators.conftest import holes, until, unwrapped


def test_the_first_line_is_json_with_endpoint_devices_and_pid(play):
    quick = play("quick")
    assert quick.first["endpoint"].startswith("lsl:")
    assert [d["name"] for d in quick.first["devices"]] == ["probe", "markers"]
    assert quick.first["pid"] == quick.process.pid


def test_the_mouse_offers_five_devices_with_one_primary(play):
    mouse = play("mouse", "--channels", "8", "--rate", "3000")
    names = [d["name"] for d in mouse.first["devices"]]
    assert names == ["probe", "treadmill", "eye", "nidaq", "frames"]
    assert [d["name"] for d in mouse.first["devices"] if d.get("primary")] == ["probe"]


def test_the_counter_begins_at_zero_and_misses_nothing(play, hear):
    quick = play("quick")
    samples, _ = hear(quick.device("probe")).take(3000)
    assert samples.shape[1] == 17
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(unwrapped(samples[:, -1]), np.arange(len(samples)))


def test_the_counter_wraps_at_sixteen_bits(play, hear):
    fast = play("quick", "--rate", "30000", "--channels", "1")
    samples, _ = hear(fast.device("probe")).take(70_000)
    assert samples[65535, -1] == -1
    assert samples[65536, -1] == 0
    np.testing.assert_array_equal(unwrapped(samples[:, -1]), np.arange(len(samples)))


def test_injected_gaps_are_the_holes_of_the_truth_and_no_others(play, hear):
    faults = ["--fault", "gap@0.3:1", "--fault", "gap@0.6:10", "--fault", "gap@0.9:1000"]
    quick = play("quick", *faults)
    samples, _ = hear(quick.device("probe")).take(2500)
    assert holes(unwrapped(samples[:, -1])) == [[600, 1], [1200, 10], [1800, 1000]]
    assert quick.stop()["gaps"]["probe"] == [[600, 1], [1200, 10], [1800, 1000]]


def test_what_a_stall_holds_back_is_lost(play, hear):
    quick = play("quick", "--fault", "stall@0.5:0.25")
    samples, times = hear(quick.device("probe")).take(2000)
    assert holes(unwrapped(samples[:, -1])) == [[1000, 500]]
    assert np.diff(times).max() == pytest.approx(0.2505, abs=1e-4)


def test_what_a_burst_holds_back_comes_later(play, hear):
    quick = play("quick", "--fault", "burst@0.5:0.25")
    samples, _ = hear(quick.device("probe")).take(2000)
    assert holes(unwrapped(samples[:, -1])) == []
    assert quick.stop()["events"][0]["type"] == "burst"


def test_duplicated_samples_come_twice(play, hear):
    quick = play("quick", "--fault", "duplicate@0.5:7")
    samples, _ = hear(quick.device("probe")).take(2000)
    np.testing.assert_array_equal(samples[1000:1014, -1], [*range(1000, 1007)] * 2)


def test_reordered_samples_come_after_their_successors(play, hear):
    quick = play("quick", "--fault", "reorder@0.5:5")
    samples, times = hear(quick.device("probe")).take(2000)
    np.testing.assert_array_equal(samples[1000:1010, -1], [*range(1005, 1010), *range(1000, 1005)])
    assert times[1005] < times[1000]


def test_a_dead_channel_is_constant_from_its_sample_on(play, hear):
    quick = play("quick", "--fault", "dead@0.5:AP3")
    samples, _ = hear(quick.device("probe")).take(2000)
    assert np.ptp(samples[:1000, 3]) > 0
    assert np.ptp(samples[1000:, 3]) == 0
    assert np.ptp(samples[1000:, 4]) > 0


def test_a_saturated_channel_stays_at_the_end_of_its_range(play, hear):
    quick = play("quick", "--fault", "saturate@0.5:2")
    samples, _ = hear(quick.device("probe")).take(2000)
    assert np.all(samples[1000:, 2] == 32767)


def test_hum_reads_as_many_decibels_as_were_asked_for(play, hear):
    from scipy.signal import welch

    quick = play("quick", "--fault", "line@0:20")
    samples, _ = hear(quick.device("probe")).take(10_000)
    f, power = welch(samples[2000:, :16], 2000.0, "hann", 4000, axis=0)
    peak = power[np.abs(f - 50) <= 1].mean(0)
    flank = power[(np.abs(f - 50) >= 3) & (np.abs(f - 50) <= 8)].mean(0)
    assert np.median(10 * np.log10(peak / flank)) == pytest.approx(20.0, abs=2.0)


def test_nan_appears_in_the_channel_named_and_nowhere_else(play, hear):
    eeg = play("human-eeg", "--fault", "nan@0.5:Cz")
    samples, _ = hear(eeg.device("eeg")).take(1500)
    bad = np.isnan(samples)
    assert samples.shape[1] == 64
    assert bad[500:].any(0).sum() == 1
    assert bad[500:, 32].all()
    assert not bad[:500].any()


def test_drift_shows_in_the_time_stamps_as_asked(play, hear):
    quick = play("quick", "--fault", "drift:400")
    samples, times = hear(quick.device("probe")).take(8000)
    slope = np.polyfit(np.arange(len(times)) / 2000.0, times - times[0], 1)[0]
    # The stamps inside a chunk follow the nominal rate: a sawtooth of 4 us at most.
    assert (1.0 / slope - 1.0) * 1e6 == pytest.approx(400.0, abs=5.0)
    assert len(samples) == len(times)
    assert quick.stop()["clocks"]["probe"]["ppm"] == 400.0


def test_a_disconnected_outlet_comes_back_under_its_name_with_the_gap_of_the_truth(play, hear):
    quick = play("quick", "--fault", "disconnect@0.5:0.3")
    reader = hear(quick.device("probe"))
    reader.take(900)
    first = np.concatenate(reader.samples)[:, -1]
    until(lambda: quick.truth()["next_index"]["probe"] > 2000)
    back = hear(quick.device("probe"))  # the old outlet is gone: only the new one resolves
    second, _ = back.take(500)
    missing = quick.stop()["gaps"]["probe"]
    assert len(missing) == 1
    assert missing[0][0] >= int(first[-1])
    assert unwrapped(second[:, -1])[0] == sum(missing[0])


def test_faults_count_from_the_zero_that_an_engine_names(play, hear, tmp_path):
    held = tmp_path / "engine.lock"
    held.touch()
    quick = play("quick", "--fault", "gap@0.5:3", "--while-locked", str(held))
    reader = hear(quick.device("probe"))
    reader.take(2000)
    origin = quick.truth()["origin_host_ns"]
    assert quick.tell({"fault_zero_ns": origin + 2_000_000_000}) == {"done": "fault_zero_ns"}
    samples, _ = reader.take(6000)
    assert holes(unwrapped(samples[:, -1])) == [[5000, 3]]


def test_a_fault_can_be_injected_while_it_runs(play, hear):
    quick = play("quick")
    reader = hear(quick.device("probe"))
    reader.take(200)
    assert quick.tell({"fault": "gap@0:25"}) == {"done": "fault"}
    have = sum(map(len, reader.times))
    samples, _ = reader.take(have + 1000)
    found = holes(unwrapped(samples[:, -1]))
    assert [n for _, n in found] == [25]
    assert quick.stop()["gaps"]["probe"] == found


@pytest.mark.parametrize(
    "line", ["not json", "[1]", '{"dance": true}', '{"fault": "gap@x:1"}', '{"fault": "gap@1:1:a"}']
)
def test_a_wrong_command_is_refused_with_a_reason_and_changes_nothing(play, line):
    quick = play("quick")
    assert quick.tell(line)["why"]
    assert quick.process.poll() is None


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_order_with_its_truth_written(play, hear, how):
    quick = play("quick")
    hear(quick.device("probe")).take(100)
    quick.process.send_signal(getattr(signal, how))
    assert quick.process.wait(20) == 0
    assert quick.truth()["samples_sent"]["probe"] >= 100


def test_the_end_of_stdin_does_not_end_it(play, hear):
    quick = play("quick")
    quick.process.stdin.close()
    samples, _ = hear(quick.device("probe")).take(2000)
    assert len(samples) >= 2000
    assert quick.process.poll() is None


def test_a_stop_command_ends_it(play):
    quick = play("quick")
    assert quick.tell({"stop": True}) == {"done": "stop"}
    assert quick.process.wait(20) == 0


def test_markers_carry_the_texts_and_times_of_the_truth(play, hear):
    quick = play("quick")
    reader = hear(quick.device("markers"))
    texts, times = [], []
    until(lambda: bool(_more(reader, texts, times)))
    events = [e for e in quick.stop()["events"] if e["type"] == "marker"]
    assert [e["value"] for e in events][: len(texts)] == texts
    np.testing.assert_allclose([e["host_s"] for e in events][: len(times)], times, atol=1e-6)


def _more(reader, texts, times):
    found, stamps = reader.inlet.pull_chunk(timeout=0.2)
    texts += [sample[0] for sample in found]
    times += list(stamps)
    return len(texts) >= 2


def test_every_fault_that_cannot_be_is_named_at_once(play):
    wrong = play("quick", "--fault", "nan@1:AP1", "--fault", "dead@1:XX", "--fault", "gap@1:5:eye")
    assert wrong.process.wait(20) == 2
    said = wrong.process.stderr.read()
    assert "int16" in said
    assert "'XX'" in said
    assert "'eye'" in said


def test_a_truth_file_that_cannot_be_written_is_an_error_before_anything_is_sent(tmp_path, play):
    wrong = play("quick", "--truth", str(tmp_path / "missing" / "truth.json"))
    assert wrong.first == {}
    assert wrong.process.wait(20) == 3
    assert "cannot be written" in wrong.process.stderr.read()


def test_two_runs_of_a_seed_send_the_same_samples(play, hear):
    one, two = play("quick", "--seed", "5"), play("quick", "--seed", "5")
    first, _ = hear(one.device("probe")).take(1000)
    second, _ = hear(two.device("probe")).take(1000)
    np.testing.assert_array_equal(first[:1000], second[:1000])


def test_the_outlet_says_what_it_is_in_its_description(play, hear):
    quick = play("quick")
    info = hear(quick.device("probe")).inlet.info()
    acquisition = info.desc().child("acquisition")
    assert float(acquisition.child_value("uV_per_count")) == 2.34375
    assert acquisition.child_value("manufacturer") == "tenmin"
    assert info.get_channel_labels() == [*(f"AP{k}" for k in range(16)), "counter"]
    assert info.get_channel_units() == [*["microvolts"] * 16, "none"]


def test_the_frame_clock_has_thirty_pulses_a_second_less_the_dropped_ones(play, hear):
    faults = ["--channels", "8", "--rate", "2000", "--fault", "gap@1.5:3:frames"]
    mouse = play("mouse", *faults)
    probe = hear(mouse.device("probe"))
    reader = hear(mouse.device("nidaq"))
    samples, _ = reader.take(25_000)
    edges = np.flatnonzero(np.diff((samples[:, 0] > 6554).astype(np.int8)) == 1)
    intervals = np.diff(edges) / (1e4 * (1 + 37e-6))
    assert np.median(intervals) == pytest.approx(1 / (30 * (1 - 12e-6)), abs=1e-4)
    assert np.flatnonzero(intervals > 0.05).size == 1
    assert intervals.max() == pytest.approx(4 / 30, abs=2e-4)
    assert probe.pull() > 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_the_treadmill_and_the_eye_follow_the_states_of_the_truth(play, hear):
    mouse = play("mouse", "--channels", "4", "--rate", "1000")
    port = serial.Serial(mouse.device("treadmill")["port"], timeout=1.0)
    features, _ = hear(mouse.device("eye")).take(60)
    data = port.read(8 * 1000)
    port.close()
    counts = np.frombuffer(data, "<u4,<i4")
    np.testing.assert_array_equal(counts["f0"], np.arange(1000))
    assert features.shape[1] == 3
    assert np.all((features[:, 0] > 0.4) & (features[:, 0] < 2.4))
    states = mouse.stop()["states"]
    assert states[0][:1] + states[0][2:] == [0.0, 3]


def test_the_truth_file_is_whole_json_at_any_moment(play, hear):
    quick = play("quick")
    reader = hear(quick.device("probe"))
    for _ in range(20):
        reader.pull()
        assert json.loads(quick.truth_file.read_text())["simulator"] == "quick"


@pytest.mark.parametrize(
    ("name", "columns", "options"),
    [
        ("camera", 7200, []),
        ("imaging", 4096, []),
        ("patch", 3, []),
        ("environment", 3, ["--rate", "50"]),
    ],
)
def test_a_single_device_sends_and_tells_its_truth(play, hear, name, columns, options):
    alone = play(name, *options)
    samples, _ = hear(alone.device(name)).take(40)
    assert samples.shape[1] == columns
    assert np.ptp(samples[:40]) > 0
    truth = alone.stop()
    assert truth["primary"] == name
    assert truth["samples_sent"][name] >= 40


@pytest.mark.parametrize(("name", "key"), [("camera", "pupil_mm"), ("imaging", "z_um")])
def test_the_truth_of_a_picture_has_one_value_a_second(play, hear, name, key):
    alone = play(name)
    hear(alone.device(name)).take(100)
    truth = alone.stop()
    per_s, sent = truth["clocks"][name]["rate_hz"], truth["next_index"][name]
    assert truth["traces"]["frame"] == list(range(0, sent, round(per_s)))
    assert len(truth["traces"][key]) == len(truth["traces"]["frame"]) >= 2


def test_the_truth_of_a_pipette_has_its_resistance_at_each_pulse(play, hear):
    alone = play("patch", "--fault", "access@1:40")
    hear(alone.device("patch")).take(90_000)
    traces = alone.stop()["traces"]
    assert traces["onset_s"][:3] == [0.25, 0.75, 1.25]
    assert traces["rs_mohm"][0] == pytest.approx(10.0, abs=0.01)
    assert traces["rs_mohm"][2] == 40.0


def test_the_truth_of_a_person_has_the_blinks_that_nobody_asked_for(play, hear):
    person = play("human-eeg", "--fault", "eyes_closed@0.5:1", "--channels", "16")
    hear(person.device("eeg")).take(8000)
    events = person.stop()["events"]
    blinks = [e for e in events if e["type"] == "blink"]
    assert blinks
    assert all(e["channels"][0] == "Fp1" and e["stream"] == "eeg" for e in blinks)
    assert [e["offset_s"] - e["onset_s"] for e in events if e["type"] == "eyes_closed"] == [1.0]
