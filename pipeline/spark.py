"""The same job as a native PySpark application: the functions of `transforms.deidentify` in three stages of one Spark job.

What Beam does with DoFns, Spark does with `mapPartitions`; between stages only headers and chunks of headers are shuffled, never pixels.
Every key is made from content, so a task that Spark runs again (a lost executor, speculation) sees the same elements, writes the same
files, and leaves rows that compaction finds to be the same.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline import spark_classes
from pipeline.manifest import read_shard, slices
from pipeline.storage import Store
from transforms.buffer import OutcomeBuffer
from transforms.errors import Code, ConfigError, DeidError, describe
from transforms.measures import Tally, of_outcome
from transforms.series.aggregate import series_key
from transforms.types import Chunk, Header, Outcome

if TYPE_CHECKING:
    from pyspark import SparkContext

    from pipeline.apart import Apart
    from transforms.deidentify import Deidentifier, OpenedHeader

T = TypeVar("T")
S = TypeVar("S")

CLEANING_TASKS_PER_CORE = 8
"""So many tasks that a slow one does not hold a stage, and that few chunks do not meet in one task."""
READING_TASKS_PER_CORE = 2
"""Headers take nearly the same time each, and a task costs 0.08 CPU seconds."""
INSTANCES_PER_TASK = 256
HEADERS_PER_TASK = 20_000
MAX_TASKS, MAX_GROUPING_TASKS = 20_000, 1_000
"""Beyond these, tasks grow instead: a shuffle has a block for every pair of tasks, and the driver keeps kilobytes for every one."""

_JVM = "-XX:TieredStopAtLevel=1"
"""Java passes names from one Python process to another: to optimise that costs more than it gains, 10 of 20 CPU seconds of a small job."""
_RAISED = re.compile(rf"^{DeidError.__module__}\.{DeidError.__name__}: ({'|'.join(Code)})(?:: (.*))?$", re.M)
_ENDED = re.compile(r"Master removed our application|SparkContext was shut down|stopped SparkContext")
DEFAULTS = {
    "spark.app.name": "dicom-deid",
    "spark.locality.wait": "0s",  # a chunk is a list of names: waiting for the executor that holds it gains nothing
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.python.daemon.module": "pipeline.spark_daemon",
    "spark.python.worker.reuse": "true",  # models are loaded once per process
}


class Cleaner(Protocol):
    """What cleans chunks."""

    def process(self, chunks: Iterable[Chunk]) -> Iterable[Outcome]:
        """The outcomes of the chunks' instances."""


class SparkJob(Protocol):
    """What the stages need of `pipeline.worker.Job`; picklable."""

    @property
    def store(self) -> Store:
        """Access to the shards of the work list."""

    @property
    def apart(self) -> bool:
        """A worker has died of an instance before."""

    def open(self) -> Deidentifier:
        """The Deidentifier of the process."""

    def open_apart(self) -> Apart:
        """What reads headers and cleans chunks in a process of its own."""

    def write_audit(self, outcomes: Sequence[Outcome]) -> None:
        """Write rows."""


def check(options: Sequence[str] = ()) -> None:
    """Whether Spark can be started here with these options.

    Raises:
        ConfigError: PySpark or Java is missing, or an option is not known.
    """
    parse(options)
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise ConfigError("the runner 'spark' needs PySpark: pip install 'dicom-deid-pipeline[spark]'") from None
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and shutil.which("java", path=os.path.join(home, "bin")))):  # noqa: PTH118
        raise ConfigError(
            "the runner 'spark' needs Java 17, and there is no 'java' here (Debian: openjdk-17-jre-headless; or set JAVA_HOME)"
        )


