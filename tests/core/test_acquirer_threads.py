"""A thread of the acquirer that dies ends the process, so that the standby takes over."""

import subprocess
import sys

import pytest

DIES = """
import json, sys, threading
from tenmin import acquirer

threading.excepthook = acquirer._end_with_its_thread
thread = threading.Thread(target={target}, args=({argument!r},))
thread.start()
thread.join()
print("goes on")
"""


def dies(target: str, argument: str) -> subprocess.CompletedProcess[str]:
    """A process in which a thread raises."""
    words = DIES.format(target=target, argument=argument)
    return subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60)


def test_a_thread_of_the_program_that_raises_ends_the_process_and_prints_why():
    ended = dies("acquirer._read", "missing")
    assert ended.returncode == 3
    assert "FileNotFoundError" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("target", "argument"), [("json.loads", "{"), ("sys.exit", "a thread may end")]
)
def test_a_thread_of_others_that_raises_ends_nothing(target, argument):
    ended = dies(target, argument)
    assert (ended.returncode, ended.stdout) == (0, "goes on\n")
