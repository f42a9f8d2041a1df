"""Every fault of the generators, G5 to G14 of science.md E.1, can be had on command."""

import functools
import importlib

import pytest
from tenmin_simulators.options import FAULTS, SimOptions, parse_fault, required
from tenmin_simulators.play import Rig
from tenmin_simulators.sender import Sender

SIMULATORS = ("quick", "human_eeg", "camera", "imaging", "patch", "environment", "treadmill")
AMOUNTS = {"CHANNEL": ("0", "1"), "S": ("2",), "N": ("3",), "TAU": ("50",)}
WHERE = {  # whose generator plays it
    "human_eeg": ("nan", "muscle", "blink", "eyes_closed", "sem", "drowsy"),
    "camera": ("blink", "eyes_closed", "exposure", "drowsy", "quiet", "active", "run"),
    "imaging": ("shift", "focus", "overexpose", "bleach"),
    "patch": ("access", "seal", "ljp", "nan"),
    "environment": ("lux", "sound", "warm", "nan"),
}


@functools.cache
def rig(name: str) -> Rig:
    return importlib.import_module(f"tenmin_simulators.{name}").build(SimOptions(seed=1))


def fault_of(kind: str):
    channels = iter(AMOUNTS["CHANNEL"])
    told = [next(channels) if m == "CHANNEL" else AMOUNTS.get(m, ("5",))[0] for m in required(kind)]
    return parse_fault(":".join([f"{kind}@1", *told]))


@pytest.mark.parametrize("kind", FAULTS)
def test_some_simulator_takes_each_fault(kind):
    takers = [name for name in SIMULATORS if not rig(name).check(fault_of(kind))]
    assert takers
    assert {name for name, kinds in WHERE.items() if kind in kinds} <= set(takers)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, k) for name, kinds in WHERE.items() for k in kinds if k != "nan"]
)
def test_a_generator_plays_its_fault_and_the_truth_has_it(name, kind):
    sender = rig(name).senders[0]
    assert isinstance(sender, Sender)
    sender.start_ns = sender.origin.ns = 10**9
    sender.place(fault_of(kind), 2 * 10**9)
    first = round(sender.clock.rate_hz)
    assert (sender.events[-1]["type"], sender.events[-1]["index"]) == (kind, first)
    assert len(sender.make(first, 2, 1.0)) == 2
