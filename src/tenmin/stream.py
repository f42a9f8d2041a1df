"""What a device delivers: the description of a stream, and its chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

MARKER_DTYPE = "str"

# A stream of kind "frames": one sample per frame trigger, int64, its channels in this order.
FRAME_CHANNELS = ("frame", "source_index", "interval", "missed", "flag")
FRAME_FLAGS = {
    "missed": 1,  # frames are missing between the one before and this one
    "extra": 2,  # closer to the one before than half a period; counted all the same
    "irregular": 4,  # at no whole number of periods
    "restart": 8,  # a new acquisition; the frame number begins with 1 again
    "source_gap": 16,  # samples of the source are missing since the frame before
    "lost": 32,  # the board numbered events that never arrived here
}


@dataclass(frozen=True)
class Stream:
    """Description of one stream of samples.

    Attributes
    ----------
    name : str
        The device's name in rig.toml; the stream's name in every file.
    channels : tuple of str
        One label per channel.
    rate_hz : float
        Nominal sampling rate; 0 for irregular samples, events and markers.
    unit : str
        Unit after scaling, spelled out in SI: ``"volts"``, ``"meters"``; ``"n/a"`` for counts.
    scale : float
        Units per count: value = samples * scale * channel_scales + offset.
    offset : float
        Added after scaling, in `unit`.
    dtype : str
        numpy name of the samples as the device delivers them; ``"str"`` for markers.
    kind : str
        ``ecephys``, ``eeg``, ``ieeg``, ``patch`` (electrical), ``behavior``, ``frames`` (imaging
        frame clock), ``marker``, ``environment``, ``other``.
    channel_scales : tuple of float
        Extra factor per channel; empty when all are 1.
    channel_units : tuple of str
        Unit of each channel where they differ; empty otherwise.
    range_counts : tuple of float, optional
        Ends of the converter's range in counts, for the saturation check.
    counter : bool
        The device numbers its samples: `Chunk.index` is given and shows every loss. Else the
        index is what was received plus what the device times show to be missing.
    index_bits : int, optional
        Width of the device's counter, which wraps; None when it does not.
    index_restarts : bool
        The counter begins anew whenever the device is opened.
    timed : bool
        `Chunk.device_time` is given, one time per sample, on the device's or sender's clock.
    clock : str, optional
        Name of the stream whose clock and index `device_time` refer to (derived streams).
    facts : mapping of str to str
        What the device says of itself: manufacturer, model, serial_number, firmware,
        description, filtering, reference, source_id, xml ...
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    dtype: str = "int16"
    kind: str = "other"
    channel_scales: tuple[float, ...] = ()
    channel_units: tuple[str, ...] = ()
    range_counts: tuple[float, float] | None = None
    counter: bool = False
    index_bits: int | None = None
    index_restarts: bool = False
    timed: bool = False
    clock: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Stream:
        """The stream that ``dataclasses.asdict`` described, also by way of JSON.

        Keys of later versions are left out.
        """
        known = {field.name for field in fields(cls)}
        kept: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item
            for key, item in described.items()
            if key in known
        }
        return cls(**kept)

    @property
    def n_channels(self) -> int:
        """How many channels each sample has."""
        return len(self.channels)

    @property
    def is_regular(self) -> bool:
        """Whether samples follow each other at a nominal rate."""
        return self.rate_hz > 0

    @property
    def is_marker(self) -> bool:
        """Whether samples are texts."""
        return self.dtype == MARKER_DTYPE

    @property
    def is_electrical(self) -> bool:
        """Whether samples are potentials of the subject (`ElectricalSeries` in the file)."""
        return self.kind in ("ecephys", "eeg", "ieeg", "patch")

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample of all channels, without its device time."""
        return 0 if self.is_marker else self.n_channels * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples as they came from the device in one read.

    Attributes
    ----------
    samples : ndarray, (n_samples, n_channels)
        Raw counts in the device's dtype; texts as an object array for markers.
    index : ndarray, (n_samples,), integer, or None
        The device's own number of each sample, as delivered (it may wrap).
    device_time : ndarray, (n_samples,), float64, or None
        Time of each sample on the device's clock, seconds, as delivered.
    host_ns : int
        Arrival on the host, ``time.monotonic_ns()``.
    """

    samples: np.ndarray
    index: np.ndarray | None
    device_time: np.ndarray | None
    host_ns: int

    def __len__(self) -> int:
        return len(self.samples)
