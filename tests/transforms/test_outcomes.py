"""Rows of the audit: what a header says is in them only where it is a term of the standard or a number that fits."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.audit import INSTANCES, columns_of, encode
from transforms.errors import Code
from transforms.outcomes import header_outcome, work_outcome
from transforms.types import Header, SeriesDecision, Status, Work


def header(**fields: Any) -> Header:
    return Header(
        "id", "/in/x", 1, study_uid="1.2", series_uid="1.3", sop_uid="1.4", patient_id="P",
        **({"modality": "CT", "sop_class": "1.2.840.10008.5.1.4.1.1.2", "transfer_syntax": "1.2.840.10008.1.2.1"} | fields),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modality", "SMITH JOHN"),
        ("modality", "SMITH"),
        ("sop_class", "1.2.840.10008.5.19740312"),
        ("transfer_syntax", "1.2.840.10008.7719023"),
        ("frames", 99_999_999_999),
        ("frames", -1),
    ],
)
def test_a_value_that_is_no_term_is_not_in_the_audit(field: str, value: object) -> None:
    outcome = header_outcome(header(**{field: value}), Status.QUARANTINED, Code.INTERNAL, "mask")
    assert outcome.instance[field] is None
    assert str(value) not in str(outcome.instance)
    encode(columns_of([outcome.instance]), INSTANCES)


def test_terms_of_the_standard_are_in_the_audit() -> None:
    row = header_outcome(header(), Status.FILTERED, Code.SAVE_CONDITION, "save_conditions").instance
    assert (row["modality"], row["sop_class"], row["transfer_syntax"]) == ("CT", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")


def test_any_shape_of_a_header_can_be_written() -> None:
    work = Work(header(), SeriesDecision(True), shape=(2**64 - 1, 512), status=Status.QUARANTINED, code="internal", stage="mask")
    row = work_outcome(work, lambda kind, value: "").instance
    assert (row["rows"], row["columns"]) == (None, 512)
    encode(columns_of([row]), INSTANCES)
