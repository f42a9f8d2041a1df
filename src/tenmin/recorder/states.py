"""States of arousal in the file: live and final track as intervals, features as series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tenmin.recorder import intervals
from tenmin.recorder.found import Kept, read_arousal
from tenmin.recorder.intervals import BASELINE
from tenmin.recorder.judged import Judgement
from tenmin.recorder.quality import add_text, packed
from tenmin.recorder.tables import FEWEST_ROWS, stored

if TYPE_CHECKING:
    from tenmin.recorder.contents import Block

TICK_S = 0.1  # of the track; science.md C asks for 1 Hz or more
ONLINE, FINAL = "arousal_states_online", "arousal_states_final"
NO_RULES = "none"  # ruleset_version where no track was kept
NO_MASK = -1  # n_masked_bins where nobody judged the reference stream
TOLD = {
    ONLINE: "as the operator saw it: causal, never changed afterwards",
    FINAL: "made at the end of the block, with all of it known",
}
COLUMNS = {
    "state": "Code of the state.",
    "label": "Its name.",
    "coarse": "Its coarse name: low, quiet, active, not_low, anaes, invitro, unknown.",
    "confidence": "Mean confidence over the interval, 0 to 1.",
    "modalities": "What it was told from, sum of: 1 speed, 2 pupil, 4 face, 8 LFP or EEG, 16 EMG, "
    "32 ECG, 64 EOG.",
    "ruleset_version": "Version of the rules; none where no track was kept.",
    "n_masked_bins": "Bins of 0.1 s of the interval that the mask lattice of the reference "
    "spoils; -1 where that was not judged or does not reach.",
}


@dataclass(frozen=True)
class States:
    """Both tracks of a block.

    Attributes
    ----------
    kept : Kept or None
        The journal's track; None where there is none: all is unknown.
    t0_s : float
        NWB seconds of t0; infinite where it was never reached.
    tables : mapping of str to list of dict
        By name of the table, its rows.
    features : ndarray, (n_ticks, n_features), or None
        With what is known in the end, at the ticks of `kept`.
    units : mapping of str to (str, str)
        Unit and meaning of each feature.
    """

    kept: Kept | None
    t0_s: float
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    features: np.ndarray | None = None
    units: Mapping[str, tuple[str, str]] | None = None

    def summary(self, stop_s: float) -> dict[str, dict[str, float]]:
        """For ``result.json``: seconds from t0 to `stop_s` in each state, by track and label."""
        found: dict[str, dict[str, float]] = {}
        for name, rows in self.tables.items():
            short = found.setdefault(name.removeprefix("arousal_states_"), {})
            for row in rows:
                begin = max(self.t0_s, row["start_time"])
                if (seconds := min(stop_s, row["stop_time"]) - begin) > 0:
                    short[row["label"]] = round(short.get(row["label"], 0.0) + seconds, 6)
        return found


def find_states(block: Block, judged: Mapping[str, Judgement]) -> States:
    """Both tracks from the journal; unknown all along where it has none."""
    kept, spans = read_arousal(block.folder), _spans(block)
    t0_s = (
        math.inf if block.account.t0 is None else float(block.timeline.of_index(block.account.t0))
    )
    masked = _masked(judged.get(block.timeline.reference))
    if kept is None:
        rows = [_unknown(span, masked) for span in spans]
        return States(None, t0_s, {name: rows for name in (ONLINE, FINAL)} if spans else {})
    return _from_ticks(block, kept, t0_s, spans, masked)


def _spans(block: Block) -> list[tuple[float, float]]:
    """[t0, end of the recording), cut at the borders of the epochs, NWB seconds.

    Where only one epoch was reached after t0, the pad before it comes first: no table may have a
    single row.
    """
    t0, of_index = block.account.t0, block.timeline.of_index
    if t0 is None:
        return []
    found = [
        (float(of_index(e.index)), float(of_index(e.index + e.n)))
        for e in block.epochs
        if e.label != intervals.SETTLING
    ]
    after = [span for span in found if span[0] >= of_index(t0)]
    return found if len(after) < FEWEST_ROWS else after


def _masked(judged: Judgement | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Borders of the reference's bins, and which are spoilt."""
    spoilt = None if judged is None else judged.spoilt()
    return None if judged is None or spoilt is None else (judged.edges, spoilt)


