"""The watcher: reads the rings beside the acquirer and says what it sees once a second.

``python -m tenmin.watcher FOLDER NAME`` is started by the engine. It may be killed at any time; a
loss of its own is counted and never touches the recording. Checks of other distributions run in
processes of their own with the same loop, see `tenmin.checks.guest`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from tenmin import ring
from tenmin.checks import _kernels
from tenmin.checks.bank import has_bank
from tenmin.checks.guard import Guarded, guarded
from tenmin.checks.judged import Judged
from tenmin.checks.parameters import load
from tenmin.checks.peers import Peers
from tenmin.checks.pictures import JudgedMean, is_pictures, trace_of
from tenmin.checks.quality import OWN
from tenmin.checks.setting import Setting
from tenmin.checks.vigil import Vigil
from tenmin.checks.whole import whole
from tenmin.delays import Delays
from tenmin.errors import RigError
from tenmin.parent import Parent
from tenmin.ring import Piece, Reader, Ring
from tenmin.service import messages
from tenmin.service.link import WorkerLink
from tenmin.stream import Stream
from tenmin.system import Wake, behave, freeze_garbage
from tenmin.verdict import Verdict

WAIT_S = 0.05
TICK_S = 1.0
PATIENCE_S = 5.0  # for streams that are not there yet, before arousal is told without them
LOOK_S = 0.25  # how often new rings are looked for
AT_ONCE_S = 0.5  # of samples in one read
AT_ONCE = 4096  # samples of an irregular stream in one read
NEWS_S = 0.1  # between two messages of what has just changed
FEED_S = 0.5  # with one stream; then come the others, and verdicts, however much has piled up
HOPELESS = 0.8  # of the ring unread: what is about to be overwritten is skipped
NOTHING = object()

ChecksOf = Callable[[Stream, Setting], "list[Guarded | Judged]"]


class Alarm(Protocol):
    """What a watcher sleeps on."""

    def wait(self, timeout_s: float) -> bool:
        """Until something may be new, `timeout_s` at most."""

    def close(self) -> None:
        """No more."""


class Watched:
    """One stream: its ring, its checks, and what they were too late for."""

    def __init__(self, ring: Ring, checks: list[Guarded | Judged]) -> None:
        self.ring, self.stream, self.checks = ring, ring.stream, checks
        self.reader: Reader = ring.reader()
        self._waiting: deque[Piece] = deque()
        self._next = self.reader.position  # of the next sample to be seen
        regular = ring.stream.is_regular
        self._at_once = math.ceil(AT_ONCE_S * ring.stream.rate_hz) if regular else AT_ONCE
        self._onsets: dict[str, tuple[str, float]] = {}
        self._anchor: messages.Anchor | None = None  # still to be told to the checks
        self.also: Callable[[str, Piece], None] | None = None  # who else takes every piece
        self.delays = Delays()

    def feed(self) -> None:
        """Give what is new to every check, for `FEED_S` at most."""
        if not self.checks and self.also is None:
            return
        if self.ring.written - self._next > HOPELESS * self.ring.capacity:
            self._skip()
        if not self._waiting:
            self._waiting.extend(self.reader.read(self._at_once))
        until = time.monotonic() + FEED_S
        while self._waiting and time.monotonic() < until:
            piece = self._waiting.popleft()
            if self._anchor is not None and len(piece.samples):
                self._tell_anchor(self._anchor, piece)
            skipped = piece.seq - self._next
            self._next = piece.seq + len(piece.samples)
            for check in self.checks:
                if skipped:
                    check.skipped(skipped)
                check.feed(piece)
            if self.also is not None:
                self.also(self.stream.name, piece)
            self.fed(piece)

    @property
    def has_news(self) -> bool:
        """Whether samples wait to be looked at."""
        return self.ring.written > self._next and (bool(self.checks) or self.also is not None)

    def step(self) -> bool:
        """Do a part of what is due once a second; False when nothing was."""
        return any(check.step() for check in self.checks if isinstance(check, Judged))

    def fed(self, piece: Piece) -> None:
        """Every check has seen a piece."""
        self.delays.add(time.monotonic_ns() - piece.host_ns)
        # Asked afterwards: what was overwritten while it was checked counts as lost here.
        if not self.reader.valid(piece):
            for check in self.checks:
                check.spoilt(len(piece.samples))

    def anchor(self, told: messages.Anchor) -> None:
        """The window has begun; the next piece tells what index that is here."""
        self._anchor = told

    def _tell_anchor(self, told: messages.Anchor, piece: Piece) -> None:
        self._anchor = None
        origin = told.index
        if told.stream != self.stream.name:
            # By arrival: a chunk's length off at most, and the lattice has bins of 0.1 s.
            since_s = (piece.host_ns - told.host_ns) * 1e-9
            origin = piece.index + len(piece.samples) - round(since_s * self.stream.rate_hz)
        for check in self.checks:
            check.anchor(origin)

    def _skip(self) -> None:
        """Go on with the newest: who is this late would only see what is being overwritten."""
        newest = self.ring.reader()
        skipped = newest.position - self._next
        newest.lost_samples = self.reader.lost_samples + skipped
        self.reader, self._next = newest, newest.position
        self._waiting.clear()
        for check in self.checks:
            check.skipped(skipped)

    def tick(self, now_s: float) -> list[Verdict]:
        """The verdicts at `now_s`, each with the time since when its level holds."""
        self.reader.lost.clear()  # the sum is enough
        said = [verdict for check in self.checks for verdict in check.verdicts(now_s)]
        return [self._since(verdict, now_s) for verdict in said]

    def news(self, now_s: float) -> list[Verdict]:
        """The verdicts of seconds just judged whose level is not the one that was said last."""
        said = [v for check in self.checks if isinstance(check, Judged) for v in check.news()]
        changed = [v for v in said if self._onsets.get(v.check, ("", 0.0))[0] != v.level]
        return [self._since(verdict, now_s) for verdict in changed]

    def clean(self, seconds: float) -> dict[str, Any]:
        """What the window has come to, by stream; empty where nobody knows."""
        for check in self.checks:
            if isinstance(check, Judged) and (told := check.clean(math.ceil(seconds))):
                return {self.stream.name: told}
        return {}

    def _since(self, verdict: Verdict, now_s: float) -> Verdict:
        level, onset = self._onsets.get(verdict.check, ("", now_s))
        if level != verdict.level:
            onset = now_s
        self._onsets[verdict.check] = (verdict.level, onset)
        return replace(verdict, onset_s=onset)

    def restart(self) -> None:
        """The recording begins."""
        for check in self.checks:
            check.restart()

    def faults(self) -> list[dict[str, Any]]:
        """The exceptions of checks since the last call, as lines for the engine."""
        found = []
        for check in self.checks:
            about = {"t": "check_fault", "check": check.name, "stream": self.stream.name}
            found += [{**about, "text": text} for text in check.faults]
            check.faults.clear()
        return found


class Watcher:
    """All streams of the rig, and the link to the engine.

    Parameters
    ----------
    folder : Path
        The rig's folder in the runtime directory.
    name : str
        What the engine calls this process.
    alarm : Alarm
        Tells when to look into the rings.
    checks_of : callable
        The checks of a stream.
    granted : mapping
        What the system gave to this process, in words.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        alarm: Alarm,
        checks_of: ChecksOf,
        granted: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.parent = Parent(folder)
        self.link = WorkerLink(self.parent.endpoint, name)
        self.alarm, self.checks_of, self.granted = alarm, checks_of, dict(granted)
        self.streams: dict[str, Watched] = {}
        self._watching = False
        self._setting = Setting()
        self._anchor: messages.Anchor | None = None
        self._saying: Iterator[None] = iter(())  # what is told once a second, a part at a time
        self._busy = False  # something is due that waits only for newer samples to be looked at

    def run(self) -> int:
        """Serve until the engine says quit or is gone."""
        self.link.send("ready", pid=os.getpid(), granted=self.granted)
        tick_at = look_at = hear_at = news_at = time.monotonic()
        while True:
            if not self._busy:
                self.alarm.wait(WAIT_S)
            now = time.monotonic()
            if now >= hear_at:  # not at each chunk: that would be most of the work
                hear_at = now + WAIT_S
                for message in self.link.receive(0.0):
                    if message.type == "quit":
                        return self.quit()
                    self._obey(message)
            if now >= look_at:
                look_at = now + LOOK_S
                if self.parent.gone:
                    return self.quit()
                self._look()
            for watched in self.streams.values():
                watched.feed()
            if now >= tick_at and self._watching:
                tick_at = now + TICK_S
                self._saying = self.say(now)
            elif now >= news_at and self.say_news(now):
                news_at = now + NEWS_S
            self._busy = self._work()

    def _work(self) -> bool:
        """Do what is due, a part at a time, until samples come; whether more is left.

        At least one part of each, so that a busy machine comes to it as well.
        """
        while True:
            told = next(self._saying, NOTHING) is not NOTHING
            judged = [watched.step() for watched in self.streams.values()]
            if not (told or any(judged)):
                return False
            if any(watched.has_news for watched in self.streams.values()):
                return True

    def _obey(self, message: Any) -> None:
        if message.type == "go":
            self._close()
            self._watching, self._anchor = True, None
            spool = json.loads(Path(message.spool).read_text("utf-8"))
            self._setting = setting_in(spool)
            self.begin(spool)
        elif message.type == "record":
            for watched in self.streams.values():
                watched.restart()
        elif message.type == "anchor":
            self._anchor = message
            for watched in self.streams.values():
                watched.anchor(message)
        elif message.type == "happened":
            told = message.value, message.onset_host_ns, message.duration_s
            self._setting.peers.happened(message.code, *told)

    def _look(self) -> None:
        if not self._watching:
            return
        for path in sorted((self.folder / "rings").glob("*.ring")):
            if path.stem not in self.streams:
                try:
                    ring = self.attach(path)
                except RigError:
                    continue  # it is being made; the next look finds it whole
                watched = Watched(ring, self.checks_of(ring.stream, self._setting))
                if self._anchor is not None:
                    watched.anchor(self._anchor)
                self.streams[path.stem] = watched
                self.added(watched)
                freeze_garbage()

    def begin(self, spool: Mapping[str, Any]) -> None:
        """A block begins."""

    def added(self, watched: Watched) -> None:
        """A stream has come."""

    def attach(self, path: Path) -> Ring:
        """Open a ring to be read."""
        return Ring.attach(path)

    def say(self, now_s: float) -> Iterator[None]:
        """Tell the engine the verdicts at `now_s`, a message for each stream, one at a time."""
        for watched in list(self.streams.values()):
            verdicts = [asdict(verdict) for verdict in watched.tick(now_s)]
            lost = {watched.stream.name: watched.reader.lost_samples}
            late = watched.delays.take()
            delays = {watched.stream.name: late} if late else {}
            clean = {} if self._anchor is None else watched.clean(self._anchor.seconds)
            self.link.send("verdicts", verdicts=verdicts, lost=lost, delays=delays, clean=clean)
            for line in watched.faults():
                self.link.send("log", line=line)
            self.said(watched)
            yield

    def said(self, watched: Watched) -> None:
        """The engine knows what there is to know of a stream."""

    def say_news(self, now_s: float) -> bool:
        """Tell the engine at once what has changed since it was told; whether anything has."""
        found = [v for watched in self.streams.values() for v in watched.news(now_s)]
        if found:
            self.link.send("verdicts", verdicts=[asdict(verdict) for verdict in found])
        return bool(found)

    def _close(self) -> None:
        self._saying = iter(())
        self.ended()
        for watched in self.streams.values():
            watched.ring.close()
        self.streams = {}

    def ended(self) -> None:
        """The block is over."""

    def quit(self) -> int:
        """Let go of everything."""
        self._close()
        self.alarm.close()
        self.link.close()
        return 0


