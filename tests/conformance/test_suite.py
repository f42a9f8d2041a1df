"""The conformance suite, as a user runs it: on our drivers and on a stranger's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tenmin import registry

STRANGER = Path(__file__).parents[1] / "stranger"
LEAST = 20  # tests that run on every driver, whatever its simulator can do


PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
    *("--pyargs", "tenmin.conformance"),
)
PIP = (
    *(sys.executable, "-m", "pip", "install", "--quiet"),
    *("--no-deps", "--no-build-isolation", "--no-index"),
)


def suite(name, folder, *more, **environment):
    """Run the suite on one driver from a folder of nobody's; its exit code and its words."""
    done = subprocess.run(
        [*PYTEST, "--driver", name, *more],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return done.returncode, done.stdout + done.stderr


def passed(words):
    found = re.search(r"(\d+) passed", words)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("name", registry.names(registry.DRIVERS))
def test_an_installed_driver_conforms(name, tmp_path):
    code, words = suite(name, tmp_path)
    assert code == 0, words
    assert passed(words) >= LEAST, words


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A folder with the stranger's distribution installed."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [*PIP, "--target", str(folder), str(STRANGER)],
        check=True,
    )
    return folder


def test_a_strangers_driver_is_found(stranger):
    found = subprocess.run(
        [sys.executable, "-c", "from tenmin import registry as r; print(r.names(r.DRIVERS))"],
        env={**os.environ, "PYTHONPATH": str(stranger)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'stranger'" in found.stdout


def test_a_strangers_driver_conforms(stranger, tmp_path):
    code, words = suite("stranger", tmp_path, PYTHONPATH=str(stranger))
    assert code == 0, words
    assert passed(words) >= LEAST + 5, words


def test_a_driver_that_nobody_installed_is_refused(tmp_path):
    code, words = suite("nosuch", tmp_path)
    assert code != 0
    assert "There is no driver 'nosuch'" in words


FAULTY = {
    "a driver that numbers wrongly": (
        'frames["index"].copy()',
        'frames["index"].copy() * 2',
        "test_the_index_rises_by_one",
    ),
    "a driver that never comes back": (
        'raise StreamStalled("The board sent nothing.") from error',
        "return self.read()",
        "test_a_stall_is_reported_in_time",
    ),
    "a driver that lets its socket's error through": (
        'raise DeviceMissing(f"No board at port {self._config.port} ({error}).") from error',
        "raise",
        "test_a_device_that_is_not_there_is_told_at_the_start",
    ),
    "a driver that gives lists": (
        'frames["samples"].copy()',
        'frames["samples"].tolist()',
        "test_samples_have_the_form_that_it_tells",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_driver_does_not_conform(fault, stranger, tmp_path):
    before, after, test = FAULTY[fault]
    source = (stranger / "stranger_board.py").read_text(encoding="utf-8")
    assert before in source
    for entry in stranger.iterdir():
        if entry.suffix == ".dist-info":
            shutil.copytree(entry, tmp_path / entry.name)
    (tmp_path / "stranger_board.py").write_text(source.replace(before, after), encoding="utf-8")
    code, words = suite("stranger", tmp_path, "-k", test, PYTHONPATH=str(tmp_path))
    assert code == 1
    assert test in words, words
