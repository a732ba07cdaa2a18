from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.transforms.tags.conftest import new
from transforms.errors import ConfigError
from transforms.policy import TagRule, TagsPolicy
from transforms.tags.check import check_policy
from transforms.tags.match import check
from transforms.tags.rules import ROOT, Action, Rules
from transforms.tags.table import by_tag, concepts, rows


def test_tables_are_whole():
    assert len(rows()) == 621
    assert len(by_tag()) == 617
    assert len(concepts()) == 209


@pytest.mark.parametrize(
    ("match", "keyword"),
    [
        ("StudyDescription", "StudyDescription"),
        ("(0008,1030)", "StudyDescription"),
        ("Study*", "StudyDescription"),
        ("VR:LO", "StudyDescription"),
    ],
)
def test_rules_by_keyword_tag_pattern_and_vr(run, match, keyword):
    out = run(new(StudyDescription="MRI KNEE"), rules=[{"match": match, "action": "keep"}, {"match": "PatientID", "action": "pseudonym"}])
    assert out[keyword].value == "MRI KNEE"
    assert not any(finding.tag_path == keyword for finding in out.findings)


def test_later_rules_win_and_are_named(run):
    rules = [{"match": "*Description", "action": "keep"}, {"match": "StudyDescription", "action": "replace", "value": "a study"}]
    out = run(new(StudyDescription="x", SeriesDescription="y"), rules=rules)
    assert (out.StudyDescription, out.SeriesDescription) == ("a study", "y")
    assert [f.rule for f in out.findings if f.tag_path == "StudyDescription"] == ["rule 2: replace"]


def test_pseudonyms_of_other_attributes_are_stable(run):
    rules = [{"match": "AccessionNumber", "action": "pseudonym"}]
    one, two, other = (run(new(AccessionNumber=number), rules=rules).AccessionNumber for number in ("A1", "A1", "A2"))
    assert one == two != other
    assert len(one) == 16


def test_a_kept_patient_id_stays_a_path_part(run):
    rules = [{"match": "PatientID", "action": "keep"}]
    assert run(new(PatientID="TRIAL-0042"), rules=rules).PatientID == "TRIAL-0042"
    assert run(new(PatientID="../../etc"), rules=rules).PatientID not in ("../../etc", "")


@pytest.mark.parametrize(
    "policy",
    [
        {"clean_recognizable_visual_features": True},
        {"profile": "keep-list", "clean_descriptors": True},
        {"shift_days": 10},
        {"rules": [{"match": "StudyDate", "action": "shift"}]},
        {"retain_uids": True, "rules": [{"match": "StudyInstanceUID", "action": "uid"}]},
        {"rules": [{"match": "StudyDate", "action": "keep", "value": "x"}]},
        {"rules": [{"match": [], "action": "keep"}]},
        {"profile": "strict"},
        {"unknown": 1},
    ],
)
def test_conflicts_are_errors(policy):
    with pytest.raises(ValidationError):
        TagsPolicy(**policy)


def test_a_pattern_that_means_nothing_is_named():
    assert "PatientsName" in (check("PatientsName") or "")
    assert all(check(pattern) is None for pattern in ("PatientName", "(0010,0010)", "(50xx,xxxx)", "*Comments*", "VR:LT"))


def test_a_policy_is_checked_against_the_dictionary():
    check_policy(TagsPolicy(rules=({"match": "PatientName", "action": "clean"},), private="safe", safe_private=("(0011,xx01,ACME)",)))
    with pytest.raises(ConfigError, match="did you mean PatientName"):
        check_policy(TagsPolicy(rules=({"match": "PatientsName", "action": "clean"},)))
    with pytest.raises(ConfigError, match="gggg odd"):
        check_policy(TagsPolicy(private="safe", safe_private=("(0010,xx01,ACME)",)))


@pytest.mark.parametrize(
    ("options", "keyword", "expected"),
    [
        ({}, "InstitutionName", Action.REMOVE),
        ({"retain_institution_identity": True}, "InstitutionName", Action.KEEP),
        ({"retain_device_identity": True}, "DeviceSerialNumber", Action.KEEP),
        ({"retain_patient_characteristics": True}, "PatientSex", Action.KEEP),
        ({"retain_patient_characteristics": True}, "Allergies", Action.CLEAN),
        ({"retain_device_identity": True, "dates": "shift"}, "DateOfLastCalibration", Action.SHIFT),
        ({"clean_descriptors": True}, "SeriesDescription", Action.CLEAN),
        ({"retain_uids": True}, "FrameOfReferenceUID", Action.KEEP),
    ],
)
def test_options(options, keyword, expected):
    tag = next(row.tag for row in rows() if row.name == keyword)
    assert Rules(TagsPolicy(**options)).step(tag, ROOT, "1.2.840.10008.5.1.4.1.1.2").action is expected


def test_values_of_rules_are_not_shown_for_what_they_replace():
    assert TagRule(match=("PatientName",), action="replace", value="x").value == "x"
