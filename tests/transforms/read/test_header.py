"""The header reader: what it fetches, what it recognises, and what it makes of files that are not as they should be."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.errors import Code, DeidError
from transforms.policy import LimitsPolicy
from transforms.read.header import HeaderFields, read_header
from transforms.read.ranged import FIRST_BYTES, RangedFile
from transforms.read.recognise import recognise

LIMITS = LimitsPolicy()


class Fetcher:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ranges: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        return self.data[start:end]

    @property
    def bytes(self) -> int:
        return sum(end - start for start, end in self.ranges)


def read(data: bytes, limits: LimitsPolicy = LIMITS, name: str = "one") -> HeaderFields:
    return read_header(Fetcher(data), len(data), limits, name)


EXPECTED_CODES = {None, Code.NOT_DICOM, Code.DICOMDIR, Code.EMPTY, Code.HEADER_UNREADABLE}


def code_of(fetch: Fetcher) -> Code | None:
    try:
        read_header(fetch, len(fetch.data), LIMITS, "one")
    except DeidError as exc:
        return exc.code
    return None


def instance(pixel_bytes: int = 0, **elements: object) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.3",
    }
    for keyword, value in {**values, **elements}.items():
        if value is not None:
            setattr(ds, keyword, value)
    if pixel_bytes:
        ds.Rows, ds.Columns, ds.BitsAllocated, ds.SamplesPerPixel = pixel_bytes // 200, 100, 16, 1
        ds.PixelData = b"\1\2" * (pixel_bytes // 2)
        ds["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds)
    return buffer.getvalue()


def test_reads_what_the_run_needs() -> None:
    fields = read(Path(get_testdata_file("CT_small.dcm")).read_bytes())
    assert fields.patient_id == "1CT1"
    assert fields.modality == "CT"
    assert fields.sop_class == "1.2.840.10008.5.1.4.1.1.2"
    assert fields.transfer_syntax == ExplicitVRLittleEndian
    assert fields.frames == 1
    assert fields.pixel_bytes == 128 * 128 * 2
    assert "PixelData" not in fields.dataset


def test_fetches_no_more_than_the_first_block_when_the_header_is_in_it() -> None:
    data = instance(pixel_bytes=4_000_000)
    fetch = Fetcher(data)
    read_header(fetch, len(data), LIMITS)
    assert fetch.ranges == [(0, FIRST_BYTES)]


def test_skips_the_value_of_a_large_element_without_fetching_it() -> None:
    data = instance(
        pixel_bytes=1000,
        EncapsulatedDocument=b"%PDF" * 1_000_000,
        Modality="DOC",
        PatientName="Doe^Jane",
        SpecificCharacterSet="ISO_IR 100",
    )
    fetch = Fetcher(data)
    fields = read_header(fetch, len(data), LIMITS)
    assert fetch.bytes <= 2 * FIRST_BYTES
    assert "EncapsulatedDocument" not in fields.dataset
    assert fields.pixel_bytes == 1000


def test_follows_a_sequence_beyond_the_first_block() -> None:
    items = []
    for number in range(6000):
        item = Dataset()
        item.StudyDescription = f"description {number}"
        items.append(item)
    data = instance(pixel_bytes=200_000, RequestAttributesSequence=items)
    fetch = Fetcher(data)
    fields = read_header(fetch, len(data), LIMITS)
    assert fields.dataset.RequestAttributesSequence[5999].StudyDescription == "description 5999"
    assert fields.pixel_bytes == 200_000


def test_a_header_beyond_the_limit_is_too_large() -> None:
    items = [Dataset() for _ in range(6000)]
    for item in items:
        item.StudyDescription = "x" * 60
    with pytest.raises(DeidError) as raised:
        read(instance(RequestAttributesSequence=items), LimitsPolicy(max_header_bytes=100_000))
    assert raised.value.code == Code.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.EMPTY),
        (b"url,size\na,1\n" * 100, Code.NOT_DICOM),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, Code.NOT_DICOM),
        (b"\0" * 1000, Code.NOT_DICOM),
        (b"\xff\xd8\xff\xe0" + b"\x10JFIF" * 50, Code.NOT_DICOM),
        (b"\x08\x00", Code.NOT_DICOM),
        (b"\0" * 128 + b"DICM", Code.HEADER_UNREADABLE),
        (b"\0" * 128 + b"DICM" + b"\x08\x00\x18\x00UI\xff\xff1.2", None),
    ],
    ids=["empty", "csv", "png", "zeros", "jpeg", "two bytes", "prefix alone", "truncated value"],
)
def test_what_is_no_instance_is_said_by_code(data: bytes, code: Code | None) -> None:
    if code is None:
        read(data)
        return
    with pytest.raises(DeidError) as raised:
        read(data)
    assert raised.value.code == code


def test_a_directory_of_media_is_none_of_the_instances() -> None:
    with pytest.raises(DeidError) as raised:
        read(Path(get_testdata_file("DICOMDIR")).read_bytes())
    assert raised.value.code == Code.DICOMDIR


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("meta", [True, False])
def test_recognises_files_without_preamble(syntax: str, meta: bool) -> None:
    ds = pydicom.dcmread(io.BytesIO(instance(Modality="MR")))
    ds.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    data = buffer.getvalue()
    layout = recognise(data, len(data))
    fields = read(data[132:] if meta else data[layout.dataset :])
    assert (fields.modality, fields.sop_uid, fields.transfer_syntax) == ("MR", "1.2.3", syntax)


def test_deflated_files_inflate_within_the_limit() -> None:
    source = instance(Modality="MR", PatientID="x")
    layout = recognise(source, len(source))
    meta = source[: layout.dataset].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    position = meta.index(b"\x02\x00\x10\x00UI") + 6
    meta = meta[:position] + struct.pack("<H", 22) + meta[position + 2 :]
    squeezer = zlib.compressobj(wbits=-15)
    bomb = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x01\x10OB\0\0" + struct.pack("<L", 50_000_000) + b"\0" * 50_000_000
    packed = squeezer.compress(source[layout.dataset :] + bomb) + squeezer.flush()
    fields = read(meta + packed, LimitsPolicy(max_header_bytes=1_000_000))
    assert (fields.modality, fields.transfer_syntax) == ("MR", "1.2.840.10008.1.2.1.99")


def test_stand_ins_tell_instances_without_uids_apart() -> None:
    data = instance(SOPInstanceUID=None, SeriesInstanceUID=None, StudyInstanceUID=None)
    one, again, other = read(data, name="a"), read(data, name="a"), read(data, name="b")
    assert one.study_uid == again.study_uid != other.study_uid
    assert one.series_uid != one.study_uid
    assert one.sop_uid == "1.2.3", "file meta information still names the instance"


def test_hostile_numbers_do_not_matter() -> None:
    fields = read(instance(NumberOfFrames="2147483647", Rows=65535, Columns=65535, BitsAllocated=16))
    assert fields.pixel_bytes == 65535 * 65535 * 2 * 2147483647


def test_a_file_that_shrank_is_an_error() -> None:
    data = instance(pixel_bytes=1000)
    with pytest.raises(DeidError) as raised:
        read_header(Fetcher(data[:300]), len(data), LIMITS)
    assert raised.value.code == Code.CHANGED_DURING_RUN


def test_no_value_reaches_log_or_terminal(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "CANARY^NAME"
    data = instance(PatientName=secret, StudyDate=None)
    data = data.replace(b"1.2.3\0", b"1.CAN\0").replace(b"UI\4\x001.3\0", b"UI\4\0CAN\0")
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        fields = read(data)
        _ = fields.dataset.PatientName
    out = capfd.readouterr()
    assert "CAN" not in caplog.text + out.out + out.err + repr(fields)
    assert fields.series_uid == "CAN"
    assert not [warning for warning in caught if "CAN" in str(warning.message)]


def test_every_bundled_file_is_read_or_refused_by_code() -> None:
    folder = Path(get_testdata_file("CT_small.dcm")).parent
    codes = {code_of(Fetcher(path.read_bytes())) for path in folder.rglob("*") if path.is_file()}
    assert codes <= EXPECTED_CODES


def test_corpus_ends_by_code_and_reads_little(corpus: Path) -> None:
    fetched = total = 0
    codes = set()
    for path in corpus.rglob("*"):
        if path.is_file():
            fetch = Fetcher(path.read_bytes())
            codes.add(code_of(fetch))
            fetched, total = fetched + fetch.bytes, total + len(fetch.data)
    assert codes <= EXPECTED_CODES
    assert fetched < total / 4


def test_ranged_file_is_a_file() -> None:
    data = bytes(range(256)) * 2000
    file = RangedFile(Fetcher(data), len(data), 10**6)
    assert file.read(10) == data[:10]
    file.seek(300_000)
    assert file.read(5) == data[300_000:300_005]
    file.seek(-2, 1)
    assert file.tell() == 300_003
    file.seek(100)
    assert file.read(70_000) == data[100:70_100]
    file.seek(0, 2)
    assert file.read(1) == b""
