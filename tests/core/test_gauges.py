"""What the engine judges by itself: rates, impedances, facts of patch clamp."""

import pytest

from tenmin.checks.impedance import impedance
from tenmin.checks.parameters import shipped
from tenmin.gauges import Gauges
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN

P = shipped()


def told(ppm=0.0, u95=1.0, points=20, **more):
    """A stream's numbers; host seconds for each of its own are 1 + ppm * 1e-6."""
    clock = {"clocked": True, "clock_ppm": ppm, "clock_ppm_u95": u95, "clock_points": points}
    return {"kind": "ecephys", "channels": 2, **clock, **more}


def rates(streams, seconds=4):
    gauges = Gauges(P, {}, "probe")
    found = [gauges.verdicts(streams, float(second)) for second in range(seconds)][-1]
    return {v.stream: v for v in found if v.check == "rate"}


@pytest.mark.parametrize(
    ("ppm", "level"), [(0.0, OK), (-19.0, OK), (-37.0, WARN), (37.0, WARN), (300.0, FAIL)]
)
def test_the_reference_is_held_against_the_host(ppm, level):
    verdict = rates({"probe": told(ppm)})["probe"]
    assert (verdict.level, verdict.value) == (level, pytest.approx(-ppm, abs=0.1))


def test_others_are_held_against_the_reference():
    found = rates({"probe": told(100.0), "belt": told(100.0), "eye": told(60.0)})
    assert (found["belt"].level, found["eye"].level) == (OK, WARN)
    assert found["eye"].value == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("more", [{"u95": None}, {"u95": 21.0}, {"points": 9}])
def test_a_rate_that_is_not_sure_is_unknown(more):
    assert rates({"probe": told(500.0, **more)})["probe"].level == UNKNOWN


def test_without_the_reference_the_rates_of_others_are_unknown():
    assert rates({"belt": told()})["belt"].level == UNKNOWN


def test_a_stream_on_the_clock_of_another_has_no_rate_of_its_own():
    assert rates({"frames": told(clocked=False)}) == {}


def test_a_level_has_held_since_it_began():
    gauges = Gauges(P, {}, "probe")
    onsets = [gauges.verdicts({"probe": told(37.0)}, s)[0].onset_s for s in (0.0, 1.0, 2.0, 9.0)]
    assert onsets == [0.0, 1.0, 1.0, 1.0]


def test_between_two_seconds_nothing_is_judged_anew():
    gauges = Gauges(P, {}, "probe")
    for _ in range(9):
        (verdict,) = gauges.verdicts({"probe": told(37.0)}, 0.5)
    assert verdict.level == OK


PATCH = {"cell": {"kind": "patch", "channels": 1, "clocked": False}}


def of_patch(**facts):
    named = {name.replace("__", "."): value for name, value in facts.items()}
    found = Gauges(P, named, "cell").verdicts(PATCH, 0.0)
    return {v.check: v.level for v in found}


def test_a_junction_potential_that_nobody_told_fails():
    assert of_patch()["junction"] == FAIL


def test_a_junction_potential_that_was_corrected_for_is_ok():
    levels = of_patch(patch__ljp_value_mV=14.3, patch__ljp_applied="online", patch__seal_GOhm=2.0)
    assert levels == {
        "junction": OK, "seal": OK, "electrode_offset": UNKNOWN, "withdrawal": UNKNOWN
    }  # fmt: skip


def electrodes(kind="eeg", measured=None, n=4, **facts):
    named = {name.replace("__", "."): value for name, value in facts.items()}
    return impedance("cap", kind, n, measured, named, P)


@pytest.mark.parametrize(
    ("kohm", "level"),
    [([5, 5, 5, 5], OK), ([5, 5, 5, 11], WARN), ([5, 5, 5, 51], FAIL), ([5, 5, 5, None], UNKNOWN)],
)
def test_wet_electrodes_have_the_limits_of_the_specification(kohm, level):
    assert electrodes(ephys__impedance=kohm).level == level


def test_one_failing_electrode_of_many_is_a_warning_that_names_it():
    verdict = electrodes(
        n=10, ephys__impedance={f"E{k}": 60.0 if k == 7 else 5.0 for k in range(10)}
    )
    assert verdict.level == WARN
    assert verdict.action.startswith("E7: ")


@pytest.mark.parametrize(("kohm", "level"), [(40.0, OK), (60.0, WARN), (120.0, FAIL)])
def test_active_electrodes_have_wider_limits(kohm, level):
    facts = {"ephys__impedance": [kohm] * 4, "ephys__electrode_type": "active, gel"}
    assert electrodes(**facts).level == level


def test_what_the_device_measured_counts_more_than_what_was_entered():
    verdict = electrodes(measured=dict.fromkeys("abcd", 4e3), ephys__impedance=[99.0] * 4)
    assert (verdict.level, verdict.value, verdict.unit) == (OK, 4.0, "kOhm")


def test_impedances_that_nobody_told_are_unknown_for_eeg_and_nothing_for_probes():
    assert electrodes().level == UNKNOWN
    assert electrodes("ecephys") is None
    assert electrodes("behavior", ephys__impedance=[5.0] * 4) is None


@pytest.mark.parametrize(("before", "level"), [(200.0, WARN), (300.0, OK), (None, UNKNOWN)])
def test_sites_of_a_probe_are_held_against_their_own_history(before, level):
    facts = {} if before is None else {"own__impedance_history_kOhm": before}
    assert electrodes("ecephys", ephys__impedance=[700.0] * 4, **facts).level == level
