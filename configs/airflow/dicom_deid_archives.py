"""Archives that Airflow keeps de-identified: their settings, checked, and the command lines of their tasks. Needs no Airflow.

All that Airflow gets to know are these command lines: folders, numbers and references. Which objects are new is in a manifest below
``restricted/`` of the output, under a name that does not change, and no name of an object leaves it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

ENVIRONMENT_VARIABLE = "DICOM_DEID_ARCHIVES"
RUNNERS = ("local", "dataflow", "beam-spark", "spark")
SPARK_MAIN = str(Path(__file__).resolve().with_name("spark_main.py"))
NOTHING_NEW = 99
"""Exit status of `Archive.find_new`, by which the task is skipped."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}")
_TYPES = {
    "input": list,
    "options": list,
    "conf": dict,
    "workers": int,
    "max_quarantined": int,
    "settled": (int, float),
    "verify_sample": (int, float),
    "retries": int,
    "retry_minutes": (int, float),
}


@dataclass(frozen=True)
class Archive:
    """One archive and how it is de-identified.

    Attributes:
        name: of the DAG, behind ``dicom_deid_``; it is shown, so it should name a collection and no person.
        bin: folder with ``dicom-deid`` and ``python`` of the pipeline's environment.
        input: what ``dicom-deid run`` takes as ``--input``.
        output: one for all days, so that a series or a duplicate that comes later meets what is there.
        config: a policy such as ``configs/basic.yaml``.
        secret: a reference to the secret, never the secret.
        runner: as in ``dicom-deid run``; ``spark`` goes through spark-submit.
        workers: processes, or the most workers of a cluster.
        options: options of Beam.
        connection: Airflow connection of the Spark cluster.
        conf: configuration of Spark.
        max_quarantined: the run fails above that.
        settled: seconds that a local file must not have changed to be taken.
        verify_sample: part of the files since the last success that ``verify`` opens, 0 to 1.
        schedule: as Airflow takes it.
        retries: of tasks that a new try may mend; a run goes on where it was.
        retry_minutes: before the first of them; the pauses grow.
    """

    name: str
    bin: str
    input: list[str]
    output: str
    config: str
    secret: str
    runner: str = "local"
    workers: int = 1
    options: list[str] = field(default_factory=list)
    connection: str = "spark_default"
    conf: dict[str, str] = field(default_factory=dict)
    max_quarantined: int | None = None
    settled: float = 0
    verify_sample: float = 1
    schedule: str = "@daily"
    retries: int = 2
    retry_minutes: float = 5

    def __post_init__(self) -> None:
        """Refuse what could not run, without repeating what may be a secret."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"archive {self.name!r}: expected a name of letters, digits and underscores")
        if self.runner not in RUNNERS:
            raise ValueError(f"archive {self.name}: runner is {self.runner!r}; expected one of {', '.join(RUNNERS)}")
        if not self.input:
            raise ValueError(f"archive {self.name}: input is empty; expected a list of folders, globs or manifests")
        if "/" not in self.secret:
            raise ValueError(
                f"archive {self.name}: secret is no reference; expected an absolute path, env://NAME, gcp-secret://… or aws-secret://…"
            )
        if self.runner == "spark" and self.options:
            raise ValueError(f"archive {self.name}: options are Beam's; Spark's go into conf, its master into the Airflow connection")
        if any("no_wait_until_finish" in option for option in self.options):
            raise ValueError(f"archive {self.name}: a run must wait for its end, or nobody would know how it ended")
        if self.runner != "spark" and self.conf:
            raise ValueError(f"archive {self.name}: conf is Spark's; with the runner {self.runner}, give options")

    @property
    def program(self) -> str:
        """The pipeline's command."""
        return f"{self.bin}/dicom-deid"

    @property
    def manifest(self) -> str:
        """Where the work list of a day is: replaced every day, and below ``restricted/`` because it names originals."""
        return f"{self.output.rstrip('/')}/restricted/pending.parquet"

    def find_new(self) -> list[str]:
        """Write the manifest of what no run finished."""
        flags = [f"--output={self.output}", f"--settled={self.settled}", f"--none-status={NOTHING_NEW}"]
        return [self.program, "pending", "--input", *self.input, *flags]

    def run_arguments(self) -> list[str]:
        """``run`` over the manifest: what spark-submit is given behind the application."""
        flags = [f"--config={self.config}", f"--input={self.manifest}", f"--output={self.output}", f"--secret-file={self.secret}"]
        if self.max_quarantined is not None:
            flags.append(f"--max-quarantined={self.max_quarantined}")
        return ["run", *flags, f"--runner={self.runner}", f"--workers={self.workers}", *(["--", *self.options] if self.options else [])]

    def deidentify(self) -> list[str]:
        """``run``, for all runners but ``spark``."""
        return [self.program, *self.run_arguments()]

    def spark_conf(self) -> dict[str, str]:
        """Configuration for spark-submit: driver and workers use the pipeline's Python."""
        return {"spark.pyspark.python": f"{self.bin}/python"} | {key: str(value) for key, value in self.conf.items()}

    def verify(self, since: datetime | None) -> list[str]:
        """Reconcile all rows, and scan the files that were written since the last success began, or all of them."""
        chosen = [f"--since={since.astimezone(UTC).isoformat()}"] if since is not None else []
        return [self.program, "verify", self.output, f"--sample={self.verify_sample}", *chosen]

    def report(self) -> list[str]:
        """Write the page for people."""
        return [self.program, "report", self.output]


def load() -> list[Archive]:
    """The archives of the file that the environment names, or of the one beside this module.

    Raises:
        ValueError: says what was expected and what was found.
    """
    path = Path(os.environ.get(ENVIRONMENT_VARIABLE) or Path(__file__).with_name("archives.yaml"))
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(data: Any) -> list[Archive]:
    """Archives of the file's content.

    Raises:
        ValueError: says what was expected and what was found.
    """
    if not isinstance(data, dict) or set(data) != {"bin", "archives"} or not isinstance(data["archives"], dict):
        raise ValueError("expected a mapping with the keys bin and archives")
    return [_archive(str(name), str(data["bin"]), given) for name, given in data["archives"].items()]


def _archive(name: str, bin_folder: str, given: Any) -> Archive:
    if not isinstance(given, Mapping):
        raise ValueError(f"archive {name}: expected a mapping of keys")
    known = {item.name for item in fields(Archive)} - {"name", "bin"}
    unknown, missing = set(given) - known, {"input", "output", "config", "secret"} - set(given)
    if unknown or missing:
        raise ValueError(f"archive {name}: unknown keys {sorted(map(str, unknown))}, missing keys {sorted(missing)}")
    for key, value in given.items():
        kind = _TYPES.get(key, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise ValueError(f"archive {name}: {key} is of type {type(value).__name__}; expected {names}")
    return Archive(name=name, bin=bin_folder.rstrip("/"), **given)
