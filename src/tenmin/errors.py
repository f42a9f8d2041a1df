"""Everything that can go wrong at a rig: what happened, and what to do next."""

from __future__ import annotations


class RigError(Exception):
    """Root of all errors that an operator may see.

    Parameters
    ----------
    message : str
        What happened: which device, which file, which number.
    remedy : str, optional
        What to do next; the class's own remedy where none is given.

    Attributes
    ----------
    exit_code : int
        What a command ends with (design: 2 file or usage, 3 device, port or disk, 4 interrupted).
    """

    remedy = "Run the command again with --debug and report what it prints."
    exit_code = 3

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{super().__str__()} {self.remedy}"

    @property
    def message(self) -> str:
        """What happened, without the remedy."""
        return super().__str__()


class UsageError(RigError):
    """A command was called wrongly."""

    remedy = "See --help."
    exit_code = 2


class FaultyFile(RigError):
    """A rig, subject or protocol file cannot be used; `faults` lists every fault at once."""

    remedy = "Mend every line named above, then run `tenmin check` on the file."
    exit_code = 2

    def __init__(self, message: str, faults: tuple[str, ...] = (), **kwargs: str) -> None:
        super().__init__("\n  ".join((message, *faults)), **kwargs)
        self.faults = faults


class UnknownName(RigError):
    """No driver, simulator or protocol has this name."""

    remedy = "Check the spelling, or install the package that provides it."
    exit_code = 2


class AmbiguousName(RigError):
    """Several installed distributions register the same name."""

    remedy = "Uninstall all but one of the packages named above."
    exit_code = 2


class RigBusy(RigError):
    """Another engine or acquirer holds this rig."""

    remedy = "See it with `tenmin status`, join it with `tenmin attach`, or wait until it ends."
    exit_code = 2


class DeviceError(RigError):
    """A device could not be opened or misbehaves."""

    remedy = "Check its power, its cable and the endpoint in rig.toml, then retry."


class DeviceMissing(DeviceError):
    """A device or stream named in rig.toml is not there."""

    remedy = "Switch it on, check its cable and the name in rig.toml, then retry."


class NoChannels(DeviceError):
    """A device is there, but has no channel that could be recorded."""

    remedy = "Switch channels on in the device's software, or name another stream in rig.toml."
    exit_code = 2


class DeviceLost(DeviceError):
    """A device that had been delivering is gone; it is opened again until it is back."""

    remedy = "Check its cable and power; recording goes on and the hole is counted as a gap."


class StreamStalled(DeviceError):
    """A device is open but has been silent for longer than its driver allows."""

    remedy = "Check the cable and that the device is running; recording goes on."


class StreamNeverStarted(DeviceError):
    """A required stream delivered nothing at all."""

    remedy = "Start the device or its software, then run the block again."


class MalformedData(DeviceError):
    """A device sent bytes that its protocol does not allow."""

    remedy = "Check that the driver in rig.toml fits the device and its firmware."


class LibraryMissing(DeviceError):
    """A driver needs a vendor library that is not installed."""

    remedy = "Install the extra of this driver: pip install 'tenmin[DRIVER]'."


class PortInUse(DeviceError):
    """A port or socket that is needed belongs to another program."""

    remedy = "End the other program or name another port."


class DiskFull(RigError):
    """The disk has no room for what is about to be, or was being, recorded."""

    remedy = "Free space or choose another disk with --out; what was recorded is kept."


class DiskTooSlow(RigError):
    """The disk takes less per second than the streams bring."""

    remedy = (
        "Choose a faster disk with --out, end other programs that write to this one, or record "
        "fewer channels; what was recorded is kept."
    )


class DiskError(RigError):
    """The disk refuses to be written or read."""

    remedy = "Check that the folder exists and may be written; what was recorded is kept."


class JournalDamaged(RigError):
    """A journal cannot be read as far as is needed."""

    remedy = "Keep the folder as it is and run `tenmin recover DIR`."


class EngineGone(RigError):
    """The engine does not answer."""

    remedy = "A block goes on without it; `tenmin status` shows it, `tenmin recover` makes a file."


class MessageRefused(RigError):
    """The engine refused a command; the message says why."""

    remedy = "Nothing was changed. Correct the command and send it again."
    exit_code = 2


class BlockAborted(RigError):
    """The block ended before its time; what was recorded is kept and marked."""

    remedy = "The data so far are kept; see the reason above before starting again."
