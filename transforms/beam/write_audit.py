"""WriteAudit: outcomes -> Parquet parts, flushed by number and by age so that a run that dies loses little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import apache_beam as beam

from transforms.types import Outcome

FLUSH_ROWS = 512
FLUSH_SECONDS = 20.0


class WriteAuditDoFn(beam.DoFn):
    """Buffers outcomes and hands them to ``write`` in batches; the rest when the bundle ends."""

    def __init__(self, write: Callable[[Sequence[Outcome]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock

    def start_bundle(self) -> None:
        """Start with an empty buffer: rows of a bundle that failed belong to its retry."""
        self._buffer: list[Outcome] = []
        self._since = self._clock()

    def process(self, element: Outcome) -> None:
        """Buffer one outcome."""
        self._buffer.append(element)
        if len(self._buffer) >= FLUSH_ROWS or self._clock() - self._since >= FLUSH_SECONDS:
            self._flush()

    def finish_bundle(self) -> None:
        """Write what is left."""
        self._flush()

    def _flush(self) -> None:
        self._write(self._buffer)
        self.start_bundle()
