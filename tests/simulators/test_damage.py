"""Faults on command in a stream that is being sent, over a wire that keeps what it gets."""

import json

import numpy as np
import pytest
from tenmin_simulators import camera, environment, human_eeg, imaging, lsl, mouse, patch
from tenmin_simulators.options import FAULTS, SimOptions, parse_fault
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock

RATE = 1000.0
START_NS = 5_000_000_000


class Tape:
    """A wire that keeps what it gets."""

    def __init__(self):
        self.pieces = []

    def plug(self):
        pass

    def unplug(self):
        pass

    def listening(self):
        return True

    def push(self, samples, first, stamp_s):
        self.pieces.append(np.array(samples))
        return len(samples)

    @property
    def samples(self):
        return np.concatenate(self.pieces)


def noise_sender(dtype="int16", n=4):
    """White noise of SD 100 counts."""
    loop = (np.random.default_rng(1).standard_normal((20_000, n)) * 100.0).astype(dtype)
    return Sender(
        name="probe",
        wire=Tape(),
        make=lambda first, n, t_s: loop[np.arange(first, first + n) % len(loop)],
        channels=[f"AP{k}" for k in range(n)],
        clock=SampleClock(RATE),
        origin=Origin(),
        dtype=dtype,
        electrical=slice(0, n),
        hum=lambda level_db: 50.0,
    )


def sent(sender, faults, seconds, tick_s=0.01):
    """What goes over the wire, the faults placed when their time has come."""
    sender.wire = Tape()
    waiting = sorted((parse_fault(f) for f in faults), key=lambda f: f.at_s)
    for k in range(round(seconds / tick_s) + 1):
        now = START_NS + round(k * tick_s * 1e9)
        while waiting and waiting[0].at_s <= k * tick_s:
            fault = waiting.pop(0)
            sender.place(fault, START_NS + round(fault.at_s * 1e9))
        sender.tick(now)
    return sender.wire.samples


@pytest.fixture
def clean():
    return sent(noise_sender(), [], 5.0)


EVERY = [
    "flat@1:AP1:2", "clip@1:AP1:2", "pop@1:AP1:12", "white@1:AP1", "high_impedance@1:AP1",
    "bridge@1:AP1:AP2", "outside@1:2", "hum@1:12:2", "dead@1:AP1", "saturate@1:AP1",
]  # fmt: skip
TOUCHED = {"bridge": {1, 2}, "outside": {2, 3}, "hum": {0, 1, 2, 3}}


@pytest.mark.parametrize("fault", EVERY)
def test_a_fault_touches_its_own_channels_from_its_onset_on(clean, fault):
    samples = sent(noise_sender(), [fault], 5.0)
    changed = samples != clean
    assert not changed[:1000].any()
    assert set(np.flatnonzero(changed.any(axis=0)).tolist()) == TOUCHED.get(
        fault.split("@")[0], {1}
    )


@pytest.mark.parametrize("fault", EVERY)
@pytest.mark.parametrize("tick_s", [0.001, 0.037, 1.0])
def test_what_is_sent_does_not_depend_on_the_ticks(fault, tick_s):
    np.testing.assert_array_equal(
        sent(noise_sender(), [fault], 4.0, tick_s=tick_s)[:3900],
        sent(noise_sender(), [fault], 4.0)[:3900],
    )


@pytest.mark.parametrize("fault", ["flat@1:AP1:2", "clip@1:AP1:2", "hum@1:12:2"])
def test_a_fault_with_an_end_ends(clean, fault):
    sender = noise_sender()
    samples = sent(sender, [fault], 5.0)
    np.testing.assert_array_equal(samples[3000:], clean[3000:])
    assert sender.events[0]["offset_s"] == pytest.approx(3.0)


def test_a_flat_channel_keeps_one_value(clean):
    samples = sent(noise_sender(), ["flat@1:AP1:2"], 5.0)
    assert np.all(samples[1000:3000, 1] == clean[1000, 1])


