"""What the DoFns share: one `Deidentifier` per worker process, opened in ``setup`` from a reference that carries no secret."""

from __future__ import annotations

from collections.abc import Callable

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.deidentify import Deidentifier
from transforms.types import Outcome, Status

OUTCOMES = "outcomes"
"""Tag of the output with inputs that are finished before they reach Write."""

DISTRIBUTIONS = ("frames", "frames_masked", "boxes_masked", "bytes_in", "bytes_out")
STAGES = ("read", "mask", "tags", "verify", "write")

Opener = Callable[[], Deidentifier]
"""Opens the worker's Deidentifier: picklable, cached per process, resolves the secret where it runs."""


class WorkerDoFn(beam.DoFn):
    """A DoFn over the process's Deidentifier that counts how inputs end."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._counters = {status: Metrics.counter("instances", status.value) for status in Status}
        self._sizes = {name: Metrics.distribution("instances", name) for name in DISTRIBUTIONS}
        self._stages = {name: Metrics.distribution("milliseconds", name) for name in STAGES}

    def setup(self) -> None:
        """Open the worker: models, table, secret; once per process."""
        self.worker = self._opener()

    def count(self, outcome: Outcome) -> Outcome:
        """Count the outcome by status, size and time, and hand it on."""
        self._counters[outcome.status].inc()
        for name, distribution in self._sizes.items():
            if (value := outcome.instance.get(name)) is not None:
                distribution.update(int(value))
        for name, distribution in self._stages.items():
            if (seconds := outcome.instance.get(f"seconds_{name}")) is not None:
                distribution.update(round(1000 * seconds))
        return outcome
