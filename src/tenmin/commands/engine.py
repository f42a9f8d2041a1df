"""``tenmin engine`` and ``tenmin attach``: an engine alone, and a look at a running one."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

from tenmin.commands.ask import RIG
from tenmin.commands.console import Console, add_json
from tenmin.commands.sim import add_simulated

LOOK_S = 2.0


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin engine``."""
    parser.epilog = "It serves block after block until Ctrl-C; blocks are started by clients."
    parser.add_argument("rig", metavar="RIG", help="path of a rig.toml, or sim:NAME")
    parser.add_argument("--once", action="store_true", help="end after the first block")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: ./tenmin-data")
    add_simulated(parser)
    add_json(parser, "print one JSON object once the engine answers")


def engine(args: argparse.Namespace, console: Console) -> int:
    """Start an engine and stay until it is told to end."""
    from tenmin.commands.plan import engine_faults, refuse, spec_of
    from tenmin.errors import EngineGone, MessageRefused, RigBusy
    from tenmin.launch import start_detached
    from tenmin.rig import load_rig
    from tenmin.service.client import Client, find_engine
    from tenmin.system import FileLock, on_signals

    refuse(engine_faults(args))
    rig = load_rig(args.rig)
    spec = spec_of(args, rig, once=args.once)
    lock = spec.folder / "engine.lock"
    if FileLock.held(lock):
        raise RigBusy(f"An engine runs on the rig {rig.id} already.")
    spec.save()
    start_detached(spec)
    console.result(find_engine(spec.rig_id))
    console.say(f"The engine of {spec.rig_id} runs. Ctrl-C ends it.")
    asked = threading.Event()
    on_signals(lambda _: asked.set(), "SIGINT", "SIGTERM")
    with Client.find(spec.rig_id, name="tenmin engine") as client:
        while FileLock.held(lock):
            if asked.wait(LOOK_S / 8):
                asked.clear()
                try:
                    client.stop()
                except MessageRefused as error:
                    console.log(f"{error.message} It goes on; see `tenmin attach`.")
                    return 4
                except EngineGone:
                    break  # it has ended meanwhile
    return 0


def add_attach(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin attach``."""
    parser.epilog = "Ctrl-C leaves; the block goes on."
    parser.add_argument("rig", nargs="?", metavar="RIG", help=RIG)
    add_json(parser, "print one JSON object a line: snapshots, events, the result")


def attach(args: argparse.Namespace, console: Console) -> int:
    """Follow an engine until it ends or the operator leaves."""
    from tenmin.commands.progress import Progress
    from tenmin.errors import EngineGone
    from tenmin.service.client import Client, find_engine

    progress = Progress()
    rig_id = find_engine(args.rig)["rig_id"]
    with Client.find(rig_id, name="tenmin attach") as client:
        state = client.status()
        if args.json:
            console.line({"type": "status", **state})
        else:
            _show(progress, "snapshot", state.get("snapshot"))
        for message in client.telemetry(timeout_s=LOOK_S):
            if message is None:
                try:
                    find_engine(rig_id)
                except EngineGone:
                    progress.say("The engine has ended.")
                    return 0
            elif args.json:
                console.line({"type": message.type, "seq": message.seq, **message.data})
            else:
                _show(progress, message.type, message.data)
    return 0


def _show(progress: Any, kind: str, data: dict[str, Any] | None) -> None:
    if data is None:
        progress.say("No block is running; waiting for one.")
    elif kind == "snapshot":
        progress.show(data)
    elif kind == "result":
        from tenmin.commands.record import summary

        progress.say(summary(data))
    elif data.get("code") not in ("verdict", "phase"):
        progress.say(f"{data.get('code')}: {data.get('value')}")
