"""The order of the tests, and no clock in them."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A kernel is compiled at its first example, and shared machines pause.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that record in real time first: whole blocks wait more than they work."""
    items.sort(key=lambda item: "system" not in item.path.parts)  # stable: order within stays
