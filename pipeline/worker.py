"""What a worker needs: a picklable Job with references only, and the process's Deidentifier opened from it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.audit import AuditWriter
from pipeline.progress import Ticker
from pipeline.secret import SecretRef, resolve
from pipeline.storage import Store
from transforms.deidentify import Deidentifier
from transforms.policy import Policy
from transforms.read.quiet import silence_libraries
from transforms.tags.identity import Identity
from transforms.types import Outcome


@dataclass(frozen=True)
class Job:
    """One run, as it travels to workers: no secret, no PHI, no input name.

    Attributes:
        policy: URI of the policy's JSON, in the restricted folder: a save condition may hold a value of a patient.
        secret: where the secret is, not the secret.
        progress: local folder where processes of one machine leave their counts, or None.
    """

    run_id: str
    policy: str
    secret: SecretRef
    output: str
    store: Store
    overwrite: bool = False
    progress: str | None = None

    def open(self) -> Deidentifier:
        """The Deidentifier of this process, built on first use."""
        return _open(self)

    def write_audit(self, outcomes: Sequence[Outcome]) -> None:
        """Write a batch of outcomes as audit parts."""
        AuditWriter(self.store, self.output, self.run_id).write(outcomes)


@functools.lru_cache(maxsize=1)
def _open(job: Job) -> Deidentifier:
    silence()
    tick = Ticker(job.progress).tick if job.progress else None
    policy = Policy.model_validate_json(job.store.read_all(job.policy))
    return Deidentifier(policy, Identity(resolve(job.secret)), job.store, job.output, overwrite=job.overwrite, on_event=tick)


def silence() -> None:
    """Keep libraries from logging values: pydicom warns with the value it dislikes, and a value may be a name."""
    silence_libraries()
    for name in ("PIL", "presidio-analyzer", "presidio_analyzer", "RapidOCR", "tldextract"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
