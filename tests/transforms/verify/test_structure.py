"""Reading back: what is written is what was meant."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.data import get_testdata_file

from transforms.errors import Code, DeidError
from transforms.types import Dataset
from transforms.verify.structure import check_structure


def encoded(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm"])
def test_what_was_written_as_meant_passes(name: str) -> None:
    ds = pydicom.dcmread(get_testdata_file(name))
    check_structure(encoded(ds), pydicom.dcmread(get_testdata_file(name)))


def test_pixels_of_odd_length_are_padded() -> None:
    ds = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    ds.PixelData = ds.PixelData[:-1]
    check_structure(encoded(ds), ds)


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"])
def test_an_identifier_must_be_there(keyword: str) -> None:
    ds = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    data = encoded(ds)
    found = pydicom.dcmread(io.BytesIO(data))
    delattr(found, keyword)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, found)
    with pytest.raises(DeidError, match=f"expected {keyword}, found none") as raised:
        check_structure(buffer.getvalue(), ds)
    assert raised.value.code == Code.VERIFY_FAILED


@pytest.mark.parametrize(
    ("keyword", "value"), [("Rows", 64), ("PixelData", b"\0" * 64), ("NumberOfFrames", "2"), ("SOPInstanceUID", "1.2.3")]
)
def test_another_shape_fails(keyword: str, value: object) -> None:
    meant = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    other = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    setattr(other, keyword, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, other)
    with pytest.raises(DeidError):
        check_structure(buffer.getvalue(), meant)


def test_what_does_not_read_fails() -> None:
    with pytest.raises(DeidError, match="does not read back"):
        check_structure(b"nothing", pydicom.dcmread(get_testdata_file("CT_small.dcm")))