def test_a_clipped_channel_stands_at_both_ends_of_its_range():
    run = sent(noise_sender(), ["clip@1:AP1:2"], 5.0)[1000:3000, 1]
    assert (run == 32767).mean() > 0.3
    assert (run == -32767).mean() > 0.3


def test_a_pop_is_as_many_sigmas_high_as_asked(clean):
    change = sent(noise_sender(), ["pop@1:AP1:-12"], 5.0)[:, 1].astype(float) - clean[:, 1]
    assert change[1000] == pytest.approx(-1200, rel=0.1)
    assert change[1200] == pytest.approx(-1200 * np.exp(-1), rel=0.1)


def test_integers_that_a_fault_would_overflow_stop_at_their_end():
    samples = sent(noise_sender(), ["pop@1:AP1:1000"], 3.0)
    assert samples[1000, 1] == 32767


def test_bridged_channels_are_identical():
    samples = sent(noise_sender(), ["bridge@1:AP0:AP3"], 3.0)
    np.testing.assert_array_equal(samples[1000:, 0], samples[1000:, 3])


def test_sites_outside_of_the_brain_are_fainter_and_their_own():
    samples = sent(noise_sender(n=6), ["outside@1:2"], 5.0)[1000:].astype(float)
    assert samples[:, 4].std() == pytest.approx(30.0, rel=0.1)
    assert abs(np.corrcoef(samples[:, 4], samples[:, 5])[0, 1]) < 0.1


def test_two_faults_of_one_channel_both_happen(clean):
    samples = sent(noise_sender(), ["pop@1:AP1:12", "flat@2:AP1:1"], 4.0)
    assert samples[1000, 1] - clean[1000, 1] > 1000
    assert np.ptp(samples[2000:3000, 1]) == 0


def test_the_truth_of_a_fault_is_complete():
    sender = noise_sender()
    sent(sender, ["pop@1.5:AP1:12"], 3.0)
    assert json.loads(json.dumps(sender.events)) == [
        {
            "type": "pop", "stream": "probe", "channels": ["AP1"], "index": 1500, "n": 0,
            "onset_s": 1.5, "offset_s": 1.5, "host_ns": START_NS + 1_500_000_000,
            "magnitude": 12.0,
        }
    ]  # fmt: skip


def test_a_stream_that_does_not_know_a_fault_says_so():
    assert "knows no blink" in noise_sender().check(parse_fault("blink@1"))
    plain = noise_sender()
    plain.electrical = None
    assert "not electrical" in plain.check(parse_fault("pop@1:AP1:12"))
    assert "no channel 'AP9'" in plain.check(parse_fault("bridge@1:AP1:AP9"))


def test_every_kind_of_fault_is_known_to_some_simulator():
    amount = {"CHANNEL": "0", "[STREAM]": ""}
    rigs = [
        module.build(SimOptions(channels=channels, rate_hz=rate))
        for module, channels, rate in (
            (human_eeg, 16, 250.0),
            (mouse, 4, 1000.0),
            (lsl, None, None),
            (camera, None, None),
            (imaging, None, None),
            (patch, None, None),
            (environment, None, None),
        )
    ]
    for kind, parts in FAULTS.items():
        arguments = [amount.get(part, "1") for part in parts if not part.startswith("[")]
        fault = parse_fault(":".join([f"{kind}@1", *arguments]))
        streams = [s for rig in rigs for s in rig.senders if hasattr(s, "takes")]
        assert any(not s.check(fault) for s in streams), kind


def eeg(faults, seconds):
    sender = human_eeg.build(SimOptions(rate_hz=250.0)).senders[0]
    return sent(sender, faults, seconds), sender


