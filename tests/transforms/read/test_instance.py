"""Whole instances: what is refused, what is completed, and that nothing behind the data set gets through."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.read.test_header import instance
from transforms.errors import Code, DeidError
from transforms.policy import LimitsPolicy
from transforms.read.header import read_header
from transforms.read.instance import complete_identity, read_instance
from transforms.spool import Spool
from transforms.types import Header

LIMITS = LimitsPolicy()
CT = Path(get_testdata_file("CT_small.dcm")).read_bytes()


def refused(data: bytes, limits: LimitsPolicy = LIMITS) -> Code:
    with pytest.raises(DeidError) as raised:
        read_instance(data, limits)
    return raised.value.code


def test_reads_what_pydicom_reads() -> None:
    assert read_instance(CT, LIMITS) == pydicom.dcmread(io.BytesIO(CT))


@pytest.mark.parametrize("cut", [1, 7, 500, 20_000, len(CT) - 2000])
def test_a_truncated_file_is_refused(cut: int) -> None:
    assert refused(CT[:-cut]) == Code.DATASET_UNREADABLE


@pytest.mark.parametrize(("limit", "ends"), [(1_000_000, Code.TOO_LARGE), (60_000_000, None)])
def test_what_a_deflated_file_inflates_to_is_bounded(limit: int, ends: Code | None) -> None:
    ds = pydicom.dcmread(io.BytesIO(CT))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.PixelData = bytes(50_000_000)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds)
    assert len(buffer.getvalue()) < 100_000
    limits = LimitsPolicy(max_data_bytes=limit)
    tracemalloc.start()
    try:
        if ends is None:
            assert len(read_instance(buffer.getvalue(), limits).PixelData) == 50_000_000
        else:
            assert refused(buffer.getvalue(), limits) == ends
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_too_large() -> None:
    assert refused(CT, LimitsPolicy(max_instance_bytes=1000)) == Code.TOO_LARGE


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("spooled", [False, True])
def test_items_are_counted_before_they_are_made(syntax: str, undefined: bool, spooled: bool) -> None:
    inner, outer = pydicom.Dataset(), pydicom.Dataset()
    inner.CodeValue = "1"
    outer.ConceptNameCodeSequence = [inner, inner]
    dataset = pydicom.dcmread(io.BytesIO(CT))
    dataset.ContentSequence = [outer] * 10
    dataset["ContentSequence"].is_undefined_length = undefined
    for item in dataset.ContentSequence:
        item.is_undefined_length_sequence_item = undefined
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = b"\xfe\xff\x00\xe0" * (128 * 128 // 2)
    buffer = io.BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    data: bytes | Spool = buffer.getvalue()
    if spooled:
        data, written = Spool(), data
        data.write(written)
    already = sum(len(element.value) for element in pydicom.dcmread(io.BytesIO(CT)) if element.VR == "SQ")
    assert read_instance(data, LimitsPolicy(max_items=30 + already)).ContentSequence[9].ConceptNameCodeSequence[1].CodeValue == "1"
    with pytest.raises(DeidError, match="max_items") as raised:
        read_instance(data, LimitsPolicy(max_items=29 + already))
    assert raised.value.code == Code.TOO_LARGE


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_delimiter_within_that_of_the_last_sequence_is_not_taken_for_its_end(left: int) -> None:
    dataset = pydicom.dcmread(io.BytesIO(CT), stop_before_pixels=True)
    dataset.remove_private_tags()
    dataset.ContentSequence = [pydicom.Dataset()]
    dataset["ContentSequence"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    data, delimiter = buffer.getvalue(), b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert data.endswith(delimiter)
    assert len(read_instance(data, LIMITS).ContentSequence) == 1
    assert refused(data[:-left] + delimiter) == Code.DATASET_UNREADABLE


def test_two_data_sets_in_one_file_are_refused() -> None:
    assert refused(CT + CT) == Code.DATASET_UNREADABLE
    assert refused(instance() + CT) == Code.DATASET_UNREADABLE


@pytest.mark.parametrize("skipped", [132, CT.index(b"\x08\x00\x05\x00")])
def test_a_second_data_set_without_its_beginning_is_refused(skipped: int) -> None:
    with pytest.raises(DeidError, match="another data set"):
        read_instance(CT + CT[skipped:], LIMITS)


@pytest.mark.parametrize("stray", [b"\x02\x00\x16\x00AE\x04\x00NAME", b"\x00\x00\x10\x01US\x02\x00\x01\x00"])
def test_a_data_set_that_is_cut_in_two_is_refused(stray: bytes) -> None:
    at = CT.index(b"\x10\x00\x10\x00PN")
    with pytest.raises(DeidError, match="within the data set"):
        read_instance(CT[:at] + stray + CT[at:], LIMITS)


@pytest.mark.parametrize("rest", [b"\0", b"\0" * 128, b"DOE^JANE 19700101" * 3, b"\0" * 4000 + b"DOE^JANE"])
def test_bytes_behind_the_pixels_are_not_written_through(rest: bytes) -> None:
    ds = read_instance(CT + rest, LIMITS)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds)
    assert b"DOE^JANE" not in buffer.getvalue()
    assert len(ds) == len(pydicom.dcmread(io.BytesIO(CT)))


def test_a_file_without_transfer_syntax_gets_the_one_it_is_in() -> None:
    data = Path(get_testdata_file("no_meta_group_length.dcm")).read_bytes()
    assert read_instance(data, LIMITS).file_meta.TransferSyntaxUID
    bare = instance(Modality="CT")
    start = bare.index(b"\x08\x00\x16\x00")
    assert read_instance(bare[start:], LIMITS).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_header_and_instance_agree_on_missing_identity() -> None:
    data = instance(SOPInstanceUID=None, SeriesInstanceUID=None, SOPClassUID=None, Rows=1)
    fields = read_header(lambda start, end: data[start:end], len(data), LIMITS, "name")
    header = Header("name", "uri", len(data), fields.study_uid, fields.series_uid, fields.sop_uid, "", fields.sop_class)
    ds = read_instance(data, LIMITS)
    complete_identity(ds, header)
    assert (ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID) == (fields.sop_uid, fields.series_uid, fields.study_uid)
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def test_an_image_without_class_is_a_secondary_capture_and_no_image_is_refused() -> None:
    header = Header("name", "uri", 1, "1", "2", "3", "")
    image, other = pydicom.Dataset(), pydicom.Dataset()
    image.Rows = 1
    complete_identity(image, header)
    assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(DeidError) as raised:
        complete_identity(other, header)
    assert raised.value.code == Code.MISSING_IDENTITY


def test_no_bundled_file_crashes() -> None:
    def code_of(data: bytes) -> Code | None:
        try:
            read_instance(data, LIMITS)
        except DeidError as exc:
            return exc.code
        return None

    codes = {code_of(path.read_bytes()) for path in Path(get_testdata_file("CT_small.dcm")).parent.rglob("*") if path.is_file()}
    assert codes <= {None, Code.NOT_DICOM, Code.DICOMDIR, Code.EMPTY, Code.DATASET_UNREADABLE}


@pytest.mark.parametrize("syntax", [b"1.2.840.10008.9.9.999", b"1.2.840.10008.1.2.4.95"])
def test_a_transfer_syntax_that_cannot_be_written_is_refused(syntax: bytes) -> None:
    known = b"1.2.840.10008.1.2.1\0"
    length = len(syntax) + len(syntax) % 2
    data = CT.replace(b"UI\x14\0" + known, b"UI" + bytes([length, 0]) + syntax.ljust(length, b"\0"), 1)
    assert refused(data) == Code.PIXELS_UNSUPPORTED
