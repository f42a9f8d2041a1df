"""Patch clamp: access resistance, membrane and capacitance behind a Bessel filter (G13).

`Cell` is the circuit: Rs in series with Rm beside Cm, the seal's leak beside both; its answer to
a voltage step through the amplifier's 4-pole Bessel filter is a closed formula, so there is no
error of integration. `Clamp` plays a recording of it. ::

    cell = Cell(rs_mohm=10.0, rm_mohm=500.0, cm_pf=33.0)
    current = step_response(cell, -5.0, t_s, corner_hz=2000.0)     # pA, the step at t_s = 0

    clamp = Clamp(np.random.default_rng(1), 600.0)
    samples = clamp.samples(first, n)      # (n, 3): pA, mV of the command, mV of the reading
    truth = clamp.truth                    # Rs, Rm, seal of each pulse, crossings, events

The third column is the potential that a current clamp of the same cell reads, ``V_m + V_LJ``: the
junction potential is not taken off. ``tenmin sim patch`` sends the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenmin_simulators.blocks import Blocks, noise, seed, wander
from tenmin_simulators.options import Fault, SimOptions
from tenmin_simulators.play import Rig, play
from tenmin_simulators.probe import lsl_device, source_id
from tenmin_simulators.sender import Origin, Sender
from tenmin_simulators.timing import SampleClock
from tenmin_simulators.truth import Event
from tenmin_simulators.wires import LslWire, OutletInfo

RATE_HZ = 50_000.0
CORNER_HZ = 10_000.0
RS_MOHM = (10.0, 15.0)  # science E.1 G13
RM_MOHM, CM_PF = 500.0, 33.0  # science B.6
SEAL_MOHM = 5000.0
STEP_MV, STEP_S, PERIOD_S = -5.0, 0.02, 0.5
REST_MV, HOLD_MV = -70.0, -70.0
NOISE_PA, NOISE_MV = 4.0, 0.03  # RMS at 50 kHz, of the current before the filter
REST_SD_MV = 0.1  # of the slow wander of the resting potential
LJP_MV = 14.3  # science B.6, potassium gluconate
BLOCK = 8192
TRACES = ("onset_s", "rs_mohm", "seal_mohm", "rest_mv")  # in the truth file, one a pulse
PLAYED_S = 600.0  # how long the access resistance of a running simulator ramps
# Roots of Bessel's polynomial of order 4, and where its magnitude has fallen by 3 dB.
BESSEL = np.roots([1.0, 10.0, 45.0, 105.0, 105.0])
BESSEL_3DB = 2.1139176749042158


@dataclass(frozen=True)
class Cell:
    """The circuit that a pipette sees.

    Attributes
    ----------
    rs_mohm, rm_mohm, cm_pf, seal_mohm : float
        Access, membrane, capacitance, and the leak between pipette and bath.
    """

    rs_mohm: float
    rm_mohm: float
    cm_pf: float
    seal_mohm: float = np.inf

    @property
    def tau_s(self) -> float:
        """Time constant of the transient."""
        rs, rm = self.rs_mohm, self.rm_mohm
        return 1e-6 * self.cm_pf * rs * rm / (rs + rm)

    @property
    def steady_pa_per_mv(self) -> float:
        """Conductance when the transient is over."""
        return 1e3 / (self.rs_mohm + self.rm_mohm) + 1e3 / self.seal_mohm

    @property
    def peak_pa_per_mv(self) -> float:
        """Conductance of the very first moment."""
        return 1e3 / self.rs_mohm + 1e3 / self.seal_mohm


def poles(corner_hz: float) -> np.ndarray:
    """Poles of the 4-pole Bessel low-pass whose magnitude is -3 dB at a corner, 1/s.

    Amplifiers state this corner. With SciPy's other one (``norm="phase"``), by which the peaks of
    science.md B.6 were computed, a filter of the same name is slower by a third.
    """
    return BESSEL / BESSEL_3DB * 2 * np.pi * corner_hz


def step_response(
    cell: Cell, step_mv: float, t_s: np.ndarray, corner_hz: float | None = CORNER_HZ
) -> np.ndarray:
    """Current after a step of the command at ``t_s = 0``, in pA; 0 before it.

    Parameters
    ----------
    corner_hz : float, optional
        Of the Bessel filter; None for none.
    """
    after = np.asarray(t_s) >= 0
    t = np.where(after, t_s, 0.0)
    steady, decay = cell.steady_pa_per_mv, cell.peak_pa_per_mv - cell.steady_pa_per_mv
    rate = -1.0 / cell.tau_s
    if corner_hz is None:
        return after * step_mv * (steady + decay * np.exp(rate * t))
    p = poles(corner_hz)
    gain = np.prod(-p).real
    there = gain / np.prod(rate - p).real  # the filter's transfer function at the cell's pole
    current = steady + decay * there * np.exp(rate * t)
    for k, pole in enumerate(p):
        residue = gain / np.prod(pole - np.delete(p, k))
        mode = residue * (steady / pole + decay / (pole - rate))
        current = current + (mode * np.exp(pole * t)).real
    return after * step_mv * current


def impulse(rate_hz: float, corner_hz: float) -> np.ndarray:
    """Impulse response of the filter by sample, its sum 1; 2 ms or what it takes to die away."""
    p = poles(corner_hz)
    t = np.arange(max(8, round(8.0 * rate_hz / corner_hz))) / rate_hz
    h = np.zeros(len(t))
    for k, pole in enumerate(p):
        h += (np.exp(pole * t) * np.prod(-p) / np.prod(pole - np.delete(p, k))).real
    return h / h.sum()


@dataclass(frozen=True)
class ClampTruth:
    """What the circuit was at each test pulse; arrays are (n_pulses,).

    Attributes
    ----------
    onset_s : ndarray
        When the command steps.
    rs_mohm, seal_mohm : ndarray
    rm_mohm, cm_pf, ljp_mv : float
    corner_hz : float or None
    rest_mv : ndarray
        Membrane potential at each pulse's onset, the junction potential not in it.
    crossings_s : dict of int to float
        Percent by which Rs has risen since the first pulse -> first pulse at which it had.
    events : tuple of Event
        Steps of access (MOhm), loss of the seal (MOhm), steps of the junction potential (mV).
    """

    onset_s: np.ndarray
    rs_mohm: np.ndarray
    seal_mohm: np.ndarray
    rm_mohm: float
    cm_pf: float
    ljp_mv: float
    corner_hz: float | None
    rest_mv: np.ndarray
    crossings_s: dict[int, float]
    events: tuple[Event, ...]


class Clamp:
    """A cell under voltage clamp with test pulses, and what a current clamp would read.

    Parameters
    ----------
    rng : numpy.random.Generator
    duration_s : float
        The access resistance ramps over this time and stays then.
    rs_mohm : (float, float)
        At the first pulse and at the end.
    seal_loss : sequence of (float, float)
        (seconds, MOhm): what is left of the seal from then on.
    corner_hz : float, optional
        Of the Bessel filter; None for none.
    drift_mv : float
        By how much the resting potential has moved at the end.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        duration_s: float,
        *,
        rate_hz: float = RATE_HZ,
        rs_mohm: tuple[float, float] = RS_MOHM,
        rm_mohm: float = RM_MOHM,
        cm_pf: float = CM_PF,
        seal_loss: Sequence[tuple[float, float]] = (),
        corner_hz: float | None = CORNER_HZ,
        noise_pa: float = NOISE_PA,
        ljp_mv: float = LJP_MV,
        rest_mv: float = REST_MV,
        drift_mv: float = 0.0,
        period_s: float = PERIOD_S,
    ) -> None:
        self.rate_hz, self.duration_s, self.period_s = rate_hz, duration_s, period_s
        self.corner_hz, self.noise_pa = corner_hz, noise_pa
        self._rs, self._rm, self._cm = rs_mohm, rm_mohm, cm_pf
        self._rest, self._drift_mv = rest_mv, drift_mv
        self._accesses: list[tuple[float, float]] = []
        self._seals = list(seal_loss)
        self._junctions = [(0.0, ljp_mv)]
        self._noise = noise(np.random.default_rng(seed(rng)), (), BLOCK)
        self._slow = wander(rng, int(np.ceil(duration_s)) + 2, 1.0, REST_SD_MV, 30.0)[:, 0]
        self._rough = noise(np.random.default_rng(seed(rng)), (), BLOCK)
        self._h = impulse(rate_hz, corner_hz) if corner_hz else np.ones(1)
        self._blocks = Blocks(self._make, BLOCK)

    def samples(self, first: int, n: int) -> np.ndarray:
        """Samples [first, first + n), (n, 3): current pA, command mV, reading mV."""
        return self._blocks.take(first, n)

    def access(self, at_s: float, mohm: float) -> None:
        """Let the access resistance stay at a value from the next pulse on."""
        self._accesses.append((at_s, mohm))
        self._blocks.forget()

    def lose_seal(self, at_s: float, mohm: float) -> None:
        """Let the seal have this resistance from the next pulse on."""
        self._seals.append((at_s, mohm))
        self._blocks.forget()

    def junction(self, at_s: float, mv: float) -> None:
        """Let the reading contain this junction potential from a time on."""
        self._junctions.append((at_s, mv))
        self._blocks.forget()

    def cell(self, t_s: float) -> Cell:
        """The circuit at a time."""
        low, high = self._rs
        rs = low + (high - low) * min(max(t_s / self.duration_s, 0.0), 1.0)
        seal = SEAL_MOHM
        for at, mohm in self._accesses:
            rs = mohm if t_s >= at else rs
        for at, mohm in self._seals:
            seal = mohm if t_s >= at else seal
        return Cell(rs, self._rm, self._cm, seal)

    @property
    def truth(self) -> ClampTruth:
        """What the circuit is at the pulses of the whole duration."""
        onset = self.period_s * (np.arange(int(self.duration_s / self.period_s)) + 0.5)
        cells = [self.cell(t) for t in onset.tolist()]
        rs = np.array([c.rs_mohm for c in cells])
        rises = {p: onset[rs > rs[0] * (1 + p / 100)] for p in (20, 30)}
        told = (("access", self._accesses), ("seal", self._seals), ("ljp", self._junctions[1:]))
        events = [Event(kind, (), at, at, value) for kind, steps in told for at, value in steps]
        return ClampTruth(
            onset_s=onset,
            rs_mohm=rs,
            seal_mohm=np.array([c.seal_mohm for c in cells]),
            rm_mohm=self._rm,
            cm_pf=self._cm,
            ljp_mv=self._junctions[-1][1],
            corner_hz=self.corner_hz,
            rest_mv=self._resting(onset),
            crossings_s={p: float(t[0]) for p, t in rises.items() if len(t)},
            events=tuple(sorted(events, key=lambda e: e.onset_s)),
        )

    def _make(self, block: int) -> np.ndarray:
        first = block * BLOCK
        t = (first + np.arange(BLOCK)) / self.rate_hz
        out = np.zeros((BLOCK, 3))
        out[:, 1] = HOLD_MV
        start = max(0, int(t[0] / self.period_s - 0.5) - 1)
        stop = int(t[-1] / self.period_s - 0.5) + 1
        for pulse in range(start, stop + 1):
            onset = self.period_s * (pulse + 0.5)
            cell, edges = self.cell(onset), ((onset, STEP_MV), (onset + STEP_S, -STEP_MV))
            for at, mv in edges:
                # a sample at the edge belongs to what comes after it
                since = t - at + 1e-9 / self.rate_hz
                first_of, settled = np.searchsorted(since, (0.0, self._settling_s(cell)))
                moving = slice(first_of, settled)
                out[moving, 0] += step_response(cell, mv, since[moving], self.corner_hz)
                out[settled:, 0] += mv * cell.steady_pa_per_mv
                out[first_of:, 1] += mv
            # from its own pulse on the cell has its own leak
            held = (t >= onset) & (t < onset + self.period_s)
            out[held, 0] += self._holding(cell)
        out[t < 0.5 * self.period_s, 0] += self._holding(self.cell(0.5 * self.period_s))
        out[:, 0] += self.noise_pa * self._filtered(first)
        out[:, 2] = self._resting(t) + NOISE_MV * self._rough.take(first, BLOCK)
        for k, (at, mv) in enumerate(self._junctions):
            before = self._junctions[k - 1][1] if k else 0.0
            out[t >= at, 2] += mv - before
        return out

    def _settling_s(self, cell: Cell) -> float:
        """After this a step's transients are below a thousandth of a femtoampere."""
        slowest = -1.0 / poles(self.corner_hz).real.max() if self.corner_hz else 0.0
        return 40.0 * max(cell.tau_s, slowest)

    def _holding(self, cell: Cell) -> float:
        """Current that holds the cell where it does not rest, and what leaks past the seal."""
        through = 1e3 * (HOLD_MV - self._rest) / (cell.rs_mohm + cell.rm_mohm)
        return through + 1e3 * HOLD_MV / cell.seal_mohm

    def _filtered(self, first: int) -> np.ndarray:
        reach = len(self._h) - 1
        before = self._noise.take(max(0, first - reach), min(reach, first))
        white = np.concatenate(
            (np.zeros(reach - len(before)), before, self._noise.take(first, BLOCK))
        )
        return np.convolve(white, self._h, "valid")

    def _resting(self, t_s: np.ndarray) -> np.ndarray:
        at = np.minimum(t_s, self.duration_s)
        slow = np.interp(at, np.arange(len(self._slow)), self._slow)
        return self._rest + self._drift_mv * at / self.duration_s + slow