class Own(Watcher):
    """The watcher with our own checks: what they find is kept, and arousal is told."""

    _dot: Path | None = None
    _n_devices = 0
    _late_s = math.inf  # when the arousal begins with the streams that there are
    _vigil: Vigil | None = None
    _fault = ""

    def begin(self, spool: Mapping[str, Any]) -> None:
        """Keep what is found in this block's journal."""
        self._dot, self._n_devices = Path(spool["dot"]), len(spool["devices"])
        self._late_s = time.monotonic() + PATIENCE_S
        self._vigil, self._fault = None, ""

    def added(self, watched: Watched) -> None:
        """Keep what its checks find."""
        assert self._dot is not None
        for check in watched.checks:
            if isinstance(check, Judged):
                check.keep(self._dot)
        if not watched.stream.is_marker:
            watched.also = self._feed

    def _feed(self, stream: str, piece: Piece) -> None:
        if self._vigil is None:
            return
        try:
            self._vigil.feed(stream, piece)
        except MemoryError:
            raise
        except Exception as error:  # the checks go on
            self._give_up(f"{type(error).__name__}: {error}")

    def said(self, watched: Watched) -> None:
        """What its verdicts rest on goes into the journal."""
        for check in watched.checks:
            if isinstance(check, Judged):
                check.write()

    def say(self, now_s: float) -> Iterator[None]:
        """The verdicts, and then the state of arousal."""
        yield from super().say(now_s)
        if self._vigil is None and not self._fault:
            self._wake_up(now_s)
        if self._vigil is not None:
            told = self._vigil.tick(now_s, settling=self._anchor is None)
            if told is not None:
                self.link.send("arousal", **told)

    def _wake_up(self, now_s: float) -> None:
        """Begin with the arousal when every stream is there, or after a while."""
        condition = str(self._setting.facts.get("dot.condition"))
        if self._dot is None or (len(self.streams) < self._n_devices and now_s < self._late_s):
            return
        try:
            streams = [watched.stream for watched in self.streams.values()]
            self._vigil = Vigil(condition, streams, now_s)
            self._vigil.keep(self._dot)
        except KeyError:
            self._fault = f"no rules of arousal are known for {condition}"

    def _give_up(self, why: str) -> None:
        self.ended()
        self._vigil, self._fault = None, why
        line = {"t": "check_fault", "check": "arousal", "stream": "", "text": why}
        self.link.send("log", line=line)

    def ended(self) -> None:
        """Close what was kept."""
        if self._vigil is not None:
            self._vigil.close()
        for watched in self.streams.values():
            for check in watched.checks:
                if isinstance(check, Judged):
                    check.close()


