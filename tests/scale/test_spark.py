"""The native Spark application: on a real standalone cluster, and its parts."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import spark, spark_classes, spark_daemon
from pipeline.storage import Store
from tests.end_to_end import archive
from tests.scale import cluster, runs
from transforms.deidentify import Deidentifier
from transforms.errors import ConfigError, DeidError
from transforms.measures import Tally
from transforms.policy import LimitsPolicy, Policy
from transforms.series.aggregate import chunks, decide
from transforms.tags.identity import Identity
from transforms.types import Header, Outcome, Source


def test_options_are_those_of_spark_submit() -> None:
    assert spark.parse(["--master", "spark://h:7077", "--conf=spark.a.b=c=d", "--name", "x"]) == {
        "spark.master": "spark://h:7077",
        "spark.a.b": "c=d",
        "spark.app.name": "x",
    }


@pytest.mark.parametrize("options", [["--mater", "x"], ["--conf", "a=b"], ["--conf", "spark.a"], ["--master"]])
def test_an_unknown_option_is_named(options: list[str]) -> None:
    with pytest.raises(ConfigError, match="expected --master URL"):
        spark.parse(options)


def test_no_java_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="openjdk-17"):
        spark.check()


def test_tasks_follow_the_cluster_for_small_runs_and_the_inputs_for_large_ones() -> None:
    assert spark.tasks_for(10, 1, 4) == (8, 4, 32)
    assert spark.tasks_for(1_000_000, 1_000, 4) == (1_000, 50, 3_907)
    assert spark.tasks_for(100_000_000, 100_000, 4) == (20_000, 1_000, 20_000)


def test_a_series_of_5000_slices_is_spread_over_the_tasks_as_names_only() -> None:
    """157 chunks for 32 tasks; of a chunk of 32 instances of half a megabyte each, some kilobytes travel."""
    headers = [
        Header(f"{n:032x}", f"s3://archive/a/{n:06}.dcm", 1 << 19, "1.2", "1.2.3", f"1.2.3.{n}", "P", pixel_bytes=1 << 19)
        for n in range(5000)
    ]
    found = list(chunks(headers, decide(headers, "all"), LimitsPolicy()))
    assert len(found) == 157
    cleaning = spark.tasks_for(5000, 5, 4)[2]
    given = Counter(spark._bucket(chunk.key) % cleaning for chunk in found)
    assert len(given) >= 0.9 * cleaning
    assert max(given.values()) <= 3 * len(found) / cleaning, "no task has much more than its part"
    assert max(len(pickle.dumps(chunk)) for chunk in found) < 32 * 1000


def test_what_conditions_filter_has_rows(tmp_path: Path) -> None:
    """Stage 2 alone ends inputs here; on a cluster the other tests have no conditions."""
    wanted = archive.series(tmp_path / "wanted", 2, image_type="DERIVED\\SECONDARY")
    other = archive.series(tmp_path / "other", 3)
    policy = Policy.model_validate({"save_conditions": ["NOT_SUBSTR PRIMARY ImageType"]})
    worker, tally = Deidentifier(policy, Identity(b"x" * 32), Store(), str(tmp_path / "out")), Tally()
    ended: list[Outcome] = []
    job = SimpleNamespace(store=Store(), apart=False, open=lambda: worker, write_audit=ended.extend)
    headers = [[worker.evaluate(worker.open_header(Source(str(path)))) for path in paths] for paths in (wanted, other)]
    measured = SimpleNamespace(add=lambda term: tally.merge(term.spreads))
    [(_, chunk)] = spark.decide_series(job, measured, [("a", headers[0]), ("b", headers[1])])
    assert {header.uri for header in chunk.headers} == {str(path) for path in wanted}
    assert {row.crosswalk["url"] for row in ended} == {str(path) for path in other}
    assert {(row.status, row.instance["code"]) for row in ended} == {("filtered", "save_condition")}
    assert tally.as_record()["instances.filtered"] == 3


def test_what_a_task_said_is_what_the_run_says() -> None:
    java = "Task 1 failed 4 times: org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n  File x\n{}\n\tat org"
    said = spark.said_by_task(
        Exception(java.format("transforms.errors.DeidError: read_failed: ClientError 400; renew them\n SQLSTATE: 38000"))
    )
    assert (type(said), str(said)) == (DeidError, "read_failed: ClientError 400; renew them")
    assert str(spark.said_by_task(Exception(java.format("transforms.errors.DeidError: internal")))) == "internal"
    assert spark.said_by_task(Exception(java.format("ValueError: Zyxwandt"))) is None


def test_a_master_that_does_not_answer_is_said_with_what_to_do() -> None:
    context = SimpleNamespace(master="spark://away:7077")
    for text in (
        "Job aborted: Master removed our application: All masters are unresponsive!",
        "Cannot call methods on a stopped SparkContext.",
    ):
        assert "at master spark://away:7077" in str(spark._ended_by_spark(Exception(text), context))
    assert spark._ended_by_spark(Exception("Task 1 failed 4 times"), context) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x\ntransforms.errors.DeidError: write_failed: No space left on device; make room\n",
            "write_failed: No space left on device; make room",
        ),
        ("Cannot call methods on a stopped SparkContext.", "see to the master, and run the same command again"),
    ],
)
def test_a_job_that_fails_says_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(text)

    measured = SimpleNamespace(value=Tally())
    context = SimpleNamespace(master="spark://h", defaultParallelism=2, accumulator=lambda *_: measured, parallelize=fail)
    with pytest.raises(DeidError) as raised:
        spark.run(SimpleNamespace(store=Store(), apart=False), [str(tmp_path / "part")], 1, context)
    assert said in str(raised.value)


def test_workers_import_the_installed_pyspark_only_where_the_archive_is_its_own(tmp_path: Path) -> None:
    archives = [tmp_path / place / "python" / "lib" / "pyspark.zip" for place in ("site/pyspark", "another")]
    (tmp_path / "site" / "pyspark").mkdir(parents=True)
    (tmp_path / "site" / "pyspark" / "__init__.py").touch()
    own, foreign = ([str(archive), "/x", str(tmp_path / "site")] for archive in archives)
    assert spark_daemon.without_archive(own) == own[1:]
    assert spark_daemon.without_archive(foreign) == foreign
    assert spark_daemon.without_archive(own[:2]) == own[:2], "PySpark is nowhere else"


def test_java_starts_without_an_archive_that_is_not_there(tmp_path: Path) -> None:
    assert spark_classes.options(tmp_path / "spark.jsa") == ""
    (tmp_path / "spark.jsa").touch()
    assert spark_classes.options(tmp_path / "spark.jsa").startswith(f"-XX:SharedArchiveFile={tmp_path}/spark.jsa ")
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "spark.jsa").touch()
    assert spark_classes.options(tmp_path / "a b" / "spark.jsa") == "", "Spark cuts options at spaces"


@pytest.mark.scale
def test_java_takes_its_classes_from_the_archive(tmp_path: Path) -> None:
    cluster.require_java()
    made, log = tmp_path / "spark.jsa", tmp_path / "classes"
    spark_classes.make(made)
    java = f"spark.driver.extraJavaOptions={spark_classes.options(made)} -Xlog:class+load:file={log}"
    job = "import sys; from pipeline import spark; spark.open_context(1, sys.argv[1:]).stop()"
    command = [sys.executable, "-c", job, "--conf", java, "--conf", "spark.ui.enabled=false", *cluster.LOOPBACK]
    subprocess.run(command, env=cluster.environment(), cwd=cluster.ROOT, check=True, capture_output=True)
    assert "org.apache.spark.SparkContext source: shared objects file (top)" in log.read_text()


def test_a_standalone_cluster_gives_what_beam_gives(
    reference: tuple[Path, Path, Path, int], spark_cluster: cluster.Cluster, tmp_path: Path
) -> None:
    inputs, output, secret, count = reference
    said = runs.deid(inputs, tmp_path / "out", secret, "--runner", "spark", "--", *spark_cluster.options)
    assert f"{count} inputs:" in said
    runs.assert_same(output, tmp_path / "out")
    assert not [canary for canary in archive.CANARIES if canary in said.lower()]
    logs = list(spark_cluster.folder.glob("work*/app-*/*/std*"))
    assert {path.relative_to(spark_cluster.folder).parts[0] for path in logs} == {"work0", "work1"}, "both workers had an executor"
    shown = "".join(path.read_text(errors="replace").lower() for path in [*logs, *spark_cluster.folder.glob("*.log")])
    assert not [canary for canary in archive.CANARIES if canary in shown]


@pytest.mark.scale
def test_a_local_cluster_gives_what_beam_gives(reference: tuple[Path, Path, Path, int], tmp_path: Path) -> None:
    cluster.require_java()
    inputs, output, secret, _ = reference
    runs.deid(inputs, tmp_path / "out", secret, "--runner", "spark", "--", "--master", "local-cluster[2,1,1024]", *cluster.LOOPBACK)
    runs.assert_same(output, tmp_path / "out")


@pytest.mark.scale
def test_spark_submit_of_the_documented_command(
    reference: tuple[Path, Path, Path, int], spark_cluster: cluster.Cluster, tmp_path: Path
) -> None:
    inputs, output, secret, _ = reference
    arguments = runs.command(inputs, tmp_path / "out", secret, "--runner", "spark")[3:]
    done = subprocess.run(
        [spark_submit(), *spark_cluster.options, str(cluster.ROOT / "pipeline" / "__main__.py"), *arguments],
        cwd=tmp_path,
        env=cluster.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs.assert_same(output, tmp_path / "out")


def spark_submit() -> str:
    import pyspark

    return str(Path(pyspark.__path__[0]) / "bin" / "spark-submit")


@pytest.mark.scale
def test_another_spark_gives_what_beam_gives(reference: tuple[Path, Path, Path, int], tmp_path: Path) -> None:
    python = os.environ.get("DICOM_DEID_SPARK_PYTHON")
    if not python:
        pytest.skip("set DICOM_DEID_SPARK_PYTHON to the interpreter of an environment with another PySpark")
    inputs, output, secret, _ = reference
    with cluster.standalone(tmp_path, python=python) as other:
        env = {"PYSPARK_PYTHON": python}
        runs.deid(inputs, tmp_path / "out", secret, "--runner", "spark", "--", *other.options, env=env, python=python)
    runs.assert_same(output, tmp_path / "out")
