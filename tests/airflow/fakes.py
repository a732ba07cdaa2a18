"""As much of Airflow as the DAGs use, so that their structure is tested where Airflow is not installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple


class Result(NamedTuple):
    exit_code: int


class SubprocessHook:
    """Answers with what a test put into ``answer``, and keeps the commands."""

    answer: ClassVar[Result] = Result(0)
    commands: ClassVar[list[list[str]]] = []

    def run_command(self, command: list[str]) -> Result:
        self.commands.append(command)
        return self.answer

    def send_sigterm(self) -> None:
        self.commands.append(["SIGTERM"])


class AirflowException(Exception): ...


class AirflowFailException(AirflowException): ...


class AirflowSkipException(AirflowException): ...


class DAG:
    current: ClassVar[DAG]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.tasks: list[BaseOperator] = []

    def __enter__(self) -> DAG:
        DAG.current = self
        return self

    def __exit__(self, *_: object) -> None: ...


class BaseOperator:
    template_fields: tuple[str, ...] = ()

    def __init__(self, *, task_id: str, **settings: Any) -> None:
        self.task_id = task_id
        self.settings = DAG.current.settings["default_args"] | settings
        self.downstream: list[str] = []
        DAG.current.tasks.append(self)

    def __rshift__(self, other: BaseOperator) -> BaseOperator:
        self.downstream.append(other.task_id)
        return other


class SparkSubmitOperator(BaseOperator):
    template_fields = ("application", "application_args", "conf", "name")


MODULES = {
    "airflow.providers.apache.spark.operators.spark_submit": (SparkSubmitOperator,),
    "airflow.providers.standard.hooks.subprocess": (SubprocessHook,),
    "airflow.sdk": (DAG, BaseOperator),
    "airflow.sdk.exceptions": (AirflowException, AirflowFailException, AirflowSkipException),
}


def load(path: Path, name: str) -> ModuleType:
    """A module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


@contextmanager
def installed(archives: ModuleType) -> Iterator[None]:
    """These classes as Airflow, and ``archives`` beside the DAG file, for the imports inside."""
    before = dict(sys.modules)
    for name, members in MODULES.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member.__name__, member)
        parts = name.split(".")
        for end in range(1, len(parts)):
            sys.modules.setdefault(".".join(parts[:end]), ModuleType(".".join(parts[:end])))
        sys.modules[name] = module
    sys.modules["dicom_deid_archives"] = archives
    try:
        yield
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]
        sys.modules.update(before)
