"""Q21 in a block: test pulses of a simulated cell, by its command or by events."""

from dataclasses import replace

import numpy as np
import pytest
from tenmin_simulators.patch import CORNER_HZ, PERIOD_S, STEP_MV, STEP_S, Clamp

from tenmin.checks.announced import announced
from tenmin.checks.peers import Peers
from tenmin.checks.pulses import Pulses, low_pass_of
from tenmin.checks.setting import Setting
from tenmin.checks.whole import whole
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

RATE_HZ = 50_000
CELL = Stream(
    "cell",
    ("current", "command", "reading"),
    RATE_HZ,
    "volts",
    1e-3,
    dtype="float32",
    kind="patch",
    channel_scales=(1e-9, 1.0, 1.0),
    channel_units=("amperes", "volts", "volts"),
)
ALONE = replace(CELL, channels=("current",), channel_scales=(1e-9,), channel_units=("amperes",))
BEGAN_NS = 10**12


def clamp(**options):
    return Clamp(np.random.default_rng(3), 60.0, rs_mohm=(12.0, 12.0), **options)


def setting():
    return Setting(50.0, {"ephys.hw_lowpass_hz": CORNER_HZ})


def pieces(samples, cut=2500, index=0, host_s=0.0):
    for a in range(0, len(samples), cut):
        part = samples[a : a + cut]
        host_ns = BEGAN_NS + round((host_s + (a + len(part)) / RATE_HZ) * 1e9)
        yield Piece(a, index + a, part, None, host_ns, 0)


def check_of(stream, at=None):
    return next(c for c in whole(stream, at or setting()) if c.name == "access")


def levels(check, now_s=0.0):
    return {v.check: v.level for v in check.verdicts(now_s)}


def access_mohm(check):
    return check.verdicts(0.0)[0].value


def recorded(seconds=3.0, **options):
    return clamp(**options).samples(0, round(seconds * RATE_HZ)).astype(np.float32)


def fed(check, parts):
    for piece in parts:
        check.feed(piece)
    return check


def told(seconds, host_s=0.0, value=str(STEP_MV)):
    """Events of the pulses in these seconds, each some milliseconds wrong."""
    late = np.random.default_rng(1).uniform(-0.02, 0.02, 100)
    onsets = PERIOD_S * (np.arange(int(seconds / PERIOD_S)) + 0.5) + host_s
    return [
        announced(value, BEGAN_NS + round((at + off) * 1e9), STEP_S)
        for at, off in zip(onsets, late)
    ]


def test_before_any_test_pulse_the_access_is_unknown():
    assert set(levels(check_of(CELL)).values()) == {UNKNOWN}


def test_five_pulses_of_the_command_tell_the_access_resistance():
    check = fed(check_of(CELL), pieces(recorded()))
    assert access_mohm(check) == pytest.approx(12.0, rel=0.05)
    assert levels(check) == {
        "access": OK,
        "access_low": OK,
        "access_ratio": OK,
        "access_change": UNKNOWN,
    }


@pytest.mark.parametrize("cut", [1, 333, 10**6])
def test_any_cut_tells_the_same(cut):
    # The one-sample cuts begin just before the fifth pulse: they would take seconds otherwise.
    samples = recorded(2.4)
    early = round(2.24 * RATE_HZ)
    check = fed(check_of(CELL), pieces(samples[:early], 10**6 if cut == 1 else cut))
    rest = samples[early : early + 2000]
    fed(check, pieces(rest, cut, early, early / RATE_HZ))
    whole_one = fed(check_of(CELL), pieces(samples))
    assert access_mohm(check) == access_mohm(whole_one) is not None


@pytest.mark.parametrize(("mohm", "level"), [(14.0, OK), (15.0, WARN), (17.0, FAIL)])
def test_a_rise_of_the_access_is_told(mohm, level):
    cell = clamp()
    cell.access(2.6, mohm)
    check = fed(check_of(CELL), pieces(cell.samples(0, 6 * RATE_HZ).astype(np.float32)))
    assert levels(check)["access_change"] == level


def test_pulses_too_few_for_a_test_are_one_when_no_more_come():
    check = fed(check_of(CELL), pieces(recorded(1.4)))
    now_s = BEGAN_NS * 1e-9 + 1.4
    assert levels(check, now_s)["access"] == UNKNOWN
    assert levels(check, now_s + 3.0)["access"] == OK


