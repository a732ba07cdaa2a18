"""What this machine holds of an archive: memory while 10,000, 100,000 and more instances, of which only headers exist, go through a job.

    python -m tests.bench.bench_driver [--driver 10000 100000 1000000] [--headers 10000] [--graph 100000 1000000] [--workers 2]

``driver``: everything that the driver does (listing, ledger, work list, compaction, reconciliation) for instances that a store makes up;
in place of an engine, another process writes a row for each. ``headers``: the same instances through the ordinary Beam job: headers are
read, evaluated, grouped by series, cut into chunks; reading them whole fails (``too_large``), so each ends as a quarantined row.
``graph``: Beam's local runner alone, with headers that cost nothing to read and chunks that cost nothing to clean. Each size runs in a
process of its own; memory is the most that a process was seen to hold: the driver, the process of Beam's local runner (or of what stands
for the engine), and the workers. With one worker the three are one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil

from pipeline import attempts, settings
from pipeline.beam_local import JobProcess
from pipeline.lean import lean_beam
from pipeline.manifest import WorkList, write_shards
from pipeline.run import Summary, execute
from pipeline.settings import Settings
from pipeline.storage import Store
from tests.bench import watched
from tests.bench.header_store import SCHEME, GraphJob, HeaderStore, write_rows
from tests.conftest import SECRET
from transforms.measures import Tally
from transforms.types import Source, Status

POLICY = "name: headers\nsave_conditions: [NOT_SUBSTR PRIMARY\\DERIVED ImageType]\nlimits: {max_instance_bytes: 1000}\n"


def measured(folder: Path, inputs: str, store: Store, workers: int) -> Summary:
    """Run the job, and say how it ended."""
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "secret").write_text(SECRET)
    made = settings.make(
        config=str(folder / "policy.yaml"),
        inputs=[inputs],
        output=str(folder / "out"),
        secret_file=str(folder / "secret"),
        workers=workers,
    )
    return execute(replace(made, store=store))


def launch_rows(settings: Settings, run_id: str, pending: WorkList, *_: object, **__: object) -> Tally:
    """In place of an engine: `write_rows` in a process of its own."""
    arguments = (settings.store, settings.output, run_id, list(pending.shards), SECRET.encode())
    process = get_context("spawn").Process(target=write_rows, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0
    return Tally()


def graph(folder: Path, count: int, workers: int) -> None:
    """Made-up headers through Beam's local runner to the chunks."""
    job = GraphJob(Store())
    with JobProcess() if workers > 1 else lean_beam() as process:
        shards = write_shards(job.store, str(folder / "shards"), (Source(f"/archive/{number}", 1 << 19) for number in range(count))).shards
        started = time.monotonic()
        if process is not None:
            found = process.run(job, shards, workers, [])  # type: ignore[arg-type]  # what the graph uses of a Job
        else:
            from pipeline import beam

            found = beam.run(job, shards, beam.options("local", 1)) or Tally()  # type: ignore[arg-type]
        seconds = time.monotonic() - started
    assert found.count(Status.SAVED) == count, found
    print(f"{count:9d} graph: {seconds:8.1f} s, {1e6 * seconds / count:.0f} us each")


def one(kind: str, count: int, workers: int) -> None:
    """One size, in this process."""
    folder = Path(tempfile.mkdtemp(prefix="bench-driver-"))
    try:
        if kind == "graph":
            graph(folder, count, workers)
            return
        if kind == "driver":
            attempts._launch = launch_rows  # type: ignore[assignment]
        summary = measured(folder, f"{SCHEME}{count}", HeaderStore(), workers)
        assert kind == "driver" or summary.counts["quarantined"] == count, summary
        assert summary.inputs == count, summary
        assert summary.unaccounted == 0, summary
        audit = [path.stat().st_size for path in (folder / "out").rglob("*.parquet")]
        times = psutil.Process().cpu_times()
        print(
            f"{count:9d} {kind}: {summary.seconds:8.1f} s ({count / summary.seconds:7.1f}/s), driver {times.user + times.system:.1f} CPU s;"
            f" audit {len(audit)} files, {sum(audit) / count:.0f} bytes per input; {json.dumps(summary.counts)}"
        )
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Every size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--headers", type=int, nargs="*", default=[10_000])
    parser.add_argument("--graph", type=int, nargs="*", default=[100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], int(options.one[1]), options.workers)
        return
    for kind, counts in (("driver", options.driver), ("headers", options.headers), ("graph", options.graph)):
        for count in counts:
            run = watched.start("-m", "tests.bench.bench_driver", "--workers", str(options.workers), "--one", kind, str(count))
            print(f"{run.wait().strip().splitlines()[-1]}; {run.shown()}", flush=True)


if __name__ == "__main__":
    main()
