"""Reading a finished file and its result."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def opened(made):
    """The finished file, read by pynwb."""
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(made.folder.parent / made.block["nwb"], "r") as io:
        yield io.read()


def stream_of(result, name):
    return next(stream for stream in result["streams"] if stream["name"] == name)