def test_closed_eyes_bring_alpha_and_stop_blinks():
    from scipy.signal import welch

    samples, sender = eeg(["eyes_closed@30:30"], 65.0)
    occiput = human_eeg.LABELS.index("O1")
    power = []
    for first in (0, 31):
        f, p = welch(samples[first * 250 : (first + 28) * 250, occiput], 250.0, "hann", 500)
        power.append(p[(f >= 8) & (f <= 12)].sum())
    assert power[1] > 3 * power[0]
    events = sender.natural()
    assert any(e["type"] == "blink" for e in events)
    assert not any(e["type"] == "blink" and 30 <= e["onset_s"] < 60 for e in events)
    assert [e["type"] for e in sender.events] == ["eyes_closed"]
    assert not any(e["type"] == "eyes_closed" for e in events)


def test_blinks_and_muscle_on_command_are_in_the_samples():
    quiet, _ = eeg([], 14.0)
    samples, sender = eeg(["blink@5", "muscle@10:2"], 14.0)
    change = samples - quiet
    front, temple = (human_eeg.LABELS.index(name) for name in ("Fp1", "T7"))
    assert change[round(5.15 * 250), front] == pytest.approx(200.0, rel=0.05)
    assert change[2550:2950, temple].std() == pytest.approx(50.0, rel=0.2)
    assert [e["type"] for e in sender.events] == ["blink", "muscle"]


def test_drowsiness_brings_slow_eye_movements_theta_and_long_blinks():
    quiet, _ = eeg([], 60.0)
    samples, sender = eeg(["drowsy@10:40"], 60.0)
    change = samples - quiet
    heog = change[:, human_eeg.LABELS.index("F8")] - change[:, human_eeg.LABELS.index("F7")]
    assert np.abs(heog[3000:12_000]).max() > 100.0
    assert np.abs(heog[:2400]).max() < 1.0
    blinks = [e for e in sender.natural() if e["type"] == "blink" and 10 < e["onset_s"] < 50]
    assert min(e["offset_s"] - e["onset_s"] for e in blinks) >= 0.6 - 1e-9


def test_the_mouse_runs_on_command_and_all_its_streams_know():
    rig = mouse.build(SimOptions(channels=2, rate_hz=1000.0))
    rig.sender("probe").takes["run"](parse_fault("run@20:20"), 0, 20.0)
    animal = rig.behaviour
    assert np.median(animal.speed_cm_s[210:390]) > 8.0
    belt = rig.sender("treadmill").make(0, 1, 40.0) - rig.sender("treadmill").make(0, 1, 21.0)
    assert belt[0, 0] * 1e-4 > 1.5
    eye = rig.sender("eye")
    assert eye.make(60 * 30, 60, 30.0)[:, 1].mean() > np.exp(1.5)


def test_a_blink_of_the_mouse_takes_its_confidence_away():
    rig = mouse.build(SimOptions(channels=2, rate_hz=1000.0))
    eye = rig.sender("eye")
    eye.takes["blink"](parse_fault("blink@3:eye"), 180, 3.0)
    confidence = eye.make(150, 90, 2.5)[:, 2]
    assert confidence[:29].min() == 1.0
    assert confidence[30:48].min() < 0.9
    assert confidence[60:].min() == 1.0


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (camera, "blink@0.5"),
        (camera, "exposure@0.5:50"),
        (camera, "drowsy@0.5:1"),
        (imaging, "shift@0.5:10"),
        (imaging, "focus@0.5:10"),
        (imaging, "overexpose@0.5:1"),
        (patch, "access@0.5:30"),
        (patch, "seal@0.5:100"),
        (patch, "ljp@0.5:5"),
        (environment, "lux@2:50"),
        (environment, "sound@2:30:2"),
        (environment, "warm@2:1"),
    ],
)
def test_a_fault_on_command_changes_what_is_sent_after_it_and_nothing_before(module, fault):
    def played(faults):
        sender = module.build(SimOptions()).senders[0]
        return sent(sender, faults, 1.5 if module is not environment else 8.0), sender

    before, _ = played([])
    after, sender = played([fault])
    first = sender.events[0]["index"]
    assert first > 0
    np.testing.assert_array_equal(after[:first], before[:first])
    assert not np.array_equal(after[first:], before[first:])
