"""The byte walker against pydicom: the same elements, in every encoding."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.verify.walk import walk


def tags(ds: Dataset) -> list[int]:
    found = []
    for element in ds:
        found.append(int(element.tag))
        if element.VR == "SQ":
            found.extend(tag for item in element.value for tag in tags(item))
    return found


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [True, False])
def test_finds_every_element_in_every_encoding(syntax: str, undefined: bool) -> None:
    ds = Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientName = "1.2.840.10008.5.1.4.1.1.7", "1.2", "A^B"
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "x"
    outer.PurposeOfReferenceCodeSequence = [inner, inner]
    ds.ReferencedImageSequence = [outer, Dataset(), outer]
    ds["ReferencedImageSequence"].is_undefined_length = undefined
    for item in ds.ReferencedImageSequence:
        item.is_undefined_length_sequence_item = undefined
    ds.PixelData = b"\0" * 8
    ds["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    found = walk(buffer.getvalue())
    assert [element.tag for element in found.elements if element.tag >> 16 != 2] == tags(ds)
    paths = [found.path(index) for index in range(len(found.elements))]
    assert "ReferencedImageSequence[2].PurposeOfReferenceCodeSequence[1].CodeValue" in paths
    name = next(element for element in found.elements if element.tag == 0x00100010)
    assert found.value(name) == b"A^B "


def test_finds_what_pydicom_finds_in_bundled_files() -> None:
    compared = 0
    for path in sorted(Path(get_testdata_file("CT_small.dcm")).parent.glob("*.dcm")):
        if "truncated" in path.name:  # refused before it is written
            continue
        buffer = io.BytesIO()
        try:
            pydicom.dcmwrite(buffer, pydicom.dcmread(path), enforce_file_format=True)
            expected = tags(pydicom.dcmread(io.BytesIO(buffer.getvalue())))
        except Exception:  # malformed on purpose
            continue
        found = [element.tag for element in walk(buffer.getvalue()).elements if element.tag >> 16 != 2]
        assert found == expected, path.name
        compared += 1
    assert compared > 60


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 200,
        b"\0" * 128 + b"DICM" + b"\x08\x00\x18\x00UI\xff\xff1.2",
        b"\0" * 128 + b"DICM" + b"\x08\x00",
        b"\0" * 128
        + b"DICM"
        + b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff" * 99,
    ],
)
def test_what_is_no_whole_file_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        walk(data)
