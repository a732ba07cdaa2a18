"""Cost of distribution: the engines against a bare loop, two workers against one, a second run, the shuffle's size, the audit's compaction.

``python -m tests.bench.bench_scale [--instances N] [--headers N] [--rows N]``; ratios hold within one run on a quiet machine.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline import audit, settings, spark
from pipeline.compact import compact
from pipeline.manifest import write_shards
from pipeline.run import execute
from pipeline.secret import SecretRef
from pipeline.storage import Store
from pipeline.worker import Job
from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.scale.cluster import ROOT
from transforms.deidentify import Deidentifier, OpenedHeader
from transforms.errors import Code
from transforms.outcomes import header_outcome
from transforms.policy import LimitsPolicy
from transforms.read.header import HeaderFields
from transforms.series.aggregate import chunks, decide
from transforms.types import Chunk, Header, Outcome, Source, Status

CONFIG = str(ROOT / "configs" / "basic.yaml")
SERIES = 50


@dataclass(frozen=True)
class HeaderJob:
    """A job whose headers are made up: everything of the graph up to the chunks, and nothing of the images."""

    store: Store
    apart: bool = False

    def open(self) -> HeaderWorker:
        return HeaderWorker()

    def write_audit(self, outcomes: Sequence[Outcome]) -> None:
        pass


class HeaderWorker:
    """Stands in for a Deidentifier."""

    def open_header(self, source: Source) -> OpenedHeader:
        number = int(source.uri.rpartition("/")[2])
        fields = HeaderFields("P", "1.2", f"1.2.{number // SERIES}", f"1.2.3.{number}", "", "CT", "", 1, 1 << 19, None)
        return OpenedHeader(source, f"{number:032x}", fields)

    def evaluate(self, opened: OpenedHeader) -> Header:
        found = opened.fields
        ids = found.study_uid, found.series_uid, found.sop_uid, found.patient_id
        return Header(opened.instance_id, opened.source.uri, 1 << 19, *ids, pixel_bytes=found.pixel_bytes)

    def decide_series(self, headers: Sequence[Header]) -> Iterator[Chunk]:
        members = list(headers)
        yield from chunks(members, decide(members, "all"), LimitsPolicy())

    def process(self, chunk: Chunk) -> Iterator[Outcome]:
        for header in chunk.headers:
            yield Outcome(header.instance_id, Status.SAVED, {}, (), {})


def peak() -> float:
    """Most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(folder: Path, name: str, runner: str, workers: int, *options: str) -> float:
    """Seconds of a whole run into a new output."""
    made = settings.make(
        config=CONFIG,
        inputs=[str(folder / "in")],
        output=str(folder / name),
        secret_file=str(folder / "secret"),
        runner=runner,
        workers=workers,
        engine_options=list(options),
    )
    summary = execute(made)
    assert summary.reconciled
    return summary.seconds


def bare(folder: Path) -> float:
    """Seconds of the same work as a loop over the composer's functions, without an engine, list, manifest or audit."""
    store = Store()
    policy = settings.load_policy(CONFIG)
    (folder / "policy.json").write_text(policy.model_dump_json(exclude_unset=True))
    job = Job("bare", str(folder / "policy.json"), SecretRef("file", str(folder / "secret")), str(folder / "bare"), store)
    started = time.monotonic()
    worker: Deidentifier = job.open()
    headers = [worker.evaluate(worker.open_header(source)) for source in store.list_files(str(folder / "in"))]  # type: ignore[arg-type]
    by_series: dict[str, list[Header]] = {}
    for header in headers:
        by_series.setdefault(header.series_uid, []).append(header)
    for members in by_series.values():
        for chunk in worker.decide_series(members):
            assert isinstance(chunk, Chunk)
            for outcome in worker.process(chunk):
                assert outcome.status is Status.SAVED
    return time.monotonic() - started


def engines(folder: Path, instances: int) -> None:
    """The same archive, by every engine of one machine."""
    for number in range(0, instances, SERIES):
        archive.series(folder / "in" / f"s{number}", min(SERIES, instances - number))
    (folder / "secret").write_text(SECRET)
    loop = bare(folder)
    one = timed(folder, "one", "local", 1)
    again = timed(folder, "one", "local", 1)
    two = timed(folder, "two", "local", 2)
    print(f"bare loop                {loop:8.1f} s  {1000 * loop / instances:7.1f} ms per instance")
    print(f"Beam local, 1 process    {one:8.1f} s  {one / loop - 1:+7.1%} over the bare loop")
    print(f"Beam local, 2 processes  {two:8.1f} s  {one / two:7.2f} x one process")
    print(f"second run               {again:8.2f} s  {one / again:7.0f} x faster")
    try:
        spark.check()
    except Exception as exc:
        print(f"Spark: {exc}")
    else:
        native = timed(folder, "spark", "spark", 2, "--conf", "spark.ui.enabled=false")
        print(f"Spark local[2]           {native:8.1f} s  {native / two - 1:+7.1%} over Beam with 2 processes")
    stages = ", ".join(f"1000 * avg(seconds_{stage}) as {stage}_ms" for stage in ("read", "mask", "tags", "verify", "write"))
    print(duckdb.sql(f"select modality, count(*) as n, {stages} from '{folder}/one/audit/instances/*.parquet' group by all"))


def shuffle(folder: Path, headers: int) -> None:
    """Made-up headers through the Spark graph to the chunks: seconds, and the memory that the driver gained."""
    job = HeaderJob(Store())
    shards = write_shards(job.store, str(folder / "shards"), (Source(f"/archive/{number}", 1 << 19) for number in range(headers))).shards
    with spark.session(2, ["--conf", "spark.ui.enabled=false"]) as session:
        before, started = peak(), time.monotonic()
        counts = spark.run(job, shards, headers, session)  # type: ignore[arg-type]  # what the graph uses of a Deidentifier
        seconds = time.monotonic() - started
    assert counts.count(Status.SAVED) == headers
    print(f"{headers} headers to chunks: {seconds:.1f} s, {1e6 * seconds / headers:.0f} us each; driver +{peak() - before:.0f} MiB")


def compaction(folder: Path, rows: int) -> None:
    """Parts of 512 rows to few files: seconds and peak memory."""
    store, output = Store(), str(folder / "audit-out")
    writer = audit.AuditWriter(store, output, "run")
    blank = Header("", "", 0, "1.2", "1.2.3", "1.2.3.4", "P")
    for start in range(0, rows, 512):
        outcomes = []
        for number in range(start, min(start + 512, rows)):
            row = header_outcome(blank, Status.FILTERED, Code.SAVE_CONDITION, "bench")
            own = {"instance_id": f"{number:032x}"}
            outcomes.append(Outcome(own["instance_id"], row.status, row.instance | own, (), row.crosswalk | own | {"url": f"/a/{number}"}))
        writer.write(outcomes)
    before, started = peak(), time.monotonic()
    compact(store, output)
    seconds = time.monotonic() - started
    size = sum(path.stat().st_size for path in Path(output).rglob("*.parquet"))
    print(f"compaction of {rows} rows: {seconds:.1f} s, +{peak() - before:.0f} MiB, {size / rows:.0f} bytes per row left")


def main() -> None:
    """Run all, the memory ones first: a process's peak does not go down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=400)
    parser.add_argument("--headers", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-"))
    try:
        compaction(folder, options.rows)
        shuffle(folder, options.headers)
        engines(folder, options.instances)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
