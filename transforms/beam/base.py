"""What the DoFns share: one `Deidentifier` per worker process, opened in ``setup`` from a reference that carries no secret."""

from __future__ import annotations

from collections.abc import Callable

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.deidentify import Deidentifier
from transforms.types import Outcome, Status

OUTCOMES = "outcomes"
"""Tag of the output with inputs that are finished before they reach Write."""

Opener = Callable[[], Deidentifier]
"""Opens the worker's Deidentifier: picklable, cached per process, resolves the secret where it runs."""


class WorkerDoFn(beam.DoFn):
    """A DoFn over the process's Deidentifier that counts how inputs end."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._counters = {status: Metrics.counter("instances", status.value) for status in Status}

    def setup(self) -> None:
        """Open the worker: models, table, secret; once per process."""
        self.worker = self._opener()

    def count(self, outcome: Outcome) -> Outcome:
        """Count the outcome by status and hand it on."""
        self._counters[outcome.status].inc()
        return outcome
