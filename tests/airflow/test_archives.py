"""The DAGs without Airflow: settings, command lines, structure, and what a task makes of an exit status."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
import yaml

from pipeline import cli
from tests.airflow import fakes
from tests.end_to_end import archive

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "configs" / "airflow"
NEEDED = {"input": ["/a"], "output": "/o", "config": "c.yaml", "secret": "/run/secret"}
ARCHIVES = fakes.load(FOLDER / "dicom_deid_archives.py", "dicom_deid_archives")


def one(**settings: Any) -> Any:
    [made] = ARCHIVES.parse({"bin": "/venv/bin", "archives": {"chest": NEEDED | settings}})
    return made


@pytest.fixture(scope="module")
def dags() -> ModuleType:
    with fakes.installed(ARCHIVES):
        return fakes.load(FOLDER / "dicom_deid_dags.py", "dicom_deid_dags")


def tasks(dags: ModuleType, name: str) -> dict[str, fakes.BaseOperator]:
    return {task.task_id: task for task in getattr(dags, f"dicom_deid_{name}").tasks}


def test_each_archive_is_a_dag_of_four_tasks_in_a_row(dags: ModuleType) -> None:
    names = list(yaml.safe_load((FOLDER / "archives.yaml").read_text())["archives"])
    assert {name for name, value in vars(dags).items() if isinstance(value, fakes.DAG)} == {f"dicom_deid_{name}" for name in names}
    for name in names:
        made = getattr(dags, f"dicom_deid_{name}").settings
        assert (made["max_active_runs"], made["catchup"]) == (1, False), "two days at once would do the same work twice"
        chain = {task_id: task.downstream for task_id, task in tasks(dags, name).items()}
        assert chain == {"find_new": ["deidentify"], "deidentify": ["verify"], "verify": ["report"], "report": []}


def test_a_new_try_is_made_of_all_but_verify(dags: ModuleType) -> None:
    for name in ("chest", "mammography"):
        assert {task_id: task.settings["retries"] for task_id, task in tasks(dags, name).items()} == {
            "find_new": 2,
            "deidentify": 2,
            "verify": 0,
            "report": 2,
        }
        assert tasks(dags, name)["verify"].settings["trigger_rule"] == "none_failed"


def test_nothing_is_templated_or_handed_on(dags: ModuleType) -> None:
    for task in tasks(dags, "chest").values():
        assert task.template_fields == ()
        assert task.settings["do_xcom_push"] is False


def test_spark_goes_through_its_connection(dags: ModuleType) -> None:
    task = tasks(dags, "mammography")["deidentify"]
    assert isinstance(task, fakes.SparkSubmitOperator)
    assert task.settings["conn_id"] == "spark_default"
    assert task.settings["conf"] == {"spark.pyspark.python": "/opt/dicom-deid/bin/python", "spark.executor.memory": "2g"}
    assert Path(task.settings["application"]).is_file()
    assert task.settings["application_args"][0] == "run"


@pytest.mark.parametrize("name", ["chest", "ultrasound", "mammography"])
def test_the_command_line_takes_what_the_tasks_give(name: str) -> None:
    [made] = [made for made in ARCHIVES.load() if made.name == name]
    commands = [made.find_new(), made.deidentify(), made.verify(None), made.verify(datetime(2026, 1, 2, tzinfo=UTC)), made.report()]
    seen = []
    for command in commands:
        assert command[0] == "/opt/dicom-deid/bin/dicom-deid"
        _, options = cli._parse(*cli._split(command[1:]))
        seen.append(options.command)
        assert options.output == made.output
    assert seen == ["pending", "run", "verify", "verify", "report"]
    _, run = cli._parse(*cli._split(made.deidentify()[1:]))
    assert run.input == [f"{made.output}/restricted/pending.parquet"]
    assert (run.secret_file, run.runner, run.engine_options) == (made.secret, made.runner, made.options)


@pytest.mark.parametrize(
    ("status", "raised"),
    [(1, fakes.AirflowException), (-15, fakes.AirflowException), (2, fakes.AirflowFailException), (99, fakes.AirflowSkipException)],
)
def test_an_exit_status_is_the_end_of_a_task(
    dags: ModuleType, monkeypatch: pytest.MonkeyPatch, status: int, raised: type[Exception]
) -> None:
    monkeypatch.setattr(fakes.SubprocessHook, "answer", fakes.Result(status))
    with pytest.raises(raised) as caught:
        tasks(dags, "chest")["find_new"].execute({})  # type: ignore[attr-defined]
    assert type(caught.value) is raised
    monkeypatch.setattr(fakes.SubprocessHook, "answer", fakes.Result(0))
    assert tasks(dags, "chest")["find_new"].execute({}) is None  # type: ignore[attr-defined]


def test_verify_looks_at_what_came_since_the_last_success(dags: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes.SubprocessHook, "commands", [])
    last = datetime(2026, 1, 2, 4, 30, tzinfo=UTC)
    for context in ({}, {"prev_start_date_success": None}, {"prev_start_date_success": last}):
        tasks(dags, "ultrasound")["verify"].execute(context)  # type: ignore[attr-defined]
    flags = [[flag for flag in command if flag.startswith("--since")] for command in fakes.SubprocessHook.commands]
    assert flags == [[], [], ["--since=2026-01-02T04:30:00+00:00"]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret": "5f0c" * 16}, "no reference"),
        ({"runner": "flink"}, "expected one of local"),
        ({"inputs": ["/a"]}, r"unknown keys \['inputs'\]"),
        ({"input": "/a"}, "input is of type str; expected list"),
        ({"input": []}, "input is empty"),
        ({"workers": "8"}, "workers is of type str"),
        ({"runner": "spark", "options": ["--x"]}, "options are Beam's"),
        ({"conf": {"spark.a": "b"}}, "conf is Spark's"),
        ({"runner": "dataflow", "options": ["--no_wait_until_finish"]}, "must wait for its end"),
    ],
)
def test_a_wrong_setting_is_said_when_the_file_is_read(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        one(**settings)
    assert "5f0c" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [None, [], {"archives": {}}, {"bin": "/b", "archives": {"Zyx wandt": NEEDED}}, {"bin": "/b", "archives": {"a": 1}}]
)
def test_a_wrong_file_is_said(data: object) -> None:
    with pytest.raises(ValueError, match="expected a"):
        ARCHIVES.parse(data)


def test_the_second_day_takes_only_what_is_new(tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, output = tmp_path / "in", tmp_path / "out"
    made = one(input=[str(inputs)], output=str(output), config=str(ROOT / "configs" / "basic.yaml"), secret=str(secret_file))

    def call(command: list[str], status: int = 0) -> str:
        assert cli.main(command[1:]) == status
        return capsys.readouterr().out

    archive.series(inputs / "first", 2)
    assert call(made.find_new()).startswith("2 of 2 inputs are pending")
    assert "2 inputs: 2 saved" in call(made.deidentify())
    assert call(made.find_new(), ARCHIVES.NOTHING_NEW).startswith("0 of 2 inputs")
    record = json.loads((output / "run.json").read_text())

    second = archive.series(inputs / "second", 3)
    said = call(made.find_new())
    assert said.startswith("3 of 5 inputs are pending")
    found = duckdb.sql(f"select uri, size from '{output}/restricted/pending.parquet' order by uri").fetchall()
    assert found == [(str(path), path.stat().st_size) for path in second], "the manifest names what is new, with its size"
    said += call(made.deidentify())
    assert "3 inputs: 3 saved" in said
    since = datetime.strptime(record["run_id"], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC) + timedelta(seconds=1e-6)
    scanned = call(made.verify(since))
    assert re.search(r"file_identifier +3 +0 ", scanned), "files since the last success"
    assert re.search(r"rows_unique +5 +0 ", scanned), "all rows"
    assert re.search(r"file_identifier +5 +0 ", call(made.verify(None)))
    said += scanned + call(made.report())
    assert not [canary for canary in archive.CANARIES if canary in said.lower()]

    record = json.loads((output / "run.json").read_text())  # as a run leaves it that died behind its last row
    (output / "run.json").write_text(json.dumps(record | {"state": "running"}))
    assert call(made.find_new()).startswith("5 of 5 inputs"), "all are given again, so that the run comes to its end"
    assert "5 inputs (5 of them by an earlier run)" in call(made.deidentify())
    assert json.loads((output / "run.json").read_text())["state"] == "finished"
