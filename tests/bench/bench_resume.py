"""Thousands of small files all the way, the driver killed in the middle: nothing is lost, memory and audit stay small.

    python -m tests.bench.bench_resume [--files 2000] [--workers 2]

The command runs until half of the files have a row, and is killed with SIGKILL. The same command then does the rest, once more finds
nothing to do, and ``dicom-deid verify`` reads every file that was written. Memory is the most that a process was seen to hold.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pydicom
from pydicom.data import get_testdata_file

from tests.bench import watched
from tests.conftest import SECRET

LOOK_SECONDS = 2.0
POLICY = "name: tiny\n"


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


def rows(folder: Path) -> int:
    """Inputs of which the audit says the end."""
    if not any(folder.glob("restricted/crosswalk/*.parquet")):
        return 0
    found = duckdb.sql(f"select count(distinct url) from '{folder}/restricted/crosswalk/*.parquet'").fetchall()
    return int(found[0][0])


def tables(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, number of files and bytes of each table."""
    for name in ("audit/instances", "audit/entities", "restricted/crosswalk"):
        sizes = [path.stat().st_size for path in (folder / name).glob("*.parquet")]
        yield name, len(sizes), sum(sizes)


def main() -> None:
    """Make, kill, resume, run again, verify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-resume-"))
    count, out = options.files, folder / "out"
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "secret").write_text(SECRET)
    command = ["-m", "pipeline", "run", "--config", f"{folder}/policy.yaml", "--input", f"{folder}/in", "--output", str(out)]
    command += ["--secret-file", f"{folder}/secret", "--workers", str(options.workers)]

    def show(what: str, started: float, run: watched.Watched, note: str) -> None:
        print(f"{what:8} {time.monotonic() - started:7.1f} s; {run.shown()}; {note}", flush=True)

    tiny(folder / "in", count)
    started = time.monotonic()
    run = watched.start(*command)
    try:
        while (done := rows(out)) < count / 2:
            assert run.process.poll() is None, run.process.communicate()[0]
            until = time.monotonic() + LOOK_SECONDS
            while time.monotonic() < until:
                run.look()
                time.sleep(watched.LOOK_SECONDS)
        run.process.kill()
        run.process.communicate()
        _, left = psutil.wait_procs(list(run.seen), timeout=30)
        assert not left, "processes outlived the driver"
        show("killed", started, run, f"{done} rows")

        for what in ("resumed", "again"):
            started = time.monotonic()
            run = watched.start(*command)
            said = run.wait().strip().splitlines()
            show(what, started, run, next(line for line in said if line.startswith(f"{count} inputs")))
            assert any(f"{count} saved, 0 filtered, 0 quarantined, 0 unaccounted for" in line for line in said), said[-5:]

        started = time.monotonic()
        run = watched.start("-m", "pipeline", "verify", str(out), "--secret-file", f"{folder}/secret")
        show("verify", started, run, run.wait().strip().splitlines()[-1])

        given = {str(path) for path in (folder / "in").rglob("*.dcm")}
        found = duckdb.sql(f"select url, url_deid, status from '{out}/restricted/crosswalk/*.parquet'").fetchall()
        assert len(found) == count, f"{len(found)} rows for {count} inputs"
        assert {url for url, _, _ in found} == given
        assert {status for _, _, status in found} == {"saved"}
        assert {name for _, name, _ in found} == {str(path) for path in (out / "instances").rglob("*") if path.is_file()}
        print("audit    " + "; ".join(f"{name}: {files} files, {size / count:.0f} bytes per input" for name, files, size in tables(out)))
    finally:
        run.process.kill()
        run.process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
