"""The whole job on real files, in one process and in several."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pydicom
import pytest

from pipeline import attempts, history
from pipeline.cli import main
from tests.end_to_end import archive

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs" / "basic.yaml")


def deid(inputs: Path, output: Path, secret: Path, *extra: str, config: str = CONFIG) -> int:
    return main(["run", "--config", config, "--input", str(inputs), "--output", str(output), "--secret-file", str(secret), *extra])


def rows(output: Path, table: str, columns: str = "*", where: str = "true") -> list[tuple[object, ...]]:
    found = duckdb.sql(f"select {columns} from '{output}/{table}/*.parquet' where {where} order by all")
    return found.fetchall()


def tree(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in sorted((output / "instances").rglob("*.dcm"))}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, int]:
    """An archive, its output, the secret, and the number of files."""
    folder = tmp_path_factory.mktemp("run")
    secret = folder / "secret"
    secret.write_text("a test secret of more than sixteen bytes")
    count = archive.mixed(folder / "in")
    assert deid(folder / "in", folder / "out", secret) == 0
    return folder / "in", folder / "out", secret, count


def test_every_input_has_exactly_one_row(finished: tuple[Path, Path, Path, int]) -> None:
    inputs, output, _, count = finished
    found = rows(output, "restricted/crosswalk", "url, status, code")
    assert len(found) == count
    assert {Path(str(url).removeprefix("file://")) for url, _, _ in found} == {path for path in inputs.rglob("*") if path.is_file()}
    by_name = {Path(str(url)).name: (status, code) for url, status, code in found}
    assert by_name["Zyxwandt_notes.txt"] == ("filtered", "not_dicom")
    assert by_name["DICOMDIR"] == ("filtered", "dicomdir")
    assert by_name["empty.dcm"] == ("filtered", "empty")
    assert by_name["copy_of_first"] == ("filtered", "duplicate")
    assert by_name["MR_truncated.dcm"][0] == "quarantined"
    assert by_name["one.dcm"] == ("saved", None)
    record = json.loads((output / "run.json").read_text())
    assert record["unaccounted"] == 0
    assert sum(record["counts"].values()) == count


def test_saved_files_read_and_decode_to_the_shape_they_had(finished: tuple[Path, Path, Path, int]) -> None:
    _, output, _, _ = finished
    found = rows(output, "restricted/crosswalk", "url, url_deid", "status = 'saved'")
    assert found
    for url, url_deid in found:
        before = pydicom.dcmread(str(url).removeprefix("file://"), force=True)
        after = pydicom.dcmread(str(url_deid).removeprefix("file://"))
        assert after.PatientIdentityRemoved == "YES"
        assert Path(str(url_deid)).stem == after.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID
        if "PixelData" in before:
            if not hasattr(before.file_meta, "TransferSyntaxUID"):
                before.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            assert after.pixel_array.shape == before.pixel_array.shape


def test_an_image_without_text_keeps_its_pixel_data(finished: tuple[Path, Path, Path, int]) -> None:
    _, output, _, _ = finished
    for url, url_deid in rows(output, "restricted/crosswalk", "url, url_deid", "status = 'saved' and url like '%/ct/%'"):
        before, after = (pydicom.dcmread(str(uri).removeprefix("file://")) for uri in (url, url_deid))
        assert before.PixelData == after.PixelData


def test_the_burned_in_name_is_masked_and_the_rest_stays(finished: tuple[Path, Path, Path, int]) -> None:
    _, output, _, _ = finished
    [(url, url_deid)] = rows(output, "restricted/crosswalk", "url, url_deid", "url like '%one.dcm'")
    before, after = (pydicom.dcmread(str(uri).removeprefix("file://")) for uri in (url, url_deid))
    ink = before.pixel_array == 2000
    assert ink.sum() > 200
    assert (after.pixel_array[ink] != 2000).mean() > 0.99
    assert (before.pixel_array[40:] == after.pixel_array[40:]).all()
    assert after.BurnedInAnnotation == "NO"
    assert any(item.CodeValue == "113101" for item in after.DeidentificationMethodCodeSequence)


def test_no_canary_leaves_the_restricted_folder(finished: tuple[Path, Path, Path, int]) -> None:
    _, output, _, _ = finished
    for path in output.rglob("*"):
        if not path.is_file() or "restricted" in path.parts:
            continue
        name = str(path.relative_to(output)).lower()
        texts = [path.read_bytes().lower()]
        if path.suffix == ".parquet":
            texts.append(str(duckdb.sql(f"select * from '{path}'").fetchall()).lower().encode())
        for canary in archive.CANARIES:
            assert canary not in name
            assert all(canary.encode() not in text for text in texts), f"a canary is in {path.suffix} of {path.parent.name}"


def test_a_second_run_does_no_work(finished: tuple[Path, Path, Path, int], capfd: pytest.CaptureFixture[str]) -> None:
    inputs, output, secret, count = finished
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    assert deid(inputs, output, secret) == 0
    assert f"{count} inputs ({count} of them by an earlier run)" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before


def test_another_policy_or_secret_is_refused(
    finished: tuple[Path, Path, Path, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs, output, _, _ = finished
    other = tmp_path / "other"
    other.write_text("another secret, also long enough")
    assert deid(inputs, output, other) == 2
    assert "another secret" in capfd.readouterr().err


def test_several_processes_give_the_same_files_and_say_nothing_of_phi(
    finished: tuple[Path, Path, Path, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs, output, secret, _ = finished
    assert deid(inputs, tmp_path / "out", secret, "--workers", "2") == 0
    assert tree(tmp_path / "out") == tree(output)
    columns = "instance_id, status, code, save_condition, entities, boxes_masked"
    assert rows(tmp_path / "out", "audit/instances", columns) == rows(output, "audit/instances", columns)
    shown = "".join(capfd.readouterr()).lower()
    assert not [canary for canary in archive.CANARIES if canary in shown]
    assert "traceback" not in shown


def test_a_run_that_is_killed_is_finished_by_running_it_again(finished: tuple[Path, Path, Path, int], tmp_path: Path) -> None:
    inputs, output, secret, count = finished
    command = [sys.executable, "-m", "pipeline", "run", "--config", CONFIG, "--input", str(inputs), "--output", str(tmp_path / "out")]
    process = subprocess.Popen([*command, "--secret-file", str(secret)], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").glob("instances/**/*.dcm")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(tree(tmp_path / "out")) > 0
    assert deid(inputs, tmp_path / "out", secret) == 0
    assert tree(tmp_path / "out") == tree(output)
    assert len(rows(tmp_path / "out", "audit/instances")) == count


@pytest.mark.parametrize(("state", "status"), [("running", "saved"), ("stopped", "saved"), ("finished", "quarantined")])
def test_a_file_without_a_row_is_replaced_after_a_run_that_died(tmp_path: Path, secret_file: Path, state: str, status: str) -> None:
    """Its chunk may be another now: slices learn from each other where text is."""
    archive.series(tmp_path / "in", 2)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    whole = tree(tmp_path / "out")
    for part in (*(tmp_path / "out" / "audit").rglob("*.parquet"), *(tmp_path / "out" / "restricted").rglob("*.parquet")):
        part.unlink()
    name = min(whole)
    (tmp_path / "out" / name).write_bytes(whole[name] + b"\0\0")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps(record | {"state": state}))
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert sorted(rows(tmp_path / "out", "audit/instances", "status")) == sorted([("saved",), (status,)])
    assert (tree(tmp_path / "out") == whole) == (status == "saved"), "what no run is known to have left is nobody's to replace"


def test_a_copy_of_what_an_earlier_run_saved_is_a_duplicate(tmp_path: Path, secret_file: Path) -> None:
    [first] = archive.series(tmp_path / "in", 1)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    shutil.copy(first, tmp_path / "in" / "a_copy")
    other = pydicom.dcmread(first)
    other.KVP = 99
    other.save_as(tmp_path / "in" / "another")
    saved = tree(tmp_path / "out")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    found = rows(tmp_path / "out", "restricted/crosswalk", "url, status, code")
    assert {(Path(str(url)).name, status, code) for url, status, code in found} == {
        (first.name, "saved", None),
        ("a_copy", "filtered", "duplicate"),
        ("another", "quarantined", "conflicting_duplicate"),
    }
    assert tree(tmp_path / "out") == saved


def test_save_conditions_decide_by_series(tmp_path: Path, secret_file: Path) -> None:
    archive.series(tmp_path / "in" / "wanted", 2, modality="MR", image_type="DERIVED\\SECONDARY")
    archive.series(tmp_path / "in" / "primary", 2, modality="MR")
    archive.series(tmp_path / "in" / "other", 2, modality="US", image_type="DERIVED\\SECONDARY")
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, config=str(ROOT / "configs" / "save-conditions.yaml")) == 0
    found = rows(tmp_path / "out", "restricted/crosswalk", "url, status, save_condition, save_condition_series_agg")
    assert {(Path(str(url)).parent.name, status, one, series) for url, status, one, series in found} == {
        ("wanted", "saved", True, True),
        ("primary", "filtered", False, False),
        ("other", "filtered", False, False),
    }
    [evaluations] = {
        str(row) for (row,) in rows(tmp_path / "out", "restricted/crosswalk", "save_conditions_evaluations", "url like '%/other/%'")
    }
    assert "'condition_type': 'IN'" in evaluations
    assert "'tag_value': 'US'" in evaluations
    disabling = rows(tmp_path / "out", "restricted/crosswalk", "save_disabling_urls_series_agg", "url like '%/primary/%'")
    assert len(disabling[0][0]) == 2


def test_a_run_that_lost_its_lease_deletes_nothing(
    tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.series(tmp_path / "in", 2)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    before = tree(tmp_path / "out")
    secret_file.write_text("another secret, also long enough")
    persist = attempts.persist

    def lost(*words: object, **named: object) -> object:
        for path in (tmp_path / "out" / "restricted" / "leases").iterdir():
            path.unlink()  # as a run does that takes over
        return persist(*words, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "persist", lost)
        assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--redo") == 1
    assert "another may write to the output" in capsys.readouterr().err
    assert before.items() <= tree(tmp_path / "out").items()
    assert list((tmp_path / "out" / "audit" / "instances").glob("*.part-*"))
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert not set(before) & set(tree(tmp_path / "out"))


def test_max_quarantined_is_fatal(tmp_path: Path, secret_file: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.dcm").write_bytes(archive.bundled("MR_truncated.dcm").read_bytes())
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert deid(tmp_path / "in", tmp_path / "out", secret_file, "--max-quarantined", "0") == 1


def test_an_input_that_changes_at_the_same_size_is_noticed_and_done_by_a_rerun(
    tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = archive.series(tmp_path / "in", 2)
    other = paths[0].read_bytes().replace(b"Zyxwandt^Ottilie", b"Someone^Else^^^^")
    persist = attempts.persist

    def changed(*words: object, **named: object) -> object:
        paths[0].write_bytes(other)
        return persist(*words, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "persist", changed)
        assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert len(tree(tmp_path / "out")) == 1
    assert rows(tmp_path / "out", "audit/instances", "code", "status = 'quarantined'") == [("changed_during_run",)]
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert len(tree(tmp_path / "out")) == 2


def test_a_run_counts_after_one_of_a_machine_whose_clock_was_ahead(
    tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, _] = archive.series(tmp_path / "in", 2)
    manifest = tmp_path / "list.csv"
    manifest.write_text("uri\n" + "".join(f"{path}\n" for path in sorted((tmp_path / "in").iterdir())))
    first.rename(tmp_path / "away")
    with monkeypatch.context() as patched:
        patched.setattr(history, "RUN_ID", history.RUN_ID.replace("%Y", "2999"))
        assert deid(manifest, tmp_path / "out", secret_file) == 0
    (tmp_path / "away").rename(first)
    assert deid(manifest, tmp_path / "out", secret_file) == 0
    assert rows(tmp_path / "out", "audit/instances", "status") == [("saved",), ("saved",)]
    assert len(tree(tmp_path / "out")) == 2


def test_the_work_list_of_a_job_that_was_launched_stays_until_it_is_done(
    tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.series(tmp_path / "in" / "first", 1)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps(record | {"state": "launched"}))
    folder = tmp_path / "out" / "restricted" / "manifests"
    for run in (record["run_id"], "one-that-died"):
        (folder / run).mkdir(exist_ok=True)
        (folder / run / "part-000000.jsonl").write_text("{}")
    archive.series(tmp_path / "in" / "second", 1)
    persist, seen = attempts.persist, set()

    def look(*words: object, **named: object) -> object:
        seen.update(path.parent.name for path in folder.rglob("*.jsonl"))
        return persist(*words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(attempts, "persist", look)
    assert deid(tmp_path / "in", tmp_path / "out", secret_file) == 0
    assert record["run_id"] in seen
    assert "one-that-died" not in seen
    assert not list(folder.rglob("*.jsonl"))


def test_no_work_list_stays_behind(finished: tuple[Path, Path, Path, int]) -> None:
    _, output, _, _ = finished
    assert not [path for path in (output / "restricted" / "manifests").rglob("*") if path.is_file()]


def test_who_does_not_read_on_is_not_told_that_all_went_well(tmp_path: Path, secret_file: Path) -> None:
    archive.series(tmp_path / "in", 1)
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        "--config",
        CONFIG,
        "--input",
        str(tmp_path / "in"),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen([*command, "--secret-file", str(secret_file)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 141