def _in_span(
    masked: tuple[np.ndarray, np.ndarray] | None, span: tuple[float, float]
) -> np.ndarray | None:
    """Which bins of a span are spoilt; None where the lattice does not tell of it."""
    if masked is None:
        return None
    edges, spoilt = masked
    middles = span[0] + (np.arange(_n_ticks(span)) + 0.5) * TICK_S
    at = np.searchsorted(edges, middles, "right") - 1
    inside = (at >= 0) & (at < len(spoilt))
    return inside & spoilt[np.clip(at, 0, len(spoilt) - 1)] if inside.any() else None


def _n_ticks(span: tuple[float, float]) -> int:
    return max(1, int(np.ceil((span[1] - span[0]) / TICK_S - 1e-6)))


def _unknown(
    span: tuple[float, float], masked: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, Any]:
    spoilt = _in_span(masked, span)
    return {
        "start_time": span[0],
        "stop_time": span[1],
        "state": 0,
        "label": "unknown",
        "coarse": "unknown",
        "confidence": 0.0,
        "modalities": 0,
        "ruleset_version": NO_RULES,
        "n_masked_bins": NO_MASK if spoilt is None else int(spoilt.sum()),
    }


def _from_ticks(
    block: Block,
    kept: Kept,
    t0_s: float,
    spans: Sequence[tuple[float, float]],
    masked: tuple[np.ndarray, np.ndarray] | None,
) -> States:
    # Here, since it brings in the compiler of the kernels, which no other file needs.
    from tenmin.checks.arousal import FEATURES, Arousal, Features, Ruleset, shipped
    from tenmin.checks.arousal.session import matrix
    from tenmin.checks.arousal.states import Tick

    rules = Ruleset.from_dict(kept.ruleset)
    at = np.asarray(block.timeline.of_host(kept.host_s), np.float64)
    online = [
        Tick(t, s, c, m)
        for t, s, c, m in zip(
            at.tolist(), kept.states.tolist(), kept.confidence.tolist(), kept.modalities.tolist()
        )
    ]
    live = _rows(online, at, spans, rules.version, masked)
    ours = shipped().tables
    if set(kept.features) - set(FEATURES) or any(
        set(ours[name]) - set(rules.tables.get(name, ())) for name in ours
    ):  # of another version of the program: nobody here can go by its rules
        return States(kept, t0_s, {ONLINE: live, FINAL: [_unknown(s, masked) for s in spans]})
    raw = [Features(**dict(zip(kept.features, row))) for row in kept.values.tolist()]
    settling = int(np.sum(at <= t0_s + TICK_S / 2))
    again = Arousal.again(kept.family, at.tolist(), raw, settling, rules, kept.eyes)
    final = _rows(again.close(), at, spans, rules.version, masked)
    features = matrix(again.features())
    return States(kept, t0_s, {ONLINE: live, FINAL: final}, features, FEATURES)


def _rows(
    ticks: Sequence[Any],
    at: np.ndarray,
    spans: Sequence[tuple[float, float]],
    version: str,
    masked: tuple[np.ndarray, np.ndarray] | None,
) -> list[dict[str, Any]]:
    """The rows of a track: each span by itself, on bins that begin where it begins."""
    from dataclasses import asdict, replace

    from tenmin.checks.arousal import rows

    found = []
    for span in spans:
        ends = span[0] + (np.arange(_n_ticks(span)) + 1) * TICK_S
        nearest = _nearest(at, ends)
        here = [
            replace(ticks[i], t=float(end))
            for i, end in zip(nearest.tolist(), ends.tolist(), strict=True)
            if i >= 0
        ]
        spoilt = _in_span(masked, span)
        for row in rows(here, *span, version, spoilt):
            told = asdict(row)
            found.append({**told, "n_masked_bins": NO_MASK} if spoilt is None else told)
    return found


