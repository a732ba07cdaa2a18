"""Write: the verified bytes of an instance become a file under its final name; the Work becomes an outcome."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.types import Outcome, Work


class WriteDoFn(WorkerDoFn):
    """Writes one instance atomically."""

    def process(self, element: Work) -> Iterator[Outcome]:
        """Yield the outcome of the instance."""
        yield self.count(self.worker.write(element))
