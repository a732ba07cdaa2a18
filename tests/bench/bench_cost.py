"""What starting costs, and what one image costs by its kind, in CPU seconds of all processes: other programs disturb those less than time.

``python -m tests.bench.bench_cost [--part P] [--images N]``. The images are invented (`pipeline.synth_phantoms`), each a series of its own,
so that OCR looks at every one; half of them have a patient burned in.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydicom.uid import generate_uid

from pipeline import settings, spark, synth
from pipeline.secret import SecretRef
from pipeline.storage import Store
from pipeline.synth_images import store as store_frames
from pipeline.synth_people import person
from pipeline.synth_phantoms import PHANTOMS, phantom
from pipeline.worker import Job
from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.scale import cluster, runs
from transforms.deidentify import Deidentifier
from transforms.types import Chunk, Header, Source, Status

PR_SET_CHILD_SUBREAPER = 36
STAGES = ("mask", "read", "tags", "verify", "write")


def cpu_of(command: Sequence[str]) -> float:
    """CPU seconds of a command with all that it starts."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what it leaves behind (a JVM) becomes our child, and counts when it ends
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cluster.ROOT, env=cluster.environment(), capture_output=True, check=True)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def starting(folder: Path) -> None:
    """One small instance by each engine of one machine: all of it is start and end."""
    archive.series(folder / "one", 1)
    secret = folder / "secret"
    engines = {
        "Beam, 1 process": [],
        "Beam, 2 processes": ["--workers", "2"],
        "Spark local[2]": ["--workers", "2", "--runner", "spark", "--", "--conf", "spark.ui.enabled=false", *cluster.LOOPBACK],
    }
    print(f"{'importing the command':<24} {cpu_of([sys.executable, '-c', 'import pipeline.commands.run']):6.1f} CPU s")
    for name, options in engines.items():
        try:
            spark.check() if "spark" in options else None
        except Exception as exc:
            print(f"{name}: {exc}")
            continue
        command = runs.command(folder / "one", folder / name, secret, *options)
        print(f"{name:<24} {cpu_of(command):6.1f} CPU s, and {cpu_of(command):.1f} when there is nothing left to do", flush=True)


def images(folder: Path, kind: str, count: int) -> list[Source]:
    """Images of one kind, every other one with a patient burned in."""
    made = []
    for number in range(count):
        rng = random.Random(f"{kind} {number}")
        dataset, frames = phantom(kind, rng)
        if number % 2:
            synth.burn(dataset, frames, seed=number)
        else:
            store_frames(dataset, frames)
            synth.set_header(dataset, person(rng), rng)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid(), generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        path = folder / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        made.append(Source(str(path), path.stat().st_size))
    return made


def imaging(folder: Path, count: int) -> None:
    """CPU seconds of the stages of one image, by kind, in one process."""
    policy = folder / "policy.json"
    policy.write_text(settings.load_policy(runs.CONFIG).model_dump_json(exclude_unset=True))
    job = Job("bench", str(policy), SecretRef("file", str(folder / "secret")), str(folder / "images"), Store())
    worker: Deidentifier = job.open()
    print(f"\n{'kind':<12} {'pixels':>11} {'core-s':>7} {'header':>7} {'pixels':>7} of it")
    for kind in PHANTOMS:
        sources = images(folder / kind, kind, 2 + count)
        clean(worker, sources[:2])  # models are loaded, and what is compiled on first use is
        header, whole, masking = clean(worker, sources[2:])
        shape = phantom(kind, random.Random(0))[1].shape
        print(f"{kind:<12} {shape[2]:>5} x {shape[1]:<4} {whole / count:7.3f} {header / count:7.4f} {masking:7.0%}", flush=True)


def clean(worker: Deidentifier, sources: Sequence[Source]) -> tuple[float, float, float]:
    """CPU seconds of reading the headers and of all, and the part of finding and hiding text in the time behind the headers."""
    started = time.process_time()
    headers = [worker.evaluate(worker.open_header(source)) for source in sources]  # type: ignore[arg-type]
    read = time.process_time() - started
    rows = []
    for header in headers:
        assert isinstance(header, Header)
        for outcome in worker.process(chunk for chunk in worker.decide_series([header]) if isinstance(chunk, Chunk)):
            assert outcome.status is Status.SAVED
            rows.append(outcome.instance)
    whole = time.process_time() - started
    masking, others = (sum(row[f"seconds_{stage}"] for row in rows for stage in stages) for stages in (STAGES[:1], STAGES[1:]))
    return read, whole, masking / (masking + others)


def main() -> None:
    """Both, the smaller first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("starting", "images"), help="one of the two only")
    parser.add_argument("--images", type=int, default=8, help="images of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret").write_text(SECRET)
        if options.part != "images":
            starting(folder)
        if options.part != "starting":
            imaging(folder, options.images)


if __name__ == "__main__":
    main()
