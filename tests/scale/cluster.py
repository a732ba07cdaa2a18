"""A real Spark standalone cluster on loopback: a master and workers as processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@dataclass
class Cluster:
    master: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def options(self) -> list[str]:
        """What a job on this cluster is started with."""
        return ["--master", self.master, "--conf", "spark.executor.memory=512m", "--conf", "spark.ui.enabled=false", *LOOPBACK]


LOOPBACK = ["--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"]


def require_java() -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'dicom-deid-pipeline[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Java is absent (Debian: openjdk-17-jre-headless)")


def environment(**extra: str) -> dict[str, str]:
    """Workers import the tests' helpers, use this interpreter and one thread per library."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    } | extra  # fmt: skip


@contextlib.contextmanager
def standalone(folder: Path, workers: int = 2, python: str = sys.executable, **extra: str) -> Iterator[Cluster]:
    """Start the cluster with the Spark that ``python`` has installed, and stop it."""
    require_java()
    home = subprocess.run(
        [python, "-c", "import pyspark; print(pyspark.__path__[0])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    env = environment(SPARK_HOME=home, PYSPARK_PYTHON=python, **extra)
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        command = [f"{home}/bin/spark-class", *arguments]
        with log.open("wb") as file:
            processes.append(subprocess.Popen(command, env=env, stdout=file, stderr=file, cwd=folder, start_new_session=True))
        return log

    def wait(log: Path, pattern: str) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(pattern, log.read_text(errors="replace"))
            if found:
                return found.group(0)
            time.sleep(0.05)
        raise TimeoutError(f"{log.name} does not say {pattern!r}")

    try:
        log = start("master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        master = wait(log, r"spark://127\.0\.0\.1:\d+")
        resources = ["--cores", "1", "--memory", "1g", "--webui-port", "0"]
        worker = "org.apache.spark.deploy.worker.Worker"
        logs = [
            start(f"worker{number}", worker, "--host", f"127.0.0.{number + 1}", *resources, "--work-dir", f"{folder}/work{number}", master)
            for number in range(workers)  # hosts of their own: Spark runs no task twice on one
        ]
        for log in logs:
            wait(log, "Successfully registered")
        yield Cluster(master, folder, processes)
    finally:
        for process in reversed(processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait(20)
