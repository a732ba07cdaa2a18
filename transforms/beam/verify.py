"""Verify: encode an instance and look for leaks in exactly the bytes that would be written."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.types import Work


class VerifyDoFn(WorkerDoFn):
    """Encodes and verifies one instance."""

    def process(self, element: Work) -> Iterator[Work]:
        """Yield the same Work with its encoded bytes, or failed."""
        yield self.worker.verify(element)
