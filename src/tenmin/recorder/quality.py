"""The checks' findings as NWB has them: masks, values, clean seconds, bad channels, a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.checks.grid import BINS_PER_S
from tenmin.checks.lattice import BITS
from tenmin.recorder.chunks import LEVEL
from tenmin.recorder.electrodes import STATUS
from tenmin.recorder.found import Quality, read_quality
from tenmin.recorder.judged import Judgement, nwb_times, rows_of
from tenmin.recorder.tables import FEWEST_ROWS, Column, dynamic_table, intervals
from tenmin.stream import Stream

if TYPE_CHECKING:
    from tenmin.recorder.contents import Block

ELECTRODES = "/general/extracellular_ephys/electrodes"
CHUNK_ROWS = 600
COMMENT = "Columns are the channels of {}, in order."


def mark_channels(file: Any, judged: Mapping[str, Judgement]) -> None:
    """Fill the electrodes' columns `STATUS`, which the skeleton made.

    Parameters
    ----------
    file : h5py.File
    judged : mapping of str to Judgement
    """
    if ELECTRODES not in file:
        return
    table = file[ELECTRODES]
    for name, one in judged.items():
        region = file.get(f"acquisition/{name}/electrodes")
        if region is None:
            continue
        for column, told in zip(STATUS, (one.status, one.reasons)):
            values = table[column][:]
            values[region[:]] = told
            table[column][:] = values


def add_quality(nwb: Any, block: Block) -> None:
    """Add masks and values of every stream, and the table of the checks."""
    for one in block.judged.values():
        before = read_quality(block.folder, one.stream.name, t0=False, missing=())
        if one.found is not None:
            _add_stream(_module(nwb, one.stream), one, one.found)
        if before is not None and before.channels == one.stream.channels:
            # The checks begin with the devices, before NWB time zero, where settling begins.
            starts = _edges(before, block, one.stream)[:-1:BINS_PER_S]
            before = before.since(int(np.searchsorted(starts, 0.0)))
            edges = _edges(before, block, one.stream)
            _add_values(_module(nwb, one.stream), before, edges, "_settling")
    table = checks_table(block)
    if table is not None:
        nwb.add_analysis(table)
    parameters = block.told.get("checks")
    if parameters:
        sha256 = (block.told.get("hashes") or {}).get("checks", "unknown")
        add_text(nwb, "check_parameters", "Parameters of all checks", parameters, sha256)


def add_text(nwb: Any, name: str, what: str, content: Mapping[str, Any], sha256: str) -> None:
    """Add parameters or rules as a text, with their hash."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    told = f"{what}, one JSON object; SHA-256 of this text as the checks had it: {sha256}."
    nwb.add_scratch(text, name=name, description=told)


def _module(nwb: Any, stream: Stream) -> Any:
    name = "icephys" if stream.kind == "patch" else "ecephys"
    if name not in nwb.processing:
        nwb.create_processing_module(
            name=name, description="What the checks found in the electrical signals, live."
        )
    return nwb.processing[name]


def _edges(found: Quality, block: Block, stream: Stream) -> np.ndarray:
    """NWB seconds of the borders of the bins."""
    bins = np.arange(len(found.judged) * BINS_PER_S + 1) + found.first * BINS_PER_S
    return nwb_times(block, stream)(found.grid.origin + bins * stream.rate_hz / BINS_PER_S)


def _add_stream(module: Any, judged: Judgement, found: Quality) -> None:
    name = found.stream
    if not len(found.judged):
        return
    codes = ", ".join(f"{bit} {word}" for word, bit in BITS.items())
    _add_arrays(
        module,
        found,
        judged.edges,
        {
            f"{name}_mask": (
                found.bits.reshape(-1, len(found.channels)),
                "n/a",
                f"Mask lattice of {name} from t0 on, a row per 0.1 s: sum of bit codes, {codes}. "
                f"0 is free, or not judged: see {name}_clean.",
            ),
            f"{name}_clean": (
                judged.clean,
                "n/a",
                f"Whether each second of {name} from t0 on is clean: 1 yes, 0 no, -1 not judged. "
                "Clean: no gap, sync valid, and four fifths of the channels that are not bad free "
                "of all bits but line, eye and motion (science.md 0.2).",
            ),
        },
    )
    _add_values(module, found, judged.edges)


