"""Progress of a local run: workers leave counts in a folder, the driver adds them up and shows them; so for the lines of their logs.

A bar on a terminal, plain lines elsewhere, events where the log is JSON. On a cluster the engine's own counters do this.
"""

from __future__ import annotations

import json
import logging
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

from pipeline.log import Drain, EventLog

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
        self._lock = threading.Lock()

    def tick(self, event: str) -> None:
        """Count an event: ``header`` or a status."""
        with self._lock:
            self._counts[event] += 1
            if (now := self._clock()) - self._written >= TICK_SECONDS:
                self._written = now
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
def shown(inputs: int, stream: TextIO | None = None, events: EventLog | None = None) -> Iterator[str]:
    """Show progress while the body runs; yields the folder that the workers' `Ticker` and log need.

    Args:
        inputs: how many there are.
        stream: where to; standard error.
        events: where progress goes instead if lines are to be JSON.
    """
    out = stream or sys.stderr
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="dicom-deid-progress-", ignore_cleanup_errors=True) as folder:
        drain = Drain(folder)
        thread = threading.Thread(target=_show, args=(folder, inputs, out, stop, drain, events), daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            stop.set()
            thread.join()
            out.write(drain.lines())
            out.flush()


def _show(folder: str, inputs: int, out: TextIO, stop: threading.Event, drain: Drain, events: EventLog | None) -> None:
    as_json = events is not None and events.as_json
    bar = out.isatty() and not as_json
    started = shown = time.monotonic()
    while not stop.wait(TICK_SECONDS):
        lines = drain.lines()
        if lines:
            out.write(f"\r\x1b[2K{lines}" if bar else lines)
        now = time.monotonic()
        if bar or now - shown >= LINE_SECONDS:
            shown = now
            counts = total(folder)
            if as_json and events is not None:
                events.event(logging.INFO, "run.progress", seconds=now - started, numbers={"inputs": inputs, **counts})
            else:
                line = render(counts, inputs, now - started, bar=bar)
                out.write(f"\r\x1b[2K{line}" if bar else f"{line}\n")
        out.flush()
    if bar:
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
