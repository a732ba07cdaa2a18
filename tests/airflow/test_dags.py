"""The DAGs in Airflow, which has an environment of its own: ``make airflow`` makes it and runs all of this."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.scale import cluster, runs

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "configs" / "airflow"
BIN = ROOT / ".venv-airflow" / "bin"
MARKER = "=== result "
FAKE = """#!/bin/sh
kind=$(echo "$*" | sed 's:.*/o/\\([a-z]*\\).*:\\1:')
echo "$1" >> "$(dirname "$0")/$kind.calls"
case "$kind $1" in
  "quiet pending") exit 99 ;;
  "resumes run") [ "$(grep -c run "$(dirname "$0")/$kind.calls")" -gt 1 ] ;;
  "unreconciled run" | "leaks verify") exit 1 ;;
  "misconfigured run") exit 2 ;;
esac
"""
"""A ``dicom-deid`` that fails as the name of its output says."""


@dataclass(frozen=True)
class Airflow:
    home: Path
    archives: Path

    def run(self, *command: str) -> str:
        """What a program of Airflow's environment shows."""
        env = os.environ | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[2]"}),
            "DICOM_DEID_ARCHIVES": str(self.archives),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # spark-submit
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run([str(BIN / command[0]), *command[1:]], env=env, cwd=self.home, capture_output=True, text=True, timeout=800)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def python(self, *arguments: str) -> Any:
        said = self.run("python", str(ROOT / "tests" / "airflow" / "dag_runs.py"), *arguments)
        return json.loads(said.rpartition(MARKER)[2].splitlines()[0])


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    if not (BIN / "airflow").is_file():
        pytest.skip("Airflow's environment is absent: 'make airflow' makes it")
    folder = tmp_path_factory.mktemp("airflow")
    shutil.copy(FOLDER / "archives.yaml", folder / "archives.yaml")
    made = Airflow(folder, folder / "archives.yaml")
    made.run("airflow", "db", "migrate")
    return made


def test_airflow_imports_a_dag_for_each_archive(airflow: Airflow) -> None:
    found = airflow.python()
    assert found["errors"] == {}
    assert set(found["dags"]) == {"dicom_deid_chest", "dicom_deid_ultrasound", "dicom_deid_mammography"}
    for dag in found["dags"].values():
        assert (dag["max_active_runs"], dag["catchup"]) == (1, False)
        tasks = dag["tasks"]
        assert {name: task["downstream"] for name, task in tasks.items()} == {
            "find_new": ["deidentify"],
            "deidentify": ["verify"],
            "verify": ["report"],
            "report": [],
        }
        assert {name: task["retries"] for name, task in tasks.items()} == {"find_new": 2, "deidentify": 2, "verify": 0, "report": 2}
        assert {task["type"] for task in tasks.values()} <= {"DicomDeidOperator", "SparkSubmitOperator"}
        assert not any(task["xcom"] for task in tasks.values())
        assert [name for name, task in tasks.items() if task["templated"] and task["type"] != "SparkSubmitOperator"] == []


@pytest.mark.scale
@pytest.mark.timeout(900)
@pytest.mark.parametrize("runner", ["local", "spark"])
def test_the_second_day_takes_only_what_is_new(airflow: Airflow, tmp_path: Path, runner: str) -> None:
    if runner == "spark":
        cluster.require_java()
    inputs, output, secret = tmp_path / "in", tmp_path / "out", tmp_path / "secret"
    secret.write_text(SECRET)
    given = {"input": [str(inputs)], "output": str(output), "config": runs.CONFIG, "secret": str(secret), "runner": runner}
    settings = {"bin": str(Path(sys.executable).parent), "archives": {runner: given}}
    airflow.archives.write_text(yaml.safe_dump(settings))
    said = ""
    days = [(2, 2), (3, 5), (0, 5)]
    for day, (new, total) in enumerate(days[: 3 if runner == "local" else 2], start=2):
        if new:
            archive.series(inputs / f"day {day}", new)
        shown = airflow.run("airflow", "dags", "test", f"dicom_deid_{runner}", f"2026-01-{day:02}")
        assert f"{new} of {total} inputs are pending" in shown
        assert ("inputs: " in shown) == (new > 0), "a day without anything new has no run"
        assert new == 0 or f"{new} inputs: {new} saved" in shown
        assert re.search(r"DagRun Finished: .* state=success", shown)
        assert re.search(rf"rows_unique +{total} +0 ", shown), "the output is verified every day"
        assert f"{output}/report.html" in shown
        assert ("--since=" in shown) == (day > 2)
        said += shown
    found = duckdb.sql(f"select run_id, count(*) from '{output}/audit/instances/*.parquet' group by 1 order by 1").fetchall()
    assert [count for _, count in found] == [2, 3]

    kept = said.lower().encode() + b"".join(path.read_bytes().lower() for path in airflow.home.rglob("*") if path.is_file())
    assert not [canary for canary in (*archive.CANARIES, SECRET.lower()) if canary.encode() in kept], "logs and database of Airflow"


@pytest.mark.scale
@pytest.mark.timeout(900)
def test_failures_end_as_they_should(airflow: Airflow, tmp_path: Path) -> None:
    kinds = ("resumes", "unreconciled", "misconfigured", "leaks", "quiet")
    program = tmp_path / "dicom-deid"
    program.write_text(FAKE)
    program.chmod(0o755)
    given = {"input": ["/a"], "config": "/c.yaml", "secret": "/s", "retry_minutes": 0}
    archives = {kind: given | {"output": f"/o/{kind}"} for kind in kinds}
    airflow.archives.write_text(yaml.safe_dump({"bin": str(tmp_path), "archives": archives}))
    result = airflow.python(*(f"dicom_deid_{kind}" for kind in kinds))
    ends = {
        kind: [result[f"dicom_deid_{kind}"]["state"], *(found(result, kind, task) for task in ("deidentify", "verify", "report"))]
        for kind in kinds
    }
    assert ends == {
        "resumes": ["success", "success 2", "success 1", "success 1"],
        "unreconciled": ["failed", "failed 3", "upstream_failed", "upstream_failed"],
        "misconfigured": ["failed", "failed 1", "upstream_failed", "upstream_failed"],
        "leaks": ["failed", "success 1", "failed 1", "upstream_failed"],
        "quiet": ["success", "skipped", "success 1", "success 1"],
    }


def found(result: dict[str, Any], kind: str, task: str) -> str:
    """The state of a task, with its tries where it had any."""
    state, tries = result[f"dicom_deid_{kind}"]["tasks"][task]
    return f"{state} {tries}" if state in ("success", "failed") else str(state)
