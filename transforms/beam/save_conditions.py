"""EvaluateSaveConditions: header fields -> header with evaluated conditions, keyed by series. Only this header is shuffled."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.deidentify import OpenedHeader
from transforms.series.aggregate import series_key
from transforms.types import Header


class SaveConditionsDoFn(WorkerDoFn):
    """Evaluates the save conditions of one instance from its header alone."""

    def process(self, element: OpenedHeader) -> Iterator[tuple[str, Header]]:
        """Yield (series key, header)."""
        header = self.worker.evaluate(element)
        yield series_key(header), header
