import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenmin.checks._kernels import count_saturated, warm
from tenmin.ring import compiled

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"]


def by_numpy(samples, low, high):
    return ((samples <= low) | (samples >= high)).sum(axis=0)


def counted(samples, low, high):
    n = np.zeros(samples.shape[1], np.int64)
    count_saturated(samples, low, high, n)
    return n


def some_samples(dtype, n=1000, n_channels=5):
    rng = np.random.default_rng(0)
    return rng.integers(0, 100, (n, n_channels)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_samples_are_those_that_numpy_counts(dtype):
    samples = some_samples(dtype)
    assert counted(samples, 3.0, 96.0).tolist() == by_numpy(samples, 3, 96).tolist()


@pytest.mark.parametrize("cut", [1, 7, 333])
def test_saturated_samples_add_up_over_any_cut(cut):
    samples = some_samples("int16")
    n = np.zeros(5, np.int64)
    for i in range(0, 1000, cut):
        count_saturated(samples[i : i + cut], 3.0, 96.0, n)
    assert n.tolist() == by_numpy(samples, 3, 96).tolist()


def test_nan_is_not_saturated_and_infinity_is():
    samples = np.array([[np.nan, np.inf, -np.inf, 0.0]], np.float32)
    assert counted(samples, -1.0, 1.0).tolist() == [0, 1, 1, 0]


def test_the_ends_of_the_range_are_saturated():
    samples = np.array([[-32768, 32767, -32767, 32766]], np.int16)
    assert counted(samples, -32768.0, 32767.0).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_few_samples_are_counted_as_well(n):
    assert counted(np.full((n, 3), 9, np.int16), 0.0, 9.0).tolist() == [n] * 3


def test_strided_and_read_only_samples_are_counted_the_same():
    samples = some_samples("int16", n_channels=8)
    view = samples[::3, 1::2]
    view.flags.writeable = False
    assert counted(view, 3.0, 96.0).tolist() == by_numpy(view, 3, 96).tolist()


@given(st.lists(st.integers(-128, 127), max_size=60), st.integers(-128, 127))
def test_each_sample_counts_once_whatever_the_limit(values, limit):
    samples = np.array(values, np.int16).reshape(-1, 1)
    assert counted(samples, -1000.0, float(limit)).tolist() == [sum(v >= limit for v in values)]


def test_a_kernel_that_has_nowhere_to_be_cached_is_compiled_all_the_same():
    names = {}
    exec("def double(x):\n    return 2 * x", names)  # no file, so no folder for a cache
    assert compiled()(names["double"])(21) == 42


def test_warming_leaves_nothing_to_compile():
    warm("int16")
    before = len(count_saturated.signatures)
    piece, n = np.zeros((4, 3), np.int16), np.zeros(3, np.int64)
    count_saturated(piece, -5.0, 5.0, n)
    piece.flags.writeable = False
    count_saturated(piece, -5.0, 5.0, n)
    assert len(count_saturated.signatures) == before
