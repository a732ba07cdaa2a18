"""MaskText: a chunk of one series -> its instances, read whole, with burned-in text hidden."""

from __future__ import annotations

from transforms.beam.base import OverlapDoFn
from transforms.overlap import Overlap
from transforms.spool import Bytes
from transforms.types import Chunk, Work


class MaskTextDoFn(OverlapDoFn):
    """Reads the instances of a chunk and masks the text that OCR finds in their frames: one Work per instance, in the order of the chunk.

    Comes before tag de-identification because it needs the original header values. A failed instance travels on as failed Work without
    data, so that its outcome is written like any other.
    """

    def overlap(self) -> Overlap[Chunk, Bytes, Work]:
        """Later chunks are read while one is worked on."""
        stage: Overlap[Chunk, Bytes, Work] = self.worker.masking()
        return stage
