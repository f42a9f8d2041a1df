"""Whole blocks by the whole program, from one EEG to sixteen probes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tenmin.bench.block import PADS_S, SETTLE_S, Found, record
from tenmin.bench.growth import Table
from tenmin.bench.processes import Usage
from tenmin.bench.recycle import ROOM_S
from tenmin.bench.rig import Load
from tenmin.bench.rows import Row, Spread, why
from tenmin.bench.setting import Setting
from tenmin.errors import DiskFull
from tenmin.system import free_bytes

EEG = Load(1, 64, 1000.0, 20.0, "float32")
SIMULATED = Load(1, simulator="mouse")
LATE_MS = 10.0  # a chunk that is checked after the next one has come has missed its deadline
ROOM = 1.9  # journal, NWB and a reserve, as a multiple of the samples
SHORTEST_S = 60.0  # issue 3: 16 probes so long; eight for as long as fits, at least so long
LONG_S = (60.0, 600.0)
EIGHT = 8
TEN_MINUTES_S = 600.0  # in shorter blocks, windows of ten seconds still fill after a quarter
LOST, MISSED, CPU = "samples lost", "samples the watcher missed", "all our processes"
MEDIAN = "arrival → check done, median"
P99 = "arrival → check done, 99th percentile"
LATE = f"chunks checked later than {LATE_MS:g} ms"
CLOSING = "end of the post pad → verified NWB"
DRIFT = "private memory at the end against a quarter, worst process"
PEAK = "finaliser's private memory, most"
GIVEN = "discarded after it was verified"
RECYCLED = (
    "journal and chunks were discarded once the chunks had been read back against the journal's "
    "checksums; only the first and last chunks were there for the last look"
)


@dataclass(frozen=True)
class Goals:
    """Gate and aim of one block; empty where there is none."""

    cpu: tuple[str, str] = ("", "")
    p99: tuple[str, str] = ("", "")
    closing: tuple[str, str] = ("", "")
    late: tuple[str, str] = ("", "")
    drift: tuple[str, str] = ("≤ 1.05", "≤ 1.0")
    peak: tuple[str, str] = ("≤ 300", "≤ 60")


@dataclass(frozen=True)
class Plan:
    """One block to be recorded: what comes in, for how long, and what has to hold."""

    load: Load
    seconds: float
    goals: Goals
    busy: bool = False
    recycle: bool = False

    @property
    def need_bytes(self) -> float:
        """Room on the disk for all of it."""
        seconds = ROOM_S if self.recycle else self.seconds + SETTLE_S + 2 * PADS_S
        return ROOM * self.load.bytes_per_s * seconds

    @property
    def text(self) -> str:
        """For a person."""
        busy = ", a client busy in plain Python" if self.busy else ""
        recycle = ", journal recycled" if self.recycle else ""
        return f"{self.load.text}{busy}, {self.seconds:g} s{recycle}"


ONE = Goals(("≤ 25", "≤ 12"), ("≤ 10", "≤ 1"), ("≤ 5", "≤ 1"))
GOALS = {
    1: ONE,
    4: Goals(closing=("≤ 15", "≤ 3")),
    EIGHT: Goals(("", "≤ 100"), ("≤ 15", "≤ 7")),
}


def plans(setting: Setting) -> list[Plan]:
    """What is recorded; each once."""
    whole = setting.seconds
    if setting.long:
        return [Plan(Load(1), seconds, ONE) for seconds in LONG_S]
    if setting.probes is not None:
        goals = GOALS.get(setting.probes, Goals())
        return [Plan(Load(setting.probes), whole, goals, recycle=setting.recycle)]
    short = whole if setting.quick else min(whole, 20.0)
    probe = Plan(Load(1), whole, ONE)
    if setting.quick:
        return [probe]
    # The short block of one probe stands beside the long one: what a longer block costs more.
    return [
        Plan(SIMULATED, short, ONE),
        *([Plan(Load(1), short, ONE)] if short < whole else []),
        probe,
        Plan(Load(1), short, Goals(late=("≤ 0", "")), busy=True),
        Plan(EEG, short, Goals(("≤ 8", "≤ 4"))),
        Plan(Load(4), short, GOALS[4]),
        Plan(Load(EIGHT), max(whole, SHORTEST_S), GOALS[EIGHT]),
        Plan(Load(16), max(whole, SHORTEST_S), Goals()),
    ]


def check_room(setting: Setting) -> None:
    """Look for the room of a block that was asked for by itself.

    Raises
    ------
    DiskFull
        There is none.
    """
    if setting.long or setting.probes is not None:
        for plan in plans(setting):
            _fitted(plan, setting)


def rows(setting: Setting) -> Iterator[Row | Table]:
    """All rows about whole blocks, and how the chain grows; a block that fails ends no other."""
    if not Usage().works:
        yield Row("pipeline", "processor time and memory", note="psutil is missing")
    probes: list[tuple[Plan, Found]] = []
    for plan in plans(setting):
        print(f"  recording {plan.text}", file=sys.stderr, flush=True)
        try:
            plan, note = _fitted(plan, setting)
            found = record(setting, plan.load, plan.seconds, busy=plan.busy, recycle=plan.recycle)
        except Exception as error:
            print(f"  {error}", file=sys.stderr, flush=True)
            yield from failed_rows(plan, why(error))
            continue
        yield from rows_of(plan, found, note)
        if plan.load == Load(plan.load.devices) and not plan.busy and not found.fault:
            probes.append((plan, found))
            yield _grown(plan, found)
    if setting.quick:
        yield Row("pipeline", "EEG, wire, 4, 8 and 16 probes", note="not in the quick form")
    yield from _laws(probes)


def _grown(plan: Plan, found: Found) -> Table:
    """A line for a block of probes in shared memory."""
    roles = ("acquirer", "watcher", "finaliser", "engine")
    head = ("probes", "s", "journal", *(f"{role} % of a core" for role in roles))
    head = (*head, "latency p50 ms", "p99 ms", "lost", "file after s")
    shares = shares_of(found)
    late = (found.quantile_ms(0.5) or 0.0, found.quantile_ms(0.99) or 0.0)
    costs = [shares.get(role, 0.0) for role in roles]
    end = (*late, found.missing, found.closing_s or 0.0)
    journal = "recycled" if plan.recycle else "kept"
    line = [plan.load.devices, plan.seconds, journal, *costs, *end]
    return Table("Whole chain against probes of 384 channels × 30 kHz", head, [line], keys=3)


def _laws(probes: list[tuple[Plan, Found]]) -> list[Row]:
    """What must not grow faster than the load or the time."""
    ones = [f for p, f in probes if p.load.devices == 1]
    most = max((f for _, f in probes), key=lambda f: f.load.devices, default=None)
    made = []
    if most is not None and most.load.devices > 1 and ones:
        n = most.load.devices
        one, all_ = (sum(shares_of(found).values()) for found in (ones[-1], most))
        what = f"processor time per probe: {n} probes against 1"
        ratio = Spread.of([all_ / n / one]) if one else None
        made.append(Row("pipeline", what, "", None, "the other", None, ratio, "≤ 1"))
    if len(ones) > 1 and ones[0].closing_s and ones[-1].closing_s:
        first, last = ones[0], ones[-1]
        what = f"end → verified NWB: {last.seconds:g} s against {first.seconds:g} s"
        ours, theirs = Spread.of([last.closing_s or 0.0]), Spread.of([first.closing_s or 0.0])
        ratio = Spread.of([ours.median / theirs.median])
        made.append(
            Row("pipeline", what, "s", ours, "the shorter", theirs, ratio, "≤ 1.5", "≤ 1.0")
        )
    return made


def shares_of(found: Found) -> dict[str, float]:
    """Per cent of a core of each role; the two acquirers and all isolated drivers as one each."""
    shares: dict[str, float] = {}
    for name, share in found.cpu.items():
        role = name.split("-")[0]
        shares[role] = shares.get(role, 0.0) + 100 * share
    return shares


def _fitted(plan: Plan, setting: Setting) -> tuple[Plan, str]:
    """As long as the disk has room for, if that is not too short to tell anything."""
    free = free_bytes(setting.disk)
    if free >= plan.need_bytes:
        return plan, ""
    least = replace(plan, seconds=min(plan.seconds, SHORTEST_S))
    if setting.long or plan.recycle or free < least.need_bytes:
        need = plan.need_bytes if setting.long or plan.recycle else least.need_bytes
        raise DiskFull(
            f"{plan.text} needs {need / 1e9:.1f} GB on this disk, {free / 1e9:.1f} GB are free.",
            remedy="Free space, name another disk by --dir, or measure a shorter block.",
        )
    fits = free / (ROOM * plan.load.bytes_per_s) - SETTLE_S - 2 * PADS_S
    return replace(plan, seconds=fits // 1), "as long as the disk has room for"


def failed_rows(plan: Plan, note: str) -> Iterator[Row]:
    """The rows of a block that gave no figures; each takes the place of an older figure."""
    yield _row(plan, LOST, "samples", None, note, failed=True)
    for what in (MISSED, CPU, MEDIAN, P99, LATE, CLOSING, DRIFT, PEAK):
        yield _row(plan, what, "", None, "the block failed", failed=bool(_goal(plan, what)[0]))


def _goal(plan: Plan, what: str) -> tuple[str, str]:
    """Gate and aim of one figure."""
    goals = plan.goals
    of = {CPU: goals.cpu, P99: goals.p99, LATE: goals.late, CLOSING: goals.closing}
    drift = goals.drift if plan.seconds >= TEN_MINUTES_S else ("", "")
    of |= {LOST: ("≤ 0", ""), DRIFT: drift, PEAK: goals.peak}
    return of.get(what, ("", ""))


def _row(
    plan: Plan, what: str, unit: str, value: float | None, note: str, failed: bool = False
) -> Row:
    seen = None if value is None else Spread.of([value])
    goal = _goal(plan, what)
    text = f"{plan.text}: {what}"
    return Row("pipeline", text, unit, seen, "", None, None, *goal, note, failed)


def rows_of(plan: Plan, found: Found, note: str = "") -> Iterator[Row]:
    """The figures of one block; each is one measurement, not a median of rounds.

    No gate holds by a block that is not whole.
    """

    def row(what: str, unit: str, value: float | None, more: str = "") -> Row:
        failed = bool(found.fault) and bool(_goal(plan, what)[0])
        broken = ""
        if found.fault:
            broken = f"failed: {found.fault}" if what == LOST else "of a block that is not whole"
        notes = "; ".join(filter(None, (broken, note, more)))
        return _row(plan, what, unit, value, notes, failed)

    yield row(LOST, "samples", found.missing)
    yield row(MISSED, "samples", found.unchecked)
    shares = shares_of(found)
    told = ", ".join(f"{role} {share:.1f}" for role, share in shares.items())
    yield row(CPU, "% of a core", sum(shares.values()) if shares else None, told)
    yield row(MEDIAN, "ms", found.quantile_ms(0.5))
    yield row(P99, "ms", found.quantile_ms(0.99))
    chunks = int(found.latency_n.sum())
    yield row(LATE, "chunks", found.late(LATE_MS) if chunks else None, f"of {chunks} chunks")
    yield row(CLOSING, "s", found.closing_s)
    drifts = {role: late / max(1, early) for role, (early, late) in found.private.items()}
    worst = max(drifts, key=lambda role: drifts[role]) if drifts else ""
    grown = ", ".join(
        f"{role.split('-')[0]} {early / 1e6:.1f} → {late / 1e6:.1f} MB"
        for role, (early, late) in found.private.items()
    )
    yield row(DRIFT, "×", drifts.get(worst), grown)
    yield row(PEAK, "MB", found.finaliser_peak / 1e6 if found.finaliser_peak else None)
    if plan.recycle:
        yield row(GIVEN, "GB", found.recycled / 1e9, RECYCLED)