def build(options: SimOptions) -> Rig:
    """The amplifier, not plugged in yet."""
    origin, rate_hz = Origin(), options.rate_hz or RATE_HZ
    clamp = Clamp(np.random.default_rng((options.seed, 14)), PLAYED_S, rate_hz=rate_hz)
    plays = {"access": clamp.access, "seal": clamp.lose_seal, "ljp": clamp.junction}
    names = ("current", "command", "reading")

    def make(first: int, n: int, t_s: float) -> np.ndarray:
        return clamp.samples(first, n).astype(np.float32)

    def take(fault: Fault, first: int, rig_s: float) -> None:
        plays[fault.kind](first / rate_hz, fault.value)

    info = OutletInfo(
        name="patch",
        type="PatchClamp",
        source_id=source_id("patch", "patch"),
        channels=names,
        rate_hz=rate_hz,
        dtype="float32",
        units=("pA", "mV", "mV"),
        types=("Current", "Command", "Potential"),
        acquisition={"manufacturer": "tenmin", "model": "simulated patch amplifier"},
    )
    truth = clamp.truth
    sender = Sender(
        name="patch",
        wire=LslWire(info),
        make=make,
        channels=names,
        clock=SampleClock(rate_hz),
        origin=origin,
        dtype="float32",
        seed=options.seed,
        takes=dict.fromkeys(plays, take),
        facts={
            "rs_mohm": RS_MOHM,
            "rs_ramp_s": PLAYED_S,
            "rm_mohm": truth.rm_mohm,
            "cm_pf": truth.cm_pf,
            "seal_mohm": SEAL_MOHM,
            "ljp_mv": truth.ljp_mv,
            "corner_hz": truth.corner_hz,
            "step_mv": STEP_MV,
            "period_s": PERIOD_S,
            "crossings_s": {str(k): v for k, v in truth.crossings_s.items()},
        },
    )
    facts = {"lowpass_hz": repr(CORNER_HZ)}
    table = lsl_device(sender) | {"primary": True, "kind": "patch", "facts": facts}
    name = f"lsl:{info.source_id}"

    def traces() -> dict[str, Any]:
        now = clamp.truth
        sent = now.onset_s < sender.next / rate_hz
        shown = {key: getattr(now, key)[sent].tolist() for key in TRACES}
        return {"traces": shown}

    return Rig("patch", name, [sender], [table], origin, more_truth=traces)


def run(options: SimOptions) -> int:
    """Play it until told to stop."""
    return play(build(options), options)