def own(stream: Stream, setting: Setting) -> list[Guarded | Judged]:
    """Our own checks of a stream."""
    found: list[Guarded | Judged] = []
    for name, make in OWN.items():
        found += guarded(name, stream, make)
    found += whole(stream, setting)
    if is_pictures(stream):
        if has_bank(trace_of(stream), setting):
            found.append(JudgedMean(stream, setting))
    elif has_bank(stream, setting):
        found.append(Judged(stream, setting))
    return found


def setting_in(spool: Mapping[str, Any]) -> Setting:
    """The circumstances of the block, as the engine wrote them."""
    told = spool["setting"]
    path = told["parameters"]
    parameters = load(None if path is None else Path(path))
    return Setting(told["mains_hz"], told["facts"], parameters, Peers(told["primary"]))


def main() -> int:
    """Entry point of the process."""
    ring.warm()
    _kernels.warm(*ring.COMMON_DTYPES)
    folder, name = Path(sys.argv[1]), sys.argv[2]
    granted = {"kernels": ring.cached(), **behave("watcher")}
    with contextlib.suppress(KeyboardInterrupt):  # the terminal's Ctrl-C is for the client
        return Own(folder, name, Wake(folder / "watcher.wake"), own, granted).run()
    return 4


if __name__ == "__main__":
    sys.exit(main())
