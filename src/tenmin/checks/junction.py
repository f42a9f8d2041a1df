"""Q25, the liquid junction potential: calculated, and whether it was dealt with; science.md B.6."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tenmin.checks.parameters import ParameterSet
from tenmin.verdict import FAIL, OK, WARN, Verdict

GAS, FARADAY, ZERO_C = 8.314462618, 96485.33212, 273.15
# Charge, and mobility relative to potassium; science.md B.6.
IONS: dict[str, tuple[int, float]] = {
    "K": (1, 1.0),
    "Na": (1, 0.682),
    "Cl": (-1, 1.0388),
    "gluconate": (-1, 0.33),
    "Cs": (1, 1.05),
    "Mg": (2, 0.361),
    "Ca": (2, 0.4048),
    "HCO3": (-1, 0.605),
    "H2PO4": (-1, 0.45),
    "CH3SO3": (-1, 0.62),
}


def junction_potential(
    pipette: Mapping[str, float], bath: Mapping[str, float], temperature_c: float
) -> float:
    """Potential of the bath minus that of the pipette, millivolts.

    The membrane potential is the reading minus this, where the reading was zeroed with the
    pipette in the bath.

    Parameters
    ----------
    pipette, bath : mapping of str to float
        Concentration of each of `IONS`, mM; those left out are absent.
    temperature_c : float
        Degrees Celsius.

    Raises
    ------
    ValueError
        An ion has no mobility here, or a solution holds none.

    References
    ----------
    Generalised Henderson equation; science.md B.6.
    """
    unknown = sorted({*pipette, *bath} - set(IONS))
    if unknown:
        raise ValueError(f"no mobility is known of {', '.join(unknown)}")
    current = change = inside = 0.0
    for ion, (z, u) in IONS.items():
        p, b = float(pipette.get(ion, 0.0)), float(bath.get(ion, 0.0))
        current += z * u * (b - p)
        change += z * z * u * (b - p)
        inside += z * z * u * p
    if inside <= 0.0 or inside + change <= 0.0:
        raise ValueError("a solution holds no ions")
    thermal_mv = 1e3 * GAS * (temperature_c + ZERO_C) / FARADAY
    # ln(inside / (inside + change)) / change has the limit -1 / inside where both sums are equal.
    x = change / inside
    slope = -1.0 if abs(x) < 1e-12 else -math.log1p(x) / x
    return thermal_mv * current / inside * slope


def solution(rows: Iterable[Mapping[str, Any]] | None) -> dict[str, float] | None:
    """Concentrations of ions, mM, from a fact's tables; None where it cannot be read so.

    Each row is ``{species = "K", mM = 140}``, or has ions as its keys: ``{K = 140, Cl = 18}``.
    """
    if not rows:
        return None
    found: dict[str, float] = {}
    for row in rows:
        pairs = [(row["species"], row.get("mM"))] if "species" in row else list(row.items())
        for ion, amount in pairs:
            if ion not in IONS or isinstance(amount, bool) or not isinstance(amount, int | float):
                return None
            found[ion] = found.get(ion, 0.0) + float(amount)
    return found


def calculated(facts: Mapping[str, Any]) -> float | None:
    """The potential that the facts of a block give, millivolts; None where they do not tell."""
    pipette, bath = solution(facts.get("solution.pipette")), solution(facts.get("solution.bath"))
    temperature = facts.get("env.bath_C", facts.get("env.temp_room_C"))
    if pipette is None or bath is None or not isinstance(temperature, int | float):
        return None
    try:
        return junction_potential(pipette, bath, float(temperature))
    except ValueError:
        return None


class Junction:
    """Whether the junction potential is known, applied, and the one that the solutions give.

    Not known fails, as does not knowing whether it was applied; known and not applied is a
    warning with the number; known and applied is OK, unless it is far from the calculated one.

    Parameters
    ----------
    stream : str
    parameters : ParameterSet
    """

    def __init__(self, stream: str, parameters: ParameterSet) -> None:
        self.stream, self.parameters = stream, parameters["junction"]

    def judge(self, facts: Mapping[str, Any]) -> Verdict:
        """The verdict on the facts ``patch.ljp_*``, ``solution.*`` and ``env.*``."""
        stated, applied = facts.get("patch.ljp_value_mV"), facts.get("patch.ljp_applied")
        right = calculated(facts)
        if not isinstance(stated, int | float):
            more = "" if right is None else f" The solutions give {right:+.1f} mV."
            return self._said(FAIL, None, f"State the junction potential.{more}")
        if applied not in ("none", "online", "offline"):
            return self._said(FAIL, float(stated), "State whether it was corrected for.")
        if right is not None and abs(stated - right) > self.parameters["tolerance_mv"]:
            text = f"{stated:+.1f} mV is stated, the solutions give {right:+.1f} mV."
            return self._said(WARN, stated - right, text, self.parameters["tolerance_mv"])
        if applied == "none":
            text = f"Subtract {stated:+.1f} mV from every potential: it was not corrected for."
            return self._said(WARN, float(stated), text)
        return self._said(OK, float(stated), "")

    def _said(
        self, level: str, value: float | None, action: str, limit: float | None = None
    ) -> Verdict:
        p = self.parameters
        return Verdict(p.name, self.stream, level, value, limit, p.unit, action=action)


__all__ = ["IONS", "Junction", "calculated", "junction_potential", "solution"]
