"""The areas of the program that are measured, each by a module of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line reads the names alone, and has to answer at once
    from tenmin.bench.growth import Table
    from tenmin.bench.rows import Row
    from tenmin.bench.setting import Setting

AREAS = {
    "ring": "rings",
    "checks": "checks",
    "journal": "journals",
    "finaliser": "nwb",
    "telemetry": "telemetry",
    "start-up": "startup",
    "growth": "growth",
    "pipeline": "pipeline",
}
UNMEASURED = "what was still to be measured"


def measure(area: str, setting: Setting) -> Iterable[Row | Table]:
    """The rows and tables of an area, each as soon as it is measured.

    Parameters
    ----------
    area : str
        One of `AREAS`; its module's ``rows`` is called.
    """
    found: Iterable[Row | Table] = importlib.import_module(f"tenmin.bench.{AREAS[area]}").rows(
        setting
    )
    return found


def outlived(
    area: str, rows: Callable[[], Iterable[Row | Table]], log: Callable[[Exception], None]
) -> Iterator[Row | Table]:
    """What an area measures; an error ends this area alone, as a row that fails.

    Parameters
    ----------
    area : str
        Named in that row.
    rows : callable
        Measures.
    log : callable
        Is given the error.
    """
    from tenmin.bench.rows import Row, why

    try:
        yield from rows()
    except Exception as error:
        log(error)
        yield Row(area, UNMEASURED, note=why(error), failed=True)
