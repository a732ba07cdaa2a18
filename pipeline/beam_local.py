"""Beam in several processes of this machine, without its habit of waiting for ever for a worker that died.

Beam's local runner keeps one thread per worker process; when the process dies, the thread ends with an error that nobody sees, and the job
waits. Here the job runs in a child process that gives up when that happens, so that the driver can go on with what is missing. The child
leads a process group, which ends with it, and with the driver: no worker is left behind, however either of them ends.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection

from pipeline.silence import debugging, silence
from pipeline.worker import Job
from transforms.deidentify import describe
from transforms.errors import DeidError
from transforms.measures import Tally

WORKER_THREAD = "run_worker"
"""Name of Beam's threads that wait for a worker process."""
GRACE_SECONDS = 5.0
"""A job that fails for another reason ends its workers, too, and says why within this time."""


class WorkerDiedError(Exception):
    """A worker process, or the process of the job, was killed."""


def run(job: Job, shards: Sequence[str], workers: int, extra: Sequence[str]) -> Tally:
    """Run the Beam job over ``shards`` with ``workers`` processes; what they measured.

    Raises:
        WorkerDiedError: some of the work is not done.
        DeidError: the job failed.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, job, list(shards), workers, list(extra)), daemon=False)
    process.start()
    theirs.close()
    try:
        answer: Tally | DeidError = ours.recv()
        process.join(GRACE_SECONDS)
    except EOFError:
        raise WorkerDiedError from None
    finally:
        ours.close()
        _end(process.pid)
        process.join()
    if isinstance(answer, DeidError):
        raise answer
    return answer


def _end(process: int | None) -> None:
    """Kill the process and its group: workers, and decoders that they started."""
    assert process is not None
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError):
            kill(process, signal.SIGKILL)


def _run(pipe: Connection, job: Job, shards: list[str], workers: int, extra: list[str]) -> None:
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not debugging():
        # What Beam, its workers and native decoders print may show values; what failed is said by the exception.
        logging.getLogger().addHandler(logging.NullHandler())
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
    from pipeline import beam

    silence()
    threading.excepthook = _on_thread_end
    try:
        answer: Tally | DeidError = beam.run(job, shards, beam.options("local", workers, extra)) or Tally()
    except Exception as exc:
        if debugging():
            traceback.print_exc()
        answer = DeidError(*describe(exc))
    pipe.send(answer)


def _end_with_parent() -> None:
    """Wait for the end of the driver, which tells nobody when it is killed, and end this process's group."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _on_thread_end(ended: threading.ExceptHookArgs) -> None:
    """Nothing is printed: a thread's traceback could show values."""
    if ended.thread is not None and ended.thread.name == WORKER_THREAD:
        timer = threading.Timer(GRACE_SECONDS, os._exit, (os.EX_TEMPFAIL,))
        timer.daemon = True
        timer.start()
