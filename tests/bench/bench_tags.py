"""Files per second for tags alone, one core: this project beside dicom-anonymizer, pydicom's bare read + write, and copying bytes.

    python -m tests.bench.bench_tags [--seconds 3]

All contenders get the same bytes in memory and give bytes back. Rounds are interleaved, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import io
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
import yaml
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

from transforms.policy import Policy
from transforms.tags.engine import TagDeidentifier
from transforms.tags.identity import Identity
from transforms.text.detector import PiiDetector

CONFIGS = Path(__file__).parents[2] / "configs"
FRAMES = 1000
Contender = Callable[[bytes], bytes]


def enhanced_ct(frames: int = FRAMES, *, undefined_length: bool) -> bytes:
    """An enhanced CT whose functional groups have ``frames`` items with six sequences each, as scanners write them."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = EnhancedCTImageStorage, "1.2.3.1", "1.2.3.2", "1.2.3.3"
    ds.PatientID, ds.PatientName, ds.StudyDate = "MRN-778812", "Gruenberg^Thea", "20200301"
    ds.PerFrameFunctionalGroupsSequence = Sequence([_frame(number, undefined_length) for number in range(frames)])
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined_length
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return _encoded(ds)


def _frame(number: int, undefined_length: bool) -> Dataset:
    def one(**attributes: object) -> Sequence:
        item = Dataset()
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
        return Sequence([item])

    frame = Dataset()
    frame.FrameContentSequence = one(
        FrameAcquisitionDateTime="20200301120000",
        FrameReferenceDateTime="20200301120000",
        StackID="1",
        DimensionIndexValues=[1, number + 1],
    )
    frame.PlanePositionSequence = one(ImagePositionPatient=[0, 0, number])
    frame.PlaneOrientationSequence = one(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    frame.PixelMeasuresSequence = one(PixelSpacing=[0.5, 0.5], SliceThickness="1.0")
    frame.ConversionSourceAttributesSequence = one(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=f"1.2.3.4.{number}"
    )
    frame.CTImageFrameTypeSequence = one(FrameType=["ORIGINAL", "PRIMARY", "AXIAL", "NONE"])
    for element in frame:
        element.is_undefined_length = undefined_length
    return frame


def _encoded(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def contenders() -> dict[str, Contender]:
    """By name; each takes an encoded file and gives one back."""
    from dicomanonymizer import anonymize_dataset

    pii = PiiDetector(Policy().text)

    def recipe(name: str) -> Contender:
        policy = Policy.model_validate(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()))
        tags = TagDeidentifier(policy.tags, Identity(b"a secret of the benchmark"), pii)

        def run(data: bytes) -> bytes:
            ds = pydicom.dcmread(io.BytesIO(data))
            tags.apply(ds, pii.known([ds]), pixels=None)
            return _encoded(ds)

        return run

    def anonymizer(data: bytes) -> bytes:
        ds = pydicom.dcmread(io.BytesIO(data))
        anonymize_dataset(ds)
        return _encoded(ds)

    return {
        "ours, basic": recipe("basic"),
        "ours, research": recipe("research"),
        "dicom-anonymizer": anonymizer,
        "pydicom read + write": lambda data: _encoded(pydicom.dcmread(io.BytesIO(data))),
        "copy": lambda data: bytes(bytearray(data)),
    }


def measure(data: bytes, entries: dict[str, Contender], seconds: float) -> dict[str, float]:
    """Files per second of each: the best of interleaved rounds."""
    best = dict.fromkeys(entries, 0.0)
    for entry in entries.values():
        entry(data)
    until = time.perf_counter() + seconds * len(entries)
    while time.perf_counter() < until:
        for name, entry in entries.items():
            count, started = 0, time.perf_counter()
            while count < 3 or time.perf_counter() - started < 0.2:
                entry(data)
                count += 1
            best[name] = max(best[name], count / (time.perf_counter() - started))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each contender and file")
    seconds = parser.parse_args().seconds
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    files = {
        "CT_small": Path(str(get_testdata_file("CT_small.dcm"))).read_bytes(),
        f"enhanced CT, {FRAMES} items of undefined length": enhanced_ct(undefined_length=True),
        f"enhanced CT, {FRAMES} items of defined length": enhanced_ct(undefined_length=False),
    }
    entries = contenders()
    for title, data in files.items():
        found = measure(data, entries, seconds)
        print(f"{title} ({len(data)} bytes)")
        for name, rate in found.items():
            ratios = f"{rate / found['dicom-anonymizer']:8.2f}x dicom-anonymizer {rate / found['pydicom read + write']:8.2f}x read + write"
            print(f"  {name:22} {rate:10.1f} files/s {ratios}")


if __name__ == "__main__":
    main()
