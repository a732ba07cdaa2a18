"""ReadApart: ReadHeader and EvaluateSaveConditions in one step and in a process of their own, after a worker has died."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from transforms.beam.base import OUTCOMES, WorkerDoFn
from transforms.series.aggregate import series_key
from transforms.types import Header, Outcome, Source


class ReadApartDoFn(WorkerDoFn):
    """Hands sources to a reader that survives what they do; its opener gives one that has ``read``."""

    def process(self, element: Source) -> Iterator[tuple[str, Header] | beam.pvalue.TaggedOutput]:
        """Yield (series key, header) on the main output, an outcome on ``outcomes``."""
        header = self.worker.read(element)
        if isinstance(header, Outcome):
            yield beam.pvalue.TaggedOutput(OUTCOMES, self.count(header))
        else:
            yield series_key(header), header
