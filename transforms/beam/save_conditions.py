"""EvaluateSaveConditions: header fields -> header with evaluated conditions, keyed by series. Only this header is shuffled."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from transforms.beam.base import OUTCOMES, WorkerDoFn
from transforms.deidentify import OpenedHeader
from transforms.series.aggregate import series_key
from transforms.types import Header, Outcome


class SaveConditionsDoFn(WorkerDoFn):
    """Evaluates the save conditions of one instance from its header alone."""

    def process(self, element: OpenedHeader) -> Iterator[tuple[str, Header] | beam.pvalue.TaggedOutput]:
        """Yield (series key, header) on the main output, an outcome on ``outcomes``."""
        header = self.worker.evaluate(element)
        if isinstance(header, Outcome):
            yield beam.pvalue.TaggedOutput(OUTCOMES, self.count(header))
        else:
            yield series_key(header), header
