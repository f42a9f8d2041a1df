"""Samples in flight: one writer, many readers, fixed memory.

A ring is a mapped file: a description, a few counters, a table of run records, device times, and
samples ``(capacity, n_channels)`` in the device's dtype. Counters are 64-bit and never wrap. Why a
reader may trust what it reads stands in `tenmin.ring._kernels`.
"""

from tenmin.ring._kernels import COMMON_DTYPES, cached, compiled, warm
from tenmin.ring._ring import Piece, Reader, Ring

__all__ = ["COMMON_DTYPES", "Piece", "Reader", "Ring", "cached", "compiled", "warm"]
