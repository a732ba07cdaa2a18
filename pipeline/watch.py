"""What one process of a run tells of its work: to the log, the progress bar and the profile."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

from pipeline import profiler
from pipeline.log import EventLog, LogSettings, worker_name
from pipeline.progress import Ticker
from pipeline.storage import Store
from transforms.observer import Observer
from transforms.types import Outcome, Status

_NO_STAGE = nullcontext()


class Watch(Observer):
    """Tells the log, the progress bar and the profile of one process what goes on, as far as the run wants them.

    Args:
        run_id: of the run.
        settings: of the log.
        store: where the output is.
        output: holds what the profile sees.
        progress: folder of the progress bar, or None.
        profile: look where the time goes.
        worker: what this process is called.
    """

    def __init__(
        self,
        run_id: str,
        settings: LogSettings,
        store: Store,
        output: str,
        *,
        progress: str | None = None,
        profile: bool = False,
        worker: str = "",
    ) -> None:
        worker = worker or worker_name()
        self.events = EventLog(settings, run_id, worker)
        self._ticker = Ticker(progress) if progress else None
        part = profiler.part_uri(output, run_id, worker)
        self._sampler = profiler.Sampler(lambda data: store.write_atomic(part, data)) if profile else None

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Known to the sampler, if there is one."""
        return self._sampler.stage(name) if self._sampler else _NO_STAGE

    def header_read(self, instance_id: str) -> None:
        """Count it."""
        self.events.event(logging.DEBUG, "header.read", instance_id=instance_id)
        if self._ticker:
            self._ticker.tick("header")

    def ended(self, outcome: Outcome) -> None:
        """Count it, and log how it ended: quarantined ones as warnings."""
        row = outcome.instance
        level = logging.WARNING if outcome.status is Status.QUARANTINED else logging.INFO
        seconds = sum(value for name, value in row.items() if name.startswith("seconds_") and value)
        self.events.event(
            level,
            "instance.ended",
            instance_id=outcome.instance_id,
            status=outcome.status.value,
            code=row.get("code"),
            stage=row.get("stage"),
            seconds=seconds,
        )
        if self._ticker:
            self._ticker.tick(outcome.status.value)

    def flush(self) -> None:
        """Keep what the sampler saw."""
        if self._sampler:
            self._sampler.flush()

    def close(self) -> None:
        """End the sampler and keep what it saw."""
        if self._sampler:
            self._sampler.close()
