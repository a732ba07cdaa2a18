from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.transforms.tags.conftest import encoded, new
from transforms.policy import TagsPolicy
from transforms.tags.claims import IMPLEMENTATION_CLASS_UID
from transforms.tags.engine import TagDeidentifier
from transforms.types import PixelReport


def test_basic_profile_on_a_ct(run, ct):
    out = run(ct)
    assert out.PatientID != ct.PatientID
    assert str(out.PatientName).startswith("Anon^")
    assert out.StudyInstanceUID.startswith("2.25.")
    assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID
    assert not any(element.tag.is_private for element in out)
    assert "StudyDescription" not in out
    assert out.StudyDate == ""
    assert out.ConvolutionKernel == ct.ConvolutionKernel
    assert out.PixelData == ct.PixelData


def test_claims_say_what_was_done(run, ct):
    out = run(ct)
    assert out.PatientIdentityRemoved == "YES"
    assert out.LongitudinalTemporalInformationModified == "REMOVED"
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113100"]
    assert "BurnedInAnnotation" not in out
    out = run(ct, pixels=PixelReport(cleaned=True))
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert out.BurnedInAnnotation == "NO"


def test_file_meta_and_preamble_are_new(run, ct):
    ct.preamble = b"MM\0*" + b"John Doe".ljust(124, b"\0")
    ct.file_meta.SourceApplicationEntityTitle = "HOSPITAL_AE"
    ct.file_meta.PrivateInformationCreatorUID = "1.2.3"
    ct.file_meta.PrivateInformation = b"John Doe"
    out = run(ct)
    assert out.preamble == bytes(128)
    assert out.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert "SourceApplicationEntityTitle" not in out.file_meta
    assert "PrivateInformation" not in out.file_meta


@pytest.mark.parametrize("implicit", [False, True])
def test_nested_elements_at_every_depth(run, implicit):
    inner = Dataset()
    inner.PatientName = "Grünberg^Thea"
    inner.ReferencedSOPInstanceUID = "1.2.3.1"
    inner.add_new(0x00090010, "LO", "ACME")
    inner.add_new(0x00091001, "LO", "Grünberg")
    middle = Dataset()
    middle.ReferencedInstanceSequence = Sequence([inner])
    ds = new(implicit=implicit, ReferencedSeriesSequence=Sequence([middle]))
    out = run(ds)
    found = out.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert found.ReferencedSOPInstanceUID == out.SOPInstanceUID
    assert str(found.PatientName) == str(out.PatientName)
    assert 0x00091001 not in found
    assert 0x00090010 not in found


def test_untouched_elements_stay_raw(identity, pii, ct):
    before = {tag: ct.get_item(tag) for tag in (0x00080060, 0x00181210, 0x7FE00010)}
    TagDeidentifier(TagsPolicy(), identity, pii).apply(ct, pii.known([ct]), pixels=None)
    assert all(ct.get_item(tag) is element for tag, element in before.items())


def test_plan_changes_nothing(identity, pii, ct):
    before = encoded(ct)
    ct = pydicom.dcmread(io.BytesIO(before))
    tags = TagDeidentifier(TagsPolicy(), identity, pii)
    planned = tags.plan(ct, pii.known([ct]))
    assert encoded(ct) == before
    assert planned == tags.apply(ct, pii.known([ct]), pixels=None)


def test_unknown_patients_are_not_merged(run):
    one = run(new(PatientID="", StudyInstanceUID="1.2.3.2"))
    two = run(new(PatientID="", StudyInstanceUID="1.2.3.9"))
    again = run(new(PatientID="", StudyInstanceUID="1.2.3.2", SOPInstanceUID="1.2.3.77"))
    assert one.PatientID
    assert one.PatientID != two.PatientID
    assert one.PatientID == again.PatientID


def test_missing_and_invalid_uids_are_made(run):
    ds = new(FrameOfReferenceUID="../../etc/passwd")
    del ds.SeriesInstanceUID
    ds.StudyInstanceUID = "../x"
    out = run(ds)
    assert all(str(uid).startswith("2.25.") for uid in (out.SeriesInstanceUID, out.StudyInstanceUID, out.FrameOfReferenceUID))


def test_compound_codes_follow_the_iod(run):
    ds = new(ContentDate="20200101", SeriesDate="20200101", ProtocolName="Grünberg", InstitutionName="St Mary", ContrastBolusAgent="x")
    out = run(ds)
    assert out.ContrastBolusAgent == ""  # Type 2 in CT
    assert "SeriesDate" not in out  # Type 3
    ds.SOPClassUID = "1.2.3.4.5"
    out = run(ds)
    assert out.SeriesDate == "19000101"
    assert out.ContrastBolusAgent == "ANONYMIZED"


def test_identifier_of_the_header_in_text_that_stays(run):
    out = run(new(ConvolutionKernel="Grünberg", ManufacturerModelName="Model for Grünberg"))
    assert "Grünberg" not in str(out)
    assert out.ManufacturerModelName.startswith("Model")


def test_overlays_and_curves_go(run):
    ds = new()
    ds.add_new(0x60003000, "OW", b"\1\0")
    ds.add_new(0x60000010, "US", 1)
    ds.add_new(0x50003000, "OW", b"\1\0")
    out = run(ds)
    assert not any(element.tag >> 24 in (0x50, 0x60) for element in out)


def test_findings_have_one_row_for_a_class(run):
    items = [Dataset() for _ in range(5)]
    for item in items:
        item.ReferencedSOPInstanceUID = "1.2.3"
    out = run(new(ReferencedInstanceSequence=Sequence(items)))
    paths = [finding.tag_path for finding in out.findings if "Referenced" in finding.tag_path]
    assert paths == ["ReferencedInstanceSequence[0].ReferencedSOPInstanceUID"]
    assert not any(finding.text for finding in out.findings)
