"""Cleaning apart: an instance that kills its process is the only one that is lost; nothing is written twice or in two ways."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from pipeline.apart import Apart
from pipeline.secret import SecretRef
from pipeline.storage import Store
from pipeline.worker import Job
from tests.end_to_end import archive
from transforms.errors import DeidError
from transforms.types import Chunk, Header, Outcome, SeriesDecision, Source

POISON = Path(__file__).parents[1] / "scale" / "poison"


def job(folder: Path, secret: Path) -> Job:
    (folder / "policy.json").write_text('{"pixels": {"mode": "REDACT_NO_TEXT"}}')
    return Job("run", str(folder / "policy.json"), SecretRef("file", str(secret)), str(folder / "out"), Store())


def chunk(paths: list[Path]) -> Chunk:
    headers = []
    for path in paths:
        dataset = pydicom.dcmread(path)
        ids = [str(dataset[name].value) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID")]
        headers.append(Header(f"id-{path.name}", str(path), path.stat().st_size, *ids))
    return Chunk("key", tuple(headers), SeriesDecision(True))


def poison(*paths: Path, marker: str = "POISON-OF-THE-TESTS") -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.ImageComments = marker
        dataset.save_as(path)


def ends(outcomes: list[Outcome]) -> list[str]:
    return [str(outcome.instance["code"] or outcome.status) for outcome in outcomes]


def test_only_the_instance_that_kills_is_quarantined(tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(POISON))
    paths = archive.series(tmp_path / "in", 4)
    twin = pydicom.dcmread(paths[3]).SOPInstanceUID
    dataset = pydicom.dcmread(paths[2])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = twin
    dataset.save_as(paths[2])
    poison(paths[1])
    apart = Apart(job(tmp_path, secret_file))
    done = list(apart.process([chunk(paths)]))
    assert ends(done) == ["saved", "worker_killed", "saved", "conflicting_duplicate"]
    assert done[1].instance["stage"] == "clean"
    assert done[1].crosswalk["url"] == str(paths[1])
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
    more = archive.series(tmp_path / "more", 2)
    assert ends(list(apart.process([chunk(more)]))) == ["saved", "saved"]


def test_only_the_header_that_kills_is_quarantined(tmp_path: Path, secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(POISON))
    paths = archive.series(tmp_path / "in", 3)
    poison(paths[1], marker="POISON-OF-HEADERS")
    (tmp_path / "in" / "note.txt").write_text("no image")
    apart = Apart(job(tmp_path, secret_file))
    found = [apart.read(Source(str(path), path.stat().st_size)) for path in (*paths, tmp_path / "in" / "note.txt")]
    assert [item.instance["code"] if isinstance(item, Outcome) else item.save for item in found] == [
        True,
        "worker_killed",
        True,
        "not_dicom",
    ]
    assert isinstance(found[1], Outcome)
    assert found[1].instance["stage"] == "read_header"
    assert found[1].crosswalk["url"] == str(paths[1])


def test_a_secret_that_is_not_there_is_no_fault_of_an_instance(tmp_path: Path) -> None:
    with pytest.raises(DeidError) as raised:
        list(Apart(job(tmp_path, tmp_path / "missing")).process([chunk(archive.series(tmp_path / "in", 1))]))
    assert raised.value.code == "internal"
