"""Where on the head a channel is, by its name in the 10-10 system, and what it sees of a source.

Every function gives one weight for each label, 1 where the source is strongest; channels whose
names are not of the system see nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

SITE = re.compile(r"(Fp|AF|F|FT|FC|T|C|TP|CP|P|PO|O)(z|\d{1,2})", re.IGNORECASE)

# From front to back; the eyes' dipole falls off with the distance.
FRONT = {"FP": 1.0, "AF": 0.6, "F": 0.3, "FT": 0.15, "FC": 0.12, "T": 0.05, "C": 0.05}
# The temporal muscles lie under the rows beside the ears.
BESIDE_EARS = {"T": 1.0, "FT": 1.0, "TP": 0.9, "F": 0.7, "AF": 0.4, "P": 0.4}
BACK = {"O": 1.0, "PO": 0.9, "P": 0.6, "CP": 0.25, "TP": 0.25, "C": 0.1, "T": 0.1}
SIDE = {"FP": 0.3, "AF": 0.8, "F": 1.0, "FT": 0.7, "FC": 0.3, "T": 0.25, "C": 0.1}


def frontal(labels: Sequence[str]) -> np.ndarray:
    """What blinks do: 1 at Fp, little behind; a channel VEOG sees all."""
    return _weights(labels, lambda row, number: FRONT.get(row, 0.0), {"VEOG": 1.2, "HEOG": 0.0})


def sideways(labels: Sequence[str]) -> np.ndarray:
    """What eyes that turn to the right do: positive on the right, negative on the left."""

    def weight(row: str, number: int) -> float:
        if number == 0:
            return 0.0
        lateral = min(1.0, ((number + 1) // 2) / 4.0)
        return SIDE.get(row, 0.0) * lateral * (1.0 if number % 2 == 0 else -1.0)

    return _weights(labels, weight, {"HEOG": 2.0, "VEOG": 0.0})


def temporal(labels: Sequence[str]) -> np.ndarray:
    """What jaw and temple muscles do: 1 at T7 and T8, nothing near the midline."""

    def weight(row: str, number: int) -> float:
        return BESIDE_EARS.get(row, 0.0) if number >= 7 else 0.0

    return _weights(labels, weight, {})


def posterior(labels: Sequence[str]) -> np.ndarray:
    """What the alpha rhythm does: 1 over the occiput."""
    return _weights(labels, lambda row, number: BACK.get(row, 0.0), {})


def is_right(labels: Sequence[str]) -> np.ndarray:
    """Whether each channel is on the right side."""
    return _weights(labels, lambda row, number: number > 0 and number % 2 == 0, {}).astype(bool)


def _weights(
    labels: Sequence[str], weight: Callable[[str, int], float], named: Mapping[str, float]
) -> np.ndarray:
    out = np.zeros(len(labels))
    for k, label in enumerate(labels):
        found = SITE.fullmatch(label)
        if label.upper() in named:
            out[k] = named[label.upper()]
        elif found:
            side = found[2]
            out[k] = weight(found[1].upper(), 0 if side in "zZ" else int(side))
    return out
