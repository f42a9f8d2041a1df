"""What the core sees of a device: three calls and a stream description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from tenmin.stream import Chunk, Stream

STALL_S = 0.2  # a silent `read` returns at the latest after this time, by StreamStalled


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """One ``[[device]]`` of rig.toml; a driver adds its own keys in a subclass named ``Config``.

    Every field is a key of the table, checked by type; a field without a default is required.

    Attributes
    ----------
    name : str
        The stream's name in every file.
    driver : str
        Entry point of the group ``tenmin.drivers``.
    primary : bool
        Its sample counter is the reference clock of the block.
    required : bool
        The block cannot start without it.
    isolate : bool, optional
        Run the driver in a process of its own; None leaves it to the driver: its class may have
        an attribute ``isolate``, true for one that loads native code of a vendor.
    kind : str, optional
        Overrides the kind of stream that the driver reports (see `Stream.kind`).
    serial_number : str, optional
        Binds the table to one physical device.
    description, manufacturer, model : str, optional
        Facts about the device for the file, where it does not tell them itself.
    facts : dict of str to str
        Any further facts for the file: location, reference, filtering ...
    """

    name: str
    driver: str = ""
    primary: bool = False
    required: bool = True
    isolate: bool | None = None
    kind: str | None = None
    serial_number: str | None = None
    description: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    facts: dict[str, str] | None = None


@runtime_checkable
class Driver(Protocol):
    """A device that is read: ``start``, ``read`` until told to ``stop``.

    A driver is made by ``DriverClass(config)``; ``DriverClass(config, connect)`` takes another
    transport, which is the seam a simulator or a test fills. Making one touches no hardware.

    Attributes
    ----------
    stream : Stream
        What it delivers; known at the latest when `start` has returned.
    """

    Config: ClassVar[type[DeviceConfig]]
    stream: Stream

    def start(self) -> None:
        """Open the device and let it run.

        Raises
        ------
        DeviceMissing
            It is not there.
        DeviceError
            It is there and refuses.
        """

    def read(self) -> Chunk:
        """Return what is new, at least one sample.

        Raises
        ------
        StreamStalled
            Nothing came for `STALL_S`; calling again is allowed.
        DeviceLost
            The device is gone; only `stop` and then `start` are allowed.
        """

    def stop(self) -> None:
        """Close the device; may be called twice, and before `start`."""


@runtime_checkable
class Derived(Protocol):
    """A driver without a device of its own: it makes its samples from another stream's.

    A driver class is used this way when ``config.source`` names a stream (``"probe:384"``).
    Its stream has ``clock`` set to the source's name and ``timed`` true: `device_time` is the
    source's index divided by the source's nominal rate.
    """

    Config: ClassVar[type[DeviceConfig]]
    stream: Stream

    def bind(self, source: Stream) -> None:
        """Take the description of the source stream, once it is known."""

    def feed(self, chunk: Chunk) -> Chunk | None:
        """Return what this piece of the source adds, or None.

        `chunk.index` is continuous within a chunk and never wraps; a jump from one chunk to the
        next is a gap.
        """


@runtime_checkable
class Corrected(Protocol):
    """A driver whose sender has a clock of its own that the transport measures (LSL)."""

    def correction(self) -> float | None:
        """Seconds to add to a device time to put it on the host's monotonic clock.

        None while unknown. Never blocks for longer than 20 ms.
        """


@dataclass(frozen=True, slots=True)
class Impedance:
    """One measurement of a device's electrodes.

    Attributes
    ----------
    ohm : mapping of str to float
        By channel, in the order of `Stream.channels`; NaN where it failed.
    hz : float
        Frequency of the current.
    """

    ohm: Mapping[str, float]
    hz: float


@runtime_checkable
class Measures(Protocol):
    """A driver whose device measures impedances.

    It is asked when the device was opened for a block, and again after the block's end; never
    between the two, when the current would be in the recording.
    """

    def impedance(self) -> Impedance:
        """Measure every channel: between two calls of `read`, in that thread.

        Raises
        ------
        DeviceError
            The measurement failed; reading goes on.
        """


@runtime_checkable
class Rehearsal(Protocol):
    """The far side of one device's wire while a test drives it.

    A simulator's module gives it by ``rehearse(**options)``, beside ``run``; it is delivering
    when `rehearse` returns.

    Attributes
    ----------
    config : mapping of str to object
        Keys of rig.toml with which the driver of the same name finds it (``port``,
        ``stream_name`` ...), without ``name`` and ``driver``.
    truth : mapping of str to object
        What it really sends, as far as a test may want to know; may be empty.
    faults : tuple of str
        Which of ``"pause"`` and ``"unplug"`` it can do; a test of another fault is skipped.
    """

    config: Mapping[str, Any]
    truth: Mapping[str, Any]
    faults: tuple[str, ...]

    def pause(self) -> None:
        """Send nothing more, the wire left open."""

    def resume(self) -> None:
        """Go on sending after `pause`; what was not sent in between is missing."""

    def unplug(self) -> None:
        """Cut the wire: close the port, kill the sender."""

    def replug(self) -> None:
        """Bring the device back after `unplug`, to be found with the same `config`."""

    def close(self) -> None:
        """End it; may be called twice, and in any state."""


def is_derived(config: Any) -> bool:
    """Whether a device is made from another stream of the same rig."""
    source = getattr(config, "source", None)
    return bool(source) and not getattr(config, "port", None)
