"""What a worker tells of its work while it does it: to a progress bar, a log, a profile."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from transforms.types import Outcome

_NOTHING = nullcontext()


class Observer:
    """Hears how the work goes on. This one does nothing; an observer overrides what it wants to hear.

    It is called by the threads that work, so it must be quick and must not raise.
    """

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Entered while the thread works at a stage: ``header``, ``conditions``, ``read``, ``mask``, ``tags``, ``verify``, ``write``."""
        return _NOTHING

    def header_read(self, instance_id: str) -> None:
        """The header of an instance was read."""

    def ended(self, outcome: Outcome) -> None:
        """An input ended as ``outcome``."""
