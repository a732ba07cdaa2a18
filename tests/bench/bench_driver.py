"""What the driver holds of an archive: its memory while 10,000, 100,000 and more instances go through a job, and 20,000 tiny files.

    python -m tests.bench.bench_driver [--driver 10000 100000 1000000] [--headers 10000] [--files 20000] [--workers 2]

``driver``: everything that the driver does (listing, ledger, work list, compaction, reconciliation) for instances that a store makes up;
in place of an engine, another process writes a row for each. ``headers``: the same instances, of which only headers exist, through the
ordinary Beam job: headers are read, evaluated, grouped by series, cut into chunks; reading them whole fails (``too_large``), so each ends
as a quarantined row. ``files``: small valid images on disk, through everything. Each size runs in a process of its own; memory is the most
that a process was seen to hold, by what it is: the driver, the process of Beam's local runner (or of what stands for it), and the workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pydicom
from pydicom.data import get_testdata_file

from pipeline import attempts, settings
from pipeline.manifest import WorkList
from pipeline.run import Summary, execute
from pipeline.settings import Settings
from pipeline.storage import Store
from tests.bench.header_store import SCHEME, HeaderStore, write_rows
from tests.conftest import SECRET
from transforms.measures import Tally

HEADERS_POLICY = "name: headers\nsave_conditions: [NOT_SUBSTR PRIMARY\\DERIVED ImageType]\nlimits: {max_instance_bytes: 1000}\n"
FILES_POLICY = "name: files\n"


class Memory(threading.Thread):
    """The most that this process and its children were seen to hold, MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, float] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self.stop.wait(0.2):
            found = [("driver", me)]
            for child in me.children(recursive=True):
                try:
                    words = " ".join(child.cmdline())
                except psutil.Error:
                    continue
                found.append(("worker" if "sdk_worker_main" in words else "beam" if "spawn_main" in words else "other", child))
            for name, process in found:
                try:
                    self.most[name] = max(self.most.get(name, 0.0), process.memory_info().rss / 2**20)
                except psutil.Error:
                    continue


def measured(folder: Path, inputs: str, policy: str, store: Store, workers: int) -> tuple[Summary, dict[str, float]]:
    """Run the job, and say how it ended and what memory was held."""
    (folder / "policy.yaml").write_text(policy)
    (folder / "secret").write_text(SECRET)
    made = settings.make(
        config=str(folder / "policy.yaml"),
        inputs=[inputs],
        output=str(folder / "out"),
        secret_file=str(folder / "secret"),
        workers=workers,
    )
    memory = Memory()
    memory.start()
    summary = execute(replace(made, store=store))
    memory.stop.set()
    memory.join()
    return summary, memory.most


def launch_rows(settings: Settings, run_id: str, pending: WorkList, *_: object, **__: object) -> Tally:
    """In place of an engine: `write_rows` in a process of its own."""
    arguments = (settings.store, settings.output, run_id, list(pending.shards), SECRET.encode())
    process = get_context("spawn").Process(target=write_rows, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0
    return Tally()


def tiny(folder: Path, count: int) -> None:
    """Valid images of 64 x 64, a hundred in a series, all different."""
    base = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    noise = np.random.default_rng(0)
    base.Rows = base.Columns = 64
    for number in range(count):
        for level, (keyword, value) in enumerate(
            (("StudyInstanceUID", number // 200), ("SeriesInstanceUID", number // 100), ("SOPInstanceUID", number))
        ):
            setattr(base, keyword, f"1.2.{level}.{value}")
        base.file_meta.MediaStorageSOPInstanceUID = base.SOPInstanceUID
        base.PatientName, base.PatientID = f"Zyxwandt^{number // 200}", f"QK-{number // 200:06d}"
        base.PixelData = noise.integers(100, 140, (64, 64), dtype=np.int16).tobytes()
        path = folder / f"{number // 100:05d}" / f"{number:06d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        base.save_as(path)


def one(kind: str, count: int, workers: int) -> None:
    """One size, in this process."""
    folder = Path(tempfile.mkdtemp(prefix="bench-driver-"))
    try:
        if kind == "driver":
            attempts._launch = launch_rows  # type: ignore[assignment]
            summary, most = measured(folder, f"{SCHEME}{count}", HEADERS_POLICY, HeaderStore(), workers)
        elif kind == "headers":
            summary, most = measured(folder, f"{SCHEME}{count}", HEADERS_POLICY, HeaderStore(), workers)
            assert summary.counts["quarantined"] == count, summary
        else:
            tiny(folder / "in", count)
            summary, most = measured(folder, str(folder / "in"), FILES_POLICY, Store(), workers)
        assert summary.inputs == count, summary
        assert summary.unaccounted == 0, summary
        audit = [path.stat().st_size for path in (folder / "out").rglob("*.parquet")]
        times = psutil.Process().cpu_times()
        cpu = times.user + times.system
        shown = ", ".join(f"{name} {size:.0f}" for name, size in sorted(most.items()))
        print(
            f"{count:9d} {kind}: {summary.seconds:8.1f} s ({count / summary.seconds:7.1f}/s), driver {cpu:.1f} CPU s; MiB: {shown};"
            f" audit {len(audit)} files, {sum(audit) / count:.0f} bytes per input; {json.dumps(summary.counts)}",
            flush=True,
        )
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Every size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--headers", type=int, nargs="*", default=[10_000])
    parser.add_argument("--files", type=int, nargs="*", default=[2_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], int(options.one[1]), options.workers)
        return
    for kind, counts in (("driver", options.driver), ("headers", options.headers), ("files", options.files)):
        for count in counts:
            command = [sys.executable, "-m", "tests.bench.bench_driver", "--workers", str(options.workers), "--one", kind, str(count)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
