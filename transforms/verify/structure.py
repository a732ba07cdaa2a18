"""Whether what is about to be written is a whole instance of the shape that was meant."""

from __future__ import annotations

import io

import pydicom

from transforms.errors import Code, DeidError
from transforms.spool import Bytes, Spool
from transforms.types import PIXEL_TAGS, Dataset
from transforms.verify.walk import walk

_DEFERRED_BYTES = 64 * 1024
_UNDEFINED = 0xFFFFFFFF
_DELIMITER_BYTES = 8
_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID")
_META = (("MediaStorageSOPClassUID", "SOPClassUID"), ("MediaStorageSOPInstanceUID", "SOPInstanceUID"))
_SHAPE = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")


def check_structure(encoded: Bytes, dataset: Dataset) -> None:
    """Read back what is about to be written.

    Args:
        encoded: a whole file.
        dataset: what was encoded.

    Raises:
        DeidError: VERIFY_FAILED when it does not read, lacks an identifier, or has pixels of another shape or length than ``dataset``.
    """
    try:
        file = encoded.window(0, len(encoded)) if isinstance(encoded, Spool) else io.BytesIO(encoded)
        found = pydicom.dcmread(file, defer_size=_DEFERRED_BYTES, specific_tags=[*_IDENTITY, *_SHAPE, *PIXEL_TAGS])
        _compare(found, dataset, encoded)
    except DeidError:
        raise
    except Exception as exc:
        raise DeidError(Code.VERIFY_FAILED, f"does not read back: {type(exc).__name__}") from None


def _compare(found: Dataset, meant: Dataset, encoded: Bytes) -> None:
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
    for tag in PIXEL_TAGS:
        length = _length(found, tag, encoded)
        expected = len(meant[tag].value or b"") if tag in meant else None
        if length != expected and not (expected is not None and length == expected + expected % 2):
            raise DeidError(Code.VERIFY_FAILED, f"expected {expected} bytes of pixels, found {length}")


def _length(found: Dataset, tag: int, encoded: Bytes) -> int | None:
    """Bytes of a value that may not have been read; None when there is no such element."""
    if tag not in found:
        return None
    read = found.get_item(tag, keep_deferred=True)
    if read.value is not None:
        return len(read.value)
    if read.length != _UNDEFINED:
        return int(read.length)
    return next(element.end - element.start - _DELIMITER_BYTES for element in walk(encoded).elements if element.tag == tag)
