"""``inspect`` shows every action and every box of one file, and writes nothing but the picture that it was asked for."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from pipeline.cli import main
from tests.end_to_end import archive

CONFIG = str(Path(__file__).resolve().parents[2] / "configs" / "basic.yaml")


def inspect(*arguments: str) -> int:
    return main(["inspect", "--config", CONFIG, *arguments])


def test_tags_and_boxes_are_shown_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = archive.burned(tmp_path / "one.dcm"), tmp_path / "boxes.png"
    before = path.read_bytes()
    assert inspect(str(path), "--png", str(picture)) == 0
    shown = capsys.readouterr().out
    [name] = [line.split() for line in shown.splitlines() if line.startswith("PatientName ")]
    assert name[1:3] == ["PN", "replaced"]
    [box] = [line.split() for line in shown.splitlines() if "ZYXWANDT" in line]
    assert box[5] == "masked"
    x, y = int(box[1]), int(box[2])
    assert tuple(cv2.imread(str(picture))[y, x]) == (64, 64, 255)
    assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"one.dcm", "boxes.png"}


def test_what_is_written_in_the_image_is_not_shown_when_it_is_not_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(archive.burned(tmp_path / "one.dcm")), "--no-values") == 0
    shown = capsys.readouterr().out
    assert "masked" in shown
    assert not [canary for canary in archive.CANARIES if canary in shown.lower()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (FileNotFoundError); expected one DICOM file, or its URI"),
        (b"text", "would be no saved file: not_dicom: no DICM prefix, and the first bytes are no data elements"),
    ],
)
def test_a_file_that_cannot_be_inspected_is_said(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one"
    if content is not None:
        path.write_bytes(content)
    assert inspect(str(path)) == 2
    assert capsys.readouterr().err == f"dicom-deid: '{path}' {said}\n"


def test_a_folder_is_no_file_to_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(tmp_path)) == 2
    assert capsys.readouterr().err.endswith("cannot be read (IsADirectoryError); expected one DICOM file, or its URI\n")


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(archive.burned(tmp_path / "one.dcm")), "--png", str(tmp_path / "absent" / "x.png")) == 2
    assert capsys.readouterr().err.endswith("x.png: cannot be written (No such file or directory)\n")


def test_a_frame_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(archive.burned(tmp_path / "one.dcm")), "--png", str(tmp_path / "x.png"), "--frame", "3") == 2
    assert "the instance has 1 frames, counted from 0" in capsys.readouterr().err
