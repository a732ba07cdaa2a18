"""Construction of the Dataflow job, staged as a template to an emulator of Google Cloud Storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as apache_beam  # before any local run of this process, which would import it without clients of clouds
import fsspec
import pytest

from pipeline import cli
from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.pipeline import emulators
from tests.scale.runs import CONFIG

STEPS = (
    "ListShards",
    "ReadShard",
    "ReadHeader",
    "EvaluateSaveConditions",
    "GroupBySeries",
    "DecideSeries",
    "SpreadChunks",
    "MaskText",
    "DeidentifyTags",
    "Verify",
    "Write",
    "WriteAuditSaved",
)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, bytes], Path]]:
    """Everything in the bucket after the template was staged, and the folder of inputs."""
    credentials = pytest.importorskip("apache_beam.internal.gcp.auth", reason="apache-beam[gcp] is not installed")._Credentials
    folder = tmp_path_factory.mktemp("dataflow")
    archive.series(folder / "in", 2)
    (folder / "secret").write_text(SECRET)
    patch = pytest.MonkeyPatch()
    with emulators.gcs() as cloud, patch.context() as env:
        url = cloud.store.options["gs"]["endpoint_url"]
        env.setenv("STORAGE_EMULATOR_HOST", url)
        env.setattr(credentials, "_credentials_init", True)  # no metadata server answers here
        env.setitem(fsspec.config.conf, "gs", dict(cloud.store.options["gs"]))
        flags = [
            "--project=test-project",
            "--region=europe-west1",
            f"--temp_location={cloud.root}/temp",
            f"--staging_location={cloud.root}/staging",
        ]
        flags += [f"--template_location={cloud.root}/template", "--sdk_location=container", "--sdk_container_image=example.test/deid:1"]
        flags += ["--resource_hint=min_ram=4GB", "--resource_hint=accelerator=type:nvidia-tesla-t4;count:1;install-nvidia-driver"]
        arguments = ["--config", CONFIG, "--input", str(folder / "in"), "--output", f"{cloud.root}/out"]
        arguments += ["--secret-file", str(folder / "secret"), "--runner", "dataflow", "--workers", "50"]
        assert cli.main(["run", *arguments, "--", *flags]) == 0
        names = [source.uri for source in cloud.store.list_files(cloud.root)]
        yield {name.removeprefix(cloud.root): cloud.store.read_all(name) for name in names}, folder


def template(staged: tuple[dict[str, bytes], Path]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(staged[0]["/template"])
    return found


def test_the_graph_has_the_steps_of_the_diagram(staged: tuple[dict[str, bytes], Path]) -> None:
    [graph] = [data for name, data in staged[0].items() if name.endswith("pipeline.pb")]
    for step in STEPS:
        assert step.encode() in graph, step


def test_resource_hints_reach_the_graph(staged: tuple[dict[str, bytes], Path]) -> None:
    [graph] = [data for name, data in staged[0].items() if name.endswith("pipeline.pb")]
    assert b"beam:resources:min_ram_bytes:v1" in graph
    assert b"nvidia-tesla-t4" in graph


def test_workers_are_the_container_with_the_bounds_asked_for(staged: tuple[dict[str, bytes], Path]) -> None:
    [pool] = template(staged)["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 50
    assert "example.test/deid:1" in json.dumps(template(staged))


def test_the_job_holds_no_secret_and_no_input_name(staged: tuple[dict[str, bytes], Path]) -> None:
    objects, folder = staged
    assert not [name for name in objects if "main_session" in name]
    for name, data in objects.items():
        assert SECRET.encode() not in data, name
        if "/restricted/" not in name:
            assert str(folder / "in").encode() not in data, name
            assert not [canary for canary in archive.CANARIES if canary.encode() in data.lower()], name


def test_the_work_list_is_kept_for_the_workers_and_the_run_says_launched(staged: tuple[dict[str, bytes], Path]) -> None:
    assert [name for name in staged[0] if name.startswith("/out/restricted/manifests/")]
    assert json.loads(staged[0]["/out/run.json"])["state"] == "launched"
