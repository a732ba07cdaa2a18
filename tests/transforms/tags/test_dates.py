from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.tags.conftest import SECRET, new
from transforms.tags.dates import cap_age, is_over_89, is_valid, shift
from transforms.tags.identity import Identity

DATES = st.dates(date(1900, 1, 1), date(2100, 1, 1))
DAYS = st.integers(1, 3650)


@given(DATES, DATES, DAYS)
def test_intervals_stay(one, two, days):
    moved = [datetime.strptime(shift("DA", f"{value:%Y%m%d}", days) or "", "%Y%m%d").date() for value in (one, two)]
    assert moved[1] - moved[0] == two - one
    assert one - moved[0] == timedelta(days=days)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), DAYS, st.sampled_from(["", "+0100", "-1100"]))
def test_dt_moves_with_da_and_keeps_its_time_and_offset(value, days, offset):
    text = f"{value:%Y%m%d%H%M%S.%f}{offset}"
    moved = shift("DT", text, days)
    assert moved is not None
    assert moved[:8] == shift("DA", text[:8], days)
    assert moved[8:] == text[8:]


@given(st.text(max_size=20), st.sampled_from(["DA", "DT", "TM"]))
def test_anything_is_shifted_or_refused(text, vr):
    result = shift(vr, text, 1)
    assert result is None or is_valid(vr, result)


@given(st.text(), st.integers(1, 36500))
def test_a_shift_is_never_zero(patient, maximum):
    identity = Identity(SECRET)
    assert 1 <= identity.days(patient, maximum) <= maximum
    assert identity.days(patient, maximum) == Identity(SECRET).days(patient, maximum)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DA", "20200301", "20200229"),
        ("DA", "2020.03.01", "2020.02.29"),
        ("DA", "20200301\\20200302", "20200229\\20200301"),
        ("DA", "2020-03-01", "2020-02-29"),
        ("DA", "2020-03.01", None),
        ("DA", "20200230", None),
        ("TM", "094836.214743984", "094836.214743984"),
        ("DT", "20200301094836.214743984", "20200229094836.214743984"),
        ("DA", "about 1974", None),
        ("DA", "00010101", None),
        ("DT", "202003", "202003"),
        ("DT", "2020", "2020"),
        ("TM", "235959.999999", "235959.999999"),
        ("TM", "Thea", None),
        ("DA", "", ""),
    ],
)
def test_forms(vr, value, expected):
    assert shift(vr, value, 1) == expected


@pytest.mark.parametrize(
    ("age", "expected"), [("089Y", "089Y"), ("090Y", "090Y"), ("104Y", "090Y"), ("011M", "011M"), ("45 y", "045Y"), ("old", None)]
)
def test_ages_over_89(age, expected):
    assert cap_age(age) == expected


def test_shifted_instance(run):
    ds = new(
        StudyDate="20200301", StudyTime="235900", AcquisitionDateTime="20200302000100+0100", PatientBirthDate="19300101", PatientAge="101Y"
    )
    out = run(ds, dates="shift", shift_days=100, retain_patient_characteristics=True)
    study = datetime.strptime(out.StudyDate, "%Y%m%d")
    assert 1 <= (datetime(2020, 3, 1) - study).days <= 100
    assert datetime.strptime(out.AcquisitionDateTime[:8], "%Y%m%d") - study == timedelta(days=1)
    assert out.StudyTime == "235900"
    assert out.PatientAge == "090Y"
    assert out.PatientBirthDate == ""
    assert out.LongitudinalTemporalInformationModified == "MODIFIED"
    other = run(new(StudyDate="20200301", PatientID="another"), dates="shift", shift_days=100)
    assert other.StudyDate != out.StudyDate


def test_kept_dates(run):
    out = run(new(StudyDate="20200301", SeriesDate="20200301"), dates="keep")
    assert (out.StudyDate, out.SeriesDate) == ("20200301", "20200301")
    assert out.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113100", "113106"]


def test_a_date_that_is_none_does_not_stay(run):
    ds = new()
    ds.add_new(0x00080020, "LO", "Thea, 3rd of May")
    assert run(ds, dates="keep").StudyDate == ""
    assert run(ds, dates="shift").StudyDate == ""


@pytest.mark.parametrize(
    ("birth", "days", "expected"),
    [
        ("19300302", ["20200301"], False),
        ("19300301", ["20200301"], True),
        ("1930.03.01", ["", "not a date", "2020.03.01 "], True),
        ("", ["20200301"], False),
        ("19300301", [], False),
    ],
)
def test_over_89(birth, days, expected):
    assert is_over_89(birth, days) is expected


def test_a_birth_date_does_not_tell_an_age_over_89(run):
    """Shifted by the days of the study, it would tell the age that PatientAge no longer says (45 CFR 164.514(b)(2)(i)(C))."""
    policy = {"profile": "scan", "dates": "shift", "shift_days": 100}
    assert run(new(StudyDate="20200301", PatientBirthDate="19250101"), **policy).PatientBirthDate == ""
    assert run(new(StudyDate="20200301", PatientBirthDate="19550101"), **policy).PatientBirthDate not in ("", "19550101")
