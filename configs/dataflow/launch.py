"""Main program of the Flex Template: its parameters as the options of ``dicom-deid run``, all others to Beam."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.cli import main

OURS = ("config", "output", "secret_file", "workers", "io_threads", "max_quarantined", "log_format", "log_level")
SWITCHES = ("redo", "profile")


def arguments(argv: list[str]) -> list[str]:
    """The command line of ``dicom-deid`` for what the template launcher was given."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--input", required=True, help="URIs, separated by commas")
    parser.add_argument("--runner")  # the launcher says DataflowRunner
    for name in (*OURS, *SWITCHES):
        parser.add_argument(f"--{name}")
    known, beam = parser.parse_known_args(argv)
    if known.config and "/" not in known.config:
        known.config = str(Path(__file__).resolve().parents[1] / known.config)  # a recipe of the image
    given = [f"--{name.replace('_', '-')}={getattr(known, name)}" for name in OURS if getattr(known, name)]
    given += [f"--{name}" for name in SWITCHES if (getattr(known, name) or "").lower() == "true"]
    return ["run", "--input", *known.input.split(","), *given, "--runner", "dataflow", "--", *beam]


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
