"""MaskText: a chunk of one series -> its instances, read whole, with burned-in text hidden."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.types import Chunk, Work


class MaskTextDoFn(WorkerDoFn):
    """Reads the instances of a chunk and masks the text that OCR finds in their frames.

    Comes before tag de-identification because it needs the original header values. A failed instance travels on as failed Work without
    data, so that its outcome is written like any other.
    """

    def process(self, element: Chunk) -> Iterator[Work]:
        """Yield one Work per instance, in the order of the chunk."""
        yield from self.worker.mask_text(element)
