"""Write: the verified bytes of an instance become a file under its final name; the Work becomes an outcome."""

from __future__ import annotations

from transforms.beam.base import OverlapDoFn
from transforms.overlap import Overlap
from transforms.types import Outcome, Work


class WriteDoFn(OverlapDoFn):
    """Writes instances atomically, and yields the outcome of each."""

    def overlap(self) -> Overlap[Work, Outcome, Outcome]:
        """Files are written while later instances are worked on."""
        stage: Overlap[Work, Outcome, Outcome] = self.worker.writing()
        return stage

    def emit(self, found: Outcome) -> Outcome:
        """Count it."""
        return self.count(found)
