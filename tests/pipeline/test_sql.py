"""The queries for analysts run on a real audit, and docs/audit.md names every column, type and code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import audit
from pipeline.report_data import REASONS
from tests.pipeline.made_output import BOX, MadeOutput, make_output
from transforms.pixels import share

ROOT = Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "configs" / "sql").glob("*.sql"))
DOCS = ROOT / "docs" / "audit.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeOutput:
    return make_output(tmp_path_factory.mktemp("sql"))


def ask(made: MadeOutput, name: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.chdir(made.folder)
    cursor = duckdb.connect().execute((ROOT / "configs" / "sql" / f"{name}.sql").read_text())
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_runs_and_says_what_it_is_for(path: Path, made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    source = path.read_text()
    assert re.match(r"-- .{20,}", source)
    assert source.startswith("-- RESTRICTED: ") == ("restricted/" in source)
    assert ask(made, path.stem, monkeypatch) or path.stem == "uncertain_text"


def test_every_query_is_in_the_docs() -> None:
    text = DOCS.read_text()
    assert [path.name for path in QUERIES if f"`{path.name}`" not in text] == []


def test_status_adds_up(made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {row["status"]: row["instances"] for row in ask(made, "status", monkeypatch)}
    assert found == {"saved": made.saved, "filtered": made.filtered, "quarantined": made.quarantined}


def test_masks_cover_what_they_cover(made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    [first, *_] = ask(made, "boxes_by_modality", monkeypatch)
    assert (first["modality"], first["saved"], first["with_text"], first["boxes"]) == ("US", 3, 3, 3)
    assert first["percent_covered"] == pytest.approx(100 * BOX.w * BOX.h / 128**2, abs=0.001)
    [position] = ask(made, "box_positions", monkeypatch)
    assert (position["third_down"], position["third_across"], position["boxes"]) == (0, 1, 3)


def test_frames_that_no_engine_read_are_named(made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    [row] = ask(made, "frames_not_looked_at", monkeypatch)
    assert (row["method"], row["frames"]) == ("triage", 4)


def test_the_condition_that_filtered_a_series_is_named(made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    [row] = ask(made, "filtered_series", monkeypatch)
    assert (row["condition_type"], row["value"], row["dicom_tag"], row["instances"]) == ("NOT_SUBSTR", "LOCALIZER", "ImageType", 1)


def described(heading: str) -> list[tuple[str, str]]:
    """First two columns of the table below a heading of the docs."""
    section = DOCS.read_text().split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", section, re.M)


@pytest.mark.parametrize("table", audit.TABLES)
def test_the_docs_name_every_column_and_its_type(table: str) -> None:
    def plain(kind: str) -> str:
        return re.sub(r"^list<\w+: (struct|\w+).*", r"list of \1", kind)

    assert described(table) == [(column.name, plain(str(column.type))) for column in audit.TABLES[table]]


def test_the_docs_explain_how_frames_are_decided() -> None:
    known = {share._method(known, looked) for known in (False, True) for looked in (False, True)} | {"same-bytes", "device:NAME"}
    assert {method for method, _ in described("How a frame was decided") if not method.startswith("…")} == known | {"method"}


def test_the_docs_explain_every_code() -> None:
    assert described("Codes") == list(REASONS.items())