def test_a_command_that_takes_some_samples_is_one_step():
    samples = recorded()
    samples[:, 1] = np.convolve(samples[:, 1], np.full(3, 1 / 3), "same")
    check = fed(check_of(CELL), pieces(samples[2:-2]))
    assert access_mohm(check) == pytest.approx(12.0, rel=0.1)


def test_a_pulse_with_a_gap_in_it_is_left_out():
    samples, at = recorded(2.9), round(0.255 * RATE_HZ)
    check = fed(check_of(CELL), pieces(samples[:at]))
    rest = round(2.4 * RATE_HZ)
    fed(check, pieces(samples[at + 50 : rest], index=at + 50))
    assert levels(check)["access"] == UNKNOWN  # four pulses
    fed(check, pieces(samples[rest:], index=rest))
    assert levels(check)["access"] == OK


def test_a_stream_that_begins_within_a_pulse_finds_the_next_ones():
    samples = recorded(4.0)
    start = round(0.26 * RATE_HZ)
    check = fed(check_of(CELL), pieces(samples[start:], index=start))
    assert access_mohm(check) == pytest.approx(12.0, rel=0.05)


def test_events_tell_of_pulses_where_no_command_is_recorded():
    peers = Peers()
    check = check_of(ALONE, Setting(50.0, {"ephys.hw_lowpass_hz": CORNER_HZ}, peers=peers))
    samples = recorded()[:, :1]
    for piece, pulse in zip(pieces(samples, RATE_HZ // 2), told(3.0), strict=True):
        check.feed(piece)
        peers.test_pulses.append(pulse)  # heard after its samples, as in a block
    fed(check, pieces(samples[:1000], index=len(samples), host_s=3.0))
    assert access_mohm(check) == pytest.approx(12.0, rel=0.1)


def test_an_event_before_its_samples_waits_for_them():
    peers = Peers()
    check = check_of(ALONE, Setting(50.0, {"ephys.hw_lowpass_hz": CORNER_HZ}, peers=peers))
    samples = recorded()[:, :1]
    fed(check, pieces(samples[:1000]))
    peers.test_pulses += told(3.0)
    fed(check, pieces(samples[1000:], index=1000, host_s=1000 / RATE_HZ))
    assert access_mohm(check) == pytest.approx(12.0, rel=0.1)


@pytest.mark.parametrize("value", ["", "some"])
def test_an_event_that_tells_no_step_leaves_the_access_unknown(value):
    peers = Peers()
    check = check_of(ALONE, Setting(50.0, peers=peers))
    fed(check, pieces(recorded(1.0)[:, :1]))
    peers.test_pulses += told(1.0, value=value)
    fed(check, pieces(recorded(0.1)[:, :1], index=RATE_HZ, host_s=1.0))
    assert levels(check, BEGAN_NS * 1e-9 + 9.0)["access"] == UNKNOWN


def test_of_a_blocks_events_only_test_pulses_are_kept():
    peers = Peers()
    peers.happened("comment", "-5", BEGAN_NS, 0.0)
    peers.happened("test_pulse", "-5", BEGAN_NS, STEP_S)
    assert peers.test_pulses == [announced("-5", BEGAN_NS, STEP_S)]


@pytest.mark.parametrize("value", ["-5", "-5 mV", " -5.0mV"])
def test_the_step_of_an_event_is_in_millivolts(value):
    assert announced(value, 0, 0.02).step_mv == -5.0


def test_a_stream_without_a_current_has_no_test_pulses():
    potential = replace(CELL, channels=("reading",), channel_scales=(), channel_units=())
    assert not Pulses.applies(potential)


@pytest.mark.parametrize(
    ("of_device", "of_rig", "hz"),
    [
        ({"lowpass_hz": "2000.0"}, 500.0, 2000.0),
        ({}, 500.0, 500.0),
        ({}, "none", None),
        ({}, None, None),
    ],
)
def test_the_devices_own_low_pass_goes_before_that_of_the_rig(of_device, of_rig, hz):
    facts = {"ephys.hw_lowpass_hz": of_rig}
    assert low_pass_of(replace(CELL, facts=of_device), Setting(50.0, facts)) == hz


def test_an_exception_makes_all_four_unknown():
    check = fed(check_of(CELL), pieces(recorded()))
    check.feed(Piece(0, 0, np.zeros((5, 1)), None, BEGAN_NS, 0))  # a channel is missing
    assert set(levels(check).values()) == {UNKNOWN}
    assert check.faults
