"""Run with Airflow's Python: what a DagBag holds, or how runs of DAGs end. Prints JSON behind a marker; imports nothing of the pipeline."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models import DagRun, TaskInstance
from airflow.utils.session import create_session

MARKER = "=== result "


def structure(bag: DagBag) -> dict[str, Any]:
    """The DAGs of the folder and what keeps others from being read."""
    found: dict[str, Any] = {}
    for dag_id, dag in bag.dags.items():
        tasks = {
            task.task_id: {
                "type": type(task).__name__,
                "downstream": sorted(task.downstream_task_ids),
                "retries": task.retries,
                "trigger_rule": str(task.trigger_rule),
                "templated": sorted(task.template_fields),
                "xcom": task.do_xcom_push,
            }
            for task in dag.tasks
        }
        found[dag_id] = {"max_active_runs": dag.max_active_runs, "catchup": dag.catchup, "tasks": tasks}
    return {"errors": bag.import_errors, "dags": found}


def runs(bag: DagBag, dag_ids: list[str]) -> dict[str, Any]:
    """Run DAGs one after the other: the state of each, and of its tasks with the number of tries."""
    found: dict[str, Any] = {}
    for number, dag_id in enumerate(dag_ids):
        run = bag.dags[dag_id].test(logical_date=datetime(2026, 1, 2 + number, tzinfo=UTC))
        with create_session() as session:
            state = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run.run_id).one().state
            tasks = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run.run_id).all()
            found[dag_id] = {"state": str(state), "tasks": {task.task_id: [str(task.state), task.try_number] for task in tasks}}
    return found


if __name__ == "__main__":
    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    sys.path.insert(0, folder)  # as Airflow does for a bundle of DAGs
    loaded = DagBag(folder)
    result = runs(loaded, sys.argv[1:]) if sys.argv[1:] else structure(loaded)
    print(MARKER + json.dumps(result))
