"""Faults in the middle of a run: it goes on, or a rerun finishes it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psutil
import pydicom
import pytest

from pipeline import beam_local
from pipeline.cli import main
from pipeline.secret import SecretRef
from pipeline.storage import Store
from pipeline.worker import Job
from tests.end_to_end import archive
from tests.scale import cluster, runs

NO_OCR = "name: quick\npixels: {mode: REDACT_NO_TEXT}\n"


def generation(process: psutil.Process) -> int:
    """How far below this process: 1 is the driver, 2 the process of the job, 3 its workers. The shell above may end meanwhile."""
    return len(process.parents()) - len(psutil.Process().parents())


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A policy without OCR: faults of workers and storage are the same with it."""
    path = tmp_path / "quick.yaml"
    path.write_text(NO_OCR)
    return str(path)


def kill_one_worker(command: list[str], output: Path, is_worker: Callable[[psutil.Process], bool]) -> tuple[int, str]:
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
            if is_worker(child):
                child.kill()
                break
    else:
        raise AssertionError("no worker process was found")
    said = process.communicate(timeout=200)[0]
    return process.returncode, said


def test_a_killed_beam_worker_does_not_stop_the_run(tmp_path: Path, secret_file: Path, quick: str) -> None:
    archive.series(tmp_path / "in", 90)
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick)
    status, said = kill_one_worker(command, tmp_path / "out", lambda process: generation(process) == 3)
    assert status == 0, said[-2000:]
    assert "90 inputs: 90 saved" in said
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 90


def test_files_are_replaced_only_after_a_worker_died(
    tmp_path: Path, secret_file: Path, quick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.series(tmp_path / "in", 2)
    run, jobs = beam_local.JobProcess.run, []

    def dies_first(self: beam_local.JobProcess, job: Job, *rest: object) -> object:
        jobs.append(job)
        if len(jobs) == 1:
            raise beam_local.WorkerDiedError
        return run(self, job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(beam_local.JobProcess, "run", dies_first)
    assert main(runs.command(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick)[3:]) == 0
    assert [(job.apart, job.overwrite) for job in jobs] == [(False, False), (True, True)]


def test_no_worker_is_left_when_it_is_known_that_one_died(tmp_path: Path) -> None:
    with beam_local.JobProcess() as process:
        group = process._process.pid
        os.kill(group, signal.SIGKILL)
        job = Job("run", "policy", SecretRef("env", "NONE"), str(tmp_path), Store())
        with pytest.raises(beam_local.WorkerDiedError):
            process.run(job, [], 2, [])
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)


def test_a_killed_spark_worker_does_not_stop_the_run(tmp_path: Path, secret_file: Path, quick: str) -> None:
    cluster.require_java()
    archive.series(tmp_path / "in", 90)
    options = ["--runner", "spark", "--workers", "2", "--", *cluster.LOOPBACK, "--conf", "spark.ui.enabled=false"]
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, *options, config=quick)
    status, said = kill_one_worker(command, tmp_path / "out", lambda process: "pipeline.spark_daemon" in process.cmdline())
    assert status == 0, said[-2000:]
    assert "90 inputs: 90 saved" in said
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 90


def poisoned(folder: Path, count: int, *places: int, marker: str = "POISON-OF-THE-TESTS") -> list[Path]:
    """A series in which some instances kill the process that reads them whole, or their headers; see poison/sitecustomize.py."""
    paths = archive.series(folder, count)
    for place in places:
        dataset = pydicom.dcmread(paths[place])
        dataset.ImageComments = marker
        dataset.save_as(paths[place])
    return paths


POISON = {"PYTHONPATH": os.pathsep.join([str(cluster.ROOT / "tests" / "scale" / "poison"), str(cluster.ROOT)])}


def ends(output: Path) -> dict[str, tuple[str, str | None]]:
    found = duckdb.sql(f"select url, status, code from '{output}/restricted/crosswalk/*.parquet'").fetchall()
    return {Path(url).name: (status, code) for url, status, code in found}


@pytest.mark.scale
@pytest.mark.timeout(900)
def test_an_instance_that_kills_its_worker_is_quarantined_and_no_other(tmp_path: Path, secret_file: Path, quick: str) -> None:
    paths = poisoned(tmp_path / "in", 40, 3, 36)
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick, env=POISON)
    assert "40 inputs: 38 saved, 0 filtered, 2 quarantined, 0 unaccounted for" in said
    found = ends(tmp_path / "out")
    assert {name for name, end in found.items() if end == ("quarantined", "worker_killed")} == {paths[3].name, paths[36].name}
    assert len(runs.tree(tmp_path / "out")) == 38
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick, env=POISON)
    assert "(40 of them by an earlier run)" in said


