"""What is compiled of the ring, and why a reader may trust what it reads.

The writer, for each piece: (1) moves `RESERVED` past what it is about to overwrite; fence;
(2) copies samples, times and the run record; fence; (3) moves `RUNS`, which makes the piece known.
A reader: (a) loads `RUNS`; fence; (b) reads the records below it and their samples; fence;
(c) loads `RESERVED` and `RUNS` again.

- Nothing unfinished is read: who sees `RUNS` of (3) in (a) sees, past the two fences, all of (2).
- Nothing torn is trusted: who read in (b) a single byte that a later (2) has put there sees in (c),
  past the two fences, at least the `RESERVED` of that write's (1), and with it that its piece is
  gone. A record is overwritten only after `RUNS` has reached its number plus the table's length.

The fences are acquire and release in one, so this holds on weakly ordered processors (ARM) too,
and where the system's kernel copies the bytes (`os.write` of a piece): the call returns before (c).
No load has to wait for an earlier store, so no sequentially consistent fence is needed; that one
would drain the store buffer twice per write, a tenth of its time. Aligned 64-bit loads and stores
are never torn. See Boehm, Can seqlocks get along with programming language memory
models?, MSPC 2012, doi 10.1145/2247684.2247688.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from tenmin.stream import Stream

LINE = 16  # int64 between counters: 128 bytes, so that no two share a cache line on any processor
RESERVED, WRITTEN, RUNS = 0, LINE, 2 * LINE
COMMON_DTYPES = ("int16", "int32", "float32", "float64")
HEAD, COUNTERS_AT = 10, 512  # int64 of geometry at the file's beginning; where the counters are
CAPACITY, ROW_BYTES, TIMED, N_RUNS, RUNS_AT, TIMES_AT, SAMPLES_AT, JSON_BYTES = range(1, 9)
SEQ, INDEX, N, FLAGS, HOST_NS, RECORD = 0, 1, 2, 3, 4, 8  # a run record: 8 int64, one cache line
TOLD = HOST_NS + 1  # of them are used


def compiled(*signature: Any, nogil: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a kernel: no lock, no fastmath, cached on disk where that can be written.

    Without a folder for its cache (read-only installation and home) Numba refuses to compile at
    all; such a kernel is compiled anew in each process.
    """
    jit: Any = numba.njit

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return jit(*signature, nogil=nogil, cache=True)(function)
        except (RuntimeError, OSError):
            return jit(*signature, nogil=nogil)(function)

    return decorate


def _fence_code(typing_context: Any) -> Any:
    """A fence for loads and stores, for the processor and for the compiler."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("acq_rel")
        return context.get_dummy_value()

    return types.void(), generate


def _pointer_code(typing_context: Any, address: Any) -> Any:
    """An address as a pointer, for `carray`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


