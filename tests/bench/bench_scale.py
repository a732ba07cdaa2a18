"""Cost of distribution: the engines against a bare loop, two workers against one, a second run, the shuffle's size, the audit's compaction.

``python -m tests.bench.bench_scale`` takes about six minutes on a quiet machine with two cores, where its ratios hold; ``--only engines``
about five. CPU seconds say something on a busy machine, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pydicom

from pipeline import audit, settings, spark, spark_classes
from pipeline.compact import compact
from pipeline.manifest import write_shards
from pipeline.run import execute
from pipeline.secret import SecretRef
from pipeline.storage import Store
from pipeline.worker import Job
from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.scale import runs
from tests.scale.cluster import ROOT, environment, standalone
from transforms.deidentify import Deidentifier, OpenedHeader
from transforms.errors import Code
from transforms.outcomes import header_outcome
from transforms.policy import LimitsPolicy
from transforms.read.header import HeaderFields
from transforms.series.aggregate import chunks, decide
from transforms.tags.identity import Identity
from transforms.types import Chunk, Header, Outcome, Source, Status

CONFIG = str(ROOT / "configs" / "basic.yaml")
SERIES = 50
DELAY = 0.03
"""Seconds that an object store takes to answer."""


@dataclass(frozen=True)
class HeaderJob:
    """A job whose headers are made up: everything of the graph up to the chunks, and nothing of the images."""

    store: Store
    apart: bool = False
    progress: str | None = None

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


def make_archive(folder: Path, instances: int) -> None:
    """CT of 128 x 128 in series of 50, each with pixels of its own."""
    dataset = pydicom.dcmread(archive.bundled("CT_small.dcm"))
    archive.plant(dataset)
    pixels = dataset.pixel_array.copy()
    folder.mkdir()
    for number in range(instances):
        series = number // SERIES
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.1{series}", f"2.25.2{series}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.3{number}"
        pixels[0, 0], pixels[0, 1] = number % 1000, number // 1000
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"{number:06d}")


def timed(*commands: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of processes at once, with their children, from start to end; bytecode is kept, as where nobody forbids it."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    env = {name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        pairs = zip(commands, logs, strict=True)
        running = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log) for command, log in pairs]
        for process, log in zip(running, logs, strict=True):
            assert process.wait() == 0, (log.seek(0), log.read()[-2000:].decode(errors="replace"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bare(folder: Path, files: Path, part: int = 0, parts: int = 1) -> float:
    """Seconds of the work as a loop over the composer's functions, without an engine, work list or audit; of a part of the series only."""
    store = Store()
    policy = settings.load_policy(CONFIG)
    (folder / "policy.json").write_text(policy.model_dump_json(exclude_unset=True))
    output = str(folder / f"bare-{files.name}")
    job = Job("bare", str(folder / "policy.json"), SecretRef("file", str(folder / "secret")), output, store)
    started = time.monotonic()
    worker: Deidentifier = job.open()
    sources = (source for number, source in enumerate(store.list_files(str(files))) if number // SERIES % parts == part)
    headers = [worker.evaluate(worker.open_header(source)) for source in sources]  # type: ignore[arg-type]
    by_series: dict[str, list[Header]] = {}
    for header in headers:
        by_series.setdefault(header.series_uid, []).append(header)
    for members in by_series.values():
        for outcome in worker.process(chunk for chunk in worker.decide_series(members) if isinstance(chunk, Chunk)):
            assert outcome.status is Status.SAVED
    return time.monotonic() - started


def engines(folder: Path, seconds: float, rounds: int) -> None:
    """The same archive, by every engine of one machine: a job that takes the bare loop ``seconds``.

    Engines take turns, ``rounds`` times, and what is compared follows each other: a machine's speed changes in between. Of several rounds
    the median of each ratio is printed.
    """
    (folder / "secret").write_text(SECRET)
    make_archive(folder / "warm", SERIES)
    make_archive(folder / "few", 2 * SERIES)
    bare(folder, folder / "warm")
    instances = max(SERIES, round(seconds / (bare(folder, folder / "few") / (2 * SERIES))))
    make_archive(folder / "in", instances)
    timed(runs.command(folder / "warm", folder / "warmed", folder / "secret"))
    print(f"{instances} CT of 128 x 128; each line is a process from its start to its end")

    def show(name: str, took: tuple[float, float], against: str, cpu: bool = True) -> None:
        print(f"{name:24} {took[0]:8.1f} s wall {f'{took[1]:8.1f} s CPU' if cpu else ' ' * 14}  {against}", flush=True)

    found: dict[str, list[float]] = {}
    for number in range(rounds):
        own = folder / f"round-{number}"
        own.mkdir()
        looping = [sys.executable, "-m", "tests.bench.bench_scale", "--bare", str(folder), "--part"]
        loop = timed([*looping, "0", "1"])
        shutil.rmtree(folder / "bare-in")
        show("bare loop", loop, f"{1000 * loop[0] / instances:.1f} ms per instance")
        command = runs.command(folder / "in", own / "one", folder / "secret")
        one = timed(command)
        show("Beam local, 1 process", one, f"{one[0] / loop[0] - 1:+.1%} over the bare loop (CPU {one[1] / loop[1] - 1:+.1%}); wanted: 10%")
        again = timed(command)
        inside = json.loads((own / "one" / "run.json").read_text())["seconds"]
        finished = settings.make(config=CONFIG, inputs=[str(folder / "in")], output=str(own / "one"), secret_file=str(folder / "secret"))
        second = execute(finished).seconds
        faster = f"{one[0] / again[0]:.0f} x faster, {inside / second:.0f} x without the start of Python ({second:.2f} s); wanted: 50 x"
        show("second run", again, faster)
        both = timed([*looping, "0", "2"], [*looping, "1", "2"])
        shutil.rmtree(folder / "bare-in")
        against = (
            f"{loop[0] / both[0]:.2f} x one (CPU {both[1] / loop[1] - 1:+.1%}): what this machine gives two processes without an engine"
        )
        show("two bare loops at once", both, against)
        two = timed(runs.command(folder / "in", own / "two", folder / "secret", "--workers", "2"))
        share = f"{both[0] / two[0]:.0%} of the speed of two bare loops"
        against = f"{one[0] / two[0]:.2f} x one process (CPU {two[1] / one[1] - 1:+.1%}), {share}; wanted: 1.8 x"
        show("Beam local, 2 processes", two, against)
        print(f"(of 1 process, {one[0] - inside:.1f} s pass before the run begins: Python and its imports)")
        ratios = {
            "Beam over the bare loop": one[0] / loop[0],
            "bare loop over two at once": loop[0] / both[0],
            "one process over two": one[0] / two[0],
            "two bare loops over two processes": both[0] / two[0],
            "first run over second": one[0] / again[0],
        }
        if shutil.which("java") is None:
            print("Spark: no Java here")
        else:
            if not spark_classes.options():
                print("Spark: its JVMs start without an archive of classes, in twice the time: python -m pipeline.spark_classes makes it")
            (own / "cluster").mkdir()
            with standalone(own / "cluster") as cluster:
                native = timed(runs.command(folder / "in", own / "spark", folder / "secret", "--runner", "spark", "--", *cluster.options))
            against = f"{native[0] / two[0] - 1:+.1%} over Beam with 2 processes; wanted: 15%"
            show("Spark standalone, 2 x 1", native, against, cpu=False)
            ratios["Spark over Beam with two processes"] = native[0] / two[0]
        for name, ratio in ratios.items():
            found.setdefault(name, []).append(ratio)
    if rounds > 1:
        for name, each in found.items():
            print(f"{name}: {statistics.median(each):.2f}, median of {', '.join(f'{ratio:.2f}' for ratio in each)}")
    stages = ", ".join(f"1000 * avg(seconds_{stage}) as {stage}_ms" for stage in ("read", "mask", "tags", "verify", "write"))
    print(duckdb.sql(f"select modality, count(*) as n, {stages} from '{folder}/round-0/one/audit/instances/*.parquet' group by all"))


def shuffle(folder: Path, headers: int) -> None:
    """Made-up headers through the Spark graph to the chunks: seconds, and the memory that the driver gained."""
    job = HeaderJob(Store())
    shards = write_shards(job.store, str(folder / "shards"), (Source(f"/archive/{number}", 1 << 19) for number in range(headers))).shards
    with spark.open_context(2, ["--conf", "spark.ui.enabled=false"]) as context:
        before, started = peak(), time.monotonic()
        counts = spark.run(job, shards, headers, context)  # type: ignore[arg-type]  # what the graph uses of a Deidentifier
        seconds = time.monotonic() - started
    assert counts.count(Status.SAVED) == headers
    print(f"{headers} headers to chunks: {seconds:.1f} s, {1e6 * seconds / headers:.0f} us each; driver +{peak() - before:.0f} MiB")


class Distant(Store):
    """A store of which every answer takes a while."""

    @staticmethod
    def waits(uri: str) -> bool:
        return True

    def _call(self, code: Code, uri: str, call: Callable[[], Any]) -> Any:
        time.sleep(DELAY)
        return super()._call(code, uri, call)


def compaction(folder: Path, rows: int, *, distant: bool = False) -> None:
    """Parts of 512 rows to few files: seconds and peak memory."""
    store, output = (Distant(), "memory://audit-out") if distant else (Store(), str(folder / "audit-out"))
    writer = audit.AuditWriter(store, output, "run")
    blank = Header("", "", 0, "1.2", "1.2.3", "1.2.3.4", "P")
    for start in range(0, rows, 512):
        outcomes = []
        for number in range(start, min(start + 512, rows)):
            row = header_outcome(blank, Status.FILTERED, Code.SAVE_CONDITION, "bench")
            own = {"instance_id": f"{number:032x}"}
            outcomes.append(Outcome(own["instance_id"], row.status, row.instance | own, (), row.crosswalk | own | {"url": f"/a/{number}"}))
        writer.write(outcomes)
    before, started, worked = peak(), time.monotonic(), time.process_time()
    compact(store, output)
    seconds, cpu = time.monotonic() - started, time.process_time() - worked
    size = sum(store.size(uri) for table in audit.TABLES for uri in audit.files(store, output, table)) / rows
    where = f"in a store that answers after {1000 * DELAY:.0f} ms" if distant else "on the disk"
    print(f"compaction of {rows} rows {where}: {seconds:.1f} s, {cpu:.1f} CPU s, +{peak() - before:.0f} MiB, {size:.0f} bytes per row left")


def latency(folder: Path, instances: int = 400) -> None:
    """One worker over a store that answers late: with one request at a time, with several, and over a disk."""
    make_archive(folder / "late", instances)
    found: dict[str, float] = {}
    for name, store, threads in (
        ("disk", Store(), 1),
        ("one request at a time", Distant(), 1),
        ("several", Distant(), settings.IO_THREADS),
    ):
        worker = Deidentifier(settings.load_policy(CONFIG), Identity(SECRET.encode()), store, str(folder / name), io_threads=threads)
        started, worked = time.monotonic(), time.process_time()
        headers = [
            worker.evaluate(opened)
            for opened in worker.headers().through(Store().list_files(str(folder / "late")))
            if isinstance(opened, OpenedHeader)
        ]
        series = [headers[start : start + SERIES] for start in range(0, instances, SERIES)]
        chunked = (item for members in series for item in worker.decide_series(members) if isinstance(item, Chunk))  # type: ignore[arg-type]
        assert all(outcome.status is Status.SAVED for outcome in worker.process(chunked))
        found[name] = time.monotonic() - started
        each = f"{1000 * found[name] / instances:.1f} ms each ({1000 * (time.process_time() - worked) / instances:.1f} CPU)"
        print(f"{name:24} {found[name]:6.1f} s, {each}")
    one, several = (found[name] / found["disk"] for name in ("one request at a time", "several"))
    print(f"{settings.IO_THREADS} requests at once, answered after {1000 * DELAY:.0f} ms: {several:.1f} x a disk's time; one: {one:.1f} x")


def main() -> None:
    """Run all, the memory ones first: a process's peak does not go down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("compaction", "distant", "shuffle", "latency", "engines"))
    parser.add_argument("--seconds", type=float, default=60, help="of the bare loop")
    parser.add_argument("--rounds", type=int, default=1, help="of all engines")
    parser.add_argument("--headers", type=int, default=50_000)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.bare, options.bare / "in", *options.part)
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-"))
    parts = {
        "compaction": lambda: compaction(folder, options.rows),
        "distant": lambda: compaction(folder, options.rows, distant=True),
        "shuffle": lambda: shuffle(folder, options.headers),
        "latency": lambda: latency(folder),
        "engines": lambda: engines(folder, options.seconds, options.rounds),
    }
    try:
        for name, part in parts.items():
            if options.only in (None, name):
                part()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
