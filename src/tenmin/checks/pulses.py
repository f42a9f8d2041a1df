"""Q21 in a block: the test pulses of a patch-clamp stream, found, averaged, and told.

A pulse shows in the channel called ``command``, to the sample. Where the amplifier sends no
command, an event ``test_pulse`` announces it by its value, the step in mV, and its duration;
the current's own edge near that time then says when it was.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tenmin.checks.announced import Announced
from tenmin.checks.membrane import BESSEL_DELAY, membrane_test
from tenmin.checks.patch import TO_MV, TO_PA, Access, factors
from tenmin.checks.setting import Setting
from tenmin.ring import Piece
from tenmin.stream import Stream
from tenmin.verdict import Verdict

COMMAND = "command"


def current_of(stream: Stream) -> int | None:
    """The first channel that is a current."""
    found = np.flatnonzero(np.isfinite(factors(stream, TO_PA)))
    return int(found[0]) if len(found) else None


def command_of(stream: Stream) -> int | None:
    """The channel that tells what the amplifier was told, if it is a potential."""
    to_mv = factors(stream, TO_MV)
    for c, name in enumerate(stream.channels):
        if name.lower().startswith(COMMAND) and math.isfinite(to_mv[c]):
            return c
    return None


def low_pass_of(stream: Stream, setting: Setting) -> float | None:
    """-3 dB corner of the current's filter, Hz: of the device, else of the rig; None for none."""
    told = stream.facts.get("lowpass_hz", setting.facts.get("ephys.hw_lowpass_hz"))
    try:
        return float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # "none"
        return None


class Tail:
    """The last seconds of some columns of a stream, by device index."""

    def __init__(self, n: int) -> None:
        self._most = n
        self._parts: deque[tuple[int, np.ndarray]] = deque()
        self._n = 0

    def clear(self) -> None:
        """What comes does not follow what came."""
        self._parts.clear()
        self._n = 0

    def add(self, index: int, rows: np.ndarray) -> None:
        """Take rows that follow the last ones."""
        self._parts.append((index, rows))
        self._n += len(rows)
        while self._n - len(self._parts[0][1]) >= self._most:
            self._n -= len(self._parts.popleft()[1])

    @property
    def end(self) -> int:
        """Index behind the last row."""
        return self._parts[-1][0] + len(self._parts[-1][1]) if self._parts else 0

    def cut(self, first: int, stop: int) -> np.ndarray | None:
        """Rows [first, stop); None where they are not all there."""
        if not self._parts or first < self._parts[0][0] or stop > self.end:
            return None
        there = [(i, rows) for i, rows in self._parts if i < stop and i + len(rows) > first]
        return np.concatenate([rows[max(0, first - i) : stop - i] for i, rows in there])