def test_an_instance_that_kills_the_driver_is_quarantined_by_running_again(tmp_path: Path, secret_file: Path, quick: str) -> None:
    path = poisoned(tmp_path / "in", 4, 1)[1]
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, config=quick)
    assert subprocess.run(command, cwd=cluster.ROOT, env=cluster.environment(**POISON), capture_output=True).returncode == -signal.SIGKILL
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, config=quick, env=POISON)
    assert "4 inputs: 3 saved, 0 filtered, 1 quarantined" in said
    assert ends(tmp_path / "out")[path.name] == ("quarantined", "worker_killed")
    assert not [path for path in (tmp_path / "out" / "restricted" / "manifests").rglob("*") if path.is_file()]


def test_a_header_that_kills_the_driver_is_quarantined_by_running_again(tmp_path: Path, secret_file: Path, quick: str) -> None:
    path = poisoned(tmp_path / "in", 4, 1, marker="POISON-OF-HEADERS")[1]
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, config=quick)
    assert subprocess.run(command, cwd=cluster.ROOT, env=cluster.environment(**POISON), capture_output=True).returncode == -signal.SIGKILL
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, config=quick, env=POISON)
    assert "4 inputs: 3 saved, 0 filtered, 1 quarantined" in said
    assert ends(tmp_path / "out")[path.name] == ("quarantined", "worker_killed")


@pytest.mark.scale
@pytest.mark.timeout(900)
def test_a_header_that_kills_its_worker_is_quarantined_and_no_other(tmp_path: Path, secret_file: Path, quick: str) -> None:
    paths = poisoned(tmp_path / "in", 20, 3, 11, marker="POISON-OF-HEADERS")
    cluster.require_java()
    spark = ["--runner", "spark", "--workers", "2", "--", *cluster.LOOPBACK, "--conf", "spark.ui.enabled=false"]
    for name, options in (("beam", ["--workers", "2"]), ("spark", spark)):
        said = runs.deid(tmp_path / "in", tmp_path / name, secret_file, *options, config=quick, env=POISON)
        assert "20 inputs: 18 saved, 0 filtered, 2 quarantined, 0 unaccounted for" in said
        found = ends(tmp_path / name)
        assert {path for path, end in found.items() if end == ("quarantined", "worker_killed")} == {paths[3].name, paths[11].name}


@pytest.mark.scale
@pytest.mark.timeout(900)
def test_an_instance_that_kills_its_spark_worker_is_quarantined_and_no_other(tmp_path: Path, secret_file: Path, quick: str) -> None:
    cluster.require_java()
    paths = poisoned(tmp_path / "in", 40, 7)
    options = ["--runner", "spark", "--workers", "2", "--", *cluster.LOOPBACK, "--conf", "spark.ui.enabled=false"]
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, *options, config=quick, env=POISON)
    assert "40 inputs: 39 saved, 0 filtered, 1 quarantined, 0 unaccounted for" in said
    assert ends(tmp_path / "out")[paths[7].name] == ("quarantined", "worker_killed")


@pytest.mark.scale
def test_a_task_that_spark_runs_twice_at_once_leaves_one_object_and_one_row(tmp_path: Path, secret_file: Path, quick: str) -> None:
    """Speculation: the copy of a slow task reads and writes while the first one does."""
    paths = poisoned(tmp_path / "in", 6, 2, marker="LATE-POISON")
    read = tmp_path / "read"
    (tmp_path / "cluster").mkdir()
    with cluster.standalone(tmp_path / "cluster", POISON_LOG=str(read), **POISON) as running:
        early = {"": "true", ".interval": "100ms", ".minTaskRuntime": "100ms", ".quantile": "0.1", ".multiplier": "1.1"}
        options = [word for key, value in early.items() for word in ("--conf", f"spark.speculation{key}={value}")]
        said = runs.deid(
            tmp_path / "in", tmp_path / "out", secret_file, "--runner", "spark", "--", *running.options, *options, config=quick
        )
    assert len(set(read.read_text().split())) == 2, "two processes have read the instance"
    assert "6 inputs: 6 saved, 0 filtered, 0 quarantined, 0 unaccounted for" in said
    assert ends(tmp_path / "out")[paths[2].name] == ("saved", None)
    assert len(runs.tree(tmp_path / "out")) == 6
    for table in ("audit/instances", "restricted/crosswalk"):
        assert len(runs.rows(tmp_path / "out", table)) == 6


