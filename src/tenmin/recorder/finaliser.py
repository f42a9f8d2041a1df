"""From a journal to a validated NWB file, while the block still runs.

``python -m tenmin.recorder.finaliser DOT [--follow]``. A restarted one begins the file anew.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenmin import system
from tenmin.errors import JournalDamaged, RigError
from tenmin.recorder.account import (
    UNFINISHED,
    is_told,
    read_account,
    samples_told,
    until_end,
)
from tenmin.recorder.apart import write_skeleton_apart
from tenmin.recorder.chunks import ArrayWriter, ChunkWriter, Press
from tenmin.recorder.contents import Block, add_contents, spoilt_files, summary
from tenmin.recorder.dandiset import make_dandiset
from tenmin.recorder.events import frame_counts, with_times
from tenmin.recorder.files import (
    blames_disk,
    disk_error,
    disk_errors,
    read_lines,
    write_json,
)
from tenmin.recorder.intervals import find_epochs, is_whole
from tenmin.recorder.judged import judge_all
from tenmin.recorder.reader import NOTHING, JournalReader
from tenmin.recorder.skeleton import Places, is_table, session_description, write_skeleton
from tenmin.recorder.states import find_states
from tenmin.recorder.timebase import set_time_base
from tenmin.recorder.timeline import Timeline, utc_of
from tenmin.recorder.track import Track
from tenmin.recorder.verify import verify
from tenmin.recorder.writing import is_recording, size_of

NEEDED = ("identifier", "created_utc", "settle_host_ns", "reference", "nwb")  # of block.json
POLL_S = 0.25
SYNC_S = 2.0
IDLE_S = 10.0  # an acquirer that dies is replaced within 5 s (design.md 1)


class Changed(Exception):
    """The journal has other streams than the file was begun with: begin it anew."""


class Finaliser:
    """Makes one file from one journal.

    Parameters
    ----------
    folder : Path
        The journal.
    apart : bool
        Leave what needs pynwb's memory before the end of the block to another process.
    """

    def __init__(self, folder: Path, *, apart: bool = False) -> None:
        self.folder, self._apart = folder, apart
        self.journal = JournalReader(folder)
        self.block = self.journal.block
        lacking = [key for key in NEEDED if key not in self.block]
        if lacking:
            raise JournalDamaged(
                f"{folder / 'block.json'} does not tell {', '.join(lacking)}.", remedy=NOTHING
            )
        if self.block["reference"] not in self.journal.streams:
            raise JournalDamaged(
                f"{folder} describes no stream {self.block['reference']}, its reference clock.",
                remedy=NOTHING,
            )
        self.nwb = folder.parent / self.block["nwb"]
        self.part = self.nwb.with_name(self.nwb.name + ".part")
        self.lines: list[dict[str, Any]] = []
        self.tracks: dict[str, Track] = {}
        self.places: dict[str, Places] = {}
        self._at = 0
        self._stamp: tuple[int, int] | None = None
        self._file: Any = None
        self._press = Press()

    def open(self) -> None:
        """Begin the file: its description, and every series without samples."""
        import h5py

        self._read_log()
        start = utc_of(self.block, self.lines, self.block["settle_host_ns"])
        if self._apart:
            self.places = write_skeleton_apart(self.folder, self.part, start)
        else:
            self.places = write_skeleton(self.part, self.block, self.journal.streams, start)
        self._file = h5py.File(self.part, "r+")
        for name, stream in self.journal.streams.items():
            if stream.is_marker:
                continue
            reader = self.journal.open(name)
            if is_table(stream):
                stamps = ArrayWriter(1, "<f8") if stream.timed else None
                rows = ArrayWriter(stream.n_channels, stream.dtype)
                self.tracks[name] = Track(reader, rows, stamps)
                continue
            places = self.places[name]
            times, counter = (
                None if path is None else ChunkWriter(self._file[path], self._press)
                for path in (places.times, places.counter)
            )
            samples = ChunkWriter(self._file[places.samples], self._press)
            self.tracks[name] = Track(reader, samples, times, counter)

    def advance(self) -> bool:
        """Take what is new in the journal; whether there was anything.

        Raises
        ------
        Changed
            A stream was added since the file was begun.
        """
        grown = self._read_log()
        for track in self.tracks.values():
            grown = track.advance() or grown
        return grown

    def _read_log(self) -> bool:
        lines, self._at = read_lines(self.folder / "acquirer.jsonl", self._at)
        self.lines += [line for line in lines if is_told(line)]
        return bool(lines)

    def sync(self) -> None:
        """Bring what is written to the disk, so that little is left to do at the end."""
        with disk_errors(self.part), open(self.part, "r+b") as file:
            system.sync(file.fileno())

    def check_streams(self) -> None:
        """See whether the journal still has the streams that the file was begun with."""
        found = (self.folder / "block.json").stat()
        stamp = found.st_mtime_ns, found.st_size
        if stamp != self._stamp and JournalReader(self.folder).streams != self.journal.streams:
            raise Changed
        self._stamp = stamp

    def pause(self) -> None:
        """End the threads: those who work on begin with their own priority."""
        self._press.close()

    @property
    def ended(self) -> bool:
        """Whether the acquirer has closed the journal."""
        return any(line.get("t") == "end" for line in self.lines)

    def finish(self) -> dict[str, Any]:
        """Times, tables, read-back, final name; returns what ``result.json`` says."""
        while self.advance():
            pass
        self.check_streams()
        for name, track in self.tracks.items():
            track.finish(*samples_told(self.lines, name))
        self._press.close()
        block = _with_findings(self._account())
        for name, places in self.places.items():
            set_time_base(self._file, self.tracks[name], places, block.timeline)
        self._file["session_description"][()] = _description(block)
        result = summary(block)
        self.close()
        add_contents(self.part, block)
        verify(self.part, block, self.places)
        return self._publish(result)

    def _account(self) -> Block:
        lines = until_end(self.lines)
        account = read_account(lines)
        streams, tracks = self.journal.streams, self.tracks
        reference = tracks.get(self.block["reference"])
        first = reference.first_index if reference is not None and reference.n else None
        arrivals = {name: track.arrivals for name, track in tracks.items()}
        timeline = Timeline(self.block, streams, lines, arrivals, first)
        for name, track in tracks.items():
            counts = _counts(track)
            if counts is not None:
                at = timeline.of_samples(name, track.index(), track.stamps())
                timeline.relate_counts(name, *counts, at)
        return Block(
            self.folder,
            self.block,
            streams,
            tracks,
            account,
            timeline,
            with_times(self.journal.log("events.jsonl")),
            find_epochs(account, reference, timeline.zero_index),
            self.journal.told_by,
        )

    def _publish(self, result: dict[str, Any]) -> dict[str, Any]:
        self.sync()
        with disk_errors(self.nwb):
            system.replace(self.part, self.nwb)
        make_dandiset(self.folder.parent.parent)
        result = {**result, "verified": True, "bytes": self.nwb.stat().st_size}
        write_json(self.folder / "result.json", result)
        return result

    def close(self) -> None:
        """Close the unfinished file; may be called twice."""
        self._press.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _with_findings(block: Block) -> Block:
    """A block with what the checks found, as far as the journal tells."""
    judged = judge_all(block)
    return replace(block, judged=judged, states=find_states(block, judged))


def _counts(track: Track) -> tuple[np.ndarray, float] | None:
    """What tells the drift of a stream that has no clock points of its own."""
    stream = track.stream
    if stream.kind == "frames" and (counts := frame_counts(track)) is not None:
        return counts
    if stream.clock is not None and stream.is_regular and track.n and stream.timed:
        return track.index().astype(np.float64), stream.rate_hz
    return None


def _description(block: Block) -> str:
    text = session_description(block.told)
    reason = block.account.reason
    if not is_whole(block.epochs):
        text += f" Cut short ({reason}): the canonical window is not complete."
    elif reason == UNFINISHED:
        text += " The journal was not closed; the file was made from what it holds."
    missing = [file for track in block.tracks.values() for file in track.reader.missing]
    if missing:
        text += f" The journal lacked {', '.join(missing)}: those streams are not in the file."
    if spoilt_files(block):
        text += " Parts of the journal were damaged and are left out: see the invalid times."
    return text


def finalise(
    folder: Path,
    *,
    follow: bool = False,
    poll_s: float = POLL_S,
    apart: bool = False,
    closing: Executor | None = None,
) -> dict[str, Any]:
    """Make the file of a journal.

    Parameters
    ----------
    folder : Path
        The ``.dot`` folder.
    follow : bool
        Go on until the journal is closed, or until nobody writes it any more.
    poll_s : float
        Between two looks at the journal.
    apart : bool
        See `Finaliser`.
    closing : Executor, optional
        Where to do what is left once the journal is closed; None does it here.

    Raises
    ------
    JournalDamaged
        There is nothing to make a file of.
    DiskFull, DiskError
        The journal is as it was.
    """
    if follow:
        _await_start(folder, poll_s)
    while True:
        maker = Finaliser(folder, apart=apart)
        try:
            maker.open()
            if follow:
                _follow(maker, poll_s)
                maker.pause()
            return maker.finish() if closing is None else closing.submit(maker.finish).result()
        except Changed:
            continue
        except RigError:
            raise
        except Exception as error:
            if not blames_disk(error):
                raise
            raise disk_error(maker.part, error) from error
        finally:
            _discard(maker)


def _discard(maker: Finaliser) -> None:
    """Remove the unfinished file; a disk that refuses this has refused something else before."""
    with contextlib.suppress(OSError, RuntimeError):  # HDF5 closes with a RuntimeError
        maker.close()
    with contextlib.suppress(OSError):
        maker.part.unlink(missing_ok=True)


def _follow(maker: Finaliser, poll_s: float) -> None:
    changed_at = synced_at = time.monotonic()
    while not maker.ended:
        if time.monotonic() - synced_at > SYNC_S:
            maker.sync()
            synced_at = time.monotonic()
        if maker.advance():
            changed_at = time.monotonic()
        elif time.monotonic() - changed_at > IDLE_S and not is_recording(maker.folder):
            return
        maker.check_streams()
        time.sleep(poll_s)


def _await_start(folder: Path, poll_s: float) -> None:
    changed_at, size = time.monotonic(), -1
    while not (folder / "block.json").exists():
        if size != (size := size_of(folder)):
            changed_at = time.monotonic()
        if time.monotonic() - changed_at > IDLE_S and not is_recording(folder):
            raise JournalDamaged(f"Nothing was recorded in {folder}.")
        time.sleep(poll_s)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="tenmin.recorder.finaliser", description=__doc__)
    parser.add_argument("dot", type=Path, help="the journal, a folder that ends in .dot")
    parser.add_argument("--follow", action="store_true", help="go on until the block has ended")
    told = parser.parse_args(arguments)
    system.writable_caches()
    try:
        with (
            disk_errors(told.dot),
            system.FileLock(told.dot / "finaliser.lock"),
            ThreadPoolExecutor(1) as closing,
        ):
            # Begun before the priority is lowered, which on Linux one thread does for itself and
            # an ordinary user may not undo: while the block runs, it waits.
            closing.submit(time.monotonic).result()
            system.behave("finaliser")
            finalise(told.dot, follow=told.follow, apart=told.follow, closing=closing)
    except RigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
