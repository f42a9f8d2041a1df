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
from tenmin.bench.rows import Row, Spread
from tenmin.bench.setting import Setting
from tenmin.errors import DiskFull, RigError
from tenmin.system import free_bytes

EEG = Load(1, 64, 1000.0, 20.0, "float32")
SIMULATED = Load(1, simulator="mouse")
LATE_MS = 10.0  # a chunk that is checked after the next one has come has missed its deadline
ROOM = 1.9  # journal, NWB and a reserve, as a multiple of the samples
SHORTEST_S = 60.0  # issue 3: eight probes for as long as fits, at least so long
LONG_S = (60.0, 600.0)
EIGHT = 8
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
        Plan(Load(1), short, ONE),
        probe,
        Plan(Load(1), short, Goals(late=("≤ 0", "")), busy=True),
        Plan(EEG, short, Goals(("≤ 8", "≤ 4"))),
        Plan(Load(4), short, GOALS[4]),
        Plan(Load(EIGHT), max(whole, SHORTEST_S), GOALS[EIGHT]),
        Plan(Load(16), whole, Goals()),
    ]


def tables(setting: Setting) -> tuple[list[Table], list[Row]]:
    """How the whole chain grows, and all rows about whole blocks.

    Raises
    ------
    DiskFull
        There is no room for the one block that was asked for.
    """
    if setting.long or setting.probes is not None:
        for plan in plans(setting):
            _fitted(plan, setting)
    made: list[Row] = []
    done: list[tuple[Plan, Found]] = []
    if not Usage().works:
        made.append(Row("pipeline", "processor time and memory", note="psutil is missing"))
    for plan in plans(setting):
        print(f"  recording {plan.text}", file=sys.stderr, flush=True)
        try:
            plan, note = _fitted(plan, setting)
            found = record(setting, plan.load, plan.seconds, busy=plan.busy, recycle=plan.recycle)
        except RigError as error:
            what = f"{plan.text}: samples lost"
            made.append(Row("pipeline", what, gate="≤ 0", note=f"failed: {error.message}"))
            continue
        done.append((plan, found))
        made += rows_of(plan, found, note)
    if setting.quick:
        made.append(Row("pipeline", "EEG, wire, 4, 8 and 16 probes", note="not in the quick form"))
    probes = [(p, f) for p, f in done if p.load == Load(p.load.devices) and not p.busy]
    return [_grown(probes)], [*made, *_laws(probes)]


def _grown(probes: list[tuple[Plan, Found]]) -> Table:
    """A line for each block of probes in shared memory."""
    roles = ("acquirer", "watcher", "finaliser", "engine")
    head = ("probes", "s", *(f"{role} % of a core" for role in roles))
    head = (*head, "latency p50 ms", "p99 ms", "lost", "file after s")
    table = Table("Whole chain against probes of 384 channels × 30 kHz", head)
    for plan, found in probes:
        shares = shares_of(found)
        late = (found.quantile_ms(0.5) or 0.0, found.quantile_ms(0.99) or 0.0)
        costs = [shares.get(role, 0.0) for role in roles]
        end = (*late, found.missing, found.closing_s or 0.0)
        table.lines.append([plan.load.devices, plan.seconds, *costs, *end])
    return table


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


def rows_of(plan: Plan, found: Found, note: str = "") -> Iterator[Row]:
    """The figures of one block; each is one measurement, not a median of rounds."""
    goals = plan.goals

    def row(
        what: str, unit: str, value: float | None, goal: tuple[str, str] = ("", ""), more: str = ""
    ) -> Row:
        seen = None if value is None else Spread.of([value])
        why = "; ".join(filter(None, (note, more)))
        return Row("pipeline", f"{plan.text}: {what}", unit, seen, "", None, None, *goal, why)

    yield row("samples lost", "samples", found.missing, ("≤ 0", ""))
    yield row("samples the watcher missed", "samples", found.unchecked)
    shares = shares_of(found)
    told = ", ".join(f"{role} {share:.1f}" for role, share in shares.items())
    total = sum(shares.values()) if shares else None
    yield row("all our processes", "% of a core", total, goals.cpu, told)
    yield row("arrival → check done, median", "ms", found.quantile_ms(0.5))
    yield row("arrival → check done, 99th percentile", "ms", found.quantile_ms(0.99), goals.p99)
    late = f"of {int(found.latency_n.sum())} chunks"
    yield row(
        f"chunks checked later than {LATE_MS:g} ms", "chunks", found.late(LATE_MS), goals.late, late
    )
    yield row("end of the post pad → verified NWB", "s", found.closing_s, goals.closing)
    drifts = {role: late / max(1, early) for role, (early, late) in found.private.items()}
    worst = max(drifts, key=lambda role: drifts[role]) if drifts else ""
    yield row(
        "private memory at the end against a quarter, worst process",
        "×",
        drifts.get(worst),
        goals.drift,
        ", ".join(
            f"{role.split('-')[0]} {early / 1e6:.1f} → {late / 1e6:.1f} MB"
            for role, (early, late) in found.private.items()
        ),
    )
    peak = found.finaliser_peak / 1e6 if found.finaliser_peak else None
    yield row("finaliser's private memory, most", "MB", peak, goals.peak)
    if plan.recycle:
        yield row("discarded after it was verified", "GB", found.recycled / 1e9, more=RECYCLED)
