"""Construction of the Dataflow job, staged as a template to an emulator of Google Cloud Storage."""

from __future__ import annotations

import base64
import bz2
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as apache_beam  # before any local run of this process, which would import it without clients of clouds
import fsspec
import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline import beam as pipeline_beam
from pipeline import cli
from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.pipeline import emulators
from tests.scale.runs import CONFIG
from transforms.errors import ConfigError

STEPS = [
    "ListShards",
    "SpreadShards",
    "ReadShard",
    "ReadHeader",
    "EvaluateSaveConditions",
    "JoinFinished",
    "GroupBySeries",
    "DecideSeries",
    "SpreadChunks",
    "MaskText",
    "DeidentifyTags",
    "Verify",
    "Write",
    "WriteAuditUnreadable",
    "WriteAuditUnevaluated",
    "WriteAuditFiltered",
    "WriteAuditSaved",
]


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


PICKLED = re.compile(rb"QlpoO[A-Za-z0-9+/]+={0,2}")
"""What Beam makes of the objects of a graph: pickled, compressed by bz2, in base64."""


def shown(data: bytes) -> list[bytes]:
    """What an object of the bucket says: its bytes, and every pickle in it as it was before it was packed."""
    found = (match.group() for match in PICKLED.finditer(data))
    return [data, *(bz2.BZ2Decompressor().decompress(base64.b64decode(text[: len(text) // 4 * 4])) for text in found)]


def template(staged: tuple[dict[str, bytes], Path]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(staged[0]["/template"])
    return found


@pytest.fixture(scope="module")
def graph(staged: tuple[dict[str, bytes], Path]) -> Any:
    """The components of the job."""
    [data] = [data for name, data in staged[0].items() if name.endswith("pipeline.pb")]
    return beam_runner_api_pb2.Pipeline.FromString(data).components


def test_the_graph_has_the_steps_of_the_diagram(graph: Any) -> None:
    steps = graph.transforms
    [top] = [step for step in steps.values() if STEPS[0] in [steps[name].unique_name for name in step.subtransforms]]
    assert [steps[name].unique_name for name in top.subtransforms] == STEPS


def test_only_names_of_shards_headers_and_chunks_are_shuffled(graph: Any) -> None:
    """Between the steps that hold data sets there is nothing, and so no shuffle."""
    made = {output: step for step in graph.transforms.values() for output in step.outputs.values() if not step.subtransforms}
    for name, before in (("DeidentifyTags", "MaskText"), ("Verify", "DeidentifyTags"), ("Write", "Verify")):
        [step] = [step for step in graph.transforms.values() if step.unique_name == name]
        [given] = step.inputs.values()
        assert made[given].unique_name == before


def test_resource_hints_reach_the_graph(graph: Any) -> None:
    for name in ("ReadShard/ParDo(_ReadShard)", "MaskText", "Write"):
        [step] = [step for step in graph.transforms.values() if step.unique_name == name]
        hints = dict(graph.environments[step.environment_id].resource_hints)
        assert hints["beam:resources:min_ram_bytes:v1"] == b"4000000000"
        assert hints["beam:resources:accelerator:v1"] == b"type:nvidia-tesla-t4;count:1;install-nvidia-driver"


def test_workers_are_the_container_with_the_bounds_asked_for(staged: tuple[dict[str, bytes], Path]) -> None:
    [pool] = template(staged)["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 50
    assert pool["numThreadsPerWorker"] == 1, "a process cleans one chunk at a time, whether or not it is asked for"
    assert [image["containerImage"] for image in pool["sdkHarnessContainerImages"]] == ["example.test/deid:1"]


def test_the_job_holds_no_secret_and_no_input_name(staged: tuple[dict[str, bytes], Path]) -> None:
    objects, folder = staged
    assert not [name for name in objects if "main_session" in name]
    [graph] = [data for name, data in objects.items() if name.endswith("pipeline.pb")]
    assert any(str(folder / "secret").encode() in text for text in shown(graph)[1:]), "the reference travels, in a pickle that is read here"
    for name, data in objects.items():
        for text in shown(data):
            assert SECRET.encode() not in text, name
            if "/restricted/" not in name:
                assert str(folder / "in").encode() not in text, name
                assert not [canary for canary in archive.CANARIES if canary.encode() in text.lower()], name


@pytest.mark.parametrize(("runner", "missing"), [("dataflow", "Missing required option: project."), ("beam-spark", "--job_endpoint=HOST")])
def test_what_a_cluster_cannot_do_without_is_said_before_anything_is_read(
    runner: str, missing: str, tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.series(tmp_path / "in", 1)
    arguments = ["--config", CONFIG, "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--secret-file", str(secret_file)]
    assert cli.main(["run", *arguments, "--runner", runner]) == 2
    assert missing in capsys.readouterr().err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_the_work_list_is_kept_for_the_workers_and_the_run_says_launched(staged: tuple[dict[str, bytes], Path]) -> None:
    assert [name for name in staged[0] if name.startswith("/out/restricted/manifests/")]
    assert json.loads(staged[0]["/out/run.json"])["state"] == "launched"


@pytest.mark.parametrize("runner", ["local", "dataflow"])
def test_an_option_that_beam_does_not_know_is_said(runner: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no --disk_size_gbs; did you mean '--disk_size_gb'\?"):
        pipeline_beam.check(runner, ["--disk_size_gbs=50"])
    pipeline_beam.check("beam-spark", ["--job_endpoint=localhost:8099", "--of_the_server=1"])
