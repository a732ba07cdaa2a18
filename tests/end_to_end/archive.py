"""Small archives for end-to-end tests, made from pydicom's bundled files, with planted PHI."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PLANTED = {
    "PatientName": "Zyxwandt^Ottilie",
    "PatientID": "QK-7734509",
    "PatientBirthDate": "19310617",
    "InstitutionName": "Krankenhaus Unterfeldbach",
    "ReferringPhysicianName": "Grimwald^Theobald",
    "AccessionNumber": "ACX9987612",
    "PatientAddress": "Lindwurmallee 88",
    "StudyDescription": "Thorax fuer Zyxwandt",
    "OperatorsName": "Hollerbusch^Minna",
}
CANARIES = (
    "zyxwandt",
    "ottilie",
    "qk-7734509",
    "7734509",
    "unterfeldbach",
    "grimwald",
    "theobald",
    "acx9987612",
    "lindwurmallee",
    "hollerbusch",
)


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is not bundled with pydicom"
    return Path(path)


def plant(dataset: pydicom.Dataset) -> None:
    """Write the planted identity into the header, into a nested item and into a private block."""
    for keyword, value in PLANTED.items():
        setattr(dataset, keyword, value)
    item = pydicom.Dataset()
    item.RequestedProcedureDescription = "fuer Zyxwandt, Ottilie"
    item.ScheduledProcedureStepID = PLANTED["AccessionNumber"]
    dataset.RequestAttributesSequence = [item]
    block = dataset.private_block(0x0099, "ACME 1.0", create=True)
    block.add_new(0x01, "LO", PLANTED["PatientName"])
    block.add_new(0x02, "OB", PLANTED["PatientID"].encode())


def series(
    folder: Path, count: int, source: str = "CT_small.dcm", modality: str = "CT", image_type: str = "ORIGINAL\\PRIMARY\\AXIAL"
) -> list[Path]:
    """A series of ``count`` instances of one patient, with different pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    study, uid = generate_uid(), generate_uid()
    paths = []
    for number in range(count):
        dataset = pydicom.dcmread(bundled(source))
        plant(dataset)
        dataset.Modality, dataset.ImageType = modality, image_type.split("\\")
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = study, uid, generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number + 1
        pixels = dataset.pixel_array.copy()
        pixels[0, 0] = number
        dataset.PixelData = pixels.tobytes()
        path = folder / f"{number:04d}_Zyxwandt"
        dataset.save_as(path)
        paths.append(path)
    return paths


def burned(path: Path, text: str = "ZYXWANDT OTTILIE") -> Path:
    """One image with the planted name burned in."""
    import cv2

    dataset = pydicom.dcmread(bundled("CT_small.dcm"))
    plant(dataset)
    pixels = np.full((256, 256), 300, np.uint16)
    pixels[64:192, 64:192] = 900
    canvas = np.zeros((256, 256), np.uint8)
    cv2.putText(canvas, text, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)
    pixels[canvas > 100] = 2000
    dataset.Rows, dataset.Columns, dataset.PixelRepresentation = 256, 256, 0
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path


def mixed(folder: Path) -> int:
    """Everything that an archive holds: series, burned-in text, a document, a broken file, a text file, an empty one, a DICOMDIR.

    Returns the number of files.
    """
    series(folder / "ct", 5)
    series(folder / "mr", 3, source="MR_small.dcm", modality="MR")
    burned(folder / "burned" / "one.dcm")
    for name in (
        "rtplan.dcm",
        "JPEG2000.dcm",
        "examples_palette.dcm",
        "SC_rgb_rle_2frame.dcm",
        "test-SR.dcm",
        "MR_truncated.dcm",
        "no_meta.dcm",
    ):
        shutil.copy(bundled(name), folder / name)
    shutil.copy(bundled("DICOMDIR"), folder / "DICOMDIR")
    (folder / "Zyxwandt_notes.txt").write_text("Ottilie Zyxwandt, QK-7734509\n")
    (folder / "empty.dcm").write_bytes(b"")
    first = folder / "ct" / "0000_Zyxwandt"
    shutil.copy(first, folder / "ct" / "copy_of_first")
    return sum(path.is_file() for path in folder.rglob("*"))
