"""A small output as a run leaves it, with its originals, made without the pipeline: what verify, report and the queries are tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pipeline import audit, history
from pipeline.compact import compact
from pipeline.storage import Store
from tests.conftest import SECRET
from transforms.errors import Code
from transforms.outcomes import header_outcome, work_outcome
from transforms.tags.identity import Identity
from transforms.types import Box, Evaluation, Finding, FrameDecision, Header, Outcome, PixelReport, SeriesDecision, Status, Work

IDENTITY = Identity(SECRET.encode())
RUN_ID = "20260102T030405.000000Z"
CANARIES = ("zyxwandt", "ottilie", "7734509", "unterfeldbach", "lindwurm")
_PLANTED = {
    "PatientName": "Zyxwandt^Ottilie",
    "PatientID": "QK-7734509",
    "PatientBirthDate": "19310617",
    "InstitutionName": "Krankenhaus Unterfeldbach",
    "PatientAddress": "Lindwurmallee 88",
}
BOX = Box(6, 4, 84, 14)


@dataclass(frozen=True)
class MadeOutput:
    """Where the output is and what it holds."""

    folder: Path
    saved: int
    filtered: int
    quarantined: int

    def files(self) -> list[Path]:
        """The saved files, sorted."""
        return sorted((self.folder / "instances").rglob("*.dcm"))


def make_output(folder: Path, ct: int = 4, us: int = 3) -> MadeOutput:
    """``ct`` images without text, ``us`` with a masked name, two filtered and three quarantined inputs."""
    store, out, outcomes = Store(), folder / "out", []
    for modality, count in (("CT", ct), ("US", us)):
        study, series = generate_uid(), generate_uid()
        for number in range(count):
            original = _original(folder / "in" / f"{modality}{number}_Zyxwandt.dcm", modality, study, series, number)
            outcomes.append(_saved(store, out, original, folder / "in" / f"{modality}{number}_Zyxwandt.dcm"))
    scout = (Evaluation('{"condition_type": "NOT_SUBSTR", "value": "LOCALIZER", "dicom_tag": "ImageType"}', "ORIGINAL\\LOCALIZER", False),)
    filtered = [("a", Code.SAVE_CONDITION, "save_conditions"), ("b", Code.NOT_DICOM, "read_header")]
    quarantined = [("c", Code.PIXELS_UNDECODABLE, "mask"), ("d", Code.DATASET_UNREADABLE, "read"), ("e", Code.PIXELS_UNDECODABLE, "mask")]
    for status, items in ((Status.FILTERED, filtered), (Status.QUARANTINED, quarantined)):
        for name, code, stage in items:
            uri = str(folder / "in" / f"{name}_Zyxwandt.dcm")
            unwanted = code is Code.SAVE_CONDITION
            header = Header(
                IDENTITY.token("instance", uri, 32), uri, 1234, "1.2.3", "1.2.3.4", f"1.2.3.4.{ord(name)}", _PLANTED["PatientID"],
                modality="CT", evaluations=scout if unwanted else (), save=not unwanted,
            )  # fmt: skip
            decision = SeriesDecision(False, (uri,)) if unwanted else None
            outcomes.append(header_outcome(header, status, code, stage, decision=decision))
    audit.AuditWriter(store, str(out), RUN_ID).write(outcomes)
    compact(store, str(out))
    counts = {"saved": ct + us, "filtered": len(filtered), "quarantined": len(quarantined)}
    history.save_run(
        store,
        str(out),
        {
            "run_id": RUN_ID,
            "state": "finished",
            "policy": "basic",
            "settings": {"policy": "0123456789abcdef", "secret": IDENTITY.fingerprint(), "tables": "PS3.15 E.1-1 2024b"},
            "runner": "local",
            "workers": 2,
            "versions": {"pydicom": pydicom.__version__},
            "inputs": sum(counts.values()),
            "done": sum(counts.values()),
            "counts": counts,
            "unaccounted": 0,
            "seconds": 12.5,
        },
    )
    return MadeOutput(out, counts["saved"], counts["filtered"], counts["quarantined"])


def _original(path: Path, modality: str, study: str, series: str, number: int) -> pydicom.Dataset:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    for keyword, text in _PLANTED.items():
        setattr(dataset, keyword, text)
    dataset.Modality, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = modality, study, series, generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = dataset.pixel_array.copy()
    if modality == "US":
        canvas = np.zeros(pixels.shape, np.uint8)
        cv2.putText(canvas, "ZYXWANDT", (BOX.x, BOX.y + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255)
        pixels[canvas > 100] = 4000
    pixels[-1, -1] = number
    dataset.PixelData = pixels.astype(np.int16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return dataset


def _saved(store: Store, out: Path, original: pydicom.Dataset, path: Path) -> Outcome:
    masked = original.Modality == "US"
    dataset = pydicom.Dataset()
    for keyword in ("SOPClassUID", "Modality", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
                    "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "RescaleIntercept", "RescaleSlope"):  # fmt: skip
        dataset[keyword] = original[keyword]
    ids = (f"DEID-{IDENTITY.token('patient', original.PatientID)}", *(IDENTITY.uid(original[keyword].value) for keyword in (
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")))  # fmt: skip
    dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = ids
    dataset.PatientIdentityRemoved, dataset.BurnedInAnnotation = "YES", "NO"
    dataset.DeidentificationMethodCodeSequence = [method("113100"), method("113101")]
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = original.file_meta.TransferSyntaxUID
    pixels = original.pixel_array.copy()
    if masked:
        pixels[BOX.y : BOX.y + BOX.h, BOX.x : BOX.x + BOX.w] = pixels.min()
        dataset.PixelData = pixels.tobytes()
    target = out.joinpath("instances", *ids).with_name(f"{ids[-1]}.dcm")
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target, enforce_file_format=True)
    header = Header(
        IDENTITY.token("instance", str(path), 32), str(path), path.stat().st_size, str(original.StudyInstanceUID),
        str(original.SeriesInstanceUID), str(original.SOPInstanceUID), original.PatientID, str(original.SOPClassUID), original.Modality,
        str(original.file_meta.TransferSyntaxUID),
    )  # fmt: skip
    work = Work(header, SeriesDecision(True), status=Status.SAVED, url_deid=str(target), bytes_out=target.stat().st_size, new_ids=ids)
    tags = [Finding("removed", tag_path=name, vr="LO", rule="PS3.15 E.1-1 X") for name in ("PatientAddress", "InstitutionName")]
    box = Finding("masked", frame=0, box=BOX, entity_type="PERSON", score=0.97, detector="known", rule="all text", text="ZYXWANDT")
    nested = Finding("cleaned", "RequestAttributesSequence[0].(0009,1001)", "LO", entity_type="PERSON", score=0.9, text="Zyxwandt")
    work.shape = (original.Rows, original.Columns)
    work.findings = (*tags, *((box, nested) if masked else ()))
    work.pixels = PixelReport(True, (FrameDecision(0, "ocr" if masked else "triage", int(masked)),), (0,) if masked else ())
    work.seconds = {"read": 0.002, "mask": 0.25 if masked else 0.01, "tags": 0.003, "verify": 0.002, "write": 0.001}
    return work_outcome(work, IDENTITY.token)


def method(code: str) -> pydicom.Dataset:
    """An item of (0012,0064)."""
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", "a method of de-identification"
    return item
