"""Tables as NWB and its validators want them: no JSON, no lone row, no column of nothing.

Each rule answers one message of nwbinspector 0.7 (metadata.md 2.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DICT = re.compile(r"({.+:.+})", re.DOTALL)  # what the inspector takes for a dictionary
PAIRS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"hit", "miss"})
FEWEST_ROWS = 2


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name, description : str
        As in the file.
    values : sequence
        One per row: numbers, or texts.
    """

    name: str
    description: str
    values: Any


def vector_data(column: Column) -> Any:
    """The column as pynwb's VectorData, or None where it says nothing (all NaN)."""
    from hdmf.common import VectorData

    values = stored(column.values)
    if values.dtype.kind == "f" and np.isnan(values).all():
        return None
    data = values.tolist() if values.dtype.kind == "O" else values
    told = column.description + (" Bytes of UTF-8." if values.dtype.kind == "S" else "")
    return VectorData(name=column.name, description=told, data=data)


def stored(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Values in the type they get in the file.

    Texts that hold a dictionary, or only yes and no, are kept as bytes of UTF-8, and numbers that
    are only 0 and 1 as one byte each: the same values, not mistaken for something else.
    """
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        return _texts([str(value) for value in values])
    if array.dtype.kind in "iuf" and set(np.unique(array).tolist()) == {0, 1}:
        return array.astype(np.int8)
    return array


def _texts(values: list[str]) -> np.ndarray:
    values = [value.replace("\0", "\\0") for value in values]  # HDF5 texts end at a zero
    mistaken = {value.lower() for value in values} in PAIRS
    if mistaken or any(DICT.search(value) for value in values):
        return np.array([value.encode() for value in values])
    return np.array(values, object)


def spoken(text: str) -> str:
    """A text for a table cell that no one takes for a dictionary."""
    return text.replace("{", "(").replace("}", ")") if DICT.search(text) else text


def intervals(name: str, description: str, columns: Sequence[Column]) -> Any:
    """A TimeIntervals table; the first two columns are start and stop, in ascending order."""
    from pynwb.epoch import TimeIntervals

    table = TimeIntervals(name=name, description=description)
    for column in columns[2:]:
        table.add_column(name=column.name, description=column.description)
    rows = zip(*(column.values for column in columns))
    for start, stop, *rest in sorted(rows, key=lambda row: (row[0], row[1])):
        named = {c.name: value for c, value in zip(columns[2:], rest)}
        table.add_row(start_time=float(start), stop_time=float(stop), **named)
    return table


def dynamic_table(name: str, description: str, columns: Sequence[Column]) -> Any:
    """A plain table; columns that hold nothing but NaN are left out."""
    from hdmf.common import DynamicTable

    made = [made for column in columns if (made := vector_data(column)) is not None]
    return DynamicTable(name=name, description=description, columns=made)


def events_table(
    name: str,
    description: str,
    source: str,
    timestamps: np.ndarray,
    columns: Sequence[Column],
    resolution_s: float | None = None,
) -> Any:
    """An EventsTable in the order of time."""
    from hdmf.common import VectorData
    from pynwb.event import EventsTable, TimestampVectorData

    order = np.argsort(timestamps, kind="stable")
    made: list[VectorData] = [
        TimestampVectorData(
            name="timestamp",
            description="Time of the event, seconds of the file's time base.",
            data=np.asarray(timestamps, np.float64)[order],
            resolution=resolution_s,
        )
    ]
    for column in columns:
        values = np.asarray(column.values)[order]
        data = vector_data(Column(column.name, column.description, values))
        if data is not None:
            made.append(data)
    return EventsTable(name=name, description=description, source_description=source, columns=made)