def _memcpy_code(typing_context: Any, address: Any, source: Any) -> Any:
    """All of a contiguous array to an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[1])(context, builder, args[1])
        target = builder.inttoptr(args[0], array.data.type)
        cgutils.raw_memcpy(builder, target, array.data, array.nitems, array.itemsize)
        return context.get_dummy_value()

    return types.void(types.int64, source), generate


_fence: Any = intrinsic(_fence_code)
_pointer: Any = intrinsic(_pointer_code)
_memcpy: Any = intrinsic(_memcpy_code)
_inlined: Any = numba.njit


@_inlined
def _copy(address, source):
    """Copy samples or times of any strides to an address of the ring."""
    width = source.size // len(source) * source.itemsize
    if source.strides[-1] == source.itemsize and source.strides[0] == width:
        _memcpy(address, source)  # slice assignment in a kernel is no memcpy, and slow
        return
    target = carray(_pointer(address), source.shape, source.dtype)
    for i in range(len(source)):
        if source.ndim == 1:
            target[i] = source[i]
        else:
            to, of = target[i], source[i]
            for c in range(of.size):
                to[c] = of[c]


@_inlined
def _write(base, samples, times, index, host_ns, flags):
    """Write one run, split at the ring's end, into the ring at an address.

    Returns 1 when the samples do not fit the ring, 2 when their times do not. One address instead
    of five arrays: each array costs 40 ns on its way into a kernel.
    """
    head = carray(_pointer(base), HEAD, np.int64)
    counters = carray(_pointer(base + COUNTERS_AT), 4 * LINE, np.int64)
    capacity = head[CAPACITY]
    row = samples.shape[1] * samples.itemsize
    n = samples.shape[0]
    if row != head[ROW_BYTES]:
        return 1
    if times is not None:
        if times.size != n:
            return 2
    done = 0
    while done < n:
        written, run = counters[WRITTEN], counters[RUNS]
        p = written % capacity
        # At most a quarter at once: a reader loses no more than it must.
        k = min(n - done, capacity - p, max(1, capacity // 4))
        # `RESERVED` moves before the copy and `RUNS` after it. It never goes back, not even when
        # an earlier writer died here: what that one tore stays untrusted.
        counters[RESERVED] = max(counters[RESERVED], written + k)
        _fence()
        _copy(base + head[SAMPLES_AT] + p * row, samples[done : done + k])
        if times is not None:
            _copy(base + head[TIMES_AT] + p * 8, times[done : done + k])
        place = base + head[RUNS_AT] + run % head[N_RUNS] * (8 * RECORD)
        record = carray(_pointer(place), RECORD, np.int64)
        record[SEQ], record[INDEX], record[N] = written, index + done, k
        record[FLAGS], record[HOST_NS] = flags, host_ns
        _fence()
        counters[RUNS] = run + 1
        counters[WRITTEN] = written + k
        done += k
        flags = 0
    return 0


def _push(base, samples, index, host_ns, flags):
    """`_write` of an untimed stream."""
    return _write(base, samples, None, index, host_ns, flags)


def _push_timed(base, samples, times, index, host_ns, flags):
    """`_write` of a timed stream."""
    return _write(base, samples, times, index, host_ns, flags)


@compiled()
def collect(counters, runs, out, first):
    """Copy the records from number `first` on.

    Returns the number of the first intact one, how many there are, and what `RESERVED` was then.
    """
    while True:
        known = counters[RUNS]
        _fence()
        first = max(first, known - runs.shape[0] + 1)
        n = max(0, min(known - first, out.shape[0]))
        for i in range(n):
            to, of = out[i], runs[(first + i) % runs.shape[0]]
            for j in range(TOLD):
                to[j] = of[j]
        _fence()
        if first > counters[RUNS] - runs.shape[0]:
            return first, n, counters[RESERVED]


@compiled()
def find(counters, runs, seq):
    """Number of the oldest record still there that ends after sequence number `seq`."""
    known = counters[RUNS]
    _fence()
    run = known
    while run > 0 and run > counters[RUNS] - runs.shape[0] + 1:
        record = runs[(run - 1) % runs.shape[0]]
        if record[SEQ] + record[N] <= seq:
            break
        run -= 1
    return run


@compiled()
def load(counters, which):
    """A counter, ordered after all reads before and before all reads after."""
    _fence()
    value = counters[which]
    _fence()
    return value


def cached() -> str:
    """Where compiled kernels are kept, in words: a path may name a person."""
    folder = collect.stats.cache_path
    if folder is None:
        return "not cached, compiled anew"
    beside = Path(folder).is_relative_to(Path(__file__).parent)
    return "cached beside the code" if beside else "cached in a folder of the user"


@functools.cache
def pusher(dtype: str, timed: bool) -> Callable[..., int]:
    """What writes samples of this dtype: ``(base, samples, [times,] index, host_ns, flags)``.

    The caller has made sure that `samples` is an array of two dimensions and this dtype, and
    `times` one of one dimension and float64; strides and flags may be any. The lock of the
    interpreter is kept: a copy takes microseconds, and to get the lock back milliseconds.
    """
    number: Any = types.int64
    array: Any = functools.partial(types.Array, layout="A", readonly=True, aligned=False)
    arrays = [array(numba.from_dtype(np.dtype(dtype)), 2)]
    arrays += [array(types.float64, 1)] if timed else []
    signature = number(number, *arrays, number, number, number)
    kernel = compiled(signature, nogil=False)(_push_timed if timed else _push)
    (overload,) = kernel.overloads.values()
    # What Numba's dispatcher calls, without its look at every argument's type: half of a call.
    return getattr(overload, "entry_point", kernel)


def warm(*streams: Stream) -> None:
    """Compile, or load from the cache, all that rings of these streams need.

    The first call of a kernel takes up to seconds; this belongs before the block. Without streams
    it is done for the formats that devices commonly have.
    """
    counters, runs = np.zeros(4 * LINE, np.int64), np.zeros((4, RECORD), np.int64)
    for of_whom in (counters, _readonly(counters)):
        table = runs if of_whom is counters else _readonly(runs)
        collect(of_whom, table, np.zeros((4, TOLD), np.int64), 0)
        find(of_whom, table, 0)
        load(of_whom, RESERVED)
    formats = {(np.dtype(s.dtype).name, s.timed) for s in streams if not s.is_marker}
    for dtype, timed in formats if streams else itertools.product(COMMON_DTYPES, (False, True)):
        pusher(dtype, timed)


def _readonly(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
