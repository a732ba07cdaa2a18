"""Whether what is about to be written is a whole instance of the shape that was meant."""

from __future__ import annotations

import io

import pydicom

from transforms.errors import Code, DeidError
from transforms.types import Dataset

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID")
_META = (("MediaStorageSOPClassUID", "SOPClassUID"), ("MediaStorageSOPInstanceUID", "SOPInstanceUID"))
_SHAPE = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")
_PIXELS = (0x7FE00010, 0x7FE00008, 0x7FE00009)


def check_structure(encoded: bytes, dataset: Dataset) -> None:
    """Read back what is about to be written.

    Args:
        encoded: a whole file.
        dataset: what was encoded.

    Raises:
        DeidError: VERIFY_FAILED when it does not read, lacks an identifier, or has pixels of another shape or length than ``dataset``.
    """
    try:
        found = pydicom.dcmread(io.BytesIO(encoded))
        _compare(found, dataset)
    except DeidError:
        raise
    except Exception as exc:
        raise DeidError(Code.VERIFY_FAILED, f"does not read back: {type(exc).__name__}") from None


def _compare(found: Dataset, meant: Dataset) -> None:
    for keyword in _IDENTITY:
        if not str(found.get(keyword) or ""):
            raise DeidError(Code.VERIFY_FAILED, f"expected {keyword}, found none")
    for meta, keyword in _META:
        if found.file_meta.get(meta) != found.get(keyword):
            raise DeidError(Code.VERIFY_FAILED, f"expected {meta} to equal {keyword}")
    if found.file_meta.get("TransferSyntaxUID") != meant.file_meta.get("TransferSyntaxUID"):
        raise DeidError(Code.VERIFY_FAILED, "another transfer syntax than was meant")
    for keyword in _SHAPE:
        if found.get(keyword) != meant.get(keyword):
            raise DeidError(Code.VERIFY_FAILED, f"{keyword} changed by encoding")
    for tag in _PIXELS:
        lengths = [len(entry[tag].value or b"") if tag in entry else None for entry in (found, meant)]
        if lengths[0] != lengths[1] and not (lengths[1] is not None and lengths[0] == lengths[1] + lengths[1] % 2):
            raise DeidError(Code.VERIFY_FAILED, f"expected {lengths[1]} bytes of pixels, found {lengths[0]}")