def _nearest(at: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The tick nearest to each end of a bin; -1 where none is within a bin of it.

    The ticks run by the host's clock and the bins by the reference's.
    """
    if not len(at):
        return np.full(len(ends), -1)
    after = np.clip(np.searchsorted(at, ends), 1, max(1, len(at) - 1))
    before = np.maximum(after - 1, 0)
    after = np.minimum(after, len(at) - 1)
    found = np.where(np.abs(at[after] - ends) < np.abs(at[before] - ends), after, before)
    return np.where(np.abs(at[found] - ends) <= TICK_S, found, -1)


def add_states(nwb: Any, block: Block) -> None:
    """Add the tables, the features and the rules."""
    states = block.states
    if states is None:
        return
    for name, rows in states.tables.items():
        if len(rows) >= FEWEST_ROWS:
            nwb.add_time_intervals(_table(name, rows, states.kept))
    if states.kept is None:
        return
    if states.features is not None:
        _add_features(nwb, block, states)
    add_text(nwb, "arousal_ruleset", "Rules of arousal", states.kept.ruleset, states.kept.sha256)


def _table(name: str, rows: Sequence[Mapping[str, Any]], kept: Kept | None) -> Any:
    from pynwb.epoch import TimeIntervals

    how = (
        "No track was kept: the state is unknown all along."
        if kept is None
        else f"Rules of the family {kept.family}, SHA-256 {kept.sha256}."
    )
    table = TimeIntervals(
        name=name,
        description=f"States of arousal from t0 to the end of the recording, {TOLD[name]}. Without "
        f"overlap or hole; neighbours differ, or a border of an epoch lies between them. {how}",
    )
    for column, description in COLUMNS.items():
        table.add_column(name=column, description=description)
    values = {column: stored(_typed(column, [row[column] for row in rows])) for column in COLUMNS}
    for i, row in enumerate(rows):
        table.add_row(
            start_time=float(row["start_time"]),
            stop_time=float(row["stop_time"]),
            **{column: values[column][i] for column in COLUMNS},
        )
    return table


def _typed(column: str, values: list[Any]) -> Any:
    kinds = {"state": np.int8, "modalities": np.uint8, "confidence": np.float64}
    return np.array(values, kinds[column]) if column in kinds else values


def _add_features(nwb: Any, block: Block, states: States) -> None:
    from pynwb import TimeSeries
    from pynwb.behavior import BehavioralTimeSeries

    kept, features, units = states.kept, states.features, states.units
    assert kept is not None and features is not None and units is not None
    place = np.round((kept.host_s - kept.host_s[0]) / TICK_S).astype(np.int64)
    n = int(place[-1]) + 1
    start, end = np.asarray(block.timeline.of_host(kept.host_s[0] + np.array([-1, n - 1]) * TICK_S))
    container = BehavioralTimeSeries(name="arousal_features")
    for k, (name, (unit, meaning)) in enumerate(units.items()):
        values = np.full(n, np.nan, np.float32)
        values[place] = features[:, k]
        if not np.isfinite(values).any():
            continue
        series = TimeSeries(
            name=name,
            data=packed(values),
            unit=unit,
            description=f"{meaning[0].upper()}{meaning[1:]}. A value for the 0.1 s from its time "
            "on, settling included; NaN is unknown.",
            starting_time=max(0.0, float(start)),
            rate=float(n / (end - start)),
        )
        container.add_timeseries(series)
    if not container.time_series:
        return
    if "behavior" not in nwb.processing:
        nwb.create_processing_module(name="behavior", description="Behaviour and arousal.")
    nwb.processing["behavior"].add(container)


def window_stop(block: Block) -> float:
    """NWB seconds at which the canonical window ends, as far as it was recorded."""
    ends = [e.index + e.n for e in block.epochs if e.label.startswith(BASELINE)]
    return float(block.timeline.of_index(ends[0])) if ends else 0.0
