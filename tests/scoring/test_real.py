"""Some rows of the real recordings, where there are any."""

import numpy as np
import pytest

from tests.scoring import __main__ as scoring
from tests.scoring import real_cells, real_clocks, real_electrodes
from tests.scoring.real import look
from tests.scoring.recordings import DATA, abf

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no real recordings at {DATA}")


def said(module, reader):
    rows, missing = look(tuple(file for file in module.FILES if file[1] is reader))
    assert not missing
    return [row["as documented"] for row in rows]


def test_all_recordings_are_there():
    assert [name for name, _ in scoring.RECORDINGS if not (DATA / name).exists()] == []


def test_signals_of_tens_of_volts_are_told_as_a_wrong_unit():
    assert said(real_electrodes, real_electrodes.scaled) == ["yes"]


def test_the_electrode_of_high_impedance_is_told():
    assert said(real_electrodes, real_electrodes.bands) == ["yes"]


def test_an_impedance_without_a_number_is_never_ok():
    assert said(real_electrodes, real_electrodes.table) == ["yes"]


def test_a_clock_that_begins_anew_is_one_backward_stamp():
    assert said(real_clocks, real_clocks.restarts) == ["yes"]


def test_the_circuit_of_the_model_cell_has_ten_megohms_or_a_little_more():
    cell = abf(DATA / "patch_abf" / "model_vc_step.abf")
    access = real_cells.circuit_access(cell, np.median(cell.sweeps, axis=0), 1)
    assert 10.0 < access < 11.5
