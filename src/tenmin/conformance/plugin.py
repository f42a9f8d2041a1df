"""The option ``--driver``: an entry point of pytest, which reads options before any conftest."""

from __future__ import annotations

import contextlib
from typing import Any


def pytest_addoption(parser: Any) -> None:
    """Add ``--driver``, unless another plugin (pytest-selenium) has one of that name."""
    with contextlib.suppress(ValueError):
        parser.addoption(
            "--driver",
            action="append",
            metavar="NAME",
            help="driver for tenmin.conformance to check, by its entry point; several times for "
            "several; default: all",
        )
