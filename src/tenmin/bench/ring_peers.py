"""Buffers of other programs, each used as its own documentation or code uses it."""

from __future__ import annotations

import importlib.resources
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenmin import system
from tenmin.bench import peers
from tenmin.bench.rounds import Candidate
from tenmin.bench.rows import Row, missing

LSL_CONFIG = """[lab]
SessionID = {session}
KnownPeers = {{127.0.0.1}}
[multicast]
ResolveScope = machine
[log]
level = -2
"""
LSL_WAIT_S = 10.0


class SliceRing:
    """What one writes in three lines of NumPy, in the same kind of memory as ours."""

    def __init__(self, path: Path, capacity: int, chunk: np.ndarray) -> None:
        memory = system.map_file(path, capacity * chunk.strides[0])
        self._samples = np.frombuffer(memory, chunk.dtype).reshape(capacity, chunk.shape[1])
        self._samples[:] = 0
        self._chunk, self.written = chunk, 0

    def push(self, chunk: np.ndarray) -> None:
        """Write a chunk, in two parts where it meets the end."""
        at, n = self.written % len(self._samples), len(chunk)
        k = min(n, len(self._samples) - at)
        self._samples[at : at + k] = chunk[:k]
        if k < n:
            self._samples[: n - k] = chunk[k:]
        self.written += n

    def pusher(self, batch: int) -> Candidate:
        """A candidate."""

        def run() -> int:
            for _ in range(batch):
                self.push(self._chunk)
            return batch

        return run


@dataclass(frozen=True)
class RollPush:
    """The buffer step of mne-lsl's StreamLSL (stream_lsl.py: ``roll and update buffers``)."""

    name: str
    push: Candidate


def roll_push(capacity: int, chunk: np.ndarray) -> RollPush:
    """One pull's worth of work on a history of `capacity` samples."""
    held = [np.zeros((capacity, chunk.shape[1]), chunk.dtype), np.zeros(capacity)]
    times = np.arange(len(chunk), dtype=float)

    def push() -> int:
        held[0] = np.roll(held[0], -times.size, axis=0)
        held[1] = np.roll(held[1], -times.size, axis=0)
        held[0][-times.size :, :] = chunk
        held[1][-times.size :] = times
        return 1

    return RollPush("mne-lsl's buffer step", push)


def write_peers(
    what: str, capacity: int, chunk: np.ndarray, batch: int
) -> tuple[dict[str, Candidate], list[Row]]:
    """Candidates of the ring buffers that are installed, and a row for each that is not."""
    found: dict[str, Candidate] = {}
    gone = []
    for name in ("numpy-ringbuffer", "dvg-ringbuffer"):
        module = peers.load(name)
        if module is None:
            gone.append(missing("ring", what, name, peers.MISSING))
            continue
        found[name] = _extender(module.RingBuffer, capacity, chunk, batch)
    why = peers.MISSING if peers.load("brainflow") is None else "its buffer takes nothing by Python"
    gone.append(missing("ring", what, "BrainFlow's buffer", why))
    return found, gone


def _extender(kind: Any, capacity: int, chunk: np.ndarray, batch: int) -> Candidate:
    ring = kind(capacity=capacity, dtype=(chunk.dtype, chunk.shape[1]))
    for _ in range(-(-capacity // len(chunk))):
        ring.extend(chunk)  # the first lap through untouched memory is slow

    def run() -> int:
        for _ in range(batch):
            ring.extend(chunk)
        return batch

    return run


class Inlet:
    """A pylsl outlet and inlet in this process; `pull` takes what has arrived already."""

    def __init__(self, pylsl: Any, chunk: np.ndarray, rate_hz: float) -> None:
        name, kind = f"bench-{os.getpid()}", pylsl.cf_int16
        info = pylsl.StreamInfo(name, "bench", chunk.shape[1], rate_hz, kind, name)
        self._chunk, self._target = chunk, np.empty_like(chunk)
        self._outlet = pylsl.StreamOutlet(info)
        found = pylsl.resolve_byprop("source_id", name, timeout=LSL_WAIT_S)
        if not found:
            raise OSError("its own stream was not found on this machine")
        self._inlet = pylsl.StreamInlet(found[0])
        self._inlet.open_stream(timeout=LSL_WAIT_S)

    def pull(self) -> float:
        """Seconds for one chunk that waits in the inlet."""
        self._outlet.push_chunk(self._chunk)
        deadline = time.monotonic() + LSL_WAIT_S
        while self._inlet.samples_available() < len(self._chunk):
            if time.monotonic() > deadline:
                raise OSError("its own samples did not arrive")
        began = time.perf_counter_ns()
        self._inlet.pull_chunk(timeout=0.0, max_samples=len(self._chunk), dest_obj=self._target)
        return (time.perf_counter_ns() - began) * 1e-9

    def close(self) -> None:
        """End both sides."""
        self._inlet.close_stream()
        del self._inlet, self._outlet


class Board:
    """BrainFlow's synthetic board: `pull` asks for its newest second, 32 rows at 250 Hz."""

    def __init__(self, brainflow: Any) -> None:
        if sys.version_info < (3, 12):
            # brainflow 5.23 falls back to pkg_resources there, which setuptools 82 removed.
            brainflow.files = lambda _: importlib.resources.files("brainflow")
        shim = brainflow.BoardShim
        shim.disable_board_logger()
        self._board = shim(
            brainflow.BoardIds.SYNTHETIC_BOARD.value, brainflow.BrainFlowInputParams()
        )
        self._board.prepare_session()
        self._board.start_stream()
        deadline = time.monotonic() + LSL_WAIT_S
        while self._board.get_board_data_count() < 250 and time.monotonic() < deadline:
            time.sleep(0.01)

    def pull(self) -> float:
        """Seconds for one second of the board's 32 rows."""
        began = time.perf_counter_ns()
        self._board.get_current_board_data(250)
        return (time.perf_counter_ns() - began) * 1e-9

    def close(self) -> None:
        """Stop the board."""
        self._board.stop_stream()
        self._board.release_session()


def read_peers(chunk: np.ndarray, folder: Path) -> tuple[dict[str, Callable[[], float]], list[Row]]:
    """Timed pulls of the libraries that are installed, and a row for each that is not."""
    found: dict[str, Callable[[], float]] = {}
    gone = []
    what = "take one chunk of 384 ch × 10 ms out, as a copy"
    config = folder / "lsl_api.cfg"
    config.write_text(LSL_CONFIG.format(session=f"bench-{os.getpid()}"), "utf-8")
    os.environ.setdefault("LSLAPICFG", str(config))
    makers: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
        "pylsl inlet": ("pylsl", "pylsl", lambda module: Inlet(module, chunk, 30000.0)),
        "BrainFlow, 250 × 32 float64": ("brainflow", "brainflow.board_shim", Board),
    }
    for label, (name, path, make) in makers.items():
        module = peers.load(name, path)
        if module is None:
            gone.append(missing("ring", what, label, peers.MISSING))
            continue
        try:
            found[label] = make(module).pull
        except Exception as error:  # a vendor library that does not work here: say so
            gone.append(missing("ring", what, label, f"does not work here: {error}"))
    return found, gone
