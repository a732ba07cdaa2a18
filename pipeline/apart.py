"""Reading and cleaning in a process of its own, for instances at which a worker may die: of memory, or of a library that ends the process.

Used after a worker has died, never before. The child of a worker reads headers one by one, and cleans chunk by chunk. When it dies, what is
left of its chunk is cleaned instance by instance; one whose child dies again is quarantined, and all others go their way. The child is a
fresh interpreter (``python -m pipeline.apart``), because a worker with threads must not fork; it is the first that a system short of memory
kills.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import Code, DeidError, describe
from transforms.outcomes import header_outcome
from transforms.overlap import Calls, Overlap
from transforms.types import Chunk, Header, Outcome, Source, Status

if TYPE_CHECKING:
    from pipeline.worker import Job

STAGE = "clean"
"""The stage of an instance whose process died: nobody knows which of those between reading and writing it was in."""
_KILLED = "its process was killed, or died, twice"


class Apart:
    """Reads headers and cleans chunks in a child process, like `transforms.deidentify.Deidentifier`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def read(self, source: Source) -> Header | Outcome:
        """The header of an instance with its save conditions evaluated, or how it ended.

        Raises:
            DeidError: as `process`.
        """
        with self._lock:
            for _ in range(2):
                self._child = self._child or _Child(self._job)
                found = self._child.read(source)
                if found is not None:
                    return found
                self._child = None
        from transforms.deidentify import blank_header  # here it is imported in any case, in a driver it need not be

        blank = blank_header(self._job.open().instance_id(source.uri), source.uri, source.size or 0)
        return header_outcome(blank, Status.QUARANTINED, Code.WORKER_KILLED, "read_header", _KILLED)

    def headers(self) -> Overlap[Source, Header | Outcome, Header | Outcome]:
        """Sources -> their headers by `read`, one after the other."""
        return Overlap(None, lambda source: Calls([partial(self.read, source)], waits=False), lambda _, found: [found[0].result()], most=1)

    def process(self, chunks: Iterable[Chunk]) -> Iterator[Outcome]:
        """The outcomes of the instances of chunks, in order.

        Raises:
            DeidError: the child cannot be set up; that is no fault of an instance.
        """
        for chunk in chunks:
            with self._lock:
                if self._child is None:
                    self._child = _Child(self._job)
                outcomes = list(self._child.process(chunk))
                if len(outcomes) < len(chunk.headers):
                    self._child = None
                    outcomes += self._one_by_one(chunk, outcomes)
            yield from outcomes

    def _one_by_one(self, chunk: Chunk, outcomes: list[Outcome]) -> Iterator[Outcome]:
        """The rest of a chunk in which the child died.

        That child may have written a file and not said so, with other decisions than an instance alone leads to: it is replaced.
        """
        job = replace(self._job, overwrite=True)
        saved = {header.sop_uid for header, outcome in zip(chunk.headers, outcomes, strict=False) if outcome.status is Status.SAVED}
        child: _Child | None = None
        for header in chunk.headers[len(outcomes) :]:
            child = child or _Child(job)
            alone = replace(chunk, headers=(header,), taken=chunk.taken | (saved & {header.sop_uid}))
            outcome = next(child.process(alone), None)
            if outcome is None:
                child = None
                outcome = header_outcome(header, Status.QUARANTINED, Code.WORKER_KILLED, STAGE, _KILLED, chunk.decision)
            elif outcome.status is Status.SAVED:
                saved.add(header.sop_uid)
            yield outcome
        if child is not None:
            child.close()


class _Child:
    """One child process and the pipe to it; it ends when the pipe is closed, or its parent is gone."""

    def __init__(self, job: Job) -> None:
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        self._pipe, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "pipeline.apart", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what libraries print may show values
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()
        try:
            self._pipe.send(job)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            answer = DeidError(Code.INTERNAL, "a process for cleaning apart does not start")
        if isinstance(answer, DeidError):
            self.close()
            raise answer

    def read(self, source: Source) -> Header | Outcome | None:
        """A header, or None when the child is gone."""
        try:
            self._pipe.send(source)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            return None
        if isinstance(answer, DeidError):
            raise answer
        found: Header | Outcome = answer
        return found

    def process(self, chunk: Chunk) -> Iterator[Outcome]:
        """Outcomes as far as the child came; it is gone when they are fewer than the instances."""
        try:
            self._pipe.send(chunk)
            for _ in chunk.headers:
                answer = self._pipe.recv()
                if isinstance(answer, DeidError):
                    raise answer
                yield answer
        except (EOFError, OSError):
            self.close()

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()


def _serve(pipe: Connection) -> None:
    """The child: read and clean what it is given until the parent closes the pipe."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(EOFError, OSError):
        job: Job = pipe.recv()
        try:
            worker = job.open()
            pipe.send("ready")
            while True:
                item = pipe.recv()
                if isinstance(item, Source):
                    opened = worker.open_header(item)
                    pipe.send(opened if isinstance(opened, Outcome) else worker.evaluate(opened))
                    continue
                for outcome in worker.process([item]):
                    pipe.send(outcome)
        except (EOFError, OSError):
            raise
        except Exception as exc:
            pipe.send(DeidError(*describe(exc)))


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
