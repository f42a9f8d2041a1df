"""``tenmin record`` and ``tenmin demo``: one block without a screen."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenmin.commands.console import Console, add_json, table
from tenmin.commands.sim import add_simulated

POSITIONS = ("before_task", "between", "after_task", "standalone")
# What a machine reads at the end (design 4); what is not built yet is null.
KEYS = (
    "nwb",
    "journal",
    "simulated",
    "nonstandard",
    "seconds_asked",
    "t0_index",
    "n_window",
    "streams",
    "verdicts",
    "arousal",
    "completeness",
    "validation",
)
EXTEND_HELP = (
    "let the window grow while clean time is short; no check tells clean time yet, so until then "
    "the block is labelled clean_time_unknown and is not extended"
)
VERDICT_KEYS = ("check", "stream", "level", "value", "limit", "unit")
DEMO_RIG, DEMO_S, DEMO_SETTLE_S, DEMO_PADS_S = "sim:mouse", 60.0, 5.0, 2.0


def add_record(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin record``."""
    parser.add_argument("rig", metavar="RIG", help="path of a rig.toml, or sim:NAME")
    parser.add_argument("--protocol", metavar="ID", help="shipped protocol, or path of a TOML file")
    parser.add_argument("--subject", type=Path, metavar="FILE", help="subject.toml")
    parser.add_argument(
        "--position",
        choices=POSITIONS,
        default="standalone",
        help="where in the day's programme (default: standalone)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a fact, for example env.lux_at_eye=12; repeatable",
    )
    _add_lengths(parser)
    parser.add_argument("--extend", action="store_true", help=EXTEND_HELP)
    add_simulated(parser)
    _add_output(parser)


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin demo``."""
    parser.description = (
        f"Record {DEMO_S:g} s on the simulated rig {DEMO_RIG}, then validate the file."
    )
    _add_lengths(parser)
    add_simulated(parser)
    _add_output(parser)
    parser.set_defaults(
        rig=DEMO_RIG,
        protocol=None,
        subject=None,
        position="standalone",
        set=[],
        extend=False,
        seconds=DEMO_S,
        settle=DEMO_SETTLE_S,
        pads=DEMO_PADS_S,
    )


def _add_lengths(parser: argparse.ArgumentParser) -> None:
    rehearsal = "; another than the protocol's marks the file nonstandard"
    for name, what in (("seconds", "window"), ("settle", "settling"), ("pads", "each pad")):
        parser.add_argument(
            f"--{name}", type=_seconds, metavar="N", help=f"seconds of the {what}{rehearsal}"
        )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: ./tenmin-data")
    parser.add_argument("--keep-journal", action="store_true", help="keep it beside the file")
    add_json(parser, "print one JSON object at the end")


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is no length of time")
    return value


def record(args: argparse.Namespace, console: Console) -> int:
    """Record a block and say how it went."""
    return _record(args, console, full=False)


def demo(args: argparse.Namespace, console: Console) -> int:
    """Record on a simulated rig and validate the file by all that is installed."""
    return _record(args, console, full=True)


def _record(args: argparse.Namespace, console: Console, full: bool) -> int:
    from tenmin.commands.plan import plan
    from tenmin.commands.progress import Progress
    from tenmin.commands.session import record_block

    spec, start = plan(args)
    result = record_block(spec, start, Progress())
    code = int(result["exit_code"])
    report = _validated(result, full)
    if report is not None:
        result["validation"] = report
        code = code or (0 if report["ok"] else 1)
    console.result(told(result))
    console.say(summary(result))
    if result.get("error"):
        console.log(f"{result['error']}\n{result['remedy']}")
    return code


def told(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a machine reads of a result: the keys of the contract, and no others."""
    verdicts = [{k: v.get(k) for k in VERDICT_KEYS} for v in result.get("verdicts") or ()]
    return {key: verdicts if key == "verdicts" else result.get(key) for key in KEYS}


def _validated(result: Mapping[str, Any], full: bool) -> dict[str, Any] | None:
    """Schema and own invariants; the inspector and the archive's check as well if `full`."""
    if result.get("nwb") is None:
        return None
    from tenmin.commands.files import validated

    return validated([Path(result["nwb"])], full=full)


def summary(result: Mapping[str, Any]) -> str:
    """The end of a block in a few lines for a person."""
    lines = [f"file      {result.get('nwb') or 'none'}"]
    if result.get("journal"):
        lines.append(f"journal   {result['journal']}")
    lines.append(f"asked     {_number(result.get('seconds_asked'), ' s')}{_marks(result)}")
    streams = result.get("streams") or []
    if streams:
        head = ("stream", "samples", "in window", "missing", "gaps", "Hz", "drift ppm")
        lines += ["", table([head, *map(_row, streams)])]
    for stream in streams:
        if stream.get("frames"):
            lines += ["", f"{stream['name']}: {stream['frames']['told']}"]
    verdicts = result.get("verdicts") or []
    if verdicts:
        found = [("verdict", "check", "stream", "value", "limit"), *map(_verdict, verdicts)]
        lines += ["", table(found)]
    if result.get("validation"):
        from tenmin.commands.files import findings_text

        lines += ["", "validation", findings_text(result["validation"])]
    return "\n".join(lines)


def _marks(result: Mapping[str, Any]) -> str:
    marks = [m for m in ("simulated", "nonstandard") if result.get(m)]
    return f" ({', '.join(marks)})" if marks else ""


def _row(stream: Mapping[str, Any]) -> tuple[str, ...]:
    drift, u95 = stream.get("drift_ppm"), stream.get("drift_ppm_u95")
    shown = _number(drift) if u95 is None else f"{_number(drift)} ± {_number(u95)}"
    return (
        str(stream["name"]),
        _number(stream.get("samples")),
        _number(stream.get("window_samples")),
        _number(stream.get("missing_samples")),
        str(len(stream.get("gaps") or ())),
        _number(stream.get("rate_hz")),
        shown,
    )


def _verdict(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    unit = f" {verdict['unit']}" if verdict.get("unit") else ""
    return (
        verdict["level"],
        verdict["check"],
        verdict["stream"],
        _number(verdict.get("value"), unit),
        _number(verdict.get("limit"), unit),
    )


def _number(value: Any, unit: str = "") -> str:
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}{unit}"
    return f"{value:.0f}{unit}" if isinstance(value, int | float) else f"{value}{unit}"
