"""Readers for the real recordings beside the project; each a few lines, for tests alone."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np

from tenmin.stream import Stream

DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Recorded:
    """One stream of a file, as its device delivered it.

    Attributes
    ----------
    stream : Stream
    counts : ndarray, (n, n_channels)
    index : ndarray, (n,), or None
        The device's own number of each sample.
    times : ndarray, (n,), or None
        Seconds, as stamped.
    """

    stream: Stream
    counts: np.ndarray
    index: np.ndarray | None = None
    times: np.ndarray | None = None


def eeg_stream(
    name: str,
    channels: tuple[str, ...],
    rate_hz: float,
    microvolts: float,
    ends: tuple[float, float] | None,
    *,
    dtype: str = "int32",
    kind: str = "eeg",
    **fields: object,
) -> Stream:
    """A stream of so many microvolts a count."""
    return Stream(
        name, channels, rate_hz, "volts", scale=microvolts * 1e-6, dtype=dtype, kind=kind,
        range_counts=ends, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


CYTON_UV = 4.5 / 24 / (2**23 - 1) * 1e6  # ADS1299 at gain 24: 0.0224 microvolts


def cyton(path: Path) -> Recorded:
    """An OpenBCI text log of eight channels, 250 Hz, with its sample index mod 256."""
    with gzip.open(path, "rt") as file:
        lines = [line for line in file if line[:1].isdigit()]
    rows = np.array([[float(v) for v in line.split(",")[:9]] for line in lines])
    counts = np.rint(rows[:, 1:] / CYTON_UV).astype(np.int32)
    ends = float(2**23 - 1)
    stream = eeg_stream(
        "cyton", tuple(f"E{c}" for c in range(1, 9)), 250.0, CYTON_UV, (-ends, ends),
        counter=True, index_bits=8,
    )  # fmt: skip
    return Recorded(stream, counts, rows[:, 0].astype(np.int16))


MUSE_UV = 2000.0 / 2**12


def muse(path: Path) -> Recorded:
    """A Muse CSV: four electrodes, 256 Hz, 12 bits over +-1 mV, with LSL's time stamps."""
    with gzip.open(path, "rt") as file:
        file.readline()
        rows = np.loadtxt(file, delimiter=",", usecols=range(5))
    counts = np.rint(rows[:, 1:] / MUSE_UV).astype(np.int16)
    stream = eeg_stream(
        "muse", ("TP9", "AF7", "AF8", "TP10"), 256.0, MUSE_UV, (-2048.0, 2047.0),
        dtype="int16", timed=True,
    )  # fmt: skip
    return Recorded(stream, counts, None, rows[:, 0])


