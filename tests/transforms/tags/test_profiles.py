"""The profiles other than the basic one, as their recipes use them."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.transforms.tags.conftest import new
from tests.transforms.tags.test_recipes import policy


def instance() -> Dataset:
    request = Dataset()
    request.RequestedProcedureDescription = "MRI KNEE for Thea Grünberg"
    ds = new(
        StudyDescription="MRI KNEE LT for Thea Grünberg",
        StudyDate="20200301",
        SliceThickness="1.5",
        ConvolutionKernel="B30f",
        Modality="CT",
        RequestAttributesSequence=Sequence([request]),
        Rows=1,
        Columns=1,
    )
    ds.add_new(0x00090010, "LO", "ACME")
    ds.add_new(0x00091001, "LO", "Grünberg")
    return ds


def recipe(run, name):
    return run(instance(), **policy(name).tags.model_dump(exclude_unset=True))


def test_keep_list_leaves_its_list(run):
    out = recipe(run, "keep-list")
    assert out.SliceThickness == 1.5
    assert (out.Rows, out.Columns) == (1, 1)
    assert not any(keyword in out for keyword in ("StudyDescription", "StudyDate", "Modality", "RequestAttributesSequence"))
    assert "Grünberg" not in out.to_json()
    assert "DeidentificationMethodCodeSequence" not in out


def test_text_scan_marks_what_it_finds_and_leaves_the_rest(run):
    out = recipe(run, "text-scan")
    assert out.StudyDescription.startswith("MRI KNEE LT")
    assert "[PERSON]" in out.StudyDescription
    assert out.PatientName == "[PERSON]"
    assert out.RequestAttributesSequence[0].RequestedProcedureDescription.startswith("MRI KNEE")
    assert out.ConvolutionKernel == "B30f"
    assert "Grünberg" not in out.to_json()
    assert out.StudyInstanceUID != "1.2.3.2"


def test_keep_all_replaces_uids_and_says_what_it_is(run):
    out = recipe(run, "google-keep-all")
    assert out.PatientName == "Grünberg^Thea"
    assert out.StudyDescription.endswith("Grünberg")
    assert out[0x00091001].value == "Grünberg"
    assert out.StudyInstanceUID != "1.2.3.2"
    assert out.PatientIdentityRemoved == "NO"


def test_tag_contents_shifts_dates(run):
    out = recipe(run, "google-tag-contents")
    assert out.StudyDate not in ("", "20200301")
    assert "Grünberg" not in out.to_json()


@pytest.mark.parametrize("name", ["text-scan", "google-tag-contents"])
def test_numbers_that_identify_go_where_text_is_scanned(run, name):
    """No scan of text sees that a number is a place; table E.1-1 has no option that would retain it."""
    ds = new(GPSLatitude="48.137", GPSLatitudeRef="N", GPSDifferential=1, PatientWeight="70", SelectorASValue="094Y")
    out = run(ds, **policy(name).tags.model_dump(exclude_unset=True))
    assert not any(keyword.startswith("GPS") for keyword in out.dir())
    assert (out.PatientWeight, out.SelectorASValue) == (70, "090Y")