class Pulses:
    """Test pulses of a stream: several make a test, as many as a membrane test has.

    Parameters
    ----------
    stream : Stream
        With a current, in the amplifier's own rate.
    setting : Setting
    """

    NAMES = Access.NAMES

    def __init__(self, stream: Stream, setting: Setting) -> None:
        p = self._p = setting.parameters["membrane_test"]
        self.stream, self._peers = stream, setting.peers
        self._access = Access(stream.name, setting.parameters)
        self._low_pass_hz = low_pass_of(stream, setting)
        rate_hz = stream.rate_hz
        current, command = current_of(stream), command_of(stream)
        assert current is not None  # asked by `applies`
        self._shown = command is not None
        columns = [(current, TO_PA)] + ([(command, TO_MV)] if command is not None else [])
        scales = np.array(stream.channel_scales or (1.0,) * stream.n_channels) * stream.scale
        self._columns = [c for c, _ in columns]
        self._factors = np.array([(factors(stream, to) * scales)[c] for c, to in columns])
        self._before = round(p["before_s"] * rate_hz)
        self._longest = round(p["longest_s"] * rate_hz)
        self._tail = Tail(self._before + self._longest + round(p["wait_s"] * rate_hz))
        self._next: int | None = None
        self._slew = round(p["slew_s"] * rate_hz)
        self._last_mv, self._still_until = math.nan, -math.inf
        self._open: tuple[int, float] | None = None  # a step that has not ended: index, change
        self._due: list[Announced] = []
        self._n_told = len(self._peers.test_pulses)
        self._held: list[np.ndarray] = []
        self._step_mv = math.nan
        self._host = (0, 0)  # index and host time behind the newest sample
        self._newest_s = math.nan  # host time of the last pulse

    @staticmethod
    def applies(stream: Stream) -> bool:
        """Whether a stream can have test pulses."""
        return stream.kind == "patch" and stream.is_regular and current_of(stream) is not None

    def feed(self, piece: Piece) -> None:
        """Take the next piece of the stream."""
        if piece.index != self._next:
            self._tail.clear()
            self._open, self._last_mv, self._still_until = None, math.nan, -math.inf
        self._next = piece.index + len(piece.samples)
        self._host = (self._next, piece.host_ns)
        rows = piece.samples[:, self._columns] * self._factors
        self._tail.add(piece.index, rows)
        if self._shown and len(rows):
            self._look(piece.index, rows[:, 1])
        told = self._peers.test_pulses
        if self._n_told < len(told):
            self._due += told[self._n_told :]
            self._n_told = len(told)
        if self._due:
            self._due = [pulse for pulse in self._due if not self._tell(pulse)]

    def _look(self, index: int, command_mv: np.ndarray) -> None:
        """Find the edges of the command."""
        changes = np.diff(command_mv, prepend=self._last_mv)
        self._last_mv = float(command_mv[-1])
        for k in np.flatnonzero(np.abs(changes) >= self._p["least_mv"]).tolist():
            at, change = index + k, float(changes[k])
            again = at < self._still_until  # one edge may take some samples
            self._still_until = at + self._slew
            if again:
                continue
            began, self._open = self._open, (at, change)
            if began is None or began[1] * change > 0.0 or at - began[0] > self._longest:
                continue
            self._open = None
            self._take(began[0], at - began[0], None)

    def _tell(self, pulse: Announced) -> bool:
        """Whether an announced pulse is dealt with; not yet while its samples are to come."""
        if self._shown:
            return True  # the command says it to the sample
        rate_hz, p = self.stream.rate_hz, self._p
        n = round(pulse.seconds * rate_hz) if math.isfinite(pulse.seconds) else 0
        if not 0 < n <= self._longest or not math.isfinite(pulse.step_mv) or not pulse.step_mv:
            self._failed()
            return True
        end, host_ns = self._host
        about = end - round((host_ns - pulse.host_ns) * 1e-9 * rate_hz)
        reach = round(p["near_s"] * rate_hz)
        if about + reach + n > end:
            return False
        near = self._tail.cut(about - reach, about + reach)
        if near is None:
            self._failed()
            return True
        rises = np.diff(near[:, 0]) * math.copysign(1.0, pulse.step_mv)
        # The filter puts the steepest place of the edge behind the step by its delay.
        late_s = BESSEL_DELAY / (2.0 * math.pi * self._low_pass_hz) if self._low_pass_hz else 0.0
        step = about - reach + 1 + int(rises.argmax()) - round(late_s * rate_hz)
        self._take(step, n, pulse.step_mv)
        return True

    def _take(self, step: int, n: int, step_mv: float | None) -> None:
        """Keep the current of a pulse; enough of them are a test."""
        rows = self._tail.cut(step - self._before, step + n)
        if rows is None or not np.isfinite(rows).all():
            return
        if step_mv is None:
            level = np.median(rows[self._before :, 1])
            step_mv = float(level - np.median(rows[: self._before, 1]))
        alike = bool(self._held) and abs(step_mv - self._step_mv) <= 0.1 * abs(step_mv)
        if self._held and not (alike and abs(len(rows) - len(self._held[0])) <= 2):
            self._judge()
        self._held.append(rows[:, 0])
        self._step_mv = step_mv
        end, host_ns = self._host
        self._newest_s = host_ns * 1e-9 - (end - step) / self.stream.rate_hz
        if len(self._held) >= self._p["averaged"]:
            self._judge()

    def _judge(self) -> None:
        shortest = min(map(len, self._held))
        mean = np.mean([one[:shortest] for one in self._held], axis=0)
        self._held = []
        test = membrane_test(
            mean,
            self.stream.rate_hz,
            self._before,
            self._step_mv,
            self._low_pass_hz,
            values=self._p.values,
        )
        self._access.take(test)

    def _failed(self) -> None:
        """A pulse that was announced could not be used."""
        self._access.take(None)

    def verdicts(self, now_s: float) -> list[Verdict]:
        """Those of the last test; fewer pulses than a test has are one when no more come."""
        if self._held and now_s - self._newest_s > self._p["wait_s"]:
            self._judge()
        return self._access.verdicts(now_s)
