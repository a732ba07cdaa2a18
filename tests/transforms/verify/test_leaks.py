"""The leak scan: it finds every planted identifier wherever it is, and does not cry at words that only look like one."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from transforms.verify.leaks import Leak, scan

NAMES = ("Mustermann", "Erika", "Müller", "山田", "MRN-778812", "1.3.12.2.1107.5.2.30.25663", "19740312", "4711")


def encode(
    ds: Dataset, *, meta: dict[str, object] | None = None, preamble: bytes = b"\0" * 128, syntax: str = ExplicitVRLittleEndian
) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    for keyword, value in (meta or {}).items():
        setattr(ds.file_meta, keyword, value)
    ds.preamble = preamble.ljust(128, b"\0")
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def with_element(tag: int, vr: str, value: object) -> bytes:
    ds = Dataset()
    ds.add_new(tag, vr, value)
    return encode(ds)


def paths(encoded: bytes, identifiers: tuple[str, ...] = NAMES, **options: frozenset[str]) -> list[str]:
    return [leak.path for leak in scan(encoded, identifiers, **options)]


def test_a_clean_file_is_clean() -> None:
    ds = Dataset()
    ds.PatientName, ds.StudyDescription, ds.Rows = "ANON-1234", "MRI of the knee", 4711
    ds.PixelData = b"Mustermann" * 3
    ds["PixelData"].VR = "OW"
    assert scan(encode(ds), NAMES) == []


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00100010, "PN", "MUSTERMANN^ERIKA"),
        (0x00081030, "LO", "MRI for erika"),
        (0x00081030, "LO", "Untersuchung von Mustermann, E."),
        (0x00104000, "LT", "call mrn-778812 back"),
        (0x00100020, "LO", "4711"),
        (0x0020000D, "UI", "1.3.12.2.1107.5.2.30.25663"),
        (0x00420011, "OB", b"%PDF Erika Mustermann"),
        (0x00204000, "LT", "geboren 19740312"),
        (0x00181400, "LO", "Mustermann"),
        (0x00181023, "UN", b"Erika "),
        (0x00180015, "CS", "MUSTERMANN"),
        (0x00281201, "OW", b"Mustermann^Erika"),
        (0x00281201, "OW", "Mustermann".encode("utf-16-le")),
        (0x56000020, "OF", b"MUSTERMANN^ERIKA"),
    ],
)
def test_finds_an_identifier_in_every_kind_of_element(tag: int, vr: str, value: object) -> None:
    assert paths(with_element(tag, vr, value)) == [keyword_for_tag(tag)]


def test_finds_an_identifier_at_depth() -> None:
    inner, ds = Dataset(), Dataset()
    inner.ReferencedSOPInstanceUID = "1.3.12.2.1107.5.2.30.25663"
    ds.ReferencedImageSequence = [Dataset(), inner]
    assert paths(encode(ds)) == ["ReferencedImageSequence[1].ReferencedSOPInstanceUID"]


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "GB18030", r"\ISO 2022 IR 87", "ISO_IR 13"])
def test_finds_names_in_the_character_set_of_the_file(charset: str) -> None:
    ds = Dataset()
    ds.SpecificCharacterSet = charset.split("\\")
    ds.PatientComments = "Frau MÜLLER" if charset == "ISO_IR 100" else "name: 山田 tarou"
    if charset == "ISO_IR 13":
        ds.PatientComments = "erika"
    assert paths(encode(ds)) == ["PatientComments"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
def test_finds_text_inside_private_bytes(encoding: str) -> None:
    value = b"\1\2\0\0" + "Erika Müller".encode(encoding) + b"\0\0\1\1"
    ds = Dataset()
    ds.add_new(0x00090010, "LO", "ACME")
    ds.add_new(0x00091001, "UN", value)
    found = scan(encode(ds), NAMES, keeps=frozenset({"private"}))
    assert found == [Leak("(0009,1001)", "identifier")]


def test_finds_what_hides_in_meta_preamble_and_deflated_data() -> None:
    assert scan(encode(Dataset(), preamble=b"Mustermann"), ()) == [Leak("preamble", "preamble")]
    meta = {"PrivateInformationCreatorUID": "1.2.3", "PrivateInformation": b"Mustermann"}
    assert {leak.code for leak in scan(encode(Dataset(), meta=meta), NAMES)} == {"private", "identifier"}
    meta = {"SourceApplicationEntityTitle": "MUSTERMANN"}
    assert paths(encode(Dataset(), meta=meta)) == ["SourceApplicationEntityTitle"]
    ds = Dataset()
    ds.PatientName = "Mustermann"
    assert paths(encode(ds, syntax=DeflatedExplicitVRLittleEndian)) == ["PatientName"]


@pytest.mark.parametrize(
    ("identifier", "tag", "vr", "value"),
    [
        ("Long", 0x00181030, "LO", "long axis"),
        ("Erik", 0x00081030, "LO", "Erikson lab"),
        ("Brain", 0x00180015, "CS", "BRAIN"),
        ("HeadNeck", 0x00180015, "CS", "HEADNECK"),
        ("4711", 0x00180050, "DS", "4711"),
        ("4711", 0x00280106, "US", 0x3437),
        ("Erika", 0x00281201, "OW", b"\1\2Erika\1\2\3"),
        ("123456", 0x0020000E, "UI", "2.25.9123456789"),
        ("19740312", 0x00080020, "DA", "19740312"),
        ("Jo", 0x00081030, "LO", "Jo"),
        ("1.2.840.10008.5.1.4.1.1.2", 0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
    ],
)
def test_an_ordinary_word_or_number_is_no_leak(identifier: str, tag: int, vr: str, value: object) -> None:
    assert scan(with_element(tag, vr, value), (identifier,)) == []


def test_a_word_of_the_standard_is_a_leak_where_names_stand() -> None:
    assert paths(with_element(0x00100010, "PN", "LONG^JOHN"), ("Long",)) == ["PatientName"]


def test_private_elements_curves_and_overlays_only_if_kept() -> None:
    ds = Dataset()
    ds.add_new(0x60000010, "US", 1)
    ds.add_new(0x50000005, "US", 1)
    inner = Dataset()
    inner.add_new(0x00090010, "LO", "ACME")
    ds.ReferencedImageSequence = [inner]
    encoded = encode(ds)
    assert {(leak.path, leak.code) for leak in scan(encoded, ())} == {
        ("ReferencedImageSequence[0].(0009,0010)", "private"),
        ("CurveDimensions", "curve"),
        ("OverlayRows", "overlay"),
    }
    assert scan(encoded, (), keeps=frozenset({"private", "curves", "overlays"})) == []


def test_a_value_that_the_policy_keeps_is_no_leak_there_and_one_elsewhere() -> None:
    ds = Dataset()
    ds.StationName, ds.StudyDescription = "MUSTERMANN", "MUSTERMANN"
    assert [leak.path for leak in scan(encode(ds), NAMES, allowed=frozenset({0x00081010}))] == ["StudyDescription"]


def code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", "x"
    return item


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PatientIdentityRemoved": "YES"}, ["DeidentificationMethodCodeSequence"]),
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethod": "x"}, []),
        ({"DeidentificationMethodCodeSequence": [code("113100")]}, ["PatientIdentityRemoved"]),
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethodCodeSequence": [code("113101")]}, ["BurnedInAnnotation"]),
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethodCodeSequence": [code("113101")], "BurnedInAnnotation": "NO"}, []),
    ],
)
def test_claims_must_agree(elements: dict[str, object], expected: list[str]) -> None:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    assert paths(encode(ds), ()) == expected


def test_a_file_that_cannot_be_walked_is_a_leak() -> None:
    assert scan(b"no file", NAMES) == [Leak("file", "unreadable")]


def test_a_leak_says_no_value() -> None:
    assert "rika" not in repr(scan(with_element(0x00081030, "LO", "Erika"), NAMES))
