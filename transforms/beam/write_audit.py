"""WriteAudit: outcomes -> Parquet parts, while the files are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import apache_beam as beam

from transforms.buffer import OutcomeBuffer
from transforms.types import Outcome


class WriteAuditDoFn(beam.DoFn):
    """Buffers outcomes and hands them to ``write`` in batches; the rest when the bundle ends."""

    def __init__(self, write: Callable[[Sequence[Outcome]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock

    def start_bundle(self) -> None:
        """Start with an empty buffer: rows of a bundle that failed belong to its retry."""
        self._buffer = OutcomeBuffer(self._write, self._clock)

    def process(self, element: Outcome) -> None:
        """Buffer one outcome."""
        self._buffer.add(element)

    def finish_bundle(self) -> None:
        """Write what is left."""
        self._buffer.flush()
