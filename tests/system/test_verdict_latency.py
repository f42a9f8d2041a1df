"""From a fault in the signal to the verdict on the telemetry socket; scored by tests.scoring."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scoring.socket import SHORT, latencies

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("verdict latency")]

GENEROUS_S = 10.0  # on a busy computer; the scores have the limits of science.md E.2


@pytest.fixture(scope="module")
def late_s(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Of each fault of a short block."""
    folder: Path = tmp_path_factory.mktemp("latency")
    return {fault.kind: wait_s for fault, wait_s in latencies(1, SHORT, folder, first_s=2.5)}


@pytest.mark.parametrize("kind", [fault.kind for fault in SHORT])
def test_a_fault_is_heard_on_the_telemetry_socket(late_s: dict[str, float], kind: str) -> None:
    assert 0.0 < late_s[kind] < GENEROUS_S
