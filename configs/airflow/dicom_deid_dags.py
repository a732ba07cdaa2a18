"""One DAG for each archive in archives.yaml: every day, what is new is de-identified, the output verified, and a report written.

    find_new -> deidentify -> verify -> report

State is in the output, none in Airflow: a task may be cleared, killed or tried again, and goes on where it was. Commands hold folders,
numbers and references, and tasks hand nothing on: Airflow's database, logs and pages hold no name of an object and no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from dicom_deid_archives import NOTHING_NEW, SPARK_MAIN, Archive, load

WRONG_CONFIGURATION = 2


class DicomDeidOperator(BaseOperator):
    """Run ``dicom-deid`` in its own environment; its exit status is the task's end.

    1, something is not as it should be: the task fails and is tried again, which resumes. 2, a configuration that cannot be run: the task
    fails for good. 99, nothing to do: it is skipped. BashOperator knows one failure only, and renders its command into Airflow's database.

    Args:
        command: the command line, from the start of the last successful run of the DAG, or None.
    """

    def __init__(self, *, command: Callable[[datetime | None], list[str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.hook = SubprocessHook()

    def execute(self, context: Any) -> None:
        """Run the command."""
        last_success = context.get("prev_start_date_success") or None  # a lazy proxy: it is never None itself
        status = self.hook.run_command(self.command(last_success)).exit_code
        if status == NOTHING_NEW:
            raise AirflowSkipException("nothing is new")
        if status == WRONG_CONFIGURATION:
            raise AirflowFailException("the configuration cannot be run; the log of the task says why")
        if status != 0:
            raise AirflowException(f"dicom-deid ended with status {status}; the log of the task says why")

    def on_kill(self) -> None:
        """End the command with the task; the next try resumes."""
        self.hook.send_sigterm()


def build(archive: Archive) -> DAG:
    """The DAG of one archive."""
    with DAG(
        dag_id=f"dicom_deid_{archive.name}",
        description="De-identify what is new, verify, report",
        schedule=archive.schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["dicom-deid"],
        default_args={
            "retries": archive.retries,
            "retry_delay": timedelta(minutes=archive.retry_minutes),
            "retry_exponential_backoff": True,
            "do_xcom_push": False,
        },
    ) as dag:
        find_new = DicomDeidOperator(task_id="find_new", command=lambda _: archive.find_new())
        deidentify: BaseOperator
        if archive.runner == "spark":
            deidentify = SparkSubmitOperator(
                task_id="deidentify",
                conn_id=archive.connection,
                name=f"dicom-deid {archive.name}",
                application=SPARK_MAIN,
                application_args=archive.run_arguments(),
                conf=archive.spark_conf(),
            )
        else:
            deidentify = DicomDeidOperator(task_id="deidentify", command=lambda _: archive.deidentify())
        # On a day without anything new the run is skipped; what is there is verified all the same, so that a fault stays visible.
        verify = DicomDeidOperator(task_id="verify", command=archive.verify, trigger_rule="none_failed", retries=0)
        report = DicomDeidOperator(task_id="report", command=lambda _: archive.report())
        find_new >> deidentify >> verify >> report
    return dag


for _archive in load():
    globals()[f"dicom_deid_{_archive.name}"] = build(_archive)
