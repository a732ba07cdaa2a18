"""The audit's parts, their compaction, and what a rerun reads from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import TypeVar
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from pipeline import audit, history
from pipeline.compact import compact
from pipeline.ledger import Ledger
from pipeline.storage import Store
from transforms.errors import Code, ConfigError
from transforms.outcomes import header_outcome, work_outcome
from transforms.types import Box, Finding, FrameDecision, Header, Outcome, PixelReport, SeriesDecision, Status, Work

STORE = Store()
T = TypeVar("T")


def header(number: int, **extra: object) -> Header:
    return Header(f"id-{number}", f"file:///in/{number}", 100, "1.2", "1.2.3", f"1.2.3.{number}", "P", **extra)  # type: ignore[arg-type]


def saved(number: int) -> Outcome:
    work = Work(header(number), SeriesDecision(True), status=Status.SAVED, url_deid=f"file:///out/{number}.dcm", bytes_out=90)
    work.new_ids = ("A", "2.25.1", "2.25.2", f"2.25.{number}")
    work.findings = (Finding("masked", frame=0, box=Box(1, 2, 3, 4), text="Zyxwandt"), Finding("removed", tag_path="PatientAddress"))
    work.pixels = PixelReport(True, tuple(FrameDecision(frame, "ocr") for frame in range(3)), (0,))
    return work_outcome(work, lambda kind, value: f"hash of {kind}")


def filtered(number: int, code: Code = Code.SAVE_CONDITION) -> Outcome:
    return header_outcome(header(number), Status.FILTERED, code, "test")


def count(output: Path, table: str = "audit/instances") -> int:
    return sum(rows.num_rows for rows in audit.read(STORE, str(output), table))


def finished(output: Path) -> set[str]:
    with Ledger() as ledger:
        ledger.load(STORE, str(output))
        return {header.uri for header in history.finished(STORE, str(output), ledger)}


def test_rows_fit_the_schema_and_findings_have_no_text(tmp_path: Path) -> None:
    audit.AuditWriter(STORE, str(tmp_path), "run-1").write([saved(1), filtered(2)])
    [instances] = audit.read(STORE, str(tmp_path), "audit/instances")
    assert instances.schema.equals(audit.INSTANCES)
    first = next(row for row in instances.to_pylist() if row["status"] == "saved")
    assert first["frame_decisions"] == [{"first": 0, "count": 3, "method": "ocr", "masked": 0}]
    assert (first["boxes_masked"], first["entities"], first["run_id"]) == (1, 2, "run-1")
    [entities] = audit.read(STORE, str(tmp_path), "audit/entities")
    assert {row["text_hash"] for row in entities.to_pylist()} == {"hash of text", None}


def test_a_column_that_the_schema_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="surname"):
        audit.encode({"instance_id": ["x"], "surname": ["y"]}, audit.INSTANCES)


def test_the_same_bundle_twice_is_one_part(tmp_path: Path) -> None:
    writer = audit.AuditWriter(STORE, str(tmp_path), "run-1")
    writer.write([saved(1), saved(2)])
    writer.write([saved(2), saved(1)])
    assert len(audit.files(STORE, str(tmp_path), "audit/instances")) == 1


def test_parts_in_an_object_store_are_asked_for_together_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    output = f"memory://{uuid4().hex}"
    for number in range(8):
        audit.AuditWriter(STORE, output, "run").write([filtered(number)])
    uris, together, read, delete = audit.files(STORE, output, "audit/instances"), Barrier(4), Store.read_range, Store.delete

    def waits(call: Callable[..., T]) -> Callable[..., T]:
        def wait_and_call(*arguments: object) -> T:
            together.wait(10)
            return call(*arguments)

        return wait_and_call

    monkeypatch.setattr(Store, "read_range", waits(read))
    found = [
        (uri, [row for batch in batches for row in batch["instance_id"].to_pylist()]) for uri, batches in audit.scan(STORE, uris, None, 5)
    ]
    assert [uri for uri, _ in found] == uris
    assert sorted(row for _, rows in found for row in rows) == [f"id-{number}" for number in range(8)]
    monkeypatch.setattr(Store, "delete", waits(delete))
    STORE.delete_all(uris)
    assert audit.files(STORE, output, "audit/instances") == []


def test_compaction_keeps_one_row_of_each_instance(tmp_path: Path) -> None:
    writer = audit.AuditWriter(STORE, str(tmp_path), "run-1")
    writer.write([saved(1), saved(2)])
    writer.write([saved(2), saved(3)])
    audit.AuditWriter(STORE, str(tmp_path), "run-2").write([filtered(3)])
    compact(STORE, str(tmp_path))
    assert {table: count(tmp_path, table) for table in audit.TABLES} == {
        "audit/instances": 3,
        "audit/entities": 4,
        "restricted/crosswalk": 3,
    }
    [uri] = audit.files(STORE, str(tmp_path), "audit/instances")
    rows = pq.read_table(uri.removeprefix("file://")).to_pylist()
    assert {row["instance_id"]: row["run_id"] for row in rows} == {"id-1": "run-1", "id-2": "run-1", "id-3": "run-2"}
    compact(STORE, str(tmp_path))
    assert count(tmp_path) == 3


def test_an_instance_row_without_its_crosswalk_row_does_not_count(tmp_path: Path) -> None:
    audit.AuditWriter(STORE, str(tmp_path), "run-1").write([saved(1)])
    [crosswalk] = audit.files(STORE, str(tmp_path), "restricted/crosswalk")
    STORE.delete(crosswalk)
    assert finished(tmp_path) == set()
    audit.AuditWriter(STORE, str(tmp_path), "run-2").write([saved(1)])
    compact(STORE, str(tmp_path))
    assert count(tmp_path) == 1


def test_finished_covers_all_but_passing_failures(tmp_path: Path) -> None:
    outcomes = [saved(1), filtered(2), filtered(3, Code.READ_FAILED)]
    audit.AuditWriter(STORE, str(tmp_path), "run-1").write(outcomes)
    assert finished(tmp_path) == {"file:///in/1", "file:///in/2"}


def test_changed_settings_are_named() -> None:
    history.check_same(None, {"policy": "a"})
    history.check_same({"settings": {"policy": "a", "secret": "b"}}, {"policy": "a", "secret": "b"})
    with pytest.raises(ConfigError, match="another secret"):
        history.check_same({"settings": {"policy": "a", "secret": "b"}}, {"policy": "a", "secret": "c"})
