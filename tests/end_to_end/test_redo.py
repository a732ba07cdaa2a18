"""Runs that do again what an earlier one did: under other settings, of a part, after a death, in a copy."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pydicom
import pytest

from pipeline import attempts
from pipeline.cli import main
from tests.end_to_end import archive
from tests.end_to_end.test_run import deid, rows, tree


def test_redo_under_another_secret_leaves_nothing_of_the_old_one(tmp_path: Path, secret_file: Path) -> None:
    archive.series(tmp_path / "in", 2)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    old = tree(tmp_path / "out")
    secret_file.write_text("another secret, also long enough")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo") == 0
    new = tree(tmp_path / "out")
    assert len(new) == 2
    assert not set(old) & set(new)
    assert len(rows(tmp_path / "out", "audit/instances")) == 2


def test_redo_after_a_run_that_died_leaves_no_file_of_which_no_row_tells(tmp_path: Path, secret_file: Path) -> None:
    paths = archive.series(tmp_path / "in", 3)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    old = tree(tmp_path / "out")
    for part in (*(tmp_path / "out" / "audit").rglob("*.parquet"), *(tmp_path / "out" / "restricted").rglob("*.parquet")):
        part.unlink()
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps(record | {"state": "running"}))
    paths[0].unlink()
    secret_file.write_text("another secret, also long enough")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo") == 0
    new = tree(tmp_path / "out")
    assert len(new) == 2
    assert not set(old) & set(new)
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_redo_in_a_copy_of_an_output_leaves_the_other_alone(tmp_path: Path, secret_file: Path) -> None:
    archive.series(tmp_path / "in", 2)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    old = tree(tmp_path / "out")
    secret_file.write_text("another secret, also long enough")
    assert deid(tmp_path / "in", tmp_path / "copy", secret_file, "--redo") == 0
    assert tree(tmp_path / "out") == old
    assert len(tree(tmp_path / "copy")) == 2
    assert not set(old) & set(tree(tmp_path / "copy"))


def test_a_redo_that_died_is_continued_as_one(tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.series(tmp_path / "in", 3)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    old = tree(tmp_path / "out")
    secret_file.write_text("another secret, also long enough")
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "persist", lambda *_, **__: sys.exit("killed"))
        with pytest.raises(SystemExit):
            deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo")
    assert tree(tmp_path / "out") == old
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    new = tree(tmp_path / "out")
    assert len(new) == 3
    assert not set(old) & set(new)


def test_a_redo_goes_on_when_the_same_command_is_run_again(tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.series(tmp_path / "in", 3)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.run.compact", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo")
    with monkeypatch.context() as patched:
        patched.delattr(attempts, "persist")  # all is done but the end
        assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo") == 0
    [(first,)] = rows(tmp_path / "out", "audit/instances", "distinct run_id")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo") == 0
    [(second,)] = rows(tmp_path / "out", "audit/instances", "distinct run_id")
    assert str(first) < str(second), "a redo that is finished is no reason not to do all again"


def test_a_redo_of_a_part_under_another_secret_is_refused(
    tmp_path: Path, secret_file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = archive.series(tmp_path / "in", 2)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    secret_file.write_text("another secret, also long enough")
    assert deid(first, tmp_path / "out", secret_file, "--redo") == 2
    assert "1 of them are not given" in capfd.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "persist", lambda *_, **__: sys.exit("killed"))
        with pytest.raises(SystemExit):
            deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo")
    for _ in range(2):
        assert deid(first, tmp_path / "out", secret_file) == 2, "a part of it does not end the redo that died, either"
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert deid(first, tmp_path / "out", secret_file, "--redo") == 0, "and then there are no other settings"


def test_a_redo_of_a_part_knows_the_rest_of_its_series(tmp_path: Path, secret_file: Path) -> None:
    wanted, other = archive.series(tmp_path / "in" / "mixed", 2, image_type="DERIVED\\SECONDARY")
    primary = pydicom.dcmread(other)
    primary.ImageType = ["ORIGINAL", "PRIMARY"]
    primary.save_as(other)
    [first] = archive.series(tmp_path / "in" / "double", 1, image_type="DERIVED\\SECONDARY")
    copy = shutil.copy(first, tmp_path / "in" / "double" / "z_copy")
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: few\nsave_conditions: [NOT_SUBSTR PRIMARY ImageType]\n")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, config=str(policy)) == 0
    before = tree(tmp_path / "out"), rows(tmp_path / "out", "restricted/crosswalk", "url, status, code")
    for part in (wanted, copy, first):
        assert deid(Path(part), tmp_path / "out", secret_file, "--redo", config=str(policy)) == 0
        assert (tree(tmp_path / "out"), rows(tmp_path / "out", "restricted/crosswalk", "url, status, code")) == before
