"""How long the disk will last, who fills it, and how fast it has to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from tenmin.marks import Marks
from tenmin.verdict import FAIL, OK, UNKNOWN, WARN, Verdict

WRITTEN_PER_RAW = 1.6  # the journal, and the file beside it at about 0.6 of that (performance.md)
CLOSE = 1.5  # a disk that is not this much faster than needed is worth a warning
WINDOW_S = 30.0
SPAN_S = 5.0  # space is reserved in pieces: less of it tells nothing
IMMINENT_S = 60.0
WORTH_TELLING = 1e6  # bytes per second of other programs
REMEDY = "End the other program, or free space on this disk."


@dataclass(frozen=True, slots=True)
class Room:
    """The space of one disk over the last `WINDOW_S`.

    Attributes
    ----------
    free_bytes : int
        At the last look.
    expected_bytes_per_s : float
        What this recording is expected to write; used until enough was seen.
    marks : Marks
        Bytes that are gone from the free space, and bytes that we occupy.
    """

    free_bytes: int = 0
    expected_bytes_per_s: float = 0.0
    marks: Marks = field(default=Marks(WINDOW_S))

    def seen(
        self, now_s: float, free_bytes: int, our_bytes: int, expected_bytes_per_s: float
    ) -> Room:
        """With one look at the disk.

        Parameters
        ----------
        now_s : float
            Host time, monotonic seconds.
        free_bytes : int
            Free space of the disk.
        our_bytes : int
            What our own files occupy on it.
        expected_bytes_per_s : float
            What this recording is expected to write.
        """
        marks = self.marks.seen(now_s, -free_bytes, our_bytes)
        return Room(free_bytes, expected_bytes_per_s, marks)

    @property
    def shrinks_bytes_per_s(self) -> float:
        """How fast free space goes, by all causes; negative where it grows."""
        if self.marks.span_s < SPAN_S:
            return self.expected_bytes_per_s
        return self.marks.per_s(0)

    @property
    def foreign_bytes_per_s(self) -> float:
        """The part of it that is not ours, 0 until enough was seen."""
        if self.marks.span_s < SPAN_S:
            return 0.0
        return max(0.0, self.marks.per_s(0) - self.marks.per_s(1))

    @property
    def left_s(self) -> float | None:
        """Seconds until the disk is full, as things go; None while its free space does not go."""
        shrinks = self.shrinks_bytes_per_s
        return self.free_bytes / shrinks if shrinks > 0 else None

    def level(self, remaining_s: float) -> str:
        """WARN when `remaining_s` of recording do not fit any more, FAIL when it ends at once."""
        if self.left_s is None or self.left_s >= remaining_s:
            return OK if self.marks.points else UNKNOWN
        return FAIL if self.left_s < IMMINENT_S else WARN

    def verdict(self, remaining_s: float, since_s: float | None = None) -> Verdict:
        """The check ``disk``: seconds left, against those that are still to be recorded."""
        level = self.level(remaining_s)
        action = "" if level in (OK, UNKNOWN) else f"{self.told()}. {REMEDY}"
        return Verdict("disk", "", level, self.left_s, remaining_s, "s", since_s, action)

    def told(self) -> str:
        """How long the disk lasts, and who fills it, in words; empty while nobody does."""
        words = [] if self.left_s is None else [f"{minutes(self.left_s)} left on the disk"]
        if self.foreign_bytes_per_s >= WORTH_TELLING:
            words.append(foreign(self.foreign_bytes_per_s))
        return "; ".join(words)


def minutes(seconds: float) -> str:
    """A time in the unit that fits: ``45 s``, ``12 min``, ``3 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} h"


def foreign(bytes_per_s: float) -> str:
    """What others do to the disk, in words."""
    return f"another program writes {bytes_per_s / 1e6:.3g} MB/s to this disk"


def speed_told(measured: float, needed: float) -> str:
    """Measured and needed speed of the disk, bytes per second, in words."""
    return f"the disk takes {measured / 1e6:.3g} MB/s, {needed / 1e6:.3g} MB/s are needed"
