"""Claims of policies with rules that are laxer than the profile."""

from __future__ import annotations

import pytest

from tests.transforms.tags.conftest import new
from transforms.policy import TagsPolicy
from transforms.tags.conform import unmet


def rule(match, action, **values):
    return {"rules": ({"match": match, "action": action, **values},)}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, set()),
        (rule("PatientBirthDate", "keep"), {"basic"}),
        (rule("StudyInstanceUID", "keep"), {"basic"}),
        (rule("VR:LO", "clean"), {"basic"}),
        ({"private": "keep"}, {"basic"}),
        ({"documents": "keep"}, {"basic"}),
        ({"clean_descriptors": True, **rule("StudyDescription", "keep")}, {"basic", "descriptors"}),
        ({"dates": "shift", **rule("StudyDate", "keep")}, {"basic", "modified_dates"}),
        ({"clean_descriptors": True, **rule("StudyDescription", "clean")}, set()),
        ({"retain_device_identity": True, **rule("StationName", "keep")}, set()),
        (rule("Rows", "keep"), set()),
        (rule("ManufacturerModelName", "remove"), set()),
        (rule("AccessionNumber", "pseudonym"), set()),
        (rule("InstitutionName", "replace", value="A"), set()),
        ({"profile": "scan", **rule("PatientBirthDate", "keep")}, set()),
    ],
)
def test_what_a_policy_does_not_keep_to(policy, expected):
    assert unmet(TagsPolicy(**policy)) == expected


def test_a_policy_that_keeps_what_the_profile_removes_does_not_claim_it(run):
    out = run(new(PatientBirthDate="19500101"), clean_descriptors=True, **rule("PatientBirthDate", "keep"))
    assert out.PatientBirthDate == "19500101"
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113105"]
    assert "with exceptions of the site" in out.DeidentificationMethod
    out = run(new(), **rule("Rows", "keep"))
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113100"]
    assert list(out.DeidentificationMethod) == ["dicom-deid", "PS3.15 E.1-1 2024b"]
