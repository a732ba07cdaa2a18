"""CleanApart: MaskText to Write in one step and in a process of their own, after a worker has died."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.types import Chunk, Outcome


class CleanApartDoFn(WorkerDoFn):
    """Hands chunks to a cleaner that survives what they do; its opener gives one that only has ``process``."""

    def process(self, element: Chunk) -> Iterator[Outcome]:
        """Yield the outcome of each instance."""
        for outcome in self.worker.process([element]):
            yield self.count(outcome)