def biosignalsplux(path: Path, channel: str, device: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of a channel and the packet counter of an OpenSignals file."""
    with h5py.File(path) as file:
        raw = file[sorted(file)[device]]["raw"]
        return raw[channel][:, 0].astype(np.int64), raw["nSeq"][:, 0].astype(np.int64)


def edf(path: Path) -> Recorded:
    """An EDF of one sampling rate; 0.1 microvolts a count, ends of the range not told."""
    import mne

    raw = mne.io.read_raw(path, preload=True, verbose="error")
    raw.pick("eeg")
    microvolts = raw.get_data().T * 1e6
    names = tuple(name.strip(".") for name in raw.ch_names)
    stream = eeg_stream(path.stem, names, float(raw.info["sfreq"]), 0.1, None, counter=True)
    return Recorded(stream, np.rint(microvolts * 10).astype(np.int32), np.arange(len(microvolts)))


def mouse_eeg(path: Path) -> Recorded:
    """A sleep-scoring text of three potentials, 128 Hz, microvolts."""
    with gzip.open(path, "rt", encoding="latin-1") as file:
        lines = [line for line in file if line[:2].isdigit()]
    rows = np.array([[float(v) for v in line.split(",")[1:4]] for line in lines])
    stream = eeg_stream(
        "mouse", ("EEG", "CH2", "EMG-like"), 128.0, 0.01, None, kind="ieeg", counter=True
    )
    return Recorded(stream, np.rint(rows * 100).astype(np.int32), np.arange(len(rows)))


def eye_state(path: Path) -> tuple[Recorded, np.ndarray]:
    """UCI's EEG eye state: 14 channels of 128 Hz, and the label of each sample (1 closed)."""
    with gzip.open(path, "rt") as file:
        lines = file.read().splitlines()
    names = tuple(line.split()[1] for line in lines if line.startswith("@ATTRIBUTE"))[:14]
    first = lines.index("@DATA") + 1
    rows = np.array([[float(v) for v in line.split(",")] for line in lines[first:] if line])
    uv = rows[:, :14] - 4200.0
    stream = eeg_stream("emotiv", names, 128.0, 0.51, (-8200.0, 8200.0), counter=True)
    counts = np.clip(np.rint(uv / 0.51), -(2**30), 2**30).astype(np.int32)
    return Recorded(stream, counts, np.arange(len(rows))), rows[:, 14].astype(int)


WALL = "%Y-%m-%d_%H:%M:%S.%f"  # of the wheels' logs


def seconds_of(stamps: list[str], form: str) -> np.ndarray:
    """Texts of wall times as seconds since the first."""
    found = [datetime.strptime(s, form) for s in stamps]
    return np.array([(t - found[0]).total_seconds() for t in found])


@dataclass(frozen=True)
class Abf:
    """What a membrane test needs of an ABF 2 file.

    Attributes
    ----------
    sweeps : ndarray, (n_sweeps, n)
        Of the first channel, in its own unit (pA or mV).
    rate_hz, low_pass_hz : float
    step, stop : int
        Samples at which the first epoch that differs from holding begins and ends.
    step_mv : float
        Its height.
    """

    sweeps: np.ndarray
    rate_hz: float
    low_pass_hz: float
    step: int
    stop: int
    step_mv: float


PROTOCOL = "<hfb3sIffiiiiihhhfhhhfffifhfhiiihfihffii"
ADC = "<hhhfffhfhhffffffff"
OLD = {"n": 10, "data": 40, "interval": 122, "range": 244, "resolution": 252}
OLD_GAINS = (922, 1050, 730)  # instrument, signal, programmable; of the first channel
OLD_TELEGRAPH = (4512, 4576)  # enabled, gain


def abf(path: Path) -> Abf:
    """Read an ABF file of one channel.

    References
    ----------
    The layout as pyABF documents it: sections of 512-byte blocks, listed from byte 76 on.
    """
    data = path.read_bytes()
    if data[:4] == b"ABF ":
        return _old_abf(data)
    protocol = struct.unpack_from(PROTOCOL, data, _section(data, 76)[0])
    adc = struct.unpack_from(ADC, data, _section(data, 92)[0])
    scale = protocol[34] / protocol[36] / (adc[13] * adc[15] * adc[10])
    filter_hz = float(adc[17])
    if adc[1]:  # the amplifier tells its gain and filter
        scale, filter_hz = scale / adc[3], min(filter_hz, float(adc[4]))
    start, _, n = _section(data, 236)
    values = np.frombuffer(data, "<i2", n, start) * scale + adc[14] - adc[16]
    sweeps = values.reshape(struct.unpack_from("<I", data, 12)[0], -1)
    step, stop, height = _first_step(data, sweeps.shape[1])
    return Abf(sweeps, 1e6 / protocol[1], filter_hz, step, stop, height)


def _old_abf(data: bytes) -> Abf:
    """ABF 1, recorded without a gap."""

    def number(form: str, at: int) -> float:
        return float(struct.unpack_from("<" + form, data, at)[0])

    gain = np.prod([number("f", at) for at in OLD_GAINS])
    if number("h", OLD_TELEGRAPH[0]):
        gain *= number("f", OLD_TELEGRAPH[1])
    scale = number("f", OLD["range"]) / number("i", OLD["resolution"]) / gain
    start, n = int(number("i", OLD["data"])) * 512, int(number("i", OLD["n"]))
    values = np.frombuffer(data, "<i2", n, start) * scale
    return Abf(values[None], 1e6 / number("f", OLD["interval"]), 0.0, 0, 0, 0.0)


def _section(data: bytes, at: int) -> tuple[int, int, int]:
    """Start, size of an entry, and number of entries."""
    block, size, count = struct.unpack_from("<IIq", data, at)
    return block * 512, size, count


def _first_step(data: bytes, length: int) -> tuple[int, int, float]:
    at, size, n = _section(data, 108)
    levels = [struct.unpack_from("<hhfff", data, at + k * size) for k in range(n)]
    holding = {dac[0]: dac[4] for dac in levels}
    at, size, n = _section(data, 156)
    first = length // 64  # Clampex holds for so long before the first epoch
    for k in range(n):
        _, dac, kind, level, _, duration, _ = struct.unpack_from("<hhhffii", data, at + k * size)
        if dac != 0:
            continue
        if kind == 1 and level != holding[dac] and duration > 50:
            return first, first + duration, level - holding[dac]
        first += duration
    return 0, 0, 0.0
