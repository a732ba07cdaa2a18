"""Spark's Python workers on a machine, forked from a process that has imported what they need.

Spark's own daemon imports PySpark from an archive without bytecode, so that it compiles it at each start, and leaves it to each worker to
import what its tasks need. A worker also collects garbage after each task, here without what was imported before.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path

PRELOADED = ("pyspark.daemon", "pyspark.worker", "pipeline.spark", "pipeline.worker", "transforms.deidentify")


def without_archive(path: list[str]) -> list[str]:
    """A module search path without the archive of PySpark, where the PySpark that is installed is the one that the archive comes with."""
    rest = [entry for entry in path if Path(entry).name != "pyspark.zip"]
    installed = PathFinder.find_spec("pyspark", rest)
    if installed is None or installed.origin is None:
        return path
    home = Path(installed.origin).resolve().parent
    return [entry for entry in path if entry in rest or home not in Path(entry).resolve().parents]


def main() -> None:
    """Import, and wait for Spark to ask for workers."""
    sys.path[:] = without_archive(sys.path)
    gc.disable()
    with contextlib.redirect_stdout(sys.stderr):  # Spark reads a port from the standard output
        for name in PRELOADED:
            import_module(name)
    gc.freeze()  # what modules are made of stays
    gc.enable()
    import_module("pyspark.daemon").manager()


if __name__ == "__main__":
    main()