def _add_values(module: Any, found: Quality, edges: np.ndarray, suffix: str = "") -> None:
    when = "from t0 on" if not suffix else "while settling, before t0 was known"
    arrays = {}
    for k, check in enumerate(found.checks):
        values = found.values[:, k]
        if not np.isfinite(values).any():
            continue  # nothing but unknown, as the table of the checks says
        limits = [f"{key} at {check[key]:g}" for key in ("warn", "fail") if check[key] is not None]
        arrays[f"{found.stream}_{check['name']}{suffix}"] = (
            values,
            check["unit"],
            f"Check {check['name']} ({check['id']}) of {found.stream}, a value per second {when}; "
            f"NaN is unknown. Limits: {', '.join(limits) or 'none'}. Reference: "
            f"{check['reference']}. Parameters: SHA-256 {found.sha256}.",
        )
    _add_arrays(module, found, edges, arrays, suffix)


Arrays = Mapping[str, tuple[np.ndarray, str, str]]


def _add_arrays(
    module: Any, found: Quality, edges: np.ndarray, arrays: Arrays, suffix: str = ""
) -> None:
    """Add series; of those with more channels than rows a table, which may be wider than long."""
    from pynwb import TimeSeries

    short = {}
    for name, (data, unit, description) in arrays.items():
        if data.ndim > 1 and data.shape[1] > len(data):
            short[name] = data, unit, description
            continue
        n = len(data)
        module.add(
            TimeSeries(
                name=name,
                data=packed(data),
                unit=unit,
                description=description,
                comments=COMMENT.format(found.stream) if data.ndim > 1 else "no comments",
                starting_time=max(0.0, float(edges[0])),
                rate=float(n / (edges[-1] - edges[0])),
            )
        )
    n = len(found.judged)
    if short and n >= FEWEST_ROWS:
        table = _short_table(found, edges, short, suffix)
        if table.name in module.data_interfaces:
            for column in table.columns[2:]:
                module[table.name].add_column(
                    name=column.name, description=column.description, data=column.data
                )
        else:
            module.add(table)


def _short_table(found: Quality, edges: np.ndarray, arrays: Arrays, suffix: str) -> Any:
    """The same values as a table with a row per second."""
    n = len(found.judged)
    columns = [
        Column(name, f"{description} Unit: {unit}.", data.reshape(n, -1, data.shape[1]).squeeze(1))
        if len(data) == n
        else Column(name, f"{description} Unit: {unit}.", data.reshape(n, -1, data.shape[1]))
        for name, (data, unit, description) in arrays.items()
    ]
    return intervals(
        f"{found.stream}_quality{suffix}",
        f"What the checks found in {found.stream}, a row per second. Fewer rows than channels: "
        "longer recordings have a series of each column.",
        [
            Column("start_time", "", np.maximum(0.0, edges[:-1:BINS_PER_S])),
            Column("stop_time", "", edges[BINS_PER_S::BINS_PER_S]),
            *columns,
        ],
    )


def packed(data: np.ndarray) -> Any:
    """An array compressed as every HDF5 reader unpacks it, in chunks of whole rows."""
    from pynwb import H5DataIO

    rows = min(len(data), CHUNK_ROWS * (10 if data.dtype.itemsize == 2 else 1))
    return H5DataIO(
        data,
        chunks=(rows, *data.shape[1:]),
        compression="gzip",
        compression_opts=LEVEL,
        shuffle=True,
    )


def checks_table(block: Block) -> Any:
    """``checks``: what each check came to in the canonical window."""
    rows = [row for one in block.judged.values() for row in rows_of(one, block.told)]
    if len(rows) < FEWEST_ROWS:
        return None

    def column(name: str, description: str) -> Column:
        return Column(name, description, _values([getattr(row, name) for row in rows]))

    return dynamic_table(
        "checks",
        "What the checks found in the canonical window, a row per stream and check. UNKNOWN is "
        "what could not be judged; it is never OK. A channel without samples is judged by its "
        "gaps. Shares are of seconds times channels.",
        [
            column("stream", "Name of the stream."),
            column("check", "Name of the check."),
            column(
                "level",
                "FAIL where a channel failed in more than a fifth of the seconds; WARN where the "
                "level was on anywhere; UNKNOWN where a channel was not judged in more than a "
                "fifth; else OK.",
            ),
            column("value", "Median of the values; seconds and channels where these are counted."),
            column("limit", "Of the lower level that the check has; the target of clean time."),
            column("unit", "Of value and limit."),
            column("warn_share", "Share at level WARN."),
            column("fail_share", "Share at level FAIL."),
            column("unknown_share", "Share that could not be judged."),
            column("reference", "Where the rule comes from."),
        ],
    )


def _values(values: Sequence[Any]) -> Any:
    return list(values) if isinstance(values[0], str) else np.array(values, np.float64)