def test_a_killed_driver_leaves_no_process_behind(tmp_path: Path, secret_file: Path, quick: str) -> None:
    """The last of three chunks takes half an hour, so nothing ends by itself."""
    paths = archive.series(tmp_path / "in", 96)
    for path in sorted(paths, key=lambda path: str(pydicom.dcmread(path).SOPInstanceUID))[64:]:
        dataset = pydicom.dcmread(path)
        dataset.ImageComments = "SLOW-POISON"
        dataset.save_as(path)
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick)
    process = subprocess.Popen(
        command,
        cwd=cluster.ROOT,
        env=cluster.environment(**POISON),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while not list((tmp_path / "out").glob("instances/**/*.dcm")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started = psutil.Process(process.pid).children(recursive=True)
    assert sum(generation(child) == 3 for child in started) >= 2
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(started, timeout=15)
    assert not left
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, "--workers", "2", config=quick)
    assert "96 inputs" in said
    assert "96 saved" in said


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path, quick: str, workers: str, ended_by: signal.Signals) -> None:
    """As a scheduler does, and a machine that is taken away."""
    archive.series(tmp_path / "in", 200)
    (tmp_path / "temporary").mkdir()
    command = runs.command(tmp_path / "in", tmp_path / "out", "", "--ephemeral-secret", "--workers", workers, config=quick)
    process = subprocess.Popen(
        command,
        cwd=cluster.ROOT,
        env=cluster.environment(TMPDIR=str(tmp_path / "temporary")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not list((tmp_path / "out").glob("instances/**/*.dcm")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(ended_by)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.endswith("interrupted; run the same command again to go on\n")
    assert not [path.name for path in (tmp_path / "temporary").iterdir() if path.name.startswith("dicom-deid")]
    assert not list((tmp_path / "out" / "restricted" / "leases").iterdir())
    assert '"state": "stopped"' in (tmp_path / "out" / "run.json").read_text()


def test_of_two_runs_into_one_output_one_is_refused_and_nothing_is_lost(tmp_path: Path, secret_file: Path, quick: str) -> None:
    archive.series(tmp_path / "in", 30)
    command = runs.command(tmp_path / "in", tmp_path / "out", secret_file, config=quick)
    started = [
        subprocess.Popen(command, cwd=cluster.ROOT, env=cluster.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=200)[0]: process.returncode for process in started}
    assert sorted(said.values()) == [0, 1], said
    assert any("another run" in text for text in said)
    assert len(runs.tree(tmp_path / "out")) == 30
    assert len(runs.rows(tmp_path / "out", "audit/instances")) == 30
    assert "30 inputs (30 of them by an earlier run)" in runs.deid(tmp_path / "in", tmp_path / "out", secret_file, config=quick)


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


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of a given size in a new folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system of a given size can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("inputs", [100_000, 260_000], ids=["database", "sorting"])
def test_a_full_temporary_folder_is_said_with_what_to_do(tmp_path: Path, secret_file: Path, quick: str, inputs: int) -> None:
    manifest = tmp_path / "inputs.csv"
    manifest.write_text("uri\n" + "".join(f"/nowhere/{number}/Zyxwandt\n" for number in range(inputs)))
    with small_disk(tmp_path / "temporary", "1m"):
        command = runs.command(manifest, tmp_path / "out", secret_file, config=quick)
        environment = cluster.environment(TMPDIR=str(tmp_path / "temporary"))
        done = subprocess.run(command, cwd=cluster.ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("dicom-deid: a disk of this machine is full; make room there, and in the folder")
    assert "yxwandt" not in done.stderr


def test_a_full_disk_ends_with_a_message_and_a_rerun_finishes(
    tmp_path: Path, secret_file: Path, quick: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    with small_disk(output, "400k"):
        archive.series(tmp_path / "in", 30)
        arguments = runs.command(tmp_path / "in", output, secret_file, config=quick)[3:]
        status = main(arguments)
        said = "".join(capfd.readouterr())
        assert "write_failed" in said
        assert status == 0 or "No space left on device; make room, and run the same command again" in said
        assert status != 0 or ", 0 quarantined" not in said
        assert "Traceback" not in said
        written = runs.tree(output)
        assert 0 < len(written) < 30
        subprocess.run(["mount", "-o", "remount,size=20m", str(output)], check=True)
        assert main(arguments) == 0
        finished = runs.tree(output)
        assert len(finished) == len(runs.rows(output, "audit/instances")) == 30
        assert written.items() <= finished.items(), "what had its name was whole"
