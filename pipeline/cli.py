"""The command line: ``dicom-deid run | pending | inspect | verify | report | devices | synth | score``.

Exit status: 0 done and reconciled; 1 something is not as it should be, or another run has the output; 2 a configuration that cannot be run;
130 and 141 as of any program that is interrupted, or of which nobody reads what it says.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

from transforms.errors import BusyError, ConfigError, DeidError

UNREAD = 141
"""As of a program that ends when nobody reads what it says: a run may not have come to its end, or may have failed."""
COMMANDS = {
    "run": ("pipeline.commands.run", "de-identify an archive"),
    "pending": ("pipeline.commands.pending", "list the inputs that no run finished, as a manifest for 'run'"),
    "inspect": ("pipeline.commands.inspect", "show what would be done to one file, without doing it"),
    "verify": ("pipeline.commands.verify", "reconcile the counts of an output and scan its files for leaks"),
    "report": ("pipeline.commands.report", "write a self-contained HTML report of an output"),
    "devices": ("pipeline.commands.devices", "translate pixel rules of CTP or deid into rules for devices"),
    "synth": ("pipeline.synth", "burn known text into real images, with its truth"),
    "score": ("pipeline.score", "score an output against a truth file"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. No traceback reaches the terminal: it could show values."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC tells the terminal about every fork otherwise
    argv = list(sys.argv[1:] if arguments is None else arguments)
    argv, extra = _split(argv)
    module, options = _parse(argv, extra)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    if not os.environ.get("DICOM_DEID_DEBUG"):
        threading.excepthook = lambda _: None  # a thread's traceback could show values; the main thread says what failed
    try:
        return int(module.main(options))
    except ConfigError as exc:
        print(f"dicom-deid: {exc}", file=sys.stderr)
        return 1 if isinstance(exc, BusyError) else 2  # a scheduler tries 1 again
    except DeidError as exc:
        print(f"dicom-deid: failed with {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # nobody reads on: `dicom-deid inspect … | head`
        return UNREAD
    except Exception as exc:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(exc)):  # Beam makes another error of it
            return _interrupted()
        if os.environ.get("DICOM_DEID_DEBUG"):
            raise
        if any(_is_full(cause) for cause in _causes(exc)):
            room = "make room there, and in the folder for temporary files (TMPDIR)"
            print(f"dicom-deid: a disk of this machine is full; {room}, and run the same command again", file=sys.stderr)
            return 1
        chain = " from ".join(type(cause).__name__ for cause in _causes(exc))  # their texts may hold values
        print(f"dicom-deid: stopped by {chain}; DICOM_DEID_DEBUG=1 shows where, and may show PHI", file=sys.stderr)
        return 1


def _parse(argv: Sequence[str], extra: list[str]) -> tuple[ModuleType, argparse.Namespace]:
    """Only the module of the command that was asked for is imported."""
    parser = argparse.ArgumentParser(prog="dicom-deid", description="De-identify archives of DICOM files.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    modules = {}
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == chosen:
            gc.disable()  # what modules are made of stays: looking for garbage in it is a tenth of importing it
            modules[name] = import_module(module)
            gc.enable()
            modules[name].add_arguments(command)
    options, unknown = parser.parse_known_args(argv)
    asked = commands.choices[options.command]
    if unknown:
        asked.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown[0], asked)}")
    if extra and options.command != "run":
        asked.error("options after -- are for 'run'")
    options.engine_options = extra
    return modules[options.command], options


def _nearest(word: str, command: argparse.ArgumentParser) -> str:
    """The option that was meant, perhaps."""
    known = [option for option in command.format_usage().replace("[", " ").replace("]", " ").split() if option.startswith("--")]
    match = difflib.get_close_matches(word.partition("=")[0], known, n=1)
    return f"; did you mean {match[0]}?" if match else ""


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Everything after ``--`` goes to Beam or Spark."""
    if "--" in argv:
        at = argv.index("--")
        return argv[:at], argv[at + 1 :]
    return argv, []


def _interrupted() -> int:
    print("dicom-deid: interrupted; run the same command again to go on", file=sys.stderr)
    return 130


def _is_full(exc: BaseException) -> bool:
    """Whether a disk had no room: DuckDB has no class for it, and says it in the words of the system."""
    return getattr(exc, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(exc)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and its causes."""
    current: BaseException | None = exc
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
