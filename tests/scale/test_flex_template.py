"""The Flex Template: its parameters and its main program agree."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re

from pipeline import cli
from pipeline.commands import run
from pipeline.log import FORMATS, LEVELS
from tests.scale.cluster import ROOT

FOLDER = ROOT / "configs" / "dataflow"
EXAMPLE = {
    "input": "gs://a/b,gs://c/d.csv",
    "output": "gs://a/out",
    "config": "basic.yaml",
    "secret_file": "gcp-secret://projects/p/secrets/s",
    "workers": "20",
    "io_threads": "32",
    "redo": "true",
    "max_quarantined": "0",
    "log_format": "json",
    "log_level": "info",
    "profile": "true",
}
NO_PARAMETERS = {"help", "runner", "ephemeral_secret"}
"""A template is for one runner, and workers of a cluster cannot see a secret of the launcher's disk."""


def test_the_parameters_are_those_of_the_main_program() -> None:
    parameters = {item["name"]: item for item in json.loads((FOLDER / "metadata.json").read_text())["parameters"]}
    assert set(parameters) == set(EXAMPLE)
    for name, value in EXAMPLE.items():
        assert all(re.fullmatch(pattern, value) for pattern in parameters[name]["regexes"]), name
    assert not re.fullmatch(parameters["secret_file"]["regexes"][0], "hunter2hunter2hunter2")
    for name, choices in (("log_format", FORMATS), ("log_level", LEVELS)):
        assert all(re.fullmatch(parameters[name]["regexes"][0], choice) for choice in choices)


def test_every_option_of_the_command_is_a_parameter() -> None:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    options = {action.dest: action for action in parser._actions if action.dest not in NO_PARAMETERS}
    parameters = {item["name"]: item for item in json.loads((FOLDER / "metadata.json").read_text())["parameters"]}
    assert set(parameters) == set(options)
    needed = {name for name, item in parameters.items() if not item.get("isOptional")}
    assert needed == {name for name, action in options.items() if action.required} | {"secret_file"}


def test_the_launcher_hands_on_what_is_beams() -> None:
    spec = importlib.util.spec_from_file_location("launch", FOLDER / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    flags = [f"--{name}={value}" for name, value in EXAMPLE.items()]
    found = launch.arguments([*flags, "--runner=DataflowRunner", "--template_location=gs://t", "--job_name=j"])
    assert found[:4] == ["run", "--input", "gs://a/b", "gs://c/d.csv"]
    assert f"--config={ROOT / 'configs' / 'basic.yaml'}" in found
    assert "--secret-file=gcp-secret://projects/p/secrets/s" in found
    assert {"--redo", "--profile", "--log-format=json", "--log-level=info", "--max-quarantined=0"} <= set(found)
    cli._parse(*cli._split(found))
    off = launch.arguments(["--input=gs://a/b", "--redo=false", "--profile=false"])
    assert off == ["run", "--input", "gs://a/b", "--runner", "dataflow", "--"]
    assert found[found.index("--runner") :] == ["--runner", "dataflow", "--", "--template_location=gs://t", "--job_name=j"]
