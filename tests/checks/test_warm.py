import numpy as np
import pytest

from tenmin.checks import _kernels
from tenmin.checks.bank import Bank
from tenmin.checks.setting import Setting
from tenmin.ring import COMMON_DTYPES, Piece
from tenmin.stream import Stream

ASLEEP = Setting(50.0, {"dot.condition": "anaesth"})


def compiled():
    """How many forms of each kernel there are by now."""
    kernels = {name: getattr(_kernels, name) for name in _kernels.__all__}
    return {n: len(k.signatures) for n, k in kernels.items() if hasattr(k, "signatures")}


@pytest.mark.parametrize("dtype", COMMON_DTYPES)
@pytest.mark.parametrize("kind", ["ecephys", "eeg"])
@pytest.mark.parametrize("writeable", [True, False])
def test_warming_leaves_nothing_to_compile_for_the_checks_of_a_stream(dtype, kind, writeable):
    _kernels.warm()
    before = compiled()
    rate_hz = 6000.0 if kind == "ecephys" else 500.0
    stream = Stream("s", ("a", "b"), rate_hz, "volts", 1e-6, dtype=dtype, kind=kind)
    bank = Bank(stream, ASLEEP)
    n = int(rate_hz / 10)
    samples = np.random.default_rng(0).normal(0, 50, (n * 30, 2)).astype(dtype)
    samples.flags.writeable = writeable
    for at in range(0, len(samples), n):
        bank.feed(Piece(at, at, samples[at : at + n], None, 0, 0))
    assert compiled() == before


def test_every_kernel_is_warmed():
    _kernels.warm()
    assert [name for name, n in compiled().items() if n == 0] == []
