from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage

from tests.transforms.tags.conftest import SECRET, new
from transforms.tags.identity import Identity

UIDS = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True)


@given(st.one_of(UIDS, st.text(min_size=1)))
def test_a_uid_is_valid_and_depends_on_value_and_secret_alone(value):
    new_uid = Identity(SECRET).uid(value)
    if not value.startswith("1.2.840.10008."):
        assert UID(new_uid).is_valid
        assert new_uid != value
        assert new_uid != Identity(b"another secret of the tests").uid(value)
    assert new_uid == Identity(SECRET).uid(value)


def test_standard_uids_stay():
    assert Identity(SECRET).uid(CTImageStorage) == CTImageStorage


def test_the_secret_is_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(Identity(SECRET))


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="at least"):
        Identity(b"short")


def test_references_stay_consistent(run):
    study, reference, item = Dataset(), Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3.1"
    reference.SeriesInstanceUID, reference.ReferencedSOPSequence = "1.2.3.3", Sequence([item])
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.2.3.2", Sequence([reference])
    out = run(new(CurrentRequestedProcedureEvidenceSequence=Sequence([study]), FrameOfReferenceUID="1.2.3.1"))
    found = out.CurrentRequestedProcedureEvidenceSequence[0]
    assert found.StudyInstanceUID == out.StudyInstanceUID
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == out.SeriesInstanceUID
    assert found.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == out.SOPInstanceUID
    assert found.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPClassUID == CTImageStorage
    assert out.FrameOfReferenceUID == out.SOPInstanceUID


def test_retained_uids_stay_if_they_are_uids(run):
    out = run(new(FrameOfReferenceUID="../etc"), retain_uids=True)
    assert out.StudyInstanceUID == "1.2.3.2"
    assert out.FrameOfReferenceUID.startswith("2.25.")
