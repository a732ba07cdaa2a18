"""Faults in the middle of a run: it goes on, or a rerun finishes it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline.cli import main
from tests.end_to_end import archive
from tests.scale import cluster, runs

NO_OCR = "name: quick\npixels: {mode: REDACT_NO_TEXT}\n"


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A policy without OCR: faults of workers and storage are the same with it."""
    path = tmp_path / "quick.yaml"
    path.write_text(NO_OCR)
    return str(path)


def kill_one_worker(command: list[str], output: Path, is_worker: Callable[[list[str]], bool]) -> tuple[int, str]:
    """Start a run, kill one of its worker processes as soon as a file is written; its exit status and what it said."""
    process = subprocess.Popen(
        command, cwd=cluster.ROOT, env=cluster.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 200
    while not list(output.glob("instances/**/*.dcm")):
        assert process.poll() is None, process.communicate()[0][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if is_worker(child.cmdline()):
                child.kill()
                break
    else:
        raise AssertionError("no worker process was found")
    said = process.communicate(timeout=200)[0]
    return process.returncode, said


def test_a_killed_beam_worker_does_not_stop_the_run(tmp_path: Path, secret_file: Path, quick: str) -> None:
    archive.series(tmp_path / "in", 90)
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick)
    status, said = kill_one_worker(
        command, tmp_path / "out", lambda words: words[:1] == [sys.executable] and "sdk_worker_main" in words[-1]
    )
    assert status == 0, said[-2000:]
    assert "90 inputs: 90 saved" in said
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 90


def test_a_killed_spark_worker_does_not_stop_the_run(tmp_path: Path, secret_file: Path, quick: str) -> None:
    cluster.require_java()
    archive.series(tmp_path / "in", 90)
    options = ["--runner", "spark", "--workers", "2", "--", *cluster.LOOPBACK, "--conf", "spark.ui.enabled=false"]
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, *options, config=quick)
    status, said = kill_one_worker(command, tmp_path / "out", lambda words: "pyspark.daemon" in words)
    assert status == 0, said[-2000:]
    assert "90 inputs: 90 saved" in said
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 90


def test_an_object_that_is_gone_has_a_row_and_is_done_when_it_is_back(tmp_path: Path, secret_file: Path, quick: str) -> None:
    paths = archive.series(tmp_path / "in", 3)
    gone = paths[1].read_bytes()
    manifest = tmp_path / "inputs.csv"
    manifest.write_text("uri,size\n" + "".join(f"{path},{path.stat().st_size}\n" for path in paths))
    paths[1].unlink()
    arguments = runs.command(manifest, tmp_path / "out", secret_file, config=quick)[3:]
    assert main(arguments) == 0
    assert len(runs.tree(tmp_path / "out")) == 2
    assert sum("read_failed" in row for row in runs.rows(tmp_path / "out", "audit/instances")) == 1
    paths[1].write_bytes(gone)
    assert main(arguments) == 0
    assert len(runs.tree(tmp_path / "out")) == 3
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 3


def test_a_full_disk_ends_with_a_message_and_a_rerun_finishes(
    tmp_path: Path, secret_file: Path, quick: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(output)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system of a given size can only be mounted by root")
    try:
        archive.series(tmp_path / "in", 30)
        arguments = runs.command(tmp_path / "in", output, secret_file, config=quick)[3:]
        main(arguments)
        said = "".join(capfd.readouterr())
        assert "write_failed" in said or "quarantined" in said
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=20m", str(output)], check=True)
        assert main(arguments) == 0
        assert len(runs.tree(output)) == 30
        assert len(runs.rows(output, "audit/instances")) == 30
    finally:
        subprocess.run(["umount", str(output)], check=True)
