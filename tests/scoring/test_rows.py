"""A seed or two of some rows, and the page; seeds of tuning, so that none that scores is seen."""

import json

import numpy as np
import pytest

from tenmin.stream import Stream
from tests.scoring import __main__ as scoring
from tests.scoring import electrodes, line, table, timing
from tests.scoring.matching import f1, recall
from tests.scoring.play import chunks_of, through_ring
from tests.scoring.recordings import DATA, abf, cyton
from tests.scoring.score import SEEDS, NotBuilt, Row, Scenario, score


def test_the_ring_gives_every_sample_back_in_order():
    rng = np.random.default_rng(0)
    samples = np.arange(30_000, dtype=np.int32)[:, None]
    stream = Stream("s", ("a",), 1000.0, "volts", dtype="int32", kind="eeg", counter=True)
    chunks = chunks_of(samples, 1000.0, rng, index=np.arange(len(samples)))
    got = np.concatenate([np.array(piece.samples) for piece in through_ring(stream, chunks)])
    np.testing.assert_array_equal(got, samples)


@pytest.fixture(scope="module")
def faults():
    return electrodes.play_eeg(1, seconds=40.0)


@pytest.mark.parametrize("kind", ["dead", "flat", "clip"])
def test_faults_of_an_electrode_are_found(faults, kind):
    assert f1(faults[kind]) == 1.0


def test_the_same_seed_plays_the_same(faults):
    assert electrodes.play_eeg(1, seconds=40.0) == faults


def test_strong_mains_are_found():
    assert recall(line.play(1, seconds=60.0)["8 dB"]) == 1.0


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_gaps_are_counted_exactly_whatever_the_counter(seed):
    found = timing.play_gaps(seed)
    assert (found["gaps"], found["missing"]) == (0, 0)


def test_scenarios_have_names_of_their_own_and_score_on_twenty_seeds_or_more():
    scenarios = scoring.all_scenarios()
    assert len({s.name for s in scenarios}) == len(scenarios)
    drawn = [s for s in scenarios if s.name != "junction"]  # a table of constants
    assert all(20 <= s.n_seeds <= len(SEEDS) for s in drawn)


def unbuilt(seed):
    raise NotBuilt("no check tide")


ROW = Row("tides", "F1", lambda outcomes: 1.0, at_least=0.9)


def test_what_is_not_built_is_said_in_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "FOUND", tmp_path / "scores.json")
    monkeypatch.setattr(table, "PAGE", tmp_path / "scores.md")
    scenario = Scenario("tides", unbuilt, (ROW,))
    table.keep(scenario, scoring.run(scenario, [1, 2], 1))
    assert "| tides | F1 | >= 0.9 | - | - | not built: no check tide |" in table.PAGE.read_text()


def test_a_row_that_was_not_played_again_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "FOUND", tmp_path / "scores.json")
    monkeypatch.setattr(table, "PAGE", tmp_path / "scores.md")
    for name in ("tides", "winds"):
        row = Row(name, "F1", lambda outcomes: 1.0, at_least=0.9)
        table.keep(Scenario(name, unbuilt, (row,)), [score(row, [1, 2, 3])])
    assert set(json.loads(table.FOUND.read_text())["rows"]) == {"tides", "winds"}
    assert "| winds | F1 |" in table.PAGE.read_text()


def test_a_name_that_is_no_scenario_is_refused(capsys):
    with pytest.raises(SystemExit):
        scoring.main(["--only", "tides"])
    assert "there is no tides" in capsys.readouterr().err


@pytest.mark.skipif(not DATA.exists(), reason=f"no real recordings at {DATA}")
def test_the_reader_of_patch_files_scales_as_documented():
    cell = abf(DATA / "patch_abf" / "model_vc_step.abf")
    assert cell.sweeps.shape == (20, 10_000)
    assert (cell.step, cell.stop, cell.step_mv) == (156, 4156, -10.0)
    assert cell.sweeps[0, 0] == pytest.approx(-140.1367, abs=1e-3)


@pytest.mark.skipif(not DATA.exists(), reason=f"no real recordings at {DATA}")
def test_the_cyton_log_keeps_its_index_and_its_rails():
    path = DATA / "eeg_openbci" / "OpenBCI_2016-02-13_Jordan_focus.txt.gz"
    log = cyton(path)
    assert log.index is not None
    assert log.index.max() == 255
    assert (log.counts.min(), log.counts.max()) == (-(2**23), 2**23 - 1)
