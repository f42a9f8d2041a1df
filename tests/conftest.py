"""The order of the tests: whole blocks wait more than they work, so they begin first."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that record in real time before those that only compute."""
    items.sort(key=lambda item: "system" not in item.path.parts)  # stable: order within stays
