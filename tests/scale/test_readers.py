"""What docs/audit.md says about reading the audit, run as it is written there on the output of a run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipeline import audit, spark
from tests.scale import cluster

ROOT = cluster.ROOT
DOCS = (ROOT / "docs" / "audit.md").read_text()
OUTPUTS = r"(?:gs://|s3a://)bucket/out|/clean"
"""How the document calls an output."""
READERS = Path(sys.prefix) / "readers"

Reference = tuple[Path, Path, Path, int]


def snippet(heading: str, language: str, output: Path | None = None) -> str:
    """The first code of a language behind a text of the document; with an output in place of the example's."""
    code = re.search(rf"```{language}\n(.*?)```", DOCS.partition(heading)[2], re.S)
    assert code is not None, f"{heading} has no code"
    return code.group(1) if output is None else re.sub(OUTPUTS, str(output), code.group(1))


def expected(output: Path) -> Counter[tuple[str, str | None]]:
    """Rows by status and code."""
    rows = duckdb.sql(f"select status, code from '{output}/audit/instances/*.parquet'").fetchall()
    return Counter((status, code) for status, code in rows)


def test_duckdb(reference: Reference, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    exec(snippet("**DuckDB**", "python", reference[1]), {})
    shown = capsys.readouterr().out
    for status, count in Counter(status for status, _ in expected(reference[1]).elements()).items():
        assert re.search(rf"{status}\b.*\b{count}\b", shown), shown


def test_the_join_finds_what_was_masked(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reference[1])
    query = snippet("## Joining", "sql")
    assert "'US'" in query
    found = duckdb.sql(query.replace("'US'", "'CT'")).fetchall()
    assert found
    assert all(x >= 0 and y >= 0 and x + w <= columns and y + h <= rows for _, rows, columns, _, x, y, w, h in found), (
        "boxes are in the frame"
    )


def test_pandas(reference: Reference) -> None:
    if not (READERS / "pandas").is_dir():
        pytest.skip("pandas is absent: 'make test' installs it beside the environment")
    code = snippet("**pandas**", "python", reference[1])
    code += "print(instances.groupby(['status', 'code'], dropna=False).size().to_dict()); print(len(entities), *entities.columns)"
    path = os.pathsep.join([str(READERS), str(ROOT)])
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    counts, entities = done.stdout.splitlines()
    nan = float("nan")
    found = {(status, None if code != code else code): count for (status, code), count in eval(counts, {"nan": nan, "None": None}).items()}
    assert found == expected(reference[1])
    total = duckdb.sql(f"select count(*) from '{reference[1]}/audit/entities/*.parquet'").fetchall()[0][0]
    assert entities == f"{total} instance_id entity_type action"


def test_spark(reference: Reference, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.require_java()
    from pyspark.sql import SparkSession

    with spark.open_context(1, ["--conf", "spark.ui.enabled=false", *cluster.LOOPBACK]) as context:
        session = SparkSession(context)
        names = {"spark": session}
        exec(snippet("**Spark**", "python", reference[1]), names)
        shown = capsys.readouterr().out
        for table, schema in audit.TABLES.items():
            read = session.read.parquet(f"{reference[1]}/{table}")
            assert read.columns == schema.names
            assert len(read.collect()) == pq.read_table(reference[1] / table).num_rows
    for (status, code), count in expected(reference[1]).items():
        assert re.search(rf"\| *{status}\| *{code or 'NULL'}\| *{count}\|", shown), shown


def test_bigquery_would_understand_the_tables(reference: Reference) -> None:
    """Parsed, with names and places checked; there is no BigQuery to run it in."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify

    *tables, query = sqlglot.parse(snippet("**BigQuery**", "sql"), read="bigquery")
    schema = {}
    for statement in tables:
        assert isinstance(statement, exp.Create)
        assert statement.find(exp.ExternalProperty)
        kind = statement.find(exp.FileFormatProperty)
        assert kind is not None
        assert kind.name == "PARQUET"
        [uris] = [option.args["value"] for option in statement.find_all(exp.Property) if option.name == "uris"]
        [place] = [value.name for value in uris.find_all(exp.Literal)]
        files = list(Path("/").glob(re.sub(OUTPUTS, str(reference[1]), place).lstrip("/")))
        name = statement.this.name
        assert files == sorted((reference[1] / "audit" / name).glob("*.parquet")) != []
        schema[name] = dict.fromkeys(pq.read_schema(files[0]).names, "string")
    assert set(schema) == {"instances", "entities"}
    assert query is not None
    qualify(query, schema={"deid": schema}, dialect="bigquery")
    with pytest.raises(sqlglot.errors.OptimizeError):
        qualify(sqlglot.parse_one("select surname from deid.instances", read="bigquery"), schema={"deid": schema}, dialect="bigquery")


def test_lists_are_named_as_the_document_says(reference: Reference) -> None:
    [first, *_] = (reference[1] / "audit" / "instances").glob("*.parquet")
    paths = [pq.ParquetFile(first).schema.column(number).path for number in range(len(pq.ParquetFile(first).schema))]
    assert "frame_decisions.list.element.first" in paths
    assert "`frame_decisions.list[…].element`" in DOCS
