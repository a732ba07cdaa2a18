from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.policy import TagsPolicy, TextPolicy
from transforms.tags.engine import TagDeidentifier
from transforms.tags.identity import Identity
from transforms.text.detector import PiiDetector

SECRET = b"a secret of the tests, 32 bytes!!"


@pytest.fixture(scope="session")
def identity() -> Identity:
    return Identity(SECRET)


@pytest.fixture(scope="session")
def pii() -> PiiDetector:
    return PiiDetector(TextPolicy())


@pytest.fixture
def ct() -> Dataset:
    return pydicom.dcmread(get_testdata_file("CT_small.dcm"))


@pytest.fixture
def run(identity: Identity, pii: PiiDetector) -> Callable[..., Dataset]:
    """De-identify a data set under a policy, by way of bytes, and return it with its findings as ``findings``."""

    def go(ds: Dataset, pixels: Any = None, **policy: Any) -> Dataset:
        parsed = pydicom.dcmread(io.BytesIO(encoded(ds)))
        findings = TagDeidentifier(TagsPolicy(**policy), identity, pii).apply(parsed, pii.known([parsed]), pixels=pixels)
        result = pydicom.dcmread(io.BytesIO(encoded(parsed)))
        object.__setattr__(result, "findings", findings)
        return result

    return go


def encoded(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def new(*, implicit: bool = False, **attributes: Any) -> Dataset:
    """A small CT instance with the given attributes."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    ds.PatientID, ds.PatientName = "MRN-778812", "Grünberg^Thea"
    ds.SpecificCharacterSet = "ISO_IR 100"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return ds
