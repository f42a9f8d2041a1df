"""Whether a file is a whole ring, before anything in it is trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tenmin.errors import RigError
from tenmin.ring._kernels import (
    CAPACITY,
    HEAD,
    JSON_BYTES,
    N_RUNS,
    RECORD,
    ROW_BYTES,
    RUNS_AT,
    SAMPLES_AT,
    TIMED,
    TIMES_AT,
)
from tenmin.stream import Stream

MAGIC = 0x31474E49524E4D54  # "TMNRING1"
PAGE = 4096


def samples_bytes(path: Path) -> int:
    """Size of the samples at the end of a ring's file; 0 when it is none."""
    try:
        with open(path, "rb") as file:
            first = file.read(8 * HEAD)
            size = file.seek(0, os.SEEK_END)
    except OSError:  # whoever maps it says what is wrong
        return 0
    if len(first) < 8 * HEAD:
        return 0
    head = np.frombuffer(first, np.int64)
    return size - int(head[SAMPLES_AT]) if head[0] == MAGIC else 0


def stream_of(path: Path, memory: memoryview, size: int, tail: int) -> Stream:
    """The stream of the ring that is mapped from a file of `size` bytes, its last `tail` samples.

    Raises
    ------
    RigError
        It is not a ring of this version, or it is cut short or damaged.
    """
    head = np.frombuffer(memory, np.int64, min(HEAD, len(memory) // 8)).tolist()
    # The writer fills in the first number last; and the file may have been replaced just now.
    if size < 2 * PAGE or head[0] != MAGIC or size - head[SAMPLES_AT] != tail:
        raise RigError(
            f"{path} is not a ring of this version of tenmin.",
            remedy="End older versions of tenmin, then start again.",
        )
    end = PAGE + head[JSON_BYTES]
    try:
        if not _holds_together(head, size):
            raise ValueError("its parts do not fit its size")
        stream = Stream.from_dict(json.loads(bytes(memory[PAGE:end])))
        if stream.bytes_per_sample != head[ROW_BYTES] or stream.timed != bool(head[TIMED]):
            raise ValueError("it describes other samples than it holds")
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # any bytes as a description
        raise RigError(
            f"The ring {path} is cut short or damaged: {error}.",
            remedy="End all of tenmin on this rig, remove this file, then start again.",
        ) from error
    return stream


def _holds_together(head: Sequence[int], size: int) -> bool:
    """Whether each part ends before the next begins, and the last one with the file."""
    capacity, n_runs = head[CAPACITY], head[N_RUNS]
    row, timed, json_bytes = head[ROW_BYTES], head[TIMED], head[JSON_BYTES]
    return (
        min(capacity, n_runs, row, json_bytes) > 0
        and PAGE + json_bytes <= head[RUNS_AT]
        and head[RUNS_AT] + 8 * RECORD * n_runs <= head[TIMES_AT]
        and head[TIMES_AT] + (8 * capacity if timed else 0) <= head[SAMPLES_AT]
        and head[SAMPLES_AT] + capacity * row == size
        and not any(at % PAGE for at in (head[RUNS_AT], head[TIMES_AT], head[SAMPLES_AT]))
    )
