import numpy as np
import pytest

from tenmin.checks.junction import IONS, Junction, calculated, junction_potential
from tenmin.checks.parameters import shipped
from tenmin.verdict import FAIL, OK, WARN

BATH = {"Na": 151.25, "K": 2.5, "Cl": 132.5, "HCO3": 25, "H2PO4": 1.25, "Ca": 2, "Mg": 1}
GLUCONATE = {"K": 140, "gluconate": 130, "Cl": 18, "Na": 8, "Mg": 4}
CESIUM = {"Cs": 130, "CH3SO3": 130, "Cl": 10, "Na": 10}


def salt(cation, mM):
    return {cation: mM, "Cl": mM}


@pytest.mark.parametrize(
    ("pipette", "bath", "temperature", "expected"),
    [
        (GLUCONATE, GLUCONATE, 30.0, 0.0),
        (salt("K", 150), salt("Na", 150), 25.0, 4.357),
        (salt("K", 3000), salt("Na", 150), 25.0, -0.873),
        (GLUCONATE, BATH, 25.0, 14.298),
        (GLUCONATE, BATH, 34.0, 14.730),
        (CESIUM, BATH, 25.0, 10.090),
    ],
)
def test_the_potential_is_the_known_one(pipette, bath, temperature, expected):
    assert junction_potential(pipette, bath, temperature) == pytest.approx(expected, abs=0.005)


def test_exchanging_pipette_and_bath_changes_the_sign():
    there = junction_potential(GLUCONATE, BATH, 25.0)
    assert junction_potential(BATH, GLUCONATE, 25.0) == pytest.approx(-there, rel=1e-12)


def test_dilution_of_both_changes_nothing():
    half = [{ion: c / 2 for ion, c in s.items()} for s in (CESIUM, BATH)]
    whole = junction_potential(CESIUM, BATH, 25.0)
    assert junction_potential(*half, 25.0) == pytest.approx(whole, rel=1e-12)


def test_solutions_of_equal_conductance_continue_their_neighbours():
    """Pipette KCl 100; of the bath's NaCl and CsCl the sums of z^2 u c are made equal."""
    sum_k = 100 * (IONS["K"][1] + IONS["Cl"][1])
    cesium = 40.0
    rest = sum_k - cesium * (IONS["Cs"][1] + IONS["Cl"][1])
    sodium = rest / (IONS["Na"][1] + IONS["Cl"][1])
    pipette = salt("K", 100)

    def at(more):
        bath = {"Na": sodium + more, "Cs": cesium, "Cl": sodium + cesium + more}
        return junction_potential(pipette, bath, 25.0)

    assert at(0.0) == pytest.approx((at(1e-3) + at(-1e-3)) / 2, abs=1e-6)
    assert at(0.0) == pytest.approx(at(1e-9), abs=1e-6)


def test_an_ion_without_a_mobility_is_refused_by_name():
    with pytest.raises(ValueError, match="HEPES"):
        junction_potential({"K": 150, "HEPES": 10}, BATH, 25.0)


def test_a_solution_without_ions_has_no_potential():
    with pytest.raises(ValueError, match="no ions"):
        junction_potential({"K": 150}, {}, 25.0)


def facts(**changes):
    known = {
        "patch.ljp_value_mV": 14.3,
        "patch.ljp_applied": "offline",
        "solution.pipette": [{"species": ion, "mM": c} for ion, c in GLUCONATE.items()],
        "solution.bath": [BATH],
        "env.bath_C": 25.0,
    }
    return {name: value for name, value in (known | changes).items() if value is not None}


def judged(**changes):
    return Junction("cell", shipped()).judge(facts(**changes))


def test_the_solutions_of_the_facts_give_the_potential():
    assert calculated(facts()) == pytest.approx(14.298, abs=0.005)


@pytest.mark.parametrize("missing", ["solution.bath", "solution.pipette", "env.bath_C"])
def test_without_solutions_or_temperature_nothing_is_calculated(missing):
    assert calculated(facts(**{missing: None})) is None


def test_known_and_applied_is_ok():
    verdict = judged()
    assert (verdict.level, verdict.value) == (OK, 14.3)


def test_known_and_applied_is_ok_where_nothing_can_be_calculated():
    assert judged(**{"solution.bath": None}).level == OK


def test_unknown_fails_and_tells_what_the_solutions_give():
    verdict = judged(**{"patch.ljp_value_mV": None})
    assert verdict.level == FAIL
    assert "+14.3 mV" in verdict.action


def test_known_and_not_applied_is_a_warning_with_the_number():
    verdict = judged(**{"patch.ljp_applied": "none"})
    assert verdict.level == WARN
    assert "+14.3 mV" in verdict.action


def test_not_knowing_whether_it_was_applied_fails():
    assert judged(**{"patch.ljp_applied": None}).level == FAIL


@pytest.mark.parametrize(("stated", "level"), [(11.4, OK), (11.2, WARN), (17.4, WARN)])
def test_a_stated_value_far_from_the_calculated_one_is_a_warning(stated, level):
    assert judged(**{"patch.ljp_value_mV": stated}).level == level


def test_the_warning_tells_how_far_the_stated_value_is_off():
    verdict = judged(**{"patch.ljp_value_mV": -14.3})
    assert (verdict.level, verdict.limit) == (WARN, 3.0)
    assert verdict.value == pytest.approx(-28.6, abs=0.01)


def test_the_temperature_only_scales_the_potential():
    cold, warm = (junction_potential(CESIUM, BATH, t) for t in (10.0, 37.0))
    assert warm / cold == pytest.approx((37 + 273.15) / (10 + 273.15))
    assert np.sign(warm) == 1
