"""Beam's portable Spark runner on a real Spark 3.5 standalone cluster, with an external worker pool instead of Docker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale import cluster, runs

START_SECONDS = 120


def open_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(command: list[str], port: int, log: Path, **extra: str) -> Iterator[None]:
    """A process that listens on a port of loopback."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=log.parent, env=cluster.environment(**extra), stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.mark.scale
@pytest.mark.timeout(600)
def test_beam_on_a_spark_cluster_gives_what_beam_gives(reference: tuple[Path, Path, Path, int], tmp_path: Path) -> None:
    python, jars = os.environ.get("DICOM_DEID_SPARK_PYTHON"), os.environ.get("DICOM_DEID_JOB_SERVER")
    if not (python and jars):
        pytest.skip("set DICOM_DEID_SPARK_PYTHON (an environment with PySpark 3.5) and DICOM_DEID_JOB_SERVER (a folder of jars)")
    inputs, output, secret, _ = reference
    pool, job = open_port(), open_port()
    worker_pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={pool}"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the pool starts its workers as 'python'
    with cluster.standalone(tmp_path, python=python) as spark, serving(worker_pool, pool, tmp_path / "pool.log", PATH=path):
        home = Path(python).parent.parent / "lib"
        [home] = home.glob("python3.*/site-packages/pyspark")
        server = [str(cluster.ROOT / "configs" / "beam-spark" / "job-server.sh"), jars, spark.master, str(job)]
        java = "-Dspark.driver.host=127.0.0.1 -Dspark.ui.enabled=false -Dspark.executor.memory=512m"
        with serving(server, job, tmp_path / "server.log", SPARK_HOME=str(home), JOB_SERVER_JAVA_OPTIONS=java):
            options = [f"--job_endpoint=127.0.0.1:{job}", "--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{pool}"]
            runs.deid(inputs, tmp_path / "out", secret, "--runner", "beam-spark", "--", *options)
    runs.assert_same(output, tmp_path / "out")