def open_context(workers: int, options: Sequence[str] = ()) -> SparkContext:
    """The Spark context: that of spark-submit, or one for ``--master``, or this machine's cores.

    Args:
        workers: cores of a local master; a cluster's size is its own business.
        options: ``--master URL``, ``--name NAME`` and ``--conf KEY=VALUE``, as spark-submit takes them.

    Raises:
        ConfigError: another option.
    """
    check(options)
    from pyspark import SparkConf, SparkContext

    wanted = parse(options)
    conf = SparkConf()  # what spark-submit was given
    java = f"{_JVM} {spark_classes.options()}".strip()
    ours = {"spark.driver.extraJavaOptions": java, "spark.executor.extraJavaOptions": java, "spark.master": f"local[{workers},4]"}
    for key, value in {**DEFAULTS, **ours}.items():  # four attempts per task, as on a cluster
        conf.setIfMissing(key, value)
    for key, value in wanted.items():
        conf.set(key, value)
    # PySpark reads the workers' interpreter from the environment only, and would take any python3.
    os.environ["PYSPARK_PYTHON"] = conf.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON") or sys.executable
    try:
        return SparkContext.getOrCreate(conf)
    except Exception as exc:
        raise ConfigError(f"Spark did not start at master {conf.get('spark.master')} ({type(exc).__name__}); see its output above") from exc


def parse(options: Sequence[str]) -> dict[str, str]:
    """spark-submit's own spelling of options as Spark's configuration keys.

    Raises:
        ConfigError: names the option that is not known here.
    """
    found: dict[str, str] = {}
    words = iter([part for option in options for part in (option.split("=", 1) if option.startswith("--") else [option])])
    for word in words:
        value = next(words, None)
        key, separator, setting = (value or "").partition("=")
        if value is not None and word == "--master":
            found["spark.master"] = value
        elif value is not None and word == "--name":
            found["spark.app.name"] = value
        elif word == "--conf" and separator and key.startswith("spark."):
            found[key] = setting
        else:
            raise ConfigError(f"Spark option '{word}': expected --master URL, --name NAME or --conf spark.KEY=VALUE")
    return found


def run(job: SparkJob, shards: Sequence[str], pending: int, context: SparkContext) -> Tally:
    """Run the job to its end: three stages and one action, so nothing is computed twice or cached.

    Args:
        job: references only; its secret is resolved where a task runs.
        shards: URIs of the work list.
        pending: inputs in them, to size the tasks.
        context: where to run.

    Returns:
        What the tasks measured.

    Raises:
        DeidError: a task failed as often as Spark lets it; with the code of the last time.
    """
    measured = context.accumulator(Tally(), Merged())
    try:
        reading, grouping, cleaning = tasks_for(pending, len(shards), context.defaultParallelism)
        (
            context.parallelize(slices(shards, reading), max(1, reading))
            .mapPartitions(partial(_guarded, read_headers, job, measured))
            .groupByKey(grouping, _bucket)
            .mapPartitions(partial(_guarded, decide_series, job, measured))
            .partitionBy(cleaning, _bucket)
            .foreachPartition(partial(_guarded, deidentify, job, measured))
        )
    except Exception as exc:
        raise said_by_task(exc) or _ended_by_spark(exc, context) or exc from None
    tally: Tally = measured.value
    return tally


def said_by_task(exc: Exception) -> DeidError | None:
    """The error of a task that ended the job, out of what Spark makes of it: a Java exception with a traceback of Python in it."""
    found = _RAISED.search(str(exc))
    return DeidError(Code(found[1]), found[2] or "") if found else None


def _ended_by_spark(exc: Exception, context: SparkContext) -> DeidError | None:
    """An error of no task: the master does not answer, or the application was ended from outside."""
    if _ENDED.search(str(exc)) is None:
        return None
    how = "see Spark's output above; see to the master, and run the same command again"
    return DeidError(Code.INTERNAL, f"Spark ended the application at master {context.master}: {how}")


