"""The command ``tenmin``: finds the command's module, runs it, and turns errors into exit codes.

Nothing heavy is imported here, so that ``tenmin --help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from tenmin import __version__
from tenmin.commands.console import Console
from tenmin.errors import RigError

# command -> (module in tenmin.commands, one line of help); the module's `add_NAME` adds the
# arguments and its `NAME` runs the command, with `-` as `_`.
COMMANDS = {
    "demo": ("record", "record a block on a simulated rig: nothing to configure"),
    "record": ("record", "record a block without a screen"),
    "engine": ("engine", "run the engine of a rig alone"),
    "attach": ("engine", "follow a running engine"),
    "status": ("ask", "ask a running engine where it is"),
    "note": ("ask", "tell a running engine what you saw"),
    "abort": ("ask", "end a running block before its time"),
    "check": ("check", "look for every fault of a rig before recording"),
    "devices": ("devices", "list what is plugged in and which driver fits"),
    "examples": ("files", "write example rig, subject and protocol files"),
    "checks": ("checks", "list or show what is checked, with its limits"),
    "protocols": ("files", "list, show or check block protocols"),
    "recover": ("files", "make the NWB file of a journal"),
    "validate": ("files", "check NWB files: schema, best practice, archive"),
    "sim": ("sim", "run one simulator alone"),
    "bench": ("bench", "measure this machine: ours beside its limits and other programs"),
}
EXIT_CODES = """exit codes:
  0  done and acceptable
  1  done, but a check of the result fails; the file is kept
  2  a file or the command is wrong
  3  a device, a port or the disk fails
  4  interrupted; what was recorded is kept"""
INTERRUPTED = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser(words).parse_args(words)
    console = Console(json=getattr(args, "json", False))
    if args.command is None:
        _parser(words).print_help()
        return 2
    try:
        return args.run(args, console)
    except KeyboardInterrupt:
        console.log("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does: that is no fault.
        _drop_stdout()
        return 0
    except RigError as error:
        return _failed(error, args, console)
    except Exception as error:
        wrapped = RigError(f"tenmin failed: {type(error).__name__}: {error}")
        wrapped.__traceback__ = error.__traceback__
        return _failed(wrapped, args, console, error)


def _failed(
    error: RigError, args: argparse.Namespace, console: Console, cause: Exception | None = None
) -> int:
    if args.debug:
        traceback.print_exception(cause or error, file=sys.stderr)
    console.error(error)
    return error.exit_code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows the arguments of the one command that is called."""
    parser = argparse.ArgumentParser(
        prog="tenmin",
        description="Records the ten-minute spontaneous-activity baseline at the rig.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tenmin {__version__}")
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    called = next((w for w in words if not w.startswith("-")), None)
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=line,
            description=line[0].upper() + line[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == called:
            found = importlib.import_module(f"tenmin.commands.{module}")
            getattr(found, f"add_{name}")(command)
            command.set_defaults(run=getattr(found, name))
            command.add_argument("--debug", action="store_true", help="show Python's traceback")
    return parser


def _drop_stdout() -> None:
    """Keep the interpreter from complaining when it flushes what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
