"""What it costs to read headers: bytes fetched and time, beside pydicom on the whole file; and the last look before a file is written.

    python -m tests.bench.bench_headers [FOLDER …] [--repeat 3]

Without folders: pydicom's bundled files. Reads are counted at the store, so the figures hold for object storage; the time is that of the
local disk and the parser, without a network.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

import transforms.read.quiet  # noqa: F401  # malformed files are part of the measurement
from pipeline.storage import Store
from transforms.errors import DeidError
from transforms.policy import LimitsPolicy, Policy
from transforms.read.header import read_header
from transforms.read.instance import read_instance
from transforms.series.conditions import evaluate
from transforms.verify.leaks import scan
from transforms.verify.structure import check_structure

POLICY = Policy.model_validate({"save_conditions": ["NOT_SUBSTR PRIMARY ImageType", "IN [ct, pt, nm, mr, mg] Modality"]})
LIMITS = LimitsPolicy()
STORE = Store()


class Counted:
    """Ranged reads of one file, counted."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.bytes = self.requests = 0

    def __call__(self, start: int, end: int) -> bytes:
        data = STORE.read_range(self.path, start, end)
        self.requests += 1
        self.bytes += len(data)
        return data


def per_second(call: Callable[[Path], object], paths: list[Path], repeat: int) -> float:
    """Best of ``repeat`` passes; what a file cannot be read as costs its time too."""
    best = 0.0
    for _ in range(repeat):
        started = time.perf_counter()
        for path in paths:
            with contextlib.suppress(Exception):  # pydicom raises anything
                call(path)
        best = max(best, len(paths) / (time.perf_counter() - started))
    return best


def fetched(paths: Iterable[Path]) -> list[Counted]:
    """The reads that each readable header takes."""
    done = []
    for path in paths:
        fetch = Counted(path)
        try:
            read_header(fetch, path.stat().st_size, LIMITS)
        except DeidError:
            continue
        done.append(fetch)
    return done


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(get_testdata_file("CT_small.dcm")).parent])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    paths = sorted(path for folder in arguments.folders for path in folder.rglob("*") if path.is_file())
    reads = fetched(paths)
    whole = sum(path.stat().st_size for path in paths)
    print(f"{len(reads)} headers of {len(paths)} files, {whole / 1e6:.1f} MB")
    print(f"bytes per header: median {statistics.median(r.bytes for r in reads):,.0f}, most {max(r.bytes for r in reads):,}")
    share, requests = sum(r.bytes for r in reads) / whole, sum(r.requests for r in reads) / len(reads)
    print(f"fetched: {share:.1%} of the bytes, {requests:.2f} requests a header")

    def header(path: Path) -> object:
        return read_header(Counted(path), path.stat().st_size, LIMITS)

    def conditions(path: Path) -> object:
        return evaluate(POLICY.save_conditions, header(path).dataset)  # type: ignore[attr-defined]

    def instance(path: Path) -> object:
        return read_instance(STORE.read_all(str(path)), LIMITS)

    rows = [
        ("read_header", header),
        ("read_header and two save conditions", conditions),
        ("pydicom.dcmread, stop_before_pixels", lambda path: pydicom.dcmread(path, stop_before_pixels=True, force=True)),
        ("read_instance", instance),
        ("pydicom.dcmread", lambda path: pydicom.dcmread(path, force=True)),
    ]
    for name, call in rows:
        print(f"{name:40} {per_second(call, paths, arguments.repeat):8,.0f} files/s")

    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    identifiers = [f"name{number}" for number in range(40)]
    for name, check in (
        ("leak scan, CT_small", lambda: scan(buffer.getvalue(), identifiers, keeps=frozenset({"private"}))),
        ("structure check, CT_small", lambda: check_structure(buffer.getvalue(), dataset)),
    ):
        started = time.perf_counter()
        for _ in range(200):
            check()
        print(f"{name:40} {(time.perf_counter() - started) * 5:8.2f} ms")


if __name__ == "__main__":
    main()