class Merged:
    """How Spark adds up tallies: an AccumulatorParam."""

    def zero(self, value: Tally) -> Tally:
        """Nothing."""
        return Tally()

    def addInPlace(self, one: Tally, other: Tally) -> Tally:  # noqa: N802  # Spark's name
        """Both."""
        one.merge(other.spreads)
        return one


class Measured(Protocol):
    """Where a task leaves what it measured: Spark's Accumulator."""

    def add(self, term: Tally) -> None:
        """Add to what other tasks measured."""


def tasks_for(pending: int, shards: int, cores: int) -> tuple[int, int, int]:
    """How many tasks read headers, group them by series, and clean instances."""
    reading = max(READING_TASKS_PER_CORE * cores, shards)
    grouping = max(cores, -(-pending // HEADERS_PER_TASK))
    cleaning = max(CLEANING_TASKS_PER_CORE * cores, -(-pending // INSTANCES_PER_TASK))
    return min(MAX_TASKS, reading), min(MAX_GROUPING_TASKS, grouping), min(MAX_TASKS, cleaning)


def read_headers(job: SparkJob, measured: Measured, parts: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, Header]]:
    """Stage 1: parts of shards -> (series key, header); rows for what is not readable."""
    worker, audit, tally = job.open(), OutcomeBuffer(job.write_audit), Tally()
    reading = job.open_apart().headers() if job.apart or _retried() else worker.headers()

    def keyed(found: Iterable[Header | OpenedHeader | Outcome]) -> Iterator[tuple[str, Header]]:
        for item in found:
            if not isinstance(item, Header | Outcome):
                tally.add(item.measures)
                item = worker.evaluate(item)
            if isinstance(item, Outcome):
                _ended(item, audit, tally)
            else:
                yield series_key(item), item

    for part in parts:
        for item in read_shard(job.store, *part):
            yield from keyed([item] if isinstance(item, Header) else reading.put(item))
    yield from keyed(reading.drain())
    audit.flush()
    measured.add(tally)


def decide_series(job: SparkJob, measured: Measured, series: Iterable[tuple[str, Iterable[Header]]]) -> Iterator[tuple[str, Chunk]]:
    """Stage 2: the headers of one series -> its chunks by their keys; rows for what the save conditions filter."""
    worker, audit, tally = job.open(), OutcomeBuffer(job.write_audit), Tally()
    for _, headers in series:
        for item in worker.decide_series(headers):
            if isinstance(item, Outcome):
                _ended(item, audit, tally)
            else:
                yield item.key, item
    audit.flush()
    measured.add(tally)


def deidentify(job: SparkJob, measured: Measured, chunks: Iterable[tuple[str, Chunk]]) -> Iterator[Outcome]:
    """Stage 3: read, mask, de-identify, verify, write; a row for every instance. Yields nothing."""
    cleaner: Cleaner = job.open_apart() if job.apart or _retried() else job.open()
    audit, tally = OutcomeBuffer(job.write_audit), Tally()
    for outcome in cleaner.process(chunk for _, chunk in chunks):
        _ended(outcome, audit, tally)
    audit.flush()
    measured.add(tally)
    yield from ()


def _ended(outcome: Outcome, audit: OutcomeBuffer, tally: Tally) -> None:
    tally.add(of_outcome(outcome))
    audit.add(outcome)


def _guarded(
    stage: Callable[[SparkJob, Measured, Iterator[S]], Iterator[T]], job: SparkJob, measured: Measured, part: Iterator[S]
) -> Iterator[T]:
    """A stage whose failure shows a code and a type in Spark's logs: the text of a foreign exception may hold a value."""
    try:
        yield from stage(job, measured, part)
    except Exception as exc:
        raise DeidError(*describe(exc)) from None


def _retried() -> bool:
    """Whether this is another attempt at a task: the one before may have died of an instance."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return context is not None and context.attemptNumber() > 0


def _bucket(key: str) -> int:
    """A number from a hexadecimal key, the same in every process; Spark takes it modulo the tasks."""
    return int(key[:8], 16)
