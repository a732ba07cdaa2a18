"""Codes of coded entries, where text is cleaned."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.transforms.tags.conftest import new

POLICIES = ({"clean_descriptors": True}, {"profile": "scan"}, {"profile": "scan", "dates": "shift"})


def entry(value: str, scheme: str, meaning: str = "CT of chest") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("value", "scheme"), [("241540006", "SCT"), ("71260", "C4"), ("121071", "DCM"), ("24627-2", "LN")])
@pytest.mark.parametrize("implicit", [False, True])
def test_codes_of_public_schemes_stay(run, policy, value, scheme, implicit):
    out = run(new(implicit=implicit, ReasonForRequestedProcedureCodeSequence=entry(value, scheme)), **policy)
    assert out.ReasonForRequestedProcedureCodeSequence[0].CodeValue == value
    assert out.ReasonForRequestedProcedureCodeSequence[0].CodeMeaning == "CT of chest"


@pytest.mark.parametrize("policy", POLICIES)
def test_codes_of_a_site_are_cleaned_and_not_empty(run, policy):
    item = run(new(ReasonForRequestedProcedureCodeSequence=entry("47112345", "99HOSP", "Zehgeer")), **policy)[0x0040100A][0]
    assert "47112345" not in item.CodeValue
    assert "Zehgeer" not in item.CodeMeaning
    assert item.CodeValue  # Type 1C (PS3.3 table 8.8-1)
    assert item.CodeMeaning  # Type 1


@pytest.mark.parametrize("policy", POLICIES)
def test_an_identifier_of_the_header_is_no_code_of_any_scheme(run, policy):
    out = run(new(PatientID="47112345", ReasonForRequestedProcedureCodeSequence=entry("47112345", "SCT")), **policy)
    assert "47112345" not in out.to_json()


@pytest.mark.parametrize("scheme", ["RFC5646", "99SDM", "99PMP", "SRT"])
def test_a_designator_of_a_scheme_stays(run, scheme):
    """``[ID]`` says of no code what it means."""
    out = run(new(AcquisitionContextSequence=entry("12", scheme)), profile="scan")
    assert out.AcquisitionContextSequence[0].CodingSchemeDesignator == scheme


def test_a_designator_that_is_none_is_cleaned(run):
    assert "778812" not in run(new(AcquisitionContextSequence=entry("12", "99 MRN-778812")), profile="scan").to_json()
