"""What the checks found, kept in the journal: ``<stream>.quality`` and ``arousal.track``.

The watcher appends to them and may be killed at any time; the finaliser reads them. The format is
described for strangers in ``docs/explanation/journal.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.checks.lattice import BITS
from tenmin.recorder.appended import Appended
from tenmin.recorder.files import Open, open_raw, plain
from tenmin.recorder.found import (
    BLOCK_RULES,
    FORMAT,
    QUALITY,
    TRACK,
    UNTOLD,
    Kept,
    Quality,
    quality_record,
    read_arousal,
    read_quality,
    track_record,
)
from tenmin.stream import Stream

if TYPE_CHECKING:
    from tenmin.checks.parameters import Parameters

__all__ = ["ArousalLog", "Kept", "Quality", "QualityLog", "read_arousal", "read_quality"]


class QualityLog:
    """What the checks of one stream found, second by second.

    Parameters
    ----------
    dot : Path
        The journal.
    stream : Stream
    checks : sequence of Parameters
        Of the checks, as they hold for this stream, in the order of `append`'s rows; a check that
        is switched off later keeps its place.
    sha256 : str
        Hash of all parameters.
    whole : collection of str
        Names of those whose values speak of the stream as a whole: no channel is bad for them.
    opener : callable
        Opens the file; a test may give one that fails.

    Notes
    -----
    It never waits for the disk; see `tenmin.recorder.appended.Appended`.
    """

    def __init__(
        self,
        dot: Path,
        stream: Stream,
        checks: Sequence[Parameters],
        sha256: str = "",
        whole: Collection[str] = (),
        opener: Open = open_raw,
    ) -> None:
        self._record = quality_record(len(checks), stream.n_channels)
        self._untold = np.full((len(checks), stream.n_channels), UNTOLD, np.int8)
        self._head = {
            "format": FORMAT,
            "kind": "quality",
            "stream": stream.name,
            "rate_hz": stream.rate_hz,
            "channels": list(stream.channels),
            "checks": [_told(check, check.name not in whole) for check in checks],
            "bits": BITS,
            "parameters_sha256": sha256,
        }
        self.file = Appended(dot / (stream.name + QUALITY), opener)

    def anchor(self, origin: int, *, t0: bool = True) -> None:
        """Second 0 begins at device index `origin` from now on; call it before any `append`.

        Parameters
        ----------
        origin : int
        t0 : bool
            Whether this is the block's t0; False before it is known.
        """
        head = {**self._head, "origin": int(origin), "is_t0": bool(t0)}
        self.file.begin(head, self._record.itemsize)

    def append(
        self,
        number: int,
        bits: np.ndarray,
        values: np.ndarray,
        levels: np.ndarray | None = None,
    ) -> None:
        """Keep a second.

        Parameters
        ----------
        number : int
            Of the second. Where it came before, bits are added, and what is told now holds.
        bits : ndarray, (10, n_channels), uint16
            Of the mask lattice.
        values : ndarray, (n_checks, n_channels)
            NaN where a check could not tell.
        levels : ndarray, (n_checks, n_channels), int8, or None
            Codes of `tenmin.checks.judge`; None where the record adds nothing about them.
        """
        row = np.zeros((), self._record)
        row["number"], row["bits"], row["values"] = number, bits, values
        row["levels"] = self._untold if levels is None else levels
        self.file.record([row])

    def append_bad(self, bad: Mapping[str, np.ndarray]) -> None:
        """Keep what rules for whole blocks say so far; the newest counts.

        Parameters
        ----------
        bad : mapping of str to ndarray of bool, (n_channels,)
            By check: the channels that are bad.
        """
        found = {name: np.flatnonzero(mask).tolist() for name, mask in bad.items()}
        self.file.line({"t": BLOCK_RULES, "channels": found})

    def close(self) -> None:
        """Write what waits, and close; may be called twice."""
        self.file.close()


def _told(check: Parameters, by_channel: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        key: getattr(check, key) for key in ("name", "id", "unit", "bit", "reference")
    }
    for level in ("warn", "fail"):
        threshold = getattr(check, level)
        told[level] = None if threshold is None else threshold.on
        told[f"{level}_below"] = threshold is not None and threshold.below
    return {**told, "by_channel": by_channel}


class ArousalLog:
    """Features and live states of arousal, at 10 Hz.

    Parameters
    ----------
    dot : Path
        The journal.
    features : sequence of str
        Names, in the order of `append`'s values.
    family : str
        Whose rules hold, as of `tenmin.checks.arousal.family`.
    ruleset : mapping
        All rules: ``Ruleset.as_dict()``.
    sha256 : str
        Their hash.
    eyes : str
        ``open`` or ``closed``, as the protocol asks.
    opener : callable
        Opens the file.
    """

    def __init__(
        self,
        dot: Path,
        features: Sequence[str],
        family: str,
        ruleset: Mapping[str, Any],
        sha256: str,
        eyes: str = "open",
        opener: Open = open_raw,
    ) -> None:
        self._record = track_record(len(features))
        self.file = Appended(dot / TRACK, opener)
        head = {
            "format": FORMAT,
            "kind": "arousal",
            "features": list(features),
            "family": family,
            "eyes": eyes,
            "ruleset": plain(ruleset),
            "ruleset_sha256": sha256,
        }
        self.file.begin(head, self._record.itemsize)

    def append(
        self,
        host_s: float,
        features: np.ndarray,
        state: int,
        confidence: float,
        modalities: int,
    ) -> None:
        """Keep a tick.

        Parameters
        ----------
        host_s : float
            End of its bin, monotonic host seconds.
        features : ndarray, (n_features,)
            As the extractors gave them, and the pupil's place in its range as known now
            (``Arousal.raw[-1]``); NaN where one is not known.
        state, confidence, modalities
            Of the live track.
        """
        row = np.zeros((), self._record)
        row["host_s"], row["state"], row["modalities"] = host_s, state, modalities
        row["confidence"], row["features"] = confidence, features
        self.file.record([row])

    def close(self) -> None:
        """Write what waits, and close; may be called twice."""
        self.file.close()
