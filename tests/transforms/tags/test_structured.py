"""Reports, annotations, documents, signatures and character sets."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    EncapsulatedCDAStorage,
    EncapsulatedOBJStorage,
    EncapsulatedPDFStorage,
    EncapsulatedSTLStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    TwelveLeadECGWaveformStorage,
)

from tests.transforms.tags.conftest import new
from transforms.errors import Code, DeidError
from transforms.policy import TagsPolicy, TextPolicy
from transforms.tags.engine import TagDeidentifier
from transforms.text.detector import PiiDetector


def code(value: str, scheme: str = "DCM", meaning: str = "a meaning") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def content(kind: str, name: str, scheme: str = "DCM", **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = code(name, scheme)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


@pytest.fixture
def report() -> Dataset:
    items = [
        content("TEXT", "121071", TextValue="No fracture. Seen by Grünberg"),  # finding: not in the table
        content("TEXT", "121022", TextValue="ACC-1234567"),  # accession number: X
        content("PNAME", "121008", PersonName="Grünberg^Thea"),  # person observer name
        content("DATETIME", "121122", DateTime="20200301120000"),
        content("UIDREF", "121018", UID="1.2.3.1"),
    ]
    items[0].ContentSequence = Sequence([content("TEXT", "121071", TextValue="Thea has pneumonia")])
    ds = new(ContentSequence=Sequence(items), ValueType="CONTAINER", ConceptNameCodeSequence=code("18748-4", "LN"))
    ds.SOPClassUID = BasicTextSRStorage
    return ds


def test_a_report_is_replaced_by_default(run, report):
    out = run(report)
    assert len(out.ContentSequence) == 1
    text = out.to_json()
    assert not any(word in text for word in ("fracture", "Grünberg", "Thea", "pneumonia", "ACC-"))


def test_a_report_is_cleaned_on_request(run, report):
    out = run(report, clean_structured_content=True, clean_descriptors=True)
    text = out.to_json()
    assert "No fracture" in text
    assert "pneumonia" in text
    assert not any(word in text for word in ("Grünberg", "Thea", "ACC-1234567", "20200301"))
    assert "121022" not in text
    assert "113104" in [item.CodeValue for item in out.DeidentificationMethodCodeSequence]
    uids = [item.UID for item in out.ContentSequence if "UID" in item]
    assert all(uid == out.SOPInstanceUID for uid in uids)


def annotation() -> Dataset:
    text, ds = Dataset(), Dataset()
    text.UnformattedTextValue = "meniscus torn, Thea Grünberg"
    ds.GraphicLayer, ds.TextObjectSequence = "ONE", Sequence([text])
    return ds


def test_graphic_annotations(run):
    ds = new(GraphicAnnotationSequence=Sequence([annotation()]))
    ds.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    assert "meniscus" not in str(run(ds))
    out = run(ds, clean_graphics=True)
    text = out.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue
    assert "meniscus torn" in text
    assert "Thea" not in text


def test_waveform_annotations(run):
    note = Dataset()
    note.UnformattedTextValue = "called Dr Hohenlohe, sinus rhythm"
    ds = new(WaveformAnnotationSequence=Sequence([note]))
    ds.SOPClassUID = TwelveLeadECGWaveformStorage
    assert "Hohenlohe" not in str(run(ds))
    cleaned = str(run(ds, clean_graphics=True))
    assert "Hohenlohe" not in cleaned
    assert "sinus rhythm" in cleaned


def test_documents(run):
    ds = new(EncapsulatedDocument=b"%PDF-1.4 Thea", MIMETypeOfEncapsulatedDocument="application/pdf")
    ds.SOPClassUID = EncapsulatedPDFStorage
    assert b"Thea" not in run(ds).EncapsulatedDocument
    with pytest.raises(DeidError) as caught:
        run(ds, documents="quarantine")
    assert caught.value.code is Code.DOCUMENT_UNSUPPORTED
    assert run(ds, documents="keep").EncapsulatedDocument.startswith(b"%PDF-1.4")


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("sop_class", "original"),
    [
        (EncapsulatedPDFStorage, b"%PDF-1.4 Thea"),
        (EncapsulatedCDAStorage, b"<ClinicalDocument>Thea</ClinicalDocument>"),
        (EncapsulatedSTLStorage, b"solid Thea endsolid"),
        (EncapsulatedOBJStorage, b"# Thea"),
        (CTImageStorage, b"%PDF-1.4 Thea"),
    ],
)
def test_a_removed_document_is_an_empty_one(run, sop_class, original, implicit):
    ds = new(implicit=implicit, EncapsulatedDocument=original, EncapsulatedDocumentLength=len(original))
    ds.SOPClassUID = sop_class
    out = run(ds)
    document = out.EncapsulatedDocument
    assert b"Thea" not in document
    assert out.EncapsulatedDocumentLength == len(document)
    if original.startswith(b"%PDF"):
        table = int(document.split(b"startxref")[1].split()[0])
        assert document[table : table + 4] == b"xref"
        for number, entry in enumerate(document[table:].splitlines()[3:6], 1):
            assert document[int(entry[:10]) :].startswith(b"%d 0 obj" % number)
    elif original.startswith(b"<"):
        assert ElementTree.fromstring(document).tag == "{urn:hl7-org:v3}ClinicalDocument"
    elif original.startswith(b"solid"):
        assert document == bytes(84)


def test_what_is_no_known_document_leaves_two_bytes(run):
    assert run(new(EncapsulatedDocument=b"Thea")).EncapsulatedDocument == b"\0\0"


@pytest.mark.parametrize(
    "keyword", ["DigitalSignaturesSequence", "OriginalAttributesSequence", "ModifiedAttributesSequence", "IconImageSequence"]
)
def test_what_seals_or_repeats_the_original_goes(run, keyword):
    item = Dataset()
    item.PatientName = "Grünberg^Thea"
    assert keyword not in run(new(**{keyword: Sequence([item])}))


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Ωνάσης^Ελένη"),
        ("ISO_IR 126", "Διονυσιος"),
        (["ISO 2022 IR 6", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
@pytest.mark.parametrize("target", ["keep", "utf-8"])
def test_character_sets(run, charset, name, target):
    ds = new(SpecificCharacterSet=charset, PatientName=name)
    person = name.split("=")[-1].split("^")[0]
    ds.StudyDescription = f"MRI KNEE {person}"
    ds.ManufacturerModelName = "Köln"[:1]
    inner = Dataset()
    inner.PatientName = name
    inner.SeriesDescription = f"CT {person}"
    ds.ReferencedSeriesSequence = Sequence([inner])
    out = run(ds, clean_descriptors=True, charset=target)
    assert person not in str(out)
    assert out.StudyDescription.startswith("MRI KNEE")
    assert out.ReferencedSeriesSequence[0].SeriesDescription.startswith("CT")
    assert out.SpecificCharacterSet == ("ISO_IR 192" if target == "utf-8" else ds.SpecificCharacterSet)


def test_utf_8_keeps_other_text(run):
    ds = new(SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong", ConvolutionKernel="标准")
    out = run(ds, charset="utf-8")
    assert out.SpecificCharacterSet == "ISO_IR 192"
    assert out.ConvolutionKernel == "标准"


@pytest.mark.parametrize("policy", [{"clean_structured_content": True, "retain_patient_characteristics": True}, {"profile": "scan"}])
@pytest.mark.parametrize(("value", "unit", "expected"), [("93", "a", 90), ("63.5", "a", 63.5), ("93", "mm", 93), ("120", "kg", 120)])
def test_ages_over_89_in_reports(run, policy, value, unit, expected):
    """What PatientAge may not say, a report must not either."""
    measured = Dataset()
    measured.NumericValue, measured.FloatingPointValue = value, float(value)
    measured.MeasurementUnitsCodeSequence = code(unit, "UCUM")
    ds = new(ContentSequence=Sequence([content("NUM", "121033", MeasuredValueSequence=Sequence([measured]))]), ValueType="CONTAINER")
    found = run(ds, **policy).ContentSequence[0].MeasuredValueSequence[0]
    assert (found.NumericValue, found.FloatingPointValue) == (expected, expected)


@pytest.mark.parametrize("policy", [{"clean_structured_content": True}, {"profile": "scan"}])
def test_an_item_of_text_keeps_a_text(identity, policy):
    """Text Value is required there (PS3.3 C.17.3): where all of it goes, a dummy stands for it."""
    tags = TagDeidentifier(TagsPolicy(**policy), identity, remover := PiiDetector(TextPolicy(marker="remove")))
    inner = content("CONTAINER", "121071")
    inner.ContentSequence = Sequence([content("TEXT", "121071", TextValue="Zehgeer")])
    ds = new(ContentSequence=Sequence([inner]), ValueType="CONTAINER")
    tags.apply(ds, remover.known([ds]), pixels=None)
    assert ds.ContentSequence[0].ContentSequence[0].TextValue == "ANONYMIZED"
