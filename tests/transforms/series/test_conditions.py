"""Save conditions: exact semantics, validation before anything is read, and laws that hold for every value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from transforms.errors import ConfigError
from transforms.policy import Condition, Policy
from transforms.series.conditions import check, evaluate, value_at


def dataset(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def holds(line: str | dict[str, object], ds: Dataset) -> bool:
    policy = Policy.model_validate({"save_conditions": [line]})
    check(policy.save_conditions)
    (evaluation,) = evaluate(policy.save_conditions, ds)
    return evaluation.evaluated_value


IMAGE = dataset(ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], Modality="CT", SeriesDescription="", PatientAge="045Y", KVP="120")
IMAGE.RequestAttributesSequence = [dataset(ScheduledProcedureStepID="S1"), dataset(ScheduledProcedureStepID="S2")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NOT_SUBSTR PRIMARY ImageType", False),
        ("NOT_SUBSTR primary ImageType", False),
        ("NOT_SUBSTR SECONDARY ImageType", True),
        ("NOT_SUBSTR PRIMARY StudyDescription", True),
        (r"NOT_SUBSTR ORIGINAL\PRIMARY ImageType", False),
        ("IN [ct, pt, nm, mr, mg] Modality", True),
        ("IN [MR] Modality", False),
        ("IN [C] Modality", True),
        ("IN [ct] StudyDescription", False),
        ("IN [ct] SeriesDescription", False),
        ("IN CT Modality", True),
        ("EQUALS ct Modality", True),
        ("EQUALS c Modality", False),
        ("ONE_OF [mr, ct] Modality", True),
        ("ONE_OF [m, c] Modality", False),
        ("REGEX ^C[TX]$ Modality", True),
        ("REGEX ^c Modality", False),
        ("IN [ct] (0008,0060)", True),
        ("IN [ct] 00080060", True),
        ("EQUALS s1 RequestAttributesSequence[0].ScheduledProcedureStepID", True),
        ("EQUALS s1 RequestAttributesSequence[1].ScheduledProcedureStepID", False),
        ("EQUALS s1 RequestAttributesSequence[7].ScheduledProcedureStepID", False),
        ("IN [s2] RequestAttributesSequence.ScheduledProcedureStepID", True),
        ("IN [s2] RequestAttributesSequence[*].(0040,0009)", True),
        ("EQUALS axial ImageType[2]", True),
        ({"condition_type": "RANGE", "value": [100, 140], "dicom_tag": "KVP"}, True),
        ({"condition_type": "RANGE", "value": [None, 100], "dicom_tag": "KVP"}, False),
        ({"condition_type": "RANGE", "value": [1, 2], "dicom_tag": "StudyDescription"}, False),
        ({"condition_type": "RANGE", "value": ["018Y", None], "dicom_tag": "PatientAge"}, True),
        ({"condition_type": "EXISTS", "dicom_tag": "SeriesDescription"}, True),
        ({"condition_type": "EXISTS", "dicom_tag": "StudyDescription"}, False),
        ({"condition_type": "EXISTS", "value": False, "dicom_tag": "StudyDescription"}, True),
    ],
)
def test_semantics(line: str | dict[str, object], expected: bool) -> None:
    assert holds(line, IMAGE) is expected


def test_combinations() -> None:
    ct = {"condition_type": "IN", "value": ["ct"], "dicom_tag": "Modality"}
    mr = {"condition_type": "IN", "value": ["mr"], "dicom_tag": "Modality"}
    assert holds({"condition_type": "ANY", "conditions": [ct, mr]}, IMAGE)
    assert not holds({"condition_type": "ALL", "conditions": [ct, mr]}, IMAGE)
    assert holds({"condition_type": "NOT", "conditions": [mr]}, IMAGE)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("NOTSUBSTR PRIMARY ImageType", "expected one of NOT_SUBSTR, IN"),
        ("IN [ct] Modalty", "did you mean Modality"),
        ("REGEX ( Modality", "no regular expression"),
        ("IN [] Modality", "expected a list"),
        ("IN [ct] Modality..X", "expected a keyword"),
        ("RANGE [2020-01-31, 2020-12-31] StudyDate", "two numbers or two texts"),
        ("RANGE 5 KVP", "lowest, highest.*found 5"),
        ("EXISTS maybe KVP", "expected true, false or no value, found 'maybe'"),
        ({"condition_type": "RANGE", "value": [1], "dicom_tag": "KVP"}, "lowest, highest"),
        ({"condition_type": "RANGE", "value": [1, "2"], "dicom_tag": "KVP"}, "lowest, highest"),
        ({"condition_type": "RANGE", "value": [None, None], "dicom_tag": "KVP"}, "lowest, highest"),
        ({"condition_type": "EQUALS", "dicom_tag": "KVP"}, "expected one value"),
        ({"condition_type": "EXISTS", "value": "x", "dicom_tag": "KVP"}, "expected true, false"),
        ({"condition_type": "ALL"}, "expected conditions below"),
        ({"condition_type": "NOT", "conditions": [{"condition_type": "EXISTS", "dicom_tag": "KVP"}] * 2}, "expected one condition"),
        ({"condition_type": "ANY", "dicom_tag": "KVP", "conditions": [{"condition_type": "EXISTS", "dicom_tag": "KVP"}]}, "no dicom_tag"),
        ({"condition_type": "ALL", "conditions": [{"condition_type": "IS", "value": 1, "dicom_tag": "KVP"}]}, "unknown save condition"),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_the_run(condition: str | dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(Policy.model_validate({"save_conditions": [condition]}).save_conditions)


def test_evaluations_have_the_shape_that_peers_write() -> None:
    policy = Policy.model_validate({"save_conditions": ["IN [ct, mr] Modality", "NOT_SUBSTR PRIMARY ImageType"]})
    first, second = evaluate(policy.save_conditions, IMAGE)
    assert json.loads(first.condition) == {"value": ["ct", "mr"], "dicom_tag": "Modality", "condition_type": "IN"}
    assert (first.tag_value, first.evaluated_value) == ("CT", True)
    assert (second.tag_value, second.evaluated_value) == (r"ORIGINAL\PRIMARY\AXIAL", False)
    assert "AXIAL" not in repr(second)


def test_a_value_that_cannot_be_converted_is_an_empty_text() -> None:
    ds = Dataset()
    ds[Tag("Rows")] = RawDataElement(Tag("Rows"), "US", 3, b"abc", 0, False, True)
    assert value_at(ds, "Rows") == ""
    assert not holds("IN [abc] Rows", ds)


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\"), max_size=12)
needles = texts.map(str.strip).filter(bool)


@given(value=texts, needle=needles)
def test_in_is_the_opposite_of_not_substr(value: str, needle: str) -> None:
    ds = dataset(SeriesDescription=value)
    conditions = [
        Condition(condition_type="IN", value=[needle], dicom_tag="SeriesDescription"),
        Condition(condition_type="NOT_SUBSTR", value=needle, dicom_tag="SeriesDescription"),
    ]
    first, second = evaluate(conditions, ds)
    assert first.evaluated_value is not second.evaluated_value
    assert first.evaluated_value is (needle.casefold() in str(ds.SeriesDescription).casefold())


@given(values=st.lists(texts.map(str.strip).filter(bool), min_size=1, max_size=4), wanted=st.lists(needles, min_size=1, max_size=4))
def test_one_of_implies_in_and_case_never_matters(values: list[str], wanted: list[str]) -> None:
    ds = dataset(ImageComments="x")
    ds.add_new("OtherPatientNames", "LO", values)
    kinds = [Condition(condition_type=kind, value=entry, dicom_tag="OtherPatientNames") for kind in ("ONE_OF", "IN") for entry in (wanted,)]
    one_of, contained = evaluate(kinds, ds)
    assert not one_of.evaluated_value or contained.evaluated_value


@given(
    st.recursive(
        st.sampled_from([True, False]), lambda inner: st.tuples(st.sampled_from(["ALL", "ANY", "NOT"]), st.lists(inner, min_size=1))
    )
)
def test_combinations_are_boolean_logic(tree: object) -> None:
    def build(node: object) -> tuple[Condition, bool]:
        if isinstance(node, bool):
            return Condition(condition_type="EXISTS", value=node, dicom_tag="Modality"), node
        assert isinstance(node, tuple)
        kind, below = node
        built = [build(entry) for entry in (below[:1] if kind == "NOT" else below)]
        truth = {"ALL": all, "ANY": any, "NOT": lambda values: not next(iter(values))}[kind](value for _, value in built)
        return Condition(condition_type=kind, conditions=tuple(condition for condition, _ in built)), truth

    condition, truth = build(tree)
    check([condition])
    assert evaluate([condition], IMAGE)[0].evaluated_value is truth
