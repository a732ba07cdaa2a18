"""The manifest of what no run finished."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import audit
from pipeline.cli import main
from pipeline.commands import pending
from pipeline.inputs import expand
from pipeline.storage import Store
from tests.pipeline.test_audit import filtered, saved
from transforms.errors import Code
from transforms.types import Source

STORE = Store()


def test_passing_failures_are_pending_and_other_ends_are_not(tmp_path: Path) -> None:
    output = str(tmp_path)
    audit.AuditWriter(STORE, output, "run-1").write([saved(1), filtered(2), filtered(3, Code.READ_FAILED), filtered(4, Code.LEAK_FOUND)])
    sources = [Source(f"file:///in/{number}") for number in range(1, 6)]
    (tmp_path / "run.json").write_text(json.dumps({"state": "finished"}))
    assert [source.uri[-1] for source in pending.pending(sources, STORE, output)] == ["3", "5"]
    (tmp_path / "run.json").write_text(json.dumps({"state": "launched"}))
    assert list(pending.pending(sources, STORE, output)) == sources


def test_a_large_manifest_has_all_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pending, "BATCH_ROWS", 10)
    count, data = pending.write_manifest(Source(f"gs://b/{number:03d}", None if number % 2 else number) for number in range(25))
    (tmp_path / "m.parquet").write_bytes(data)
    found = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert count == len(found) == 25
    assert found[:2] == [{"uri": "gs://b/000", "size": 0}, {"uri": "gs://b/001", "size": None}]


def test_a_file_that_may_still_be_written_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, age in (("old", 3600), ("Zyxwandt", 5)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / "dangling").symlink_to(tmp_path / "gone")
    command = ["pending", "--input", str(folder), "--output", str(tmp_path / "out"), "--to", str(tmp_path / "m.parquet")]
    assert main([*command, "--settled", "600"]) == 0
    assert capsys.readouterr().out.startswith("2 of 3 inputs are pending, 1 left for the next time: ")
    assert [Path(row["uri"]).name for row in pq.read_table(tmp_path / "m.parquet").to_pylist()] == ["dangling", "old"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("3 of 3 inputs are pending: ")


def test_a_run_takes_the_manifest_from_an_object_store(capsys: pytest.CaptureFixture[str]) -> None:
    root = "memory://pending"
    for number in range(3):
        STORE.write_atomic(f"{root}/in/{number}/Zyxwandt", b"x" * number)
    assert main(["pending", "--input", f"{root}/in", "--output", f"{root}/out", "--settled", "600"]) == 0
    assert capsys.readouterr().out == f"3 of 3 inputs are pending: {root}/out/restricted/pending.parquet\n"
    found = list(expand([f"{root}/out/restricted/pending.parquet"], STORE, f"{root}/out"))
    assert [(source.uri, source.size) for source in found] == [(f"{root}/in/{number}/Zyxwandt", number or None) for number in range(3)]


def test_wrong_options_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pending", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main([*command, "--settled=-1"]) == 2
    assert main([*command, "--none-status=300"]) == 2
    assert "--none-status is 300; expected 0 to 255" in capsys.readouterr().err
    assert main(command) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "in").write_bytes(b"")
    assert main([*command, "--to", str(tmp_path / "in" / "x")]) == 2
    assert "x: cannot be written (FileExistsError); expected a file in a folder" in capsys.readouterr().err
