"""The ledger: which inputs are finished, in order and without names on disk; which row counts; what adds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import audit, history, ledger
from pipeline.compact import compact
from pipeline.ledger import Ledger
from pipeline.storage import Store
from tests.pipeline.test_audit import filtered, header, saved
from transforms.errors import Code
from transforms.outcomes import header_outcome
from transforms.types import Outcome, Source, Status

STORE = Store()
INPUTS = [Source(f"file:///in/{number}", number or None) for number in range(7)]


def quarantined(number: int, code: Code = Code.INTERNAL) -> Outcome:
    return header_outcome(header(number), Status.QUARANTINED, code, "test")


def write(output: Path, run: str, *outcomes: Outcome) -> None:
    audit.AuditWriter(STORE, str(output), run).write(outcomes)


def unfinished(output: Path, since: str = "") -> list[Source]:
    with Ledger() as book:
        book.load(STORE, str(output), since)
        return list(book.unfinished(INPUTS))


@pytest.mark.parametrize("batch", [2, 50_000])
def test_what_is_not_finished_comes_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(ledger, "BATCH", batch)
    monkeypatch.setattr(history, "BATCH", batch)
    monkeypatch.setattr(ledger, "SLICE", batch)
    assert unfinished(tmp_path) == INPUTS
    write(tmp_path, "run-1", saved(1), filtered(4), quarantined(5))
    write(tmp_path, "run-2", saved(5), quarantined(6, Code.READ_FAILED), quarantined(2, Code.LEAK_FOUND))
    assert unfinished(tmp_path) == [INPUTS[0], INPUTS[3], INPUTS[6]]
    assert unfinished(tmp_path, "run-2") == [INPUTS[number] for number in (0, 1, 3, 4, 6)]
    with Ledger() as book:
        book.load(STORE, str(tmp_path))
        headers = {header.uri: header.finished for header in history.finished(STORE, str(tmp_path), book)}
        book.load(STORE, str(tmp_path), "run-2")
        assert list(book.unfinished(INPUTS[2:5])) == INPUTS[3:5]
        redone = {header.uri for header in history.finished(STORE, str(tmp_path), book)}
    ends = {1: "saved", 2: "quarantined", 4: "filtered", 5: "saved"}
    assert headers == {f"file:///in/{number}": end for number, end in ends.items()}
    assert redone == {"file:///in/1", "file:///in/2", "file:///in/5"}, "what is not given stays finished, what is done again is not"


@pytest.mark.parametrize("rows", [2, 50_000])
def test_an_input_without_a_row_or_with_two_is_unaccounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(ledger, "SLICE", rows)
    write(tmp_path, "run-1", saved(0), saved(1), filtered(2), saved(9))
    write(tmp_path, "run-1", quarantined(1), quarantined(3))
    with Ledger(lambda uri: f"id-{uri.rpartition('/')[2]}") as book:
        assert list(book.unfinished(INPUTS))
        assert book.counts(STORE, str(tmp_path)) == ({"saved": 1, "filtered": 1, "quarantined": 1}, 4)


def test_a_retried_task_leaves_one_row_in_every_table_that_tells_of_the_same_end(tmp_path: Path) -> None:
    write(tmp_path, "run-1", quarantined(1), quarantined(2), filtered(3))
    write(tmp_path, "run-1", saved(1), quarantined(2), saved(4))
    write(tmp_path, "run-1", saved(1), filtered(3))
    compact(STORE, str(tmp_path))
    for table in ("audit/instances", "restricted/crosswalk"):
        rows = [row for part in audit.read(STORE, str(tmp_path), table) for row in part.to_pylist()]
        found = sorted((row["instance_id"], row["status"]) for row in rows)
        assert found == [("id-1", "saved"), ("id-2", "quarantined"), ("id-3", "filtered"), ("id-4", "saved")]
    entities = [row for part in audit.read(STORE, str(tmp_path), "audit/entities") for row in part.to_pylist()]
    assert sorted(row["instance_id"] for row in entities) == ["id-1", "id-1", "id-4", "id-4"]


def test_entities_of_an_end_that_does_not_count_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, "run-1", saved(1), saved(2))
    compact(STORE, str(tmp_path))
    write(tmp_path, "run-2", quarantined(1, Code.LEAK_FOUND))
    compact(STORE, str(tmp_path))
    entities = [row for part in audit.read(STORE, str(tmp_path), "audit/entities") for row in part.to_pylist()]
    assert {row["instance_id"] for row in entities} == {"id-2"}


def test_the_database_holds_no_name_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, "run-1", saved(1))
    with Ledger() as book:
        book.load(STORE, str(tmp_path))
        assert list(book.unfinished(INPUTS))
        book.connection.execute("checkpoint")
        texts = [path.read_bytes() for path in Path(book._folder.name).rglob("*") if path.is_file()]
    assert texts
    assert not any(b"file:///in" in text for text in texts)
