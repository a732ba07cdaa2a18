"""Beam in several processes of this machine, without its habit of waiting for ever for a worker that died.

Beam's local runner never notices that a worker process is gone. Here the job runs in a child process that ends itself when that happens, so
that the driver can go on with what is missing. The child leads a process group, which ends with it, and with the driver: no worker is left
behind, however either of them ends.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection

from pipeline import log
from pipeline.lean import lean_beam, settled
from pipeline.silence import debugging, silence
from pipeline.worker import Job
from transforms.errors import Code, DeidError, describe
from transforms.measures import Tally

GRACE_SECONDS = 5.0
"""For a process that has answered to end by itself."""
_OURS = re.compile(r"^transforms\.errors\.\w+: (\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE)


class WorkerDiedError(Exception):
    """A worker process, or the process of the job, was killed."""


class JobProcess:
    """The process of a job. It imports Beam at once, and so is best made before there is anything to run.

    It is a copy of this process while there are no threads, and has what is imported here; otherwise a new interpreter.
    """

    def __init__(self) -> None:
        alone = sys.platform == "linux" and threading.active_count() == 1
        context = get_context("fork" if alone else "spawn")
        self._pipe, theirs = context.Pipe()
        inherited = self._pipe if alone else None
        self._process = context.Process(target=_serve, args=(theirs, inherited), daemon=False)  # type: ignore[attr-defined]
        self._process.start()
        self._open = True
        theirs.close()

    def __enter__(self) -> JobProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process and its group: workers, and decoders that they started; again is nothing."""
        if not self._open:
            return
        self._open = False
        self._pipe.close()
        for kill in (os.kill, os.killpg):
            with suppress(ProcessLookupError):
                kill(self._process.pid, signal.SIGKILL)
        self._process.join()

    def run(self, job: Job, shards: Sequence[str], workers: int, extra: Sequence[str]) -> Tally:
        """Run the Beam job over ``shards`` with ``workers`` processes, once; what they measured.

        Raises:
            WorkerDiedError: some of the work is not done.
            DeidError: the job failed.
        """
        try:
            self._pipe.send((job, list(shards), workers, list(extra)))
            answer: Tally | DeidError = self._pipe.recv()
            self._process.join(GRACE_SECONDS)
        except (EOFError, OSError):
            self.close()  # at once: workers that are left write to a folder that is removed when this is known
            raise WorkerDiedError from None
        if isinstance(answer, DeidError):
            raise answer
        return answer


def _serve(pipe: Connection, inherited: Connection | None) -> None:
    """The child: import, wait for the job, run it, answer."""
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)  # of the driver, whose copy this is: here it would be an answer like any other
    if inherited is not None:
        inherited.close()  # the driver's end: while it is open here, its end would not be noticed
    if not debugging():
        # What Beam, its workers and native decoders print may show values; what failed is said by the exception.
        logging.getLogger().addHandler(logging.NullHandler())
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
    log.detach()  # the driver's, if this is its copy: workers' lines go by the folder of the job
    with lean_beam():
        from pipeline import beam, beam_forked
    silence()
    try:
        job, shards, workers, extra = pipe.recv()
        with settled(), beam_forked.worker_pool(workers, pipe) as pool:
            threading.Thread(target=_end_with_parent, daemon=True).start()
            answer: Tally | DeidError = beam.run(job, shards, beam.options("local", workers, extra), pool) or Tally()
    except EOFError:
        return  # nothing was to be done
    except Exception as exc:
        if debugging():
            traceback.print_exc()
        answer = DeidError(*_describe(exc))
    pipe.send(answer)


def _describe(exc: Exception) -> tuple[Code, str]:
    """Code and detail of what ended a job. Beam tells of a worker's error as text: of that, only what our own errors say is taken."""
    for code, detail in _OURS.findall(str(exc)):
        with suppress(ValueError):
            return Code(code), detail
    return describe(exc)


def _end_with_parent() -> None:
    """Wait for the end of the driver, which tells nobody when it is killed, and end this process's group."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(os.getpgid(0), signal.SIGKILL)
