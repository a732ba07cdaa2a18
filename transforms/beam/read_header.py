"""ReadHeader: source -> header fields, or the outcome of an input that is not a readable DICOM instance."""

from __future__ import annotations

import apache_beam as beam

from transforms.beam.base import OUTCOMES, OverlapDoFn
from transforms.deidentify import OpenedHeader
from transforms.overlap import Overlap
from transforms.types import Outcome, Source


class ReadHeaderDoFn(OverlapDoFn):
    """Reads the header of an instance by ranged reads, never its pixels."""

    def overlap(self) -> Overlap[Source, OpenedHeader | Outcome, OpenedHeader | Outcome]:
        """Several headers are read at once."""
        stage: Overlap[Source, OpenedHeader | Outcome, OpenedHeader | Outcome] = self.worker.headers()
        return stage

    def emit(self, found: OpenedHeader | Outcome) -> OpenedHeader | beam.pvalue.TaggedOutput:
        """The opened header on the main output, an outcome on ``outcomes``."""
        if isinstance(found, Outcome):
            return beam.pvalue.TaggedOutput(OUTCOMES, self.count(found))
        self.measure(found.measures)
        return found
