"""What the engine judges itself, by facts and by the acquirer's numbers; once a second."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tenmin.checks.entered import entered
from tenmin.checks.impedance import impedance
from tenmin.checks.junction import Junction
from tenmin.checks.parameters import ParameterSet
from tenmin.checks.rate import PPM, Clock, rate_ppm
from tenmin.checks.single import Single
from tenmin.verdict import Verdict

EVERY_S = 1.0


class Gauges:
    """Rates of streams (Q31), impedances (Q10), and what patch clamp is told (Q22, Q25).

    Clocks are judged here since the acquirer knows them best: it has the offset that a transport
    measures, and a watcher may be late.

    Parameters
    ----------
    parameters : ParameterSet
    facts : mapping
        The known facts of the block.
    primary : str
        The reference stream: its own rate is held against the host's clock, others against it.
    """

    def __init__(self, parameters: ParameterSet, facts: Mapping[str, Any], primary: str) -> None:
        self.parameters, self.facts, self.primary = parameters, facts, primary
        self._rates: dict[str, Single] = {}
        self._newest: list[Verdict] = []
        self._onsets: dict[tuple[str, str], tuple[str, float]] = {}
        self._due_s = -math.inf

    def verdicts(self, streams: Mapping[str, Any], now_s: float) -> list[Verdict]:
        """The newest verdicts; they are judged anew once a second.

        Parameters
        ----------
        streams : mapping of str to mapping
            The acquirer's numbers, see `tenmin.sources.Flow.numbers`.
        now_s : float
            Host time, monotonic seconds.
        """
        if now_s >= self._due_s and streams:
            self._due_s = now_s + EVERY_S
            self._newest = [self._since(found, now_s) for found in self._judge(streams)]
        return self._newest

    def _judge(self, streams: Mapping[str, Any]) -> Iterator[Verdict]:
        least = self.parameters["rate"]["least_points"]
        reference = _clock(streams.get(self.primary, {}), least)
        for name, told in streams.items():
            if told.get("clocked"):
                yield self._rate(name, _clock(told, least), reference)
            kind = told.get("kind")
            if kind == "patch":
                yield Junction(name, self.parameters).judge(self.facts)
                yield from entered(name, self.parameters, self.facts)
            elif kind is not None:
                measured = told.get("impedance_ohm")
                args = measured, self.facts, self.parameters
                found = impedance(name, kind, told["channels"], *args)
                if found is not None:
                    yield found

    def _rate(self, name: str, own: Clock | None, reference: Clock | None) -> Verdict:
        p = self.parameters["rate"]
        single = self._rates.setdefault(name, Single(name, p))
        if own is None or reference is None:
            return single.step(math.nan)
        ppm, u95 = rate_ppm(own, None if name == self.primary else reference)
        sure = p.warn is None or u95 <= p.warn.on
        return single.step(abs(ppm) if sure else math.nan, ppm)

    def _since(self, verdict: Verdict, now_s: float) -> Verdict:
        key = verdict.check, verdict.stream
        level, onset_s = self._onsets.get(key, ("", now_s))
        if level != verdict.level:
            onset_s = now_s
        self._onsets[key] = verdict.level, onset_s
        return replace(verdict, onset_s=onset_s)


def _clock(told: Mapping[str, Any], least: float) -> Clock | None:
    """The line of a stream's clock; None while it has few points."""
    if told.get("clock_ppm_u95") is None or told["clock_points"] < least:
        return None
    return Clock(1.0 + told["clock_ppm"] / PPM, told["clock_ppm_u95"])
