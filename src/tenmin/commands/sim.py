"""``tenmin sim``: one simulator alone."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from tenmin import registry
from tenmin.commands.console import Console

# What the shipped simulators know; docs/how-to/rehearse-with-simulators.md says what each does.
FAULTS = (
    "gap@T:N stall@T:S disconnect@T:S burst@T:S duplicate@T:N reorder@T:N drift:PPM bend@T:PPM "
    "jitter:MS dead@T:CHANNEL saturate@T:CHANNEL nan@T:CHANNEL flat@T:CHANNEL:S clip@T:CHANNEL:S "
    "pop@T:CHANNEL:SIGMA white@T:CHANNEL high_impedance@T:CHANNEL bridge@T:CHANNEL:CHANNEL "
    "outside@T:N line@T:DB hum@T:DB:S muscle@T:S blink@T eyes_closed@T:S sem@T:S drowsy@T:S "
    "quiet@T:S active@T:S run@T:S exposure@T:PERCENT shift@T:UM focus@T:UM overexpose@T:S "
    "bleach@T:TAU access@T:MOHM seal@T:MOHM ljp@T:MV lux@T:PERCENT sound@T:DB:S warm@T:KELVIN"
)


def add_sim(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin sim``."""
    known = ", ".join(registry.names(registry.SIMULATORS)) or "none"
    parser.epilog = "The first line on stdout is a JSON object with the endpoint and the devices."
    parser.add_argument("name", metavar="NAME", help=f"installed: {known}")
    parser.add_argument("--port", default="0", help="serial or network port; 0 chooses one")
    parser.add_argument("--rate", type=float, metavar="HZ", help="rate of the primary stream")
    parser.add_argument("--channels", type=int, metavar="N", help="its number of channels")
    parser.add_argument("--dtype", help="format of its samples, where the simulator allows it")
    add_simulated(parser)
    parser.add_argument(
        "--while-locked", type=Path, nargs="+", action="extend", default=[], help=argparse.SUPPRESS
    )


def add_simulated(parser: argparse.ArgumentParser) -> None:
    """Options that mean the same for every simulated rig."""
    parser.add_argument("--seed", type=int, default=0, help="same seed, same samples")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@SECONDS[:ARG]",
        help=f"{FAULTS}; repeatable",
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="where to write the truth, JSON")


def sim(args: argparse.Namespace, console: Console) -> int:
    """Run it until it is interrupted."""
    run = registry.load(registry.SIMULATORS, args.name)
    shapes = options_module(run)
    options = shapes.SimOptions(
        port=args.port,
        rate_hz=args.rate,
        channels=args.channels,
        dtype=args.dtype,
        seed=args.seed,
        faults=shapes.parse_faults(args.fault),
        truth=args.truth,
        while_locked=tuple(args.while_locked),
    )
    return run(options) or 0


def options_module(run: Any) -> Any:
    """The module that defines the options of a simulator: its own package's, else the shipped one.

    Simulators of other distributions take the same options; the core imports no simulator.
    """
    own = run.__module__.rpartition(".")[0]
    shipped = registry.find(registry.SIMULATORS, "mouse").module.rpartition(".")[0]
    for package in filter(None, (own, shipped)):
        try:
            return importlib.import_module(f"{package}.options")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.options":
                raise
    raise LookupError("the simulators of this distribution are not installed")
