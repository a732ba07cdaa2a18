"""The driver of a run: list, leave out what is finished, launch the engine, compact the audit, reconcile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline import audit, beam_local, history, progress, spark
from pipeline.compact import compact
from pipeline.inputs import expand
from pipeline.manifest import write_shards
from pipeline.secret import resolve
from pipeline.settings import Settings
from pipeline.storage import join
from pipeline.worker import Job, silence
from transforms.errors import Code, DeidError
from transforms.pixels.engines.registry import check_engine
from transforms.tags.identity import Identity
from transforms.tags.table import EDITIONS
from transforms.types import Header, Source, Status

WORKER_DEATHS = 3
"""A run on this machine gives up when a worker process dies for the third time."""
PACKAGES = ("dicom-deid-pipeline", "apache-beam", "pydicom", "numpy", "opencv-python-headless", "rapidocr", "openvino", "presidio-analyzer")


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        inputs: files that were given.
        counts: rows by status, over these inputs.
        unaccounted: inputs without a row, or with more than one.
        done: inputs that this run worked on; the rest was finished before.
        launched: the engine goes on without this process; nothing is known yet of how inputs end.
    """

    run_id: str
    inputs: int
    counts: dict[str, int]
    unaccounted: int
    done: int
    seconds: float = 0.0
    launched: bool = False

    @property
    def reconciled(self) -> bool:
        """Every input has exactly one row."""
        return self.unaccounted == 0


def execute(settings: Settings) -> Summary:
    """Run the job to its end.

    Raises:
        ConfigError: before anything is read, when the run cannot be done as asked.
    """
    silence()
    started = time.monotonic()
    check_engine(settings.policy.pixels)
    if settings.runner == "spark":
        spark.check(settings.engine_options)
    identity = Identity(resolve(settings.secret))
    fingerprint = {
        "policy": settings.policy.fingerprint(),
        "secret": identity.fingerprint(),
        "tables": ", ".join(f"{name} {edition}" for name, edition in sorted(EDITIONS.items())),
    }
    earlier = history.load_run(settings.store, settings.output)
    if not settings.redo:
        history.check_same(earlier, fingerprint)
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    since = history.redo_since(earlier, run_id, redo=settings.redo)
    settings = replace(settings, redo=bool(since))
    sources = list(expand(settings.inputs, settings.store, settings.output))
    known = history.finished(settings.store, settings.output, since)
    if settings.redo:
        history.check_all_given(settings.store, settings.output, {source.uri for source in sources}, earlier, fingerprint)
    pending = [source for source in sources if source.uri not in known]
    record: dict[str, Any] = {
        "run_id": run_id,
        "state": "running",
        "policy": settings.policy.name,
        "redo_since": since,
        "settings": fingerprint,
        "configuration": settings.policy.model_dump(mode="json", exclude={"save_conditions"}),  # a condition may name a patient
        "runner": settings.runner,
        "workers": settings.workers,
        "versions": {name: _version(name) for name in PACKAGES},
    }
    if pending:
        history.save_run(settings.store, settings.output, record)
        if not _persist(settings, run_id, since, pending, known.values()):
            history.save_run(settings.store, settings.output, record | {"state": "launched"})
            return Summary(run_id, len(sources), {status.value: 0 for status in Status}, 0, len(pending), launched=True)
    unfinished = bool(pending) or (earlier is not None and earlier.get("state") != "finished")
    if unfinished:  # of this run, or of one that died or was only launched
        if since:
            for stale in sorted(history.superseded_urls(settings.store, settings.output)):
                settings.store.delete(stale)
        compact(settings.store, settings.output)
        _forget_work_list(settings, run_id)
        if earlier is not None and earlier.get("state") == "launched":
            _forget_work_list(settings, str(earlier["run_id"]))
    counts, unaccounted = reconcile(settings, identity, [source.uri for source in sources])
    summary = Summary(run_id, len(sources), counts, unaccounted, len(pending), round(time.monotonic() - started, 3))
    if unfinished:
        record |= {"state": "finished", "inputs": summary.inputs, "done": summary.done, "counts": counts, "unaccounted": unaccounted}
        record |= {"seconds": summary.seconds, "totals": audit.totals(settings.store, settings.output, run_id)}
        history.save_run(settings.store, settings.output, record)
    return summary


def reconcile(settings: Settings, identity: Identity, uris: Iterable[str]) -> tuple[dict[str, int], int]:
    """Rows by status over these inputs, and how many of them have no row or more than one."""
    rows: dict[str, list[str]] = {}
    for table in audit.read(settings.store, settings.output, "audit/instances", ["instance_id", "status"]):
        for instance_id, status in zip(table["instance_id"].to_pylist(), table["status"].to_pylist(), strict=True):
            rows.setdefault(instance_id, []).append(status)
    counts = {status.value: 0 for status in Status}
    unaccounted = 0
    for uri in uris:
        found = rows.get(identity.token("instance", uri, 32), [])
        if len(found) == 1:
            counts[found[0]] += 1
        else:
            unaccounted += 1
    return counts, unaccounted


def _persist(settings: Settings, run_id: str, since: str, pending: list[Source], known: Iterable[Header]) -> bool:
    """`_launch`, and once more over what is missing when a worker process dies.

    Raises:
        DeidError: workers die again and again.
    """
    for attempt in range(WORKER_DEATHS):
        try:
            return _launch(settings, run_id, pending, known)
        except beam_local.WorkerDiedError:
            if attempt + 1 == WORKER_DEATHS:
                raise DeidError(
                    Code.INTERNAL, "a worker process was killed or ran out of memory; run the same again, with fewer --workers"
                ) from None
        finished = history.finished(settings.store, settings.output, since)
        pending, known = [source for source in pending if source.uri not in finished], list(finished.values())
    return True


def _launch(settings: Settings, run_id: str, pending: list[Source], known: Iterable[Header]) -> bool:
    """Run the engine over what is pending; whether it has done so, or was only launched."""
    store, output = settings.store, settings.output
    folder_of_run = join(output, "restricted", "manifests", run_id)
    shards = write_shards(store, folder_of_run, [*pending, *known])
    policy = join(folder_of_run, "policy.json")
    store.write_atomic(policy, settings.policy.model_dump_json(exclude_unset=True).encode())
    with progress.shown(len(pending)) if settings.runner == "local" else nullcontext() as folder:
        job = Job(run_id, policy, settings.secret, output, store, settings.redo, folder)
        if settings.runner == "spark":
            with spark.session(settings.workers, settings.engine_options) as session:
                spark.run(job, shards, len(pending), session)
        elif settings.runner == "local" and settings.workers > 1:
            beam_local.run(job, shards, settings.workers, settings.engine_options)
        else:
            from pipeline import beam  # imported late: it takes seconds, and a configuration error should not

            if not beam.run(job, shards, beam.options(settings.runner, settings.workers, settings.engine_options)):
                return False
    return True


def _forget_work_list(settings: Settings, run_id: str) -> None:
    """Delete the work list of a run that is done: it holds input names."""
    folder = join(settings.output, "restricted", "manifests", run_id)
    if settings.store.is_folder(folder):
        for source in list(settings.store.list_files(folder)):
            settings.store.delete(source.uri)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
