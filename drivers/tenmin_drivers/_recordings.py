"""Recordings on disk as streams: NWB, XDF, EDF/BDF and NPZ, read piece by piece where possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tenmin.errors import DeviceError, DeviceMissing, LibraryMissing, MalformedData
from tenmin.stream import MARKER_DTYPE
from tenmin_drivers._lsl_info import ELECTRICAL, KINDS, common_unit, si_unit, unique_labels


@dataclass(frozen=True)
class Recording:
    """One series of a file.

    Attributes
    ----------
    piece : function (start, stop) -> ndarray, (n, n_channels)
        Its samples, as the file holds them.
    times : ndarray, (n,), float64, optional
        Seconds, where the file keeps a time per sample; else it is as regular as its rate.
    close : function
        Lets go of the file.
    """

    channels: tuple[str, ...]
    rate_hz: float
    n: int
    dtype: str
    piece: Callable[[int, int], np.ndarray]
    unit: str = "unknown"
    scale: float = 1.0
    offset: float = 0.0
    channel_scales: tuple[float, ...] = ()
    channel_units: tuple[str, ...] = ()
    kind: str = "other"
    times: np.ndarray | None = None
    facts: dict[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def open_recording(path: Path, wanted: str | None = None) -> Recording:
    """The series `wanted` of a file; the only or the largest one where that is not said.

    Raises
    ------
    DeviceMissing
        There is no such file, or no such series in it.
    MalformedData, DeviceError
        It cannot be read, or is of no known format.
    """
    readers = {".nwb": _nwb, ".xdf": _xdf, ".edf": _edf, ".bdf": _edf, ".npz": _npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DeviceError(
            f"{path.name} is of no format that can be replayed.",
            remedy=f"Known are {', '.join(readers)}.",
        )
    if not path.is_file():
        raise DeviceMissing(f"There is no file {path}.", remedy="Correct file in rig.toml.")
    try:
        recording = reader(path, wanted)
    except ImportError as error:
        raise LibraryMissing(
            f"{path.name} cannot be read: {error}", remedy="pip install 'tenmin[replay]'"
        ) from error
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise MalformedData(
            f"{path.name} cannot be read as {path.suffix[1:].upper()}: {error}.",
            remedy="Open it with the program that made it; choose another file.",
        ) from error
    if not recording.n:
        recording.close()
        raise MalformedData(f"{path.name} holds no samples.", remedy="Choose another file.")
    return recording


def _choose(series: dict[str, int], wanted: str | None, path: Path) -> str:
    """A name out of names and sizes."""
    if wanted is None and series:
        return max(series, key=lambda name: series[name])
    if wanted in series:
        return str(wanted)
    raise DeviceMissing(
        f"{path.name} holds no series {wanted!r}; it has {', '.join(series) or 'none'}.",
        remedy="Name one of them by stream in rig.toml.",
    )


def _npz(path: Path, wanted: str | None) -> Recording:
    """Arrays ``data``, ``rate_hz``, and if given ``channels``, ``unit``, ``scale``, ``kind``."""
    with np.load(path, allow_pickle=False) as file:
        data = np.ascontiguousarray(file[wanted or "data"])
        data = data[:, None] if data.ndim == 1 else data
        if data.ndim != 2 or data.dtype.kind not in "iuf":
            raise ValueError(f"{wanted or 'data'} is no table of numbers (samples, channels)")
        given = {key: file[key] for key in ("channels", "unit", "scale", "kind") if key in file}
        rate_hz = float(file["rate_hz"])
    labels = [str(label) for label in given.get("channels", [""] * data.shape[1])]
    if len(labels) != data.shape[1] or not rate_hz > 0:
        raise ValueError(f"{len(labels)} channels and {rate_hz:g} Hz for {data.shape[1]} columns")
    unit, scale = si_unit(str(given.get("unit", "")))
    return Recording(
        unique_labels(labels),
        rate_hz,
        len(data),
        data.dtype.name,
        lambda start, stop: data[start:stop].copy(),
        unit,
        scale * float(given.get("scale", 1.0)),
        kind=str(given.get("kind", "other")),
    )


def _edf(path: Path, wanted: str | None) -> Recording:
    """Digital values of the signals that share a sampling rate: that of `wanted`, or of most."""
    import edfio

    if path.suffix.lower() == ".bdf":
        file: Any = edfio.read_bdf(path)
    else:
        file = edfio.read_edf(path, lazy_load_data=True)
    if str(file.reserved).startswith(("EDF+D", "BDF+D")):
        raise ValueError("it is discontinuous (EDF+D)")
    labels = [signal.label for signal in file.signals]
    rates = Counter(signal.sampling_frequency for signal in file.signals)
    if wanted is not None and wanted not in labels:
        _choose(dict.fromkeys(labels, 1), wanted, path)
    rate_hz = (
        file.signals[labels.index(wanted)].sampling_frequency
        if wanted is not None
        else rates.most_common(1)[0][0]
    )
    signals = [signal for signal in file.signals if signal.sampling_frequency == rate_hz]
    steps = [np.ptp(signal.physical_range) / np.ptp(signal.digital_range) for signal in signals]
    steps = [
        -step if signal.physical_min > signal.physical_max else step
        for step, signal in zip(steps, signals)
    ]
    units = [si_unit(signal.physical_dimension) for signal in signals]
    zeros = [
        signal.physical_min - signal.digital_min * step for signal, step in zip(signals, steps)
    ]
    n = round(file.duration * rate_hz)
    facts = {"filtering": signals[0].prefiltering, "transducer": signals[0].transducer_type}
    counted = len({zero * scale for zero, (_, scale) in zip(zeros, units)}) == 1
    if not counted:  # a stream has one offset; where channels differ, physical values go out
        zeros = [0.0] * len(zeros)
    scales = [
        (name, scale * (step if counted else 1.0)) for (name, scale), step in zip(units, steps)
    ]
    kind = "eeg" if 2 * sum(name == "volts" for name, _ in units) > len(units) else "other"
    unit, scale, channel_scales, channel_units = common_unit(scales, kind in ELECTRICAL)

    def piece(start: int, stop: int) -> np.ndarray:
        columns = [
            (one.get_digital_slice if counted else one.get_data_slice)(
                start / rate_hz, stop / rate_hz
            )
            for one in signals
        ]
        return np.stack(columns, axis=1)

    return Recording(
        unique_labels([signal.label for signal in signals]),
        float(rate_hz),
        n,
        piece(0, 1).dtype.name,
        piece,
        unit,
        scale,
        zeros[0] * units[0][1],
        channel_scales,
        channel_units,
        kind,
        facts={key: text for key, text in facts.items() if text},
    )


def _xdf(path: Path, wanted: str | None) -> Recording:
    """One stream as it was received: raw stamps, no dejitter, no clock correction."""
    import pyxdf

    with path.open("rb") as file:  # ours, since pyxdf leaves a file open that is no XDF
        heads = {head["name"]: head for head in pyxdf.resolve_streams(file)}
    sizes = {name: int(head["channel_count"]) for name, head in heads.items()}
    name = _choose(sizes, wanted, path)
    with path.open("rb") as file:
        (stream,), _ = pyxdf.load_xdf(
            file,
            select_streams=[heads[name]["stream_id"]],
            synchronize_clocks=False,
            dejitter_timestamps=False,
            handle_clock_resets=False,
        )
    info, samples = stream["info"], stream["time_series"]
    count, rate_hz = int(info["channel_count"][0]), float(info["nominal_srate"][0])
    nodes = (((info.get("desc") or [None])[0] or {}).get("channels") or [None])[0] or {}
    nodes = (nodes.get("channel") or [])[:count]
    said = [
        {key: str((node.get(key) or [""])[0] or "") for key in ("label", "unit", "type")}
        for node in [*nodes, *[{}] * (count - len(nodes))]
    ]
    types = info["type"][0] or ""
    texts = isinstance(samples, list)
    if texts:
        table = np.array(samples, object).reshape(len(samples), count)
    else:
        table = np.ascontiguousarray(samples).reshape(-1, count)
    kind = next((kind for kind, names in KINDS.items() if types.lower() in names), None)
    kind = kind or ("marker" if texts else "other")
    units = [si_unit(one["unit"], one["type"], kind in ELECTRICAL) for one in said]
    unit, scale, channel_scales, channel_units = common_unit(units, kind in ELECTRICAL)
    return Recording(
        unique_labels([one["label"] for one in said]),
        rate_hz,
        len(table),
        MARKER_DTYPE if texts else table.dtype.name,
        lambda start, stop: table[start:stop].copy(),
        "n/a" if texts else unit,
        1.0 if texts else scale,
        channel_scales=() if texts else channel_scales,
        channel_units=() if texts else channel_units,
        kind=kind,
        times=np.asarray(stream["time_stamps"], np.float64),
        facts={"stream_name": name, "stream_type": types},
    )


def _nwb(path: Path, wanted: str | None) -> Recording:
    """A ``TimeSeries`` or ``ElectricalSeries`` of /acquisition or /processing, by name."""
    import h5py

    file = h5py.File(path, "r")
    try:
        found: dict[str, Any] = {}

        def note(name: str, node: Any) -> None:
            if not isinstance(node, h5py.Group) or not isinstance(node.get("data"), h5py.Dataset):
                return
            data, timed = node["data"], "starting_time" in node or "timestamps" in node
            if timed and data.ndim in (1, 2) and data.dtype.kind in "iuf":
                found[name.rpartition("/")[2]] = node

        for place in ("acquisition", "processing"):
            if place in file:
                file[place].visititems(note)
        name = _choose({key: node["data"].size for key, node in found.items()}, wanted, path)
        return _series(file, name, found[name])
    except Exception:
        file.close()
        raise


def _series(file: Any, name: str, node: Any) -> Recording:
    data, count = node["data"], node["data"].shape[1] if node["data"].ndim == 2 else 1
    times = None
    if "starting_time" in node:
        rate_hz = float(node["starting_time"].attrs["rate"])
    else:
        times = node["timestamps"][:].astype(np.float64)
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        rate_hz = 1.0 / step if step > 0 else 0.0
    electrical = str(_text(node.attrs.get("neurodata_type", ""))) == "ElectricalSeries"
    scales = node["channel_conversion"][:] if "channel_conversion" in node else np.ones(count)
    return Recording(
        _labels(file, node, count),
        rate_hz,
        len(data),
        data.dtype.name,
        lambda start, stop: np.ascontiguousarray(data[start:stop]).reshape(-1, count),
        "volts" if electrical else _text(data.attrs.get("unit", "unknown")),
        float(data.attrs.get("conversion", 1.0)),
        float(data.attrs.get("offset", 0.0)),
        () if (scales == 1).all() else tuple(scales.tolist()),
        kind="ecephys" if electrical else "other",
        times=times,
        facts={"stream_name": name},
        close=file.close,
    )


def _labels(file: Any, node: Any, count: int) -> tuple[str, ...]:
    """Names of the electrodes, where their table has any."""
    table = file.get("general/extracellular_ephys/electrodes")
    if "electrodes" in node and table is not None:
        for column in ("channel_name", "label"):
            if column in table:
                names = [_text(name) for name in table[column][:]]
                return unique_labels([names[row] for row in node["electrodes"][:]])
    return unique_labels([""] * count)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
