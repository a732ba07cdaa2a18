"""What verify must see: every way in which rows, files and claims can disagree, each named once and no value shown."""

from __future__ import annotations

import argparse
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest

from pipeline import report, verify_counts, verify_files
from pipeline.commands import verify
from pipeline.settings import load_policy
from pipeline.storage import Store
from tests.pipeline.made_output import CANARIES, MadeOutput, make_output, method
from transforms.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    make_output(folder)
    return folder


@pytest.fixture
def made(pristine: Path, tmp_path: Path) -> MadeOutput:
    """A copy that a test may break; being elsewhere than the rows say must not matter."""
    shutil.copytree(pristine, tmp_path / "copy")
    return MadeOutput(tmp_path / "copy" / "out", 7, 2, 3)


def run(made: MadeOutput, *flags: str, output: str | None = None) -> tuple[int, dict[str, dict[str, Any]]]:
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    result = made.folder / "result.json"
    status = verify.main(parser.parse_args([output or str(made.folder), "--json", str(result), *flags]))
    return status, {check["name"]: check for check in json.loads(result.read_text())["checks"]}


def failed(made: MadeOutput, *flags: str, output: str | None = None) -> dict[str, int]:
    status, checks = run(made, *flags, output=output)
    found = {name: check["failed"] for name, check in checks.items() if check["failed"]}
    assert status == (1 if found else 0)
    return found


def edit_rows(made: MadeOutput, table: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    [path] = (made.folder / table).glob("*.parquet")
    data = pq.read_table(path)
    pq.write_table(data.from_pylist(change(data.to_pylist()), schema=data.schema), path)


def edit_file(path: Path, **values: Any) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)


