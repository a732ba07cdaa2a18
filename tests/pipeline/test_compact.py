"""Compaction: one row per instance, whatever was interrupted or done again, and untouched files of earlier runs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipeline import audit, compact
from pipeline.storage import Store
from tests.pipeline.test_audit import filtered, saved

STORE = Store()


def ids(output: Path) -> list[str]:
    return sorted(str(row) for table in audit.read(STORE, str(output), "audit/instances") for row in table["instance_id"].to_pylist())


def test_a_second_run_leaves_the_files_of_the_first_alone(tmp_path: Path) -> None:
    audit.AuditWriter(STORE, str(tmp_path), "run-1").write([saved(1), saved(2)])
    compact.compact(STORE, str(tmp_path))
    [first] = audit.files(STORE, str(tmp_path), "audit/instances")
    before = Path(first).stat().st_mtime_ns
    audit.AuditWriter(STORE, str(tmp_path), "run-2").write([filtered(3)])
    compact.compact(STORE, str(tmp_path))
    assert first in audit.files(STORE, str(tmp_path), "audit/instances")
    assert Path(first).stat().st_mtime_ns == before
    assert ids(tmp_path) == ["id-1", "id-2", "id-3"]


def test_an_interrupted_compaction_is_completed(tmp_path: Path) -> None:
    writer = audit.AuditWriter(STORE, str(tmp_path), "run-1")
    writer.write([saved(1), saved(2)])
    writer.write([saved(3)])
    parts = {uri: STORE.read_all(uri) for uri in audit.files(STORE, str(tmp_path), "audit/instances")}
    compact.compact(STORE, str(tmp_path))
    for uri, data in parts.items():  # as if the process had died before it removed them
        STORE.write_atomic(uri, data)
    compact.compact(STORE, str(tmp_path))
    assert ids(tmp_path) == ["id-1", "id-2", "id-3"]
    assert len(audit.files(STORE, str(tmp_path), "audit/instances")) == 1


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "ROWS_PER_FILE", 4)
    monkeypatch.setattr(compact, "BATCH", 2)
    writer = audit.AuditWriter(STORE, str(tmp_path), "run-1")
    for number in range(5):
        writer.write([filtered(2 * number), filtered(2 * number + 1)])
    compact.compact(STORE, str(tmp_path))
    files = audit.files(STORE, str(tmp_path), "audit/instances")
    assert [pq.read_metadata(uri).num_rows for uri in files] == [4, 4, 2]
    assert len(ids(tmp_path)) == len(set(ids(tmp_path))) == 10


def test_a_file_that_lacks_a_column_gets_it_with_the_next_run(tmp_path: Path) -> None:
    """Readers take the columns of one file for those of all: a column that was added later would be invisible, or an error."""
    for run, outcome in (("run-1", saved(1)), ("run-2", saved(2))):
        audit.AuditWriter(STORE, str(tmp_path), run).write([outcome])
        compact.compact(STORE, str(tmp_path))
    first, second = audit.files(STORE, str(tmp_path), "audit/instances")
    pq.write_table(pq.read_table(first).drop_columns(["boxes_masked"]), first)
    before = Path(second).stat().st_mtime_ns
    with pytest.raises(duckdb.Error, match="boxes_masked"):
        duckdb.sql(f"select boxes_masked from '{tmp_path}/audit/instances/*.parquet'")
    audit.AuditWriter(STORE, str(tmp_path), "run-3").write([saved(3)])
    compact.compact(STORE, str(tmp_path))
    assert all(audit.schema(STORE, uri).equals(audit.INSTANCES) for uri in audit.files(STORE, str(tmp_path), "audit/instances"))
    assert Path(second).stat().st_mtime_ns == before, "it lacked nothing"
    found = duckdb.sql(f"select instance_id, boxes_masked is null from '{tmp_path}/audit/instances/*.parquet' order by all").fetchall()
    assert found == [("id-1", True), ("id-2", False), ("id-3", False)]


def test_a_part_of_an_older_schema_gets_nulls(tmp_path: Path) -> None:
    audit.AuditWriter(STORE, str(tmp_path), "run-1").write([saved(1)])
    [uri] = audit.files(STORE, str(tmp_path), "audit/instances")
    pq.write_table(pq.read_table(uri).drop_columns(["boxes_masked"]), uri)
    compact.compact(STORE, str(tmp_path))
    [table] = audit.read(STORE, str(tmp_path), "audit/instances")
    assert table.schema.equals(audit.INSTANCES)
