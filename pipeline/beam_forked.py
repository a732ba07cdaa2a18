"""Beam's worker processes on this machine, forked from the process of the job once it has imported everything.

Beam's own local workers are new interpreters, each of which imports Beam, the decoders and the models for seconds. These are handed to Beam
as an external worker pool, its protocol for workers that somebody else starts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

GRACE_SECONDS = 5.0
"""A job that fails for another reason ends its workers, too, and says why within this time."""
LOOK_SECONDS = 1.0


@contextmanager
def worker_pool(workers: int, apart: Connection) -> Iterator[str]:
    """Fork ``workers`` processes; yields the address of a pool that gives them to Beam one by one, and ends them.

    To be entered before this process has threads or has used gRPC. When a worker dies in the body, this process ends: Beam would wait for
    it for ever.

    Args:
        workers: how many.
        apart: a connection of this process that workers must not hold open: its other end waits for this process to end.
    """
    context = get_context("fork")
    waiting: list[Connection] = []
    processes: list[BaseProcess] = []
    for _ in range(workers):
        ours, theirs = Pipe()
        processes.append(context.Process(target=_work, args=(theirs, os.getpid(), apart), daemon=True))
        processes[-1].start()
        theirs.close()
        waiting.append(ours)
    server = grpc.server(shared_unbounded_instance())
    address = f"localhost:{server.add_insecure_port('localhost:0')}"
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_Pool(waiting), server)
    server.start()
    done = threading.Event()
    threading.Thread(target=_watch, args=(processes, done), daemon=True).start()
    try:
        yield address
    except Exception:
        wait([process.sentinel for process in processes], LOOK_SECONDS)
        if any((process.exitcode or 0) < 0 for process in processes):
            os._exit(os.EX_TEMPFAIL)  # where data was on its way to the worker that was killed, Beam does notice
        raise
    finally:
        done.set()
        server.stop(None)
        for process in processes:
            process.kill()
            process.join()


class _Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]  # Beam has no type hints
    """Hands a waiting process the address that Beam wants a worker to talk to."""

    def __init__(self, waiting: list[Connection]) -> None:
        self._waiting = waiting
        self._lock = threading.Lock()

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802  # Beam's name
        """One more worker."""
        with self._lock:
            if not self._waiting:
                return beam_fn_api_pb2.StartWorkerResponse(error="no worker process is left")
            self._waiting.pop().send((request.control_endpoint.url, request.worker_id))
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Workers end with the job."""
        return beam_fn_api_pb2.StopWorkerResponse()


def _work(orders: Connection, parent: int, apart: Connection) -> None:
    """The life of a worker process."""
    apart.close()
    while not orders.poll(LOOK_SECONDS):
        if os.getppid() != parent:
            return
    control, worker_id = orders.recv()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    SdkHarness(control, worker_id=worker_id).run()


def _end_with(parent: int) -> None:
    """A worker whose job was killed must not go on alone."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(os.EX_TEMPFAIL)


def _watch(processes: list[BaseProcess], done: threading.Event) -> None:
    """End this process some time after a worker has ended while the job was not done."""
    wait([process.sentinel for process in processes])
    if not done.wait(GRACE_SECONDS):
        os._exit(os.EX_TEMPFAIL)
