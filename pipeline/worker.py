"""What a worker needs: a picklable Job with references only, and the process's Deidentifier opened from it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline import log
from pipeline.audit import AuditWriter
from pipeline.secret import SecretRef, resolve
from pipeline.silence import silence
from pipeline.storage import Store
from pipeline.watch import Watch
from transforms.errors import DeidError, describe
from transforms.policy import Policy
from transforms.tags.identity import Identity
from transforms.types import Outcome

if TYPE_CHECKING:
    from pipeline.apart import Apart
    from transforms.deidentify import Deidentifier


@dataclass(frozen=True)
class Job:
    """One run, as it travels to workers: no secret, no PHI, no input name.

    Attributes:
        policy: URI of the policy's JSON, in the restricted folder: a save condition may hold a value of a patient.
        secret: where the secret is, not the secret.
        overwrite: replace files: all is done again, or a run died. What that wrote and has no row may be of other bytes, since slices of a
            chunk learn from each other, and those of which it left rows are not in the chunk any more.
        progress: local folder where processes of one machine leave their counts and logs, or None.
        log: what is logged, and how.
        profile: look where the time goes.
        apart: a worker has died, so instances are cleaned in processes of their own.
        io_threads: calls to an object store that a worker has under way.
    """

    run_id: str
    policy: str
    secret: SecretRef
    output: str
    store: Store
    overwrite: bool = False
    progress: str | None = None
    log: log.LogSettings = field(default_factory=log.LogSettings)
    profile: bool = False
    apart: bool = False
    io_threads: int = 1

    def open(self) -> Deidentifier:
        """The Deidentifier of this process, built on first use."""
        return _open(self)[0]

    def open_apart(self) -> Apart:
        """What cleans chunks in a process of its own; one for each process."""
        return _open_apart(self)

    def write_audit(self, outcomes: Sequence[Outcome]) -> None:
        """Write a batch of outcomes as audit parts; what was seen of the time goes with it."""
        watch = _open(self)[1]
        try:
            with watch.stage("audit"):
                AuditWriter(self.store, self.output, self.run_id).write(outcomes)
            watch.flush()
        except Exception as exc:
            raise DeidError(*describe(exc)) from None


@functools.lru_cache(maxsize=1)
def _open(job: Job) -> tuple[Deidentifier, Watch]:
    from transforms.deidentify import Deidentifier  # imported late: a driver needs neither decoders nor models

    silence()
    log.attach(job.log, job.progress)
    watch = Watch(job.run_id, job.log, job.store, job.output, progress=job.progress, profile=job.profile)
    with watch.stage("open"):
        policy = Policy.model_validate_json(job.store.read_all(job.policy))
        identity, threads = Identity(resolve(job.secret)), job.io_threads
        opened = Deidentifier(policy, identity, job.store, job.output, overwrite=job.overwrite, io_threads=threads, observer=watch)
    watch.events.event(logging.INFO, "worker.opened")
    return opened, watch


@functools.lru_cache(maxsize=1)
def _open_apart(job: Job) -> Apart:
    from pipeline.apart import Apart

    return Apart(job)
