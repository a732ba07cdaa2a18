"""What identifies without a row in table E.1-1: attributes, made-up UIDs of the standard, free text in terms, dates in texts that stay."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from tests.transforms.tags.conftest import SECRET, encoded, new
from transforms.tags.beyond import row
from transforms.tags.charset import terms
from transforms.tags.dates import written
from transforms.tags.identity import Identity
from transforms.tags.values import raw


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDateInAlternativeCalendar", "19740312"),
        ("PlacerOrderNumberImagingServiceRequestRetired", "ACC99812"),
        ("RetrieveURL", "http://pacs.example/SMITH"),
        ("RetrieveURI", "http://pacs.example/SMITH"),
        ("CommentsOnTheScheduledProcedureStep", "ask Smith"),
        ("DoseComment", "for Smith"),
        ("RadiationMachineName", "LINAC7"),
        ("OwnerID", "SMITH"),
    ],
)
@pytest.mark.parametrize("policy", [{}, {"clean_descriptors": True, "dates": "shift"}])
def test_unlisted_attributes_that_identify_go(run, keyword, value, policy):
    result = run(new(**{keyword: value}), **policy)
    assert value.encode() not in encoded(result)


@pytest.mark.parametrize("keyword", ["DocumentTitle", "AcquisitionContextDescription", "AcquisitionProtocolName", "ReasonForCancellation"])
def test_typed_text_without_a_row_is_cleaned(run, keyword):
    assert getattr(run(new(**{keyword: "Left knee for Dr. Obermeier-Quast"})), keyword).strip().startswith("Left knee")
    assert b"Obermeier" not in encoded(run(new(**{keyword: "Left knee for Dr. Obermeier-Quast"})))


def test_a_device_may_be_retained(run):
    assert run(new(RadiationMachineName="LINAC7"), retain_device_identity=True).RadiationMachineName == "LINAC7"


def test_who_assigned_an_identifier_is_replaced(run):
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = "1.2.840.99999", "ISO"
    ds = new(IssuerOfAccessionNumberSequence=[item])
    assert run(ds).IssuerOfAccessionNumberSequence[0].UniversalEntityID == "ANONYMIZED"
    assert run(ds, retain_institution_identity=True).IssuerOfAccessionNumberSequence[0].UniversalEntityID == "1.2.840.99999"


def test_harmless_attributes_are_not_meant():
    assert row("CodingSchemeURL", "UR") is row("CommentsFlag", "CS") is row("ConvolutionKernel", "SH") is None


def test_a_uid_that_only_looks_like_one_of_the_standard_is_replaced(run):
    made_up = "1.2.840.10008.19740312.1"
    assert Identity(SECRET).uid(made_up).startswith("2.25.")
    result = run(new(StudyInstanceUID=made_up, FrameOfReferenceUID="1.2.840.10008.1.4.1.1"))
    assert made_up not in str(result)
    assert result.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("SMITH JOHN", ""),
        ("ISO_IR 100\\SMITH", "ISO_IR 100"),
        ("\\ISO 2022 IR 87", "\\ISO 2022 IR 87"),
        ("ISO-IR 100", "ISO-IR 100"),
        ("GB18030", "GB18030"),
    ],
)
def test_a_character_set_holds_terms_only(run, text, left):
    assert terms(text) == left
    ds = new(SeriesNumber=1)
    ds._dict[Tag(0x00080005)] = raw(0x00080005, "CS", text.encode().ljust(len(text) + len(text) % 2), None)
    assert b"SMITH" not in encoded(run(ds))


def test_burned_in_annotation_holds_terms_only(run):
    assert "BurnedInAnnotation" not in run(new(BurnedInAnnotation="SMITH JOHN"))
    assert run(new(BurnedInAnnotation="YES")).BurnedInAnnotation == "YES"


@pytest.mark.parametrize("form", written("19740312"))
def test_dates_of_the_header_go_from_texts_that_stay(run, form):
    ds = new(PatientBirthDate="19740312", AlgorithmName=f"born {form}", ConvolutionKernel="B30f")
    result = run(ds)
    assert form not in str(result)
    assert result.ConvolutionKernel == "B30f"
    assert form in str(run(ds, dates="keep").get("AlgorithmName"))


def test_each_of_several_numbers_is_compared(run):
    ds = new(PatientID="7719023")
    ds._dict[Tag(0x00200037)] = raw(0x00200037, "DS", b"7719023\\1\\2\\3\\4\\5 ", None)
    assert b"7719023" not in encoded(run(ds))


def test_items_of_sequences_are_treated_alike(run):
    item = Dataset()
    item.ContactDisplayName, item.SpecificCharacterSet = "Smith", "SMITH JOHN"
    assert b"smith" not in encoded(run(new(ReferencedImageSequence=[item]))).lower()


@pytest.mark.parametrize("keyword", ["RTImageLabel", "SegmentLabel", "BeamName", "WindowCenterWidthExplanation", "PatientSetupLabel"])
def test_labels_without_a_row_lose_dates_numbers_and_titled_names(run, keyword):
    """And keep words that no vocabulary has: they name a thing here."""
    out = run(new(**{keyword: "PTVx 03.05.2021"}))
    assert out[keyword].value == "PTVx [DATE_TIME]"
    assert b"Obermeier" not in encoded(run(new(**{keyword: "Dr. Obermeier"})))
    assert b"7719023" not in encoded(run(new(**{keyword: "x 7719023"})))


def test_the_registration_of_an_animal_is_replaced(run):
    item = Dataset()
    item.BreedRegistrationNumber = "DE-276098106"
    assert run(new(BreedRegistrationSequence=[item])).BreedRegistrationSequence[0].BreedRegistrationNumber == "ANONYMIZED"


def test_claims_in_items_are_text_of_others(run):
    item = Dataset()
    item.DeidentificationMethod = "by Dr. Obermeier"
    assert b"Obermeier" not in encoded(run(new(ReferencedSeriesSequence=[item])))


def test_a_number_is_compared_without_leading_zeros(run):
    ds = new(PatientID="MRN-778812")
    ds._dict[Tag(0x00200012)] = raw(0x00200012, "IS", b"0778812 ", None)
    assert b"778812" not in encoded(run(ds))


@pytest.mark.parametrize("policy", [{}, {"clean_graphics": True}, {"profile": "scan"}])
def test_coined_code_strings_are_no_terms(run, policy):
    """Quarantining the instance for the name in them would lose it."""
    annotation = Dataset()
    annotation.GraphicLayer = "LAYER OBERMEIER"
    ds = new(PatientName="Obermeier^T", ContentLabel="OBERMEIER", GraphicAnnotationSequence=[annotation], BodyPartExamined="HEAD")
    out = run(ds, **policy)
    assert b"OBERMEIER" not in encoded(out)
    assert out.BodyPartExamined == "HEAD"
