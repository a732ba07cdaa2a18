from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from transforms.policy import TextPolicy
from transforms.text.detector import PiiDetector
from transforms.text.known import HeaderKnown


@pytest.fixture(scope="session")
def detector() -> PiiDetector:
    return PiiDetector(TextPolicy(marker="type"))


@pytest.fixture(scope="session")
def remover() -> PiiDetector:
    return PiiDetector(TextPolicy(marker="remove"))


@pytest.fixture(scope="session")
def header() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Müller-Whitfield^Katharina^Ann"
    dataset.OtherPatientNames = "Brown^Kate"
    dataset.PatientID = "0012-345-67"
    dataset.AccessionNumber = "ACX99127"
    dataset.PatientBirthDate = "19740312"
    dataset.StudyDate = "20190506"
    dataset.InstitutionName = "Zarvelund Clinic"
    dataset.PatientTelephoneNumbers = "+49 30 901820"
    dataset.OperatorsName = "Jorvik^Kim"
    inner = Dataset()
    inner.RequestingPhysician = "Tarkovian^Olena"
    outer = Dataset()
    outer.ReferencedStudySequence = [inner]
    dataset.RequestAttributesSequence = [outer]
    return dataset


@pytest.fixture(scope="session")
def known(detector: PiiDetector, header: Dataset) -> HeaderKnown:
    return detector.known([header])
