"""The driver of a run: list, leave out what is finished, launch the engine, compact the audit, reconcile."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline import attempts, audit, history, log, profiler, spark
from pipeline.beam_local import JobProcess
from pipeline.compact import compact
from pipeline.lean import lean_beam
from pipeline.lease import Lease, held
from pipeline.ledger import Ledger
from pipeline.secret import resolve
from pipeline.settings import Settings
from pipeline.silence import silence
from pipeline.watch import Watch
from transforms.errors import ConfigError, DeidError
from transforms.pixels.engines.registry import check_engine
from transforms.tags.identity import Identity
from transforms.tags.table import EDITIONS
from transforms.text.ner import check_model
from transforms.types import Status

MEASURED = "counted while the work was done: what was retried is in it twice, what died with its process is not; see counts and totals"
PACKAGES = (
    *("dicom-deid-pipeline", "apache-beam", "pydicom", "numpy", "opencv-python-headless"),
    *("rapidocr", "onnxruntime", "openvino", "presidio-analyzer"),
)


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        inputs: files that were given.
        counts: rows by status, over these inputs.
        unaccounted: inputs without a row, or with more than one.
        done: inputs that this run worked on; the rest was finished before.
        launched: the engine goes on without this process; nothing is known yet of how inputs end.
        profiles: where the time went, as tables, if that was to be seen.
    """

    run_id: str
    inputs: int
    counts: dict[str, int]
    unaccounted: int
    done: int
    seconds: float = 0.0
    launched: bool = False
    profiles: tuple[str, ...] = ()

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
    log.attach(replace(settings.log, engine=False))
    run_id = history.new_run_id(settings.store, settings.output, datetime.now(UTC))
    watch = Watch(run_id, settings.log, settings.store, settings.output, profile=settings.profile, worker="driver")
    try:
        return _execute(settings, run_id, watch)
    except ConfigError:
        raise  # its message says all
    except DeidError as exc:
        watch.events.event(logging.ERROR, "run.failed", code=str(exc.code))
        raise
    finally:
        watch.close()
        log.detach()


def _execute(settings: Settings, run_id: str, watch: Watch) -> Summary:
    started = time.monotonic()
    check_engine(settings.policy.pixels)
    check_model(settings.policy.text.ner, settings.policy.text.ner_model)
    if settings.runner == "spark":
        spark.check(settings.engine_options)
    elif settings.runner != "local" or settings.engine_options:
        with lean_beam() if settings.runner == "local" else nullcontext():
            from pipeline import beam  # imported late: it takes seconds
        beam.check(settings.runner, settings.engine_options)
    identity = Identity(resolve(settings.secret))
    fingerprint = {
        "policy": settings.policy.fingerprint(),
        "secret": identity.fingerprint(),
        "tables": ", ".join(f"{name} {edition}" for name, edition in sorted(EDITIONS.items())),
    }
    with (
        attempts.job_process(settings) as process,
        held(settings.store, settings.output) as lease,
        Ledger(lambda uri: identity.token("instance", uri, 32)) as ledger,
    ):
        return _work(settings, run_id, fingerprint, lease, ledger, watch, process, started)


def _work(
    settings: Settings,
    run_id: str,
    fingerprint: dict[str, str],
    lease: Lease,
    ledger: Ledger,
    watch: Watch,
    process: JobProcess | None,
    started: float,
) -> Summary:
    store, output = settings.store, settings.output
    earlier = history.load_run(store, output)
    if not settings.redo:
        history.check_same(earlier, fingerprint)
    since = history.redo_since(earlier, run_id, fingerprint, redo=settings.redo)
    settings = replace(settings, redo=bool(since))
    with watch.stage("list"):
        ledger.load(store, output, since)
        attempts.forget_work_lists(settings, keep=_launched(earlier))
        pending = attempts.write_pending(settings, run_id, ledger)
    inputs = ledger.count("inputs")
    replaces = settings.redo and history.replaces(earlier, fingerprint)
    if replaces:
        history.check_all_given(ledger)
    watch.events.event(logging.INFO, "run.started", numbers={"inputs": inputs, "pending": pending.items})
    resumed = history.unfinished(earlier)
    unfinished = bool(pending.items) or resumed
    record = _record(settings, run_id, since, fingerprint) | {"replaces_settings": replaces} if unfinished else {}
    if pending.items:
        history.save_run(store, output, record)
        try:
            settings = replace(settings, redo=settings.redo or resumed)  # a file without a row is replaced, see `Job.overwrite`
            measured = attempts.persist(settings, run_id, since, pending, ledger, watch.events, process, apart=history.died(earlier))
        except BaseException:  # interrupted, or given up; a run that is killed stays "running"
            with suppress(DeidError):
                history.save_run(store, output, record | {"state": "stopped"})
            raise
        if measured is None:
            watch.events.event(logging.INFO, "run.launched", numbers={"pending": pending.items})
            history.save_run(store, output, record | {"state": "launched"})
            return Summary(run_id, inputs, {status.value: 0 for status in Status}, 0, pending.items, launched=True)
        record["measured"] = {"note": MEASURED} | measured.as_record()
    if unfinished:  # of this run, or of one that died or was only launched
        with watch.stage("compact"):
            lease.check()
            ledger.load(store, output)
            if since:
                for stale in history.superseded_urls(store, output, ledger, rowless=resumed and not _launched(earlier)):
                    store.delete(stale)
            compact(store, output, ledger)
    attempts.forget_work_lists(settings)
    with watch.stage("reconcile"):
        counts, unaccounted = ledger.counts(store, output)
    watch.close()
    profiles = tuple(profiler.merge(store, output)) if unfinished else ()
    seconds = round(time.monotonic() - started, 3)
    summary = Summary(run_id, inputs, counts, unaccounted, pending.items, seconds, profiles=profiles)
    if unfinished:
        record |= {"state": "finished", "inputs": summary.inputs, "done": summary.done, "counts": counts, "unaccounted": unaccounted}
        record |= {"seconds": summary.seconds, "totals": audit.totals(store, output, run_id)}
        history.save_run(store, output, record)
    watch.events.event(logging.INFO, "run.finished", seconds=seconds, numbers={"inputs": inputs, "unaccounted": unaccounted, **counts})
    return summary


def _record(settings: Settings, run_id: str, since: str, fingerprint: dict[str, str]) -> dict[str, Any]:
    """What run.json says of a run from its start on."""
    return {
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


def _launched(earlier: dict[str, Any] | None) -> str:
    """The run that an engine may still be at, or ''."""
    return str(earlier["run_id"]) if earlier is not None and earlier.get("state") == "launched" else ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