def test_a_good_output_passes_with_every_option(made: MadeOutput, secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, checks = run(made, "--originals", "--secret-file", str(secret_file))
    assert status == 0, [check for check in checks.values() if check["failed"]]
    assert set(checks) == set(verify.MEANING)
    assert checks["file_identifier"]["checked"] == made.saved
    assert checks["rows_unique"]["checked"] == made.saved + made.filtered + made.quarantined
    assert "all as it should be" in capsys.readouterr().out


def test_files_of_a_store_that_waits_are_read_together(made: MadeOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    together, read = threading.Barrier(made.saved), Store.read_all

    def late(self: Store, uri: str, *rest: Any) -> bytes:
        if uri.endswith(".dcm"):
            together.wait(20)
        return read(self, uri, *rest)

    monkeypatch.setattr(Store, "waits", staticmethod(lambda uri: True))
    monkeypatch.setattr(Store, "read_all", late)
    assert failed(made) == {}


def test_an_output_in_object_storage_passes_and_has_a_report(made: MadeOutput) -> None:
    store, bucket = Store(), "memory://verify/out"
    for path in (path for path in made.folder.rglob("*") if path.is_file()):
        store.write_atomic(f"{bucket}/{path.relative_to(made.folder)}", path.read_bytes())
    assert failed(MadeOutput(made.folder, 7, 2, 3), output=bucket) == {}
    assert report.render(store, bucket, 2) == report.render(store, str(made.folder), 2)


def test_several_processes_see_the_same(made: MadeOutput) -> None:
    edit_file(made.files()[0], PatientComments="for Zyxwandt")
    assert failed(made, "--originals", "--workers", "2") == failed(made, "--originals") == {"file_identifier": 1, "files_whole": 1}


def test_every_code_of_a_file_has_a_meaning() -> None:
    assert {f"file_{code}" for code in verify_files.CODES} | set(verify_counts.RULES) <= set(verify.MEANING)


def test_a_missing_and_a_stray_file_are_two_faults(made: MadeOutput, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.files()[0]
    path.rename(path.with_name("Zyxwandt.dcm"))
    assert failed(made) == {"files_present": 1, "files_accounted": 1, "file_unreadable": 1}
    assert "zyxwandt" not in capsys.readouterr().out.lower()


def test_what_a_killed_worker_leaves_is_no_fault(made: MadeOutput) -> None:
    (made.files()[0].parent / ".part-abc").write_bytes(b"x")
    assert failed(made) == {}


def test_a_row_twice(made: MadeOutput) -> None:
    edit_rows(made, "audit/instances", lambda rows: [*rows, next(row for row in rows if row["status"] == "saved")])
    assert failed(made) == {"rows_unique": 1, "names_unique": 1}


def test_a_lost_row(made: MadeOutput) -> None:
    edit_rows(made, "audit/instances", lambda rows: [row for row in rows if row["code"] != "dataset_unreadable"])
    assert failed(made) == {"run_finished": 1, "crosswalk_agrees": 1}


def test_a_saved_row_with_a_code(made: MadeOutput) -> None:
    edit_rows(made, "audit/instances", lambda rows: [row | {"code": row["code"] or "internal"} for row in rows])
    assert failed(made)["rows_consistent"] == made.saved


def test_lost_entities(made: MadeOutput) -> None:
    edit_rows(made, "audit/entities", lambda rows: [row for row in rows if row["action"] != "masked"])
    assert failed(made) == {"entities_counted": 3}


def test_a_run_that_did_not_end(made: MadeOutput) -> None:
    (made.folder / "run.json").unlink()
    assert failed(made) == {"run_finished": 1}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PatientIdentityRemoved": "NO"}, {"file_claim": 1}),
        ({"DeidentificationMethodCodeSequence": None, "DeidentificationMethod": "by hand"}, {"file_claim": 1}),
        ({"BurnedInAnnotation": "YES"}, {"file_claim": 1}),
        ({"DeidentificationMethodCodeSequence": [method("113100"), method("113101"), method("113110")]}, {"file_claim": 1}),
        ({"SeriesInstanceUID": "1.2.3.4"}, {"file_name": 1, "file_uid": 1}),
        ({"PixelData": b"\0" * 100}, {"file_pixels": 1}),
        ({"NumberOfFrames": 2}, {"file_pixels": 1}),
        ({"StudyDescription": "QK-7734509"}, {"file_identifier": 1}),
        ({"preamble": b"Zyxwandt" * 16}, {"file_preamble": 1}),
    ],
    ids=lambda item: next(iter(item)),
)
def test_a_file_that_is_not_what_it_should_be(made: MadeOutput, values: dict[str, Any], expected: dict[str, int]) -> None:
    edit_file(made.files()[0], **values)
    found = failed(made)
    found.pop("files_whole", None)
    assert found == expected


def test_names_are_looked_for_with_the_originals_only(made: MadeOutput, capsys: pytest.CaptureFixture[str]) -> None:
    edit_file(made.files()[0], StudyDescription="Thorax fuer Zyxwandt")
    assert failed(made) == {"files_whole": 1}
    assert failed(made, "--originals") == {"files_whole": 1, "file_identifier": 1}
    _, checks = run(made, "--originals")
    [[instance_id, path]] = checks["file_identifier"]["examples"]
    assert (len(instance_id), path) == (32, "StudyDescription")
    shown = capsys.readouterr().out.lower() + json.dumps(checks).lower()
    assert not [canary for canary in CANARIES if canary in shown]


def test_pixels_that_nobody_masked_must_be_the_originals(made: MadeOutput) -> None:
    path = next(path for path in made.files() if pydicom.dcmread(path).Modality == "CT")
    pixels = bytearray(pydicom.dcmread(path).PixelData)
    pixels[0] ^= 1
    edit_file(path, PixelData=bytes(pixels))
    assert failed(made) == {}
    assert failed(made, "--originals") == {"file_pixels_changed": 1}


def test_an_original_that_is_gone_is_said(pristine: Path, tmp_path: Path) -> None:
    other = make_output(tmp_path)
    shutil.rmtree(tmp_path / "in")
    assert failed(other, "--originals") == {"file_original_unreadable": other.saved}


def test_another_secret(made: MadeOutput, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("another secret, also long enough")
    assert failed(made, "--secret-file", str(other)) == {"secret_same": 1, "identity_follows": 12}


def test_a_sample_is_a_part_and_always_the_same(made: MadeOutput) -> None:
    counts = [run(made, "--sample", "0.5")[1]["file_claim"]["checked"] for _ in range(2)]
    assert counts[0] == counts[1] < made.saved
    assert run(made, "--sample", "0")[1]["file_claim"]["checked"] == 0


def edit_run(made: MadeOutput, **values: Any) -> None:
    path = made.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("since", "scanned"),
    [("2026-01-02T03:04:05", 7), ("2026-01-02T04:04:05+01:00", 7), ("2026-01-02T03:04:06Z", 0), ("2026-01-02T03:04:06-01:00", 0)],
)
def test_since_a_time_means_files_of_runs_since_then(made: MadeOutput, since: str, scanned: int) -> None:
    _, checks = run(made, "--since", since)
    assert (checks["file_identifier"]["checked"], checks["rows_unique"]["checked"]) == (scanned, 12)


def test_what_the_policy_retains_is_no_fault(made: MadeOutput) -> None:
    path = made.files()[0]
    codes = [method(code) for code in ("113100", "113101", "113112")]
    edit_file(path, InstitutionName="Krankenhaus Unterfeldbach", DeidentificationMethodCodeSequence=codes)
    assert failed(made, "--originals") == {"files_whole": 1, "file_claim": 1, "file_identifier": 1}
    edit_run(made, configuration={"tags": {"retain_institution_identity": True}})
    assert failed(made, "--originals") == {"files_whole": 1}


def test_a_configuration_of_another_version_is_said(made: MadeOutput) -> None:
    edit_run(made, configuration={"tomorrow": 1}, versions={"dicom-deid-pipeline": "9.9"})
    with pytest.raises(ConfigError, match=r"version 9\.9"):
        run(made)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_policy_of_a_run_is_read_back_from_its_record(path: Path) -> None:
    if "tags" not in path.read_text():
        pytest.skip("no policy")
    policy = load_policy(str(path)).model_copy(update={"save_conditions": ()})
    record = json.loads(json.dumps({"configuration": policy.model_dump(mode="json", exclude={"save_conditions"})}))
    assert verify._policy(record).fingerprint() == policy.fingerprint()


def test_what_cannot_be_checked_is_a_clear_error(tmp_path: Path, made: MadeOutput) -> None:
    with pytest.raises(ConfigError, match="holds no audit"):
        run(MadeOutput(tmp_path / "nothing", 0, 0, 0))
    with pytest.raises(ConfigError, match="0 to 1"):
        run(made, "--sample", "2")
    with pytest.raises(ConfigError, match="--examples is -1; expected 0 or more"):
        run(made, "--examples", "-1")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"--json .* cannot be written"):
        run(made, "--json", str(tmp_path / "file" / "x.json"))
