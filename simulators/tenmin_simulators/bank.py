"""Endless signals at little cost: two loops of incommensurate lengths, added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenmin_simulators import background as bg
from tenmin_simulators import spikes as sp

LINE_FLANK_HZ = (3.0, 8.0)  # science B.2 Q04


@dataclass(frozen=True)
class Bank:
    """Two periodic pieces of the same dtype whose sum repeats only after their product.

    Attributes
    ----------
    a, b : ndarray, (n_a, n_columns) and (n_b, n_columns)
        Pieces without a seam; lengths have no common factor.
    """

    a: np.ndarray
    b: np.ndarray

    def fill(self, first: int, out: np.ndarray) -> None:
        """Write samples [first, first + len(out)) into `out`."""
        _wrapped_copy(self.a, first, out)
        _wrapped_add(self.b, first, out)

    def density(self, rate_hz: float, mains_hz: float, per_count: float) -> float:
        """Median over channels of the mean power density beside the mains line, unit**2/Hz."""
        low, high = LINE_FLANK_HZ
        some = range(0, self.a.shape[1], max(1, self.a.shape[1] // 32))
        found = np.zeros(len(some))
        for piece in (self.a, self.b):
            f = np.fft.rfftfreq(len(piece), 1.0 / rate_hz)
            flank = (np.abs(f - mains_hz) >= low) & (np.abs(f - mains_hz) <= high)
            for k, c in enumerate(some):
                power = np.abs(np.fft.rfft(piece[:, c].astype(np.float32))[flank]) ** 2
                found[k] += 2.0 * power.mean() / (rate_hz * len(piece))
        return float(np.median(found)) * per_count**2


def _wrapped_copy(piece: np.ndarray, first: int, out: np.ndarray) -> None:
    done = 0
    while done < len(out):
        at = (first + done) % len(piece)
        n = min(len(piece) - at, len(out) - done)
        out[done : done + n] = piece[at : at + n]
        done += n


def _wrapped_add(piece: np.ndarray, first: int, out: np.ndarray) -> None:
    done = 0
    while done < len(out):
        at = (first + done) % len(piece)
        n = min(len(piece) - at, len(out) - done)
        np.add(out[done : done + n], piece[at : at + n], out=out[done : done + n])
        done += n


def coprime(n: int, other: int) -> int:
    """The smallest length from `n` on that has no factor in common with `other`."""
    while np.gcd(n, other) != 1:
        n += 1
    return n


def probe_bank(
    rng: np.random.Generator,
    channels: int,
    rate_hz: float,
    *,
    per_count: float,
    n_units: int,
    spare_columns: int = 1,
    seconds: tuple[float, float] = (2.0, 1.4),
    noise_uv: float = 6.0,
) -> tuple[Bank, Sequence[sp.Trains]]:
    """What an extracellular probe sees, in int16 counts.

    Parameters
    ----------
    per_count : float
        Microvolts a count.
    spare_columns : int
        Columns of zeros behind the channels, for a counter.
    """
    n_a = coprime(round(seconds[0] * rate_hz), 2)
    n_b = coprime(round(seconds[1] * rate_hz), n_a)
    matrix = bg.mixing(channels, min(16, channels), 1.5)
    units = sp.footprints(rng, n_units, channels, rate_hz)
    rates = sp.unit_rates(rng, n_units) / 2.0  # the two loops add up
    pieces, trains = [], []
    for n in (n_a, n_b):
        uv, _ = bg.background(
            rng, n, rate_hz, matrix, rms=20.0 / np.sqrt(2.0), oversample=1, low_hz=1.0
        )
        noise = rng.standard_normal(uv.shape, np.float32)
        noise *= np.float32(noise_uv / np.sqrt(2.0))
        uv += noise
        trains.append(sp.latent_trains(rng, rates, n / rate_hz))
        sp.add_spikes(uv, rate_hz, trains[-1], units, loop=True)
        uv *= np.float32(1.0 / per_count)
        piece = np.zeros((n, channels + spare_columns), np.int16)
        np.rint(uv, out=uv)
        piece[:, :channels] = uv
        pieces.append(piece)
    return Bank(pieces[0], pieces[1]), trains


def eeg_bank(
    rng: np.random.Generator,
    channels: int,
    rate_hz: float,
    *,
    rms_uv: float = 20.0,
    noise_uv: float = 1.0,
    seconds: tuple[float, float] = (16.0, 11.0),
) -> Bank:
    """EEG background in float32 microvolts: 1/f**1.5, correlated over the head, with noise."""
    n_a = coprime(round(seconds[0] * rate_hz), 2)
    n_b = coprime(round(seconds[1] * rate_hz), n_a)
    matrix = bg.mixing(channels, min(12, channels), 1.5)
    pieces = []
    for n in (n_a, n_b):
        uv, _ = bg.background(
            rng, n, rate_hz, matrix, rms=rms_uv / np.sqrt(2.0), oversample=1, low_hz=0.5
        )
        uv += rng.standard_normal(uv.shape, np.float32) * np.float32(noise_uv / np.sqrt(2.0))
        pieces.append(uv)
    return Bank(pieces[0], pieces[1])
