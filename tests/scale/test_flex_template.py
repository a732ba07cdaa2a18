"""The Flex Template: its parameters and its main program agree."""

from __future__ import annotations

import importlib.util
import json
import re

from tests.scale.cluster import ROOT

FOLDER = ROOT / "configs" / "dataflow"
EXAMPLE = {
    "input": "gs://a/b,gs://c/d.csv",
    "output": "gs://a/out",
    "config": "basic.yaml",
    "secret_file": "gcp-secret://projects/p/secrets/s",
    "workers": "20",
    "redo": "true",
}


def test_the_parameters_are_those_of_the_main_program() -> None:
    parameters = {item["name"]: item for item in json.loads((FOLDER / "metadata.json").read_text())["parameters"]}
    assert set(parameters) == set(EXAMPLE)
    for name, value in EXAMPLE.items():
        assert all(re.fullmatch(pattern, value) for pattern in parameters[name]["regexes"]), name
    assert not re.fullmatch(parameters["secret_file"]["regexes"][0], "hunter2hunter2hunter2")


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
    assert found[found.index("--runner") :] == ["--runner", "dataflow", "--", "--template_location=gs://t", "--job_name=j"]
