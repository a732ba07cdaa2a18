"""A buffer of outcomes that is flushed by number and by age, so that a run that dies loses little of its audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from transforms.types import Outcome

FLUSH_ROWS = 512
FLUSH_SECONDS = 20.0


class OutcomeBuffer:
    """Hands outcomes to ``write`` in batches; what is left must be flushed."""

    def __init__(self, write: Callable[[Sequence[Outcome]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._rows: list[Outcome] = []
        self._since = clock()

    def add(self, outcome: Outcome) -> None:
        """Buffer one outcome; write the batch when it is large or old enough."""
        self._rows.append(outcome)
        if len(self._rows) >= FLUSH_ROWS or self._clock() - self._since >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        self._write(self._rows)
        self._rows, self._since = [], self._clock()
