"""ReadHeader: source -> header fields, or the outcome of an input that is not a readable DICOM instance."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from transforms.beam.base import OUTCOMES, WorkerDoFn
from transforms.deidentify import OpenedHeader
from transforms.types import Outcome, Source


class ReadHeaderDoFn(WorkerDoFn):
    """Reads the header of an instance by ranged reads, never its pixels."""

    def process(self, element: Source) -> Iterator[OpenedHeader | beam.pvalue.TaggedOutput]:
        """Yield the opened header on the main output, an outcome on ``outcomes``."""
        opened = self.worker.open_header(element)
        if isinstance(opened, Outcome):
            yield beam.pvalue.TaggedOutput(OUTCOMES, self.count(opened))
        else:
            self.measure(opened.measures)
            yield opened
