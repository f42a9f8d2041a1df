"""``tenmin status``, ``note``, ``abort``: one question to a running engine."""

from __future__ import annotations

import argparse
from typing import Any

from tenmin.commands.console import Console, add_json

RIG = "rig.toml, sim:NAME or the id of the running rig; needed when several engines run"


def add_status(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin status``."""
    parser.add_argument("rig", nargs="?", metavar="RIG", help=RIG)
    add_json(parser)


def status(args: argparse.Namespace, console: Console) -> int:
    """Where the engine is."""
    from tenmin.commands.progress import describe
    from tenmin.service.client import Client

    with Client.find(args.rig, name="tenmin status") as client:
        state = client.status()
    console.result(state)
    snapshot: dict[str, Any] | None = state.get("snapshot")
    console.say(f"rig {state.get('rig')}: " + (describe(snapshot) if snapshot else "no block"))
    return 0


def add_note(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin note``."""
    parser.add_argument("text", metavar="TEXT", help="what you saw, as of now")
    parser.add_argument("rig", nargs="?", metavar="RIG", help=RIG)
    parser.add_argument("--code", default="comment", help="word of the event vocabulary")
    add_json(parser)


def note(args: argparse.Namespace, console: Console) -> int:
    """Write a note into the running block."""
    from tenmin.service.client import Client

    with Client.find(args.rig, name="tenmin note") as client:
        console.result(client.note(args.text, args.code))
    console.say("Noted.")
    return 0


def add_abort(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tenmin abort``."""
    parser.add_argument("rig", nargs="?", metavar="RIG", help=RIG)
    parser.add_argument("--reason", default="asked to by the operator", help="for the file")
    add_json(parser)


def abort(args: argparse.Namespace, console: Console) -> int:
    """End the running block; what was recorded is kept."""
    from tenmin.service.client import Client

    with Client.find(args.rig, name="tenmin abort") as client:
        console.result(client.abort(args.reason))
    console.say("The block is being ended; what was recorded is kept.")
    return 0
