"""The log of a run: one line for each event, as JSON or as text, with opaque ids only; never a URI, a name or a value.

Workers of a cluster write to where the engine keeps its logs. On one machine every process appends to a file of its own in a temporary
folder, and the driver hands the lines on to its standard error: what Beam's processes print themselves is thrown away.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pipeline.silence import OWN_LOGGER

FORMATS = ("text", "json")
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


@dataclass(frozen=True)
class LogSettings:
    """How a run logs.

    Attributes:
        format: one of `FORMATS`.
        level: one of `LEVELS`.
        engine: hand lines to the root logger, where the engine of a cluster listens.
    """

    format: str = "text"
    level: str = "error"
    engine: bool = False


def worker_name() -> str:
    """A name of this process that says nothing of its machine."""
    return uuid.uuid4().hex[:8]


class EventLog:
    """Writes events of one process.

    Args:
        settings: format and level.
        run_id: of the run.
        worker: see `worker_name`; ``driver`` for the driver.
        clock: the time in UTC.
    """

    def __init__(
        self, settings: LogSettings, run_id: str, worker: str = "driver", clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self._own = {"run_id": run_id, "worker": worker}
        self._logger = logging.getLogger(OWN_LOGGER)

    @property
    def as_json(self) -> bool:
        """Whether every line is an object."""
        return self._settings.format == "json"

    def event(
        self,
        level: int,
        name: str,
        *,
        instance_id: str | None = None,
        status: str | None = None,
        code: str | None = None,
        stage: str | None = None,
        seconds: float | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        """Log one event; what is None is left out. There is no field for free text, so that none can carry a value."""
        if level < LEVELS[self._settings.level]:
            return
        found = {"instance_id": instance_id, "status": status, "code": code, "stage": stage, "seconds": seconds, **(numbers or {})}
        fields = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level),
            "event": name,
            **self._own,
            **{key: round(value, 4) if isinstance(value, float) else value for key, value in found.items() if value is not None},
        }
        self._logger.log(level, "%s", render(fields, as_json=self.as_json))


def render(fields: Mapping[str, object], *, as_json: bool) -> str:
    """One line."""
    if as_json:
        return json.dumps(fields)
    first, rest = list(fields.values())[:3], list(fields.items())[3:]
    return " ".join([*map(str, first), *(f"{key}={value}" for key, value in rest)])


class _OwnHandler(logging.StreamHandler[TextIO]):
    """The handler that `attach` adds."""


def attach(settings: LogSettings, folder: str | None = None, stream: TextIO | None = None) -> None:
    """Say where this process's log goes: ``folder``, else the engine's log, else ``stream`` (standard error). The first call counts."""
    logger = logging.getLogger(OWN_LOGGER)
    logger.setLevel(LEVELS[settings.level])
    logger.propagate = settings.engine and folder is None and stream is None
    if logger.propagate or any(isinstance(handler, _OwnHandler) for handler in logger.handlers):
        return
    handler = _OwnHandler((Path(folder) / f"{os.getpid()}.log").open("a", encoding="utf-8") if folder else stream or sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)


def detach() -> None:
    """End the log of this process."""
    logger = logging.getLogger(OWN_LOGGER)
    for handler in list(logger.handlers):
        if isinstance(handler, _OwnHandler):
            logger.removeHandler(handler)


class Drain:
    """Hands on the whole lines that processes have appended to files in ``folder`` since the last call."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._read: dict[Path, int] = {}

    def lines(self) -> str:
        """New lines of all files; '' when there are none."""
        found = []
        for path in sorted(self._folder.glob("*.log")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            found.append(whole.decode("utf-8", "replace"))
        return "".join(found)
