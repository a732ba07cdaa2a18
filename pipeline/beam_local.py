"""Beam in several processes of this machine, without its habit of waiting for ever for a worker that died.

Beam's local runner keeps one thread per worker process; when the process dies, the thread ends with an error that nobody sees, and the job
waits. Here the job runs in a child process that gives up when that happens, so that the driver can go on with what is missing.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from pipeline.silence import debugging, silence
from pipeline.worker import Job
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
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_run, job, list(shards), workers, list(extra)).result()
        except BrokenProcessPool:
            raise WorkerDiedError from None


def _run(job: Job, shards: list[str], workers: int, extra: list[str]) -> Tally:
    if not debugging():
        # What Beam, its workers and native decoders print may show values; what failed is said by the exception.
        logging.getLogger().addHandler(logging.NullHandler())
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
    from pipeline import beam

    silence()
    threading.excepthook = _on_thread_end
    return beam.run(job, shards, beam.options("local", workers, extra)) or Tally()


def _on_thread_end(ended: threading.ExceptHookArgs) -> None:
    """Nothing is printed: a thread's traceback could show values."""
    if ended.thread is not None and ended.thread.name == WORKER_THREAD:
        timer = threading.Timer(GRACE_SECONDS, os._exit, (os.EX_TEMPFAIL,))
        timer.daemon = True
        timer.start()
