"""YAML and flags to Settings; everything that can be wrong with them is said here, before anything is read."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline import secret as secrets
from pipeline.inputs import check_apart
from pipeline.log import LogSettings
from pipeline.secret import SecretRef
from pipeline.storage import Store, canonical
from transforms.errors import ConfigError
from transforms.policy import Policy

RUNNERS = ("local", "dataflow", "spark", "beam-spark")
IO_THREADS = 16
"""Requests to an object store that a worker has under way: of 200 ms for an instance 12 are left, as long as a small one takes to clean."""
_BEAM_NAMES = {"directrunner": "local", "fnapirunner": "local", "dataflowrunner": "dataflow", "sparkrunner": "beam-spark"}


@dataclass(frozen=True)
class Settings:
    """One run: what to do, on what, with which engine. Made by `make`, which checks it."""

    policy: Policy
    inputs: tuple[str, ...]
    output: str
    secret: SecretRef
    store: Store
    runner: str = "local"
    workers: int = 1
    max_quarantined: int | None = None
    redo: bool = False
    engine_options: tuple[str, ...] = ()
    log: LogSettings = field(default_factory=LogSettings)
    profile: bool = False
    io_threads: int = IO_THREADS


def make(
    *,
    config: str,
    inputs: list[str],
    output: str,
    secret_file: str | None = None,
    ephemeral_secret: bool = False,
    runner: str = "local",
    workers: int = 1,
    max_quarantined: int | None = None,
    redo: bool = False,
    engine_options: list[str] | None = None,
    log_format: str = "text",
    log_level: str = "error",
    profile: bool = False,
    io_threads: int = IO_THREADS,
) -> Settings:
    """Check everything that a run needs: policy, secret, engine, output.

    Raises:
        ConfigError: one line that says what was expected and what was found.
    """
    policy = load_policy(config)
    reference = secrets.find(secret_file, ephemeral_secret)
    secrets.resolve(reference)
    runner = _BEAM_NAMES.get(runner.lower(), runner)
    if runner not in RUNNERS:
        raise ConfigError(f"unknown runner '{runner}'{nearest(runner, RUNNERS)}; expected one of {', '.join(RUNNERS)}")
    if workers < 1:
        raise ConfigError(f"--workers is {workers}; expected 1 or more")
    if io_threads < 1:
        raise ConfigError(f"--io-threads is {io_threads}; expected 1 or more")
    if runner == "local" and any(option.startswith("--direct_num_workers") for option in engine_options or ()):
        raise ConfigError("--direct_num_workers is Beam's name for --workers; give --workers")
    if max_quarantined is not None and max_quarantined < 0:
        raise ConfigError(f"--max-quarantined is {max_quarantined}; expected 0 or more")
    log = LogSettings(log_format, log_level, engine=runner in ("dataflow", "beam-spark"))
    store = Store()
    target = canonical(output)
    if target.startswith("file://"):
        raise ConfigError("the name of the output folder is not UTF-8; choose another")
    for name in inputs:
        check_apart(name, output)
    store.probe_writable(target)
    return Settings(
        policy,
        tuple(inputs),
        target,
        reference,
        store,
        runner,
        workers,
        max_quarantined,
        redo,
        tuple(engine_options or ()),
        log,
        profile,
        io_threads,
    )


def load_policy(path: str) -> Policy:
    """The policy in a YAML file.

    Raises:
        ConfigError: the file is not there, is not YAML, or does not hold a valid policy; each problem in one line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"configuration '{path}': cannot be read ({exc.strerror}); expected a file such as configs/basic.yaml") from exc
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"configuration '{path}': not valid YAML{where}") from exc
    if not isinstance(data, dict):
        raise ConfigError(f"configuration '{path}': expected a mapping of keys, found {'nothing' if data is None else type(data).__name__}")
    try:
        policy = Policy.model_validate(data)
    except ValidationError as exc:
        raise ConfigError(f"configuration '{path}': " + "; ".join(_explain(error) for error in exc.errors())) from exc
    try:
        if policy.save_conditions:
            from transforms.series.conditions import check  # imported late: the data dictionary takes time, and few policies need it

            check(policy.save_conditions)
        if policy.tags.rules or policy.tags.safe_private:
            from transforms.tags.check import check_policy

            check_policy(policy.tags)
    except ConfigError as exc:
        raise ConfigError(f"configuration '{path}': {exc}") from exc
    return policy


def _explain(error: Any) -> str:
    """One pydantic error in one line; an unknown key names the nearest known one."""
    where = ".".join(str(part) for part in error["loc"]) or "policy"
    if error["type"] == "extra_forbidden":
        return f"unknown key '{where}'{nearest(str(error['loc'][-1]), _known_keys(error['loc'][:-1]))}"
    found = error.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) and error["type"] != "value_error" else ""
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    return f"'{where}': {said}{shown}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys of the model at a location inside the policy."""
    model: Any = Policy
    for part in location:
        if isinstance(part, str) and part in getattr(model, "model_fields", {}):
            annotation = model.model_fields[part].annotation
            candidates = (annotation, *get_args(annotation))
            model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)


def nearest(word: str, known: Collection[str]) -> str:
    """What somebody may have meant who wrote ``word``, as the end of a message; '' when nothing is like it."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""
