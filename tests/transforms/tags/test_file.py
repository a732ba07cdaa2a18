"""Files are what pydicom would write, byte for byte."""

from __future__ import annotations

import io
from collections.abc import Callable

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from transforms.policy import TagsPolicy
from transforms.tags import file
from transforms.tags.engine import TagDeidentifier
from transforms.tags.identity import Identity

NAMES = (
    "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "SC_rgb_jpeg_dcmtk.dcm", "examples_overlay.dcm",
    "reportsi.dcm", "rtplan.dcm", "rtstruct.dcm", "liver_1frame.dcm", "ExplVR_LitEndNoMeta.dcm",
)  # fmt: skip


def by_pydicom(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def deidentified(name: str) -> Dataset:
    ds = pydicom.dcmread(str(get_testdata_file(name)), force=True)
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    TagDeidentifier(TagsPolicy(), Identity(b"0" * 32)).apply(ds, None, pixels=None)
    return ds


@pytest.mark.parametrize("name", NAMES)
def test_a_deidentified_instance_is_written_as_pydicom_writes_it(name: str) -> None:
    assert file.encode(deidentified(name)) == by_pydicom(deidentified(name))


def _raw(ds: Dataset, tag: int, vr: str | None, value: bytes, length: int | None = None) -> None:
    size = len(value) if length is None else length
    ds._dict[Tag(tag)] = pydicom.dataelem.RawDataElement(Tag(tag), vr, size, value, 0, False, True)


CHANGES: dict[str, Callable[[Dataset], object]] = {
    "an odd value": lambda ds: _raw(ds, 0x00081030, "LO", b"odd"),
    "a value too long for its VR": lambda ds: _raw(ds, 0x00081030, "LO", b"a" * 70_000),
    "bytes of undefined length": lambda ds: _raw(ds, 0x00091001, "OB", b"\xfe\xff\x00\xe0\0\0\0\0", 0xFFFFFFFF),
    "a number": lambda ds: ds.add_new(0x00280010, "US", 300),
    "a number with too many bits": lambda ds: ds.add_new(0x00280010, "US", 70_000),
    "several numbers": lambda ds: ds.add_new(0x00181310, "US", [0, 256, 256, 0]),
    "no number": lambda ds: ds.add_new(0x00280010, "US", None),
    "a UID of odd length": lambda ds: ds.add_new(0x00200052, "UI", "2.25.1"[:5]),
    "a code of odd length": lambda ds: ds.add_new(0x00185100, "CS", "HFS"),
    "several codes": lambda ds: ds.add_new(0x00080008, "CS", ["DERIVED", "PRIMARY", "A"]),
    "a code that is none": lambda ds: ds.add_new(0x00185100, "CS", "\u00dc"),
    "a group length": lambda ds: _raw(ds, 0x00080000, "UL", b"\x04\0\0\0"),
    "a converted name": lambda ds: setattr(ds, "PatientName", "M\u00fcller^J\u00fcrgen"),
    "an empty sequence of undefined length": lambda ds: ds.__setitem__(0x00081140, DataElement(0x00081140, "SQ", [], None, None, True)),
    "another character set": lambda ds: setattr(ds, "SpecificCharacterSet", "ISO_IR 192"),
    "another encoding": lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian),
    "another byte order": lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", ExplicitVRBigEndian),
    "a deflated one": lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian),
    "another SOP Instance UID than the file meta information": lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3"),
    "pixels to be encapsulated": lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", pydicom.uid.JPEGBaseline8Bit),
    "an element of group 0002": lambda ds: _raw(ds, 0x00020016, "AE", b"NAME"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_is_not_raw_or_not_as_it_was_read_is_left_to_pydicom(change: Callable[[Dataset], object]) -> None:
    written = []
    for write in (file.encode, by_pydicom):
        ds = deidentified("CT_small.dcm")
        change(ds)
        try:
            written.append(write(ds))
        except Exception as exc:  # the same refusal
            written.append(type(exc))
    assert written[0] == written[1]
