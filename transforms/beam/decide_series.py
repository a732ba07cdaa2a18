"""DecideSeries: the headers of one series -> chunks to be cleaned, and the outcomes of what the conditions filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam

from transforms.beam.base import OUTCOMES, WorkerDoFn
from transforms.types import Chunk, Header, Outcome


class DecideSeriesDoFn(WorkerDoFn):
    """Aggregates the save conditions of a series and cuts it into chunks."""

    def process(self, element: tuple[str, Iterable[Header]]) -> Iterator[Chunk | beam.pvalue.TaggedOutput]:
        """Yield chunks on the main output, filtered instances on ``outcomes``."""
        for item in self.worker.decide_series(element[1]):
            if isinstance(item, Outcome):
                yield beam.pvalue.TaggedOutput(OUTCOMES, self.count(item))
            else:
                yield item
