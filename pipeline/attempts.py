"""The work list of a run, and the engine's attempts at it: once, and again over what is missing when a worker process dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from pipeline import history, progress, spark
from pipeline.beam_local import JobProcess, WorkerDiedError
from pipeline.inputs import expand
from pipeline.lean import lean_beam, settled
from pipeline.ledger import Ledger
from pipeline.log import EventLog
from pipeline.manifest import WorkList, read_shard, write_shards
from pipeline.settings import Settings
from pipeline.storage import Store, join
from pipeline.worker import Job
from transforms.errors import Code, DeidError
from transforms.measures import Tally
from transforms.types import Source

WORKER_DEATHS = 3
"""A run on this machine gives up when a worker process dies for the third time."""


def write_pending(settings: Settings, run_id: str, ledger: Ledger) -> WorkList:
    """List the inputs, and write those that are not finished as shards while they are listed; ``ledger`` then knows all of them."""
    sources = ledger.unfinished(expand(settings.inputs, settings.store, settings.output))
    try:
        return write_shards(settings.store, _folder(settings, run_id), sources)
    except DeidError:  # an input that does not exist, or cannot be listed to its end
        _forget(settings.store, _folder(settings, run_id))
        raise


def job_process(settings: Settings) -> JobProcess | nullcontext[None]:
    """The process in which a local run with several workers takes place, to be made first; nothing for other runs."""
    return JobProcess() if settings.runner == "local" and settings.workers > 1 else nullcontext()


def persist(
    settings: Settings,
    run_id: str,
    since: str,
    pending: WorkList,
    ledger: Ledger,
    events: EventLog,
    process: JobProcess | None,
    *,
    apart: bool,
) -> Tally | None:
    """Run the engine over the pending inputs, and once more over what is missing when a worker process dies.

    From then on instances are cleaned in processes of their own, so that the one that kills them can be told from the others.

    Args:
        settings: of the run.
        run_id: its name.
        since: see `pipeline.history.redo_since`.
        pending: the work list.
        ledger: of the run.
        events: the log.
        process: for the first attempt, see `job_process`.
        apart: an earlier run died, so the first attempt is made so, too.

    Returns:
        What its workers measured, or None if it was only launched.

    Raises:
        DeidError: workers die again and again.
    """
    store, output = settings.store, settings.output
    for attempt in range(WORKER_DEATHS):
        ledger.load(store, output, since)
        if attempt:
            left = ledger.unfinished(_sources(settings, pending), "missing")
            pending = write_shards(store, _folder(settings, run_id), left, f"again-{attempt}")
        finished = write_shards(store, _folder(settings, run_id), history.finished(store, output, ledger), f"finished-{attempt}")
        try:
            with job_process(settings) if attempt else nullcontext(process) as current:
                return _launch(settings, run_id, pending, finished, events, current, apart=apart or attempt > 0)
        except WorkerDiedError:
            if attempt + 1 == WORKER_DEATHS:
                raise DeidError(
                    Code.INTERNAL, "a worker process was killed or ran out of memory; run the same again, with fewer --workers"
                ) from None
    raise AssertionError


def forget_work_lists(settings: Settings, keep: str = "") -> None:
    """Delete the work lists of this run and of those that died, but for that of the run ``keep``: they hold input names."""
    _forget(settings.store, join(settings.output, "restricted", "manifests"), keep)


def _forget(store: Store, folder: str, keep: str = "") -> None:
    if store.is_folder(folder):
        uris = [source.uri for source in store.list_files(folder)]
        store.delete_all(uri for uri in uris if not keep or keep not in uri[len(folder) :].split("/"))


def _launch(
    settings: Settings,
    run_id: str,
    pending: WorkList,
    finished: WorkList,
    events: EventLog,
    process: JobProcess | None,
    *,
    apart: bool,
) -> Tally | None:
    """Run the engine over what is pending; what its workers measured, or None if it was only launched."""
    store, output = settings.store, settings.output
    policy = join(_folder(settings, run_id), "policy.json")
    store.write_atomic(policy, settings.policy.model_dump_json(exclude_unset=True).encode())
    shards = [*pending.shards, *finished.shards]
    with progress.shown(pending.items, events=events) if settings.runner == "local" else nullcontext() as folder:
        job = Job(
            run_id,
            policy,
            settings.secret,
            output,
            store,
            settings.redo or apart,
            progress=folder,
            log=settings.log,
            profile=settings.profile,
            apart=apart,
            io_threads=settings.io_threads,
        )
        if settings.runner == "spark":
            with spark.open_context(settings.workers, settings.engine_options) as context:
                return spark.run(job, shards, pending.items, context)
        if process is not None:
            return process.run(job, shards, settings.workers, settings.engine_options)
        with lean_beam() if settings.runner == "local" else nullcontext():
            from pipeline import beam  # imported late: it takes seconds, and a configuration error should not
        with settled():
            return beam.run(job, shards, beam.options(settings.runner, settings.workers, settings.engine_options))


def _sources(settings: Settings, pending: WorkList) -> Iterator[Source]:
    for shard in pending.shards:
        yield from (item for item in read_shard(settings.store, shard) if isinstance(item, Source))


def _folder(settings: Settings, run_id: str) -> str:
    return join(settings.output, "restricted", "manifests", run_id)
