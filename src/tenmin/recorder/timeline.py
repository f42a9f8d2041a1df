"""The time base of the file: every clock of a block mapped onto the reference stream's samples.

NWB time is seconds of the reference stream's sample counter since the start of SETTLE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tenmin import clock
from tenmin.clock import Line
from tenmin.stream import Stream

SPAN_S = 1e3  # over which the slope of a map is taken
WANDER = 2.0  # spreads by which a measured delay or correction may wander from end to end


@dataclass(frozen=True)
class Sync:
    """How one stream's clock was mapped; a row of ``clock_sync``.

    Attributes
    ----------
    method : str
        ``reference``, ``arrival``, ``time_correction``, ``counter of <stream>``.
    drift_ppm, drift_ppm_u95 : float
        How much faster than the reference it runs; NaN where it has no rate.
    offset_u95_s, residual_s, span_s : float
        Of the fit to the host's clock; NaN where there is none.
    n_points : int
        Points of that fit.
    """

    stream: str
    method: str
    drift_ppm: float = math.nan
    drift_ppm_u95: float = math.nan
    offset_u95_s: float = math.nan
    residual_s: float = math.nan
    span_s: float = math.nan
    n_points: int = 0
    nominal_rate_hz: float = 0.0
    measured_rate_hz: float = math.nan


@dataclass(frozen=True)
class Clock:
    """One stream's way into the file's time base."""

    sync: Sync
    to_nwb: Callable[[Any], Any]  # stream seconds -> NWB seconds


class Timeline:
    """All clocks of one block.

    Parameters
    ----------
    block : mapping
        ``block.json``.
    streams : mapping of str to Stream
        By name.
    lines : sequence of dict
        ``acquirer.jsonl``.
    arrivals : mapping of str to list of (int, int)
        Device index and host time of a sample a second, for streams without clock points.
    first_index : int or None
        First recorded index of the reference.

    Attributes
    ----------
    zero_index : int
        Index of the reference stream at NWB time 0.
    rate_hz : float
        Nominal rate of the reference stream.
    host : Line
        Reference seconds to host seconds.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        streams: Mapping[str, Stream],
        lines: Sequence[Mapping[str, Any]],
        arrivals: Mapping[str, Sequence[tuple[int, int]]],
        first_index: int | None,
    ) -> None:
        self._streams, self._arrivals = streams, arrivals
        self._points: dict[str, tuple[list[float], list[float]]] = {}
        self._corrections: dict[str, tuple[list[float], list[float]]] = {}
        self._sort(lines)
        self.reference = str(block["reference"])
        self.rate_hz = streams[self.reference].rate_hz
        settle_s = block["settle_host_ns"] * 1e-9
        line, self._host_method = self._line(self.reference)
        self.host = line or _shifted(0.0, settle_s)
        self.zero_index = self._zero(lines, settle_s, first_index)
        self._clocks: dict[str, Clock] = {}

    def _sort(self, lines: Sequence[Mapping[str, Any]]) -> None:
        for line in lines:
            if line.get("t") == "clock":
                _pair(self._points, line["stream"], line["x"], line["y"])
            elif line.get("t") == "correction":
                _pair(self._corrections, line["stream"], line["host_s"], line["offset_s"])

    def _zero(self, lines: Sequence[Mapping[str, Any]], settle_s: float, first: int | None) -> int:
        for line in lines:
            if line.get("t") == "t0":
                return int(line["zero_index"])
        zero = math.floor(float(self.host.to_stream(settle_s)) * self.rate_hz)
        return zero if first is None else min(zero, first)

    def _line(self, name: str) -> tuple[Line | None, str]:
        """Stream seconds to host seconds, and from what: clock points, else arrivals."""
        x, y = self._points.get(name, ([], []))
        stream = self._streams[name]
        method = "time_correction" if name in self._corrections else "arrival"
        if len(set(x)) < 2 and stream.is_regular:
            pairs = self._arrivals.get(name, [])
            x = [index / stream.rate_hz for index, _ in pairs]
            y = [host_ns * 1e-9 for _, host_ns in pairs]
            method = "arrival"
        if len(set(x)) >= 2:
            return clock.fit(np.array(x), np.array(y)), method
        return (_shifted(x[0], y[0]) if x else None), method

    # Times ------------------------------------------------------------------------------------

    @property
    def zero_s(self) -> float:
        """NWB time 0 in seconds of the reference stream."""
        return self.zero_index / self.rate_hz

    def of_index(self, index: Any) -> Any:
        """Device indices of the reference stream as NWB seconds."""
        return (index - self.zero_index) / self.rate_hz

    def of_host(self, host_s: Any) -> Any:
        """Monotonic host seconds as NWB seconds."""
        return self.host.to_stream(host_s) - self.zero_s

    def of_samples(self, name: str, index: np.ndarray, times: np.ndarray | None) -> np.ndarray:
        """NWB seconds of a stream's samples.

        Regular streams by their index. Irregular ones, frames and streams made from another by
        their device times, one by one: the sender's stamps, never a fit of them.

        Parameters
        ----------
        name : str
            The stream.
        index : ndarray, (n_samples,), int64
            Device indices.
        times : ndarray, (n_samples,), float64, or None
            Device times; for an irregular stream without any, host seconds of arrival.
        """
        stream = self._streams[name]
        if name == self.reference:
            return self.of_index(index)
        if stream.clock is not None and times is not None:
            return self.of_device_times(name, times)
        if not stream.is_regular or (stream.kind == "frames" and name in self._corrections):
            return self.of_device_times(name, times)
        return self.clock(name).to_nwb(index / stream.rate_hz)

    def of_device_times(self, name: str, times: Any) -> Any:
        """NWB seconds of an irregular stream's device times, or of arrivals in host seconds."""
        source = self._streams[name].clock
        if source is not None:
            return self.clock(source).to_nwb(times)
        if name in self._corrections:
            host_s, offset = (np.array(column) for column in self._corrections[name])
            order = np.argsort(host_s - offset)
            known = np.interp(times, (host_s - offset)[order], offset[order])
            return self.of_host(times + known)
        if self._streams[name].timed:
            return self.clock(name).to_nwb(times)
        return self.of_host(times)

    def knows_stamps_of(self, name: str) -> bool:
        """Whether a sender's clock was measured, or is another stream's: else arrivals count."""
        return name in self._corrections or self._streams[name].clock is not None

    def resolution_s(self, stream: Stream) -> float | None:
        """Sampling period of the stream whose samples another stream's times are."""
        source = self._streams.get(stream.clock or "")
        return 1.0 / source.rate_hz if source is not None and source.is_regular else None

    def corrections(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """NWB seconds and seconds of the measured clock corrections of a stream."""
        host_s, offset = (np.array(column) for column in self._corrections.get(name, ([], [])))
        return np.asarray(self.of_host(host_s)), offset

    def clock(self, name: str) -> Clock:
        """The map of one stream; made once."""
        if name not in self._clocks:
            self._clocks[name] = self._make(self._streams[name])
        return self._clocks[name]

    def _make(self, stream: Stream) -> Clock:
        name, rate = stream.name, stream.rate_hz
        if name == self.reference:
            sync = Sync(name, "reference", 0.0, 0.0, nominal_rate_hz=rate, measured_rate_hz=rate)
            return Clock(sync, lambda x: x - self.zero_s)
        if stream.clock is not None:
            source = self.clock(stream.clock)
            return Clock(Sync(name, f"counter of {stream.clock}"), source.to_nwb)
        line, method = self._line(name)
        if line is None:
            return Clock(Sync(name, method), self.of_host)
        relation = clock.relate(line, self.host)

        def to_nwb(x: Any) -> Any:
            return relation.to_reference(x) - self.zero_s

        drift = relation.drift_ppm if rate else math.nan
        u95 = _wandering(relation.drift_ppm_u95, line, self.host) if rate else math.nan
        slope = float(to_nwb(line.origin_x + SPAN_S) - to_nwb(line.origin_x)) / SPAN_S
        sync = Sync(
            name,
            method,
            drift,
            u95,
            line.offset_u95,
            line.residual_s,
            line.span_s,
            line.n,
            rate,
            rate / slope if rate else math.nan,
        )
        return Clock(sync, to_nwb)

    def relate_counts(self, name: str, counts: np.ndarray, rate_hz: float, at: np.ndarray) -> None:
        """Let what a stream counts tell its drift, where its own index does not.

        Parameters
        ----------
        name : str
            A stream made from another one, or imaging frames.
        counts : ndarray, (n_samples,)
            What should grow by `rate_hz` a second.
        at : ndarray, (n_samples,), float64
            NWB seconds of the samples.
        """
        if len(np.unique(counts)) < 2:
            return
        line = clock.fit(counts / rate_hz, at)
        before, source = self.clock(name), self._streams[name].clock
        u95 = before.sync.drift_ppm_u95 if source is None else self.clock(source).sync.drift_ppm_u95
        sync = Sync(
            name,
            before.sync.method,
            (1 / line.slope - 1) * 1e6,
            math.hypot(line.ppm_u95, u95 if math.isfinite(u95) else 0.0),
            line.offset_u95,
            line.residual_s,
            line.span_s,
            line.n,
            rate_hz,
            rate_hz / line.slope,
        )
        by_index = self._streams[name].is_regular and source is not None
        self._clocks[name] = Clock(sync, line.to_host if by_index else before.to_nwb)

    @property
    def host_sync(self) -> Sync:
        """The reference stream against the host's monotonic clock."""
        line = self.host
        faster = (1 / line.slope - 1) * 1e6
        return Sync(
            self.reference,
            f"{self._host_method} against the host's clock",
            faster,
            line.ppm_u95,
            line.offset_u95,
            line.residual_s,
            line.span_s,
            line.n,
            self.rate_hz,
            self.rate_hz / line.slope,
        )


def utc_of(block: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], host_ns: int) -> datetime:
    """UTC of a host time, from the nearest pair of the log, else from the block's creation."""
    pairs = [line for line in lines if line.get("t") == "clock_pair"]
    if not pairs:
        return datetime.fromisoformat(block["created_utc"]).astimezone(UTC)
    pair = min(pairs, key=lambda line: abs(line["host_ns"] - host_ns))
    utc = datetime.fromisoformat(pair["utc"]).astimezone(UTC)
    return utc + timedelta(microseconds=(host_ns - pair["host_ns"]) / 1e3)


def _wandering(u95: float, *lines: Line) -> float:
    """Uncertainty of a drift, ppm, whose host times may be off by more than noise.

    A least delay depends on the machine's load and a correction on the last few probes: neither
    averages out as noise does, so what both ends may be off by is added.
    """
    ends = (1e6 * WANDER * line.residual_s / line.span_s for line in lines if line.span_s > 0)
    return math.hypot(u95, *ends)


def _shifted(x: float, y: float) -> Line:
    """A line of slope one through one point: all that one point can say."""
    nan, inf = math.nan, math.inf
    return Line(1.0, 0.0, x, y, 0.0, inf, nan, 1, 0.0, inf)


def _pair(into: dict[str, tuple[list[float], list[float]]], name: str, x: float, y: float) -> None:
    columns = into.setdefault(name, ([], []))
    columns[0].append(float(x))
    columns[1].append(float(y))
