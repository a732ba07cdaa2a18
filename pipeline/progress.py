"""Progress of a local run: workers leave counts in a folder, the driver adds them up and shows them.

A bar on a terminal, plain lines elsewhere. On a cluster the engine's own counters do this.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

TICK_SECONDS = 0.5
LINE_SECONDS = 10.0
BAR_WIDTH = 24


class Ticker:
    """Counts the events of one process and leaves them in a file of its own, at most twice a second."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(folder) / f"{os.getpid()}.json"
        self._counts: Counter[str] = Counter()
        self._clock = clock
        self._written = 0.0

    def tick(self, event: str) -> None:
        """Count an event: ``header`` or a status."""
        self._counts[event] += 1
        if self._clock() - self._written >= TICK_SECONDS:
            self._written = self._clock()
            partial = self._path.with_suffix(".tmp")
            partial.write_text(json.dumps(self._counts))
            partial.replace(self._path)


def total(folder: str) -> Counter[str]:
    """The counts of all processes so far."""
    counts: Counter[str] = Counter()
    for path in Path(folder).glob("*.json"):
        counts.update(json.loads(path.read_text()))
    return counts


@contextmanager
def shown(inputs: int, stream: TextIO | None = None) -> Iterator[str]:
    """Show progress while the body runs; yields the folder that the workers' `Ticker` needs."""
    out = stream or sys.stderr
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="dicom-deid-progress-") as folder:
        thread = threading.Thread(target=_show, args=(folder, inputs, out, stop), daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            stop.set()
            thread.join()


def _show(folder: str, inputs: int, out: TextIO, stop: threading.Event) -> None:
    tty = out.isatty()
    started = time.monotonic()
    period = TICK_SECONDS if tty else LINE_SECONDS
    while not stop.wait(period):
        line = render(total(folder), inputs, time.monotonic() - started, bar=tty)
        out.write(f"\r\x1b[2K{line}" if tty else f"{line}\n")
        out.flush()
    if tty:
        out.write("\r\x1b[2K")


def render(counts: Counter[str], inputs: int, seconds: float, *, bar: bool) -> str:
    """One line: what is done of ``inputs``, rate, time left and how the inputs ended."""
    statuses = ("saved", "filtered", "quarantined")
    done = sum(counts[status] for status in statuses)
    if done == 0:
        return f"reading headers {counts['header']}/{inputs}"
    rate = done / max(seconds, 1e-9)
    left = _clock_text((inputs - done) / rate)
    ends = ", ".join(f"{status} {counts[status]}" for status in statuses)
    filled = BAR_WIDTH * done // max(inputs, 1)
    gauge = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] " if bar else ""
    return f"{gauge}{done}/{inputs} files, {rate:.1f} files/s, {left} left; {ends}"


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
