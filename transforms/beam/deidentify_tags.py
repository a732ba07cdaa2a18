"""DeidentifyTags: PS3.15 Annex E on every data element of an instance."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.beam.base import WorkerDoFn
from transforms.types import Work


class DeidentifyTagsDoFn(WorkerDoFn):
    """De-identifies the tags of one instance."""

    def process(self, element: Work) -> Iterator[Work]:
        """Yield the same Work with a de-identified data set, or failed."""
        yield self.worker.deidentify_tags(element)
