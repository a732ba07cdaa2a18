"""Plant what identifies into real headers: every kind, in every text VR, nested and private, and say what was planted where."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydicom.dataset import Dataset as PydicomDataset
from pydicom.sequence import Sequence as DicomSequence

from pipeline.score_paths import element_name, value_text
from pipeline.synth_people import FAMILY, Person, coin, person, words
from pipeline.synth_phrases import plain, sentence
from transforms.types import Dataset

CLEAN_DESCRIPTORS, RETAIN_CHARACTERISTICS, RETAIN_DEVICE = "113105", "113108", "113109"
RETAIN_UIDS, RETAIN_INSTITUTION, RETAIN_FULL_DATES = "113110", "113112", "113106"

PRIVATE_CREATOR = "HELIOS ARCHIVE 3.1"
DESCRIPTIONS = words("""
StudyDescription SeriesDescription ProtocolName RequestedProcedureDescription PerformedProcedureStepDescription ReasonForStudy
AdmittingDiagnosesDescription ReasonForTheRequestedProcedure PatientState MedicalAlerts Allergies ContrastBolusAgent
""")
NOTES = words("""
ImageComments PatientComments AdditionalPatientHistory AcquisitionComments StudyComments RequestedProcedureComments VisitComments
DerivationDescription CommentsOnThePerformedProcedureStep InterpretationText ResultsComments ReasonForVisit
MultienergyAcquisitionDescription IdentifyingComments
""")
PHYSICIANS = words("""
ReferringPhysicianName PerformingPhysicianName OperatorsName NameOfPhysiciansReadingStudy PhysiciansOfRecord RequestingPhysician
ScheduledPerformingPhysicianName OrderEnteredBy ResponsiblePerson
""")
PATIENT_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName")
IDENTIFIERS = words("""
PatientID OtherPatientIDs AccessionNumber StudyID RequestedProcedureID ScheduledProcedureStepID PerformedProcedureStepID AdmissionID
FillerOrderNumberImagingServiceRequest PlacerOrderNumberImagingServiceRequest MedicalRecordLocator InsurancePlanIdentification
""")
DEVICES = words("""
StationName DeviceSerialNumber PlateID DetectorID CassetteID PerformedStationName ScheduledStationName
""")
DATES = words("""
StudyDate SeriesDate AcquisitionDate ContentDate PatientBirthDate InstanceCreationDate PerformedProcedureStepStartDate AdmittingDate
LastMenstrualDate
""")
DATE_TIMES = ("AcquisitionDateTime", "FrameAcquisitionDateTime", "PerformedProcedureStepStartDateTime")
INSTANCE_UIDS = frozenset(
    [
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "ReferencedSOPInstanceUID",
        "ReferencedFrameOfReferenceUID",
        "IrradiationEventUID",
        "SynchronizationFrameOfReferenceUID",
        "TrackingUID",
        "UID",
        "ConcatenationUID",
        "DimensionOrganizationUID",
        "SpecimenUID",
        "AcquisitionUID",
        "TransactionUID",
        "InstanceCreatorUID",
        "RelatedFrameOfReferenceUID",
        "MediaStorageSOPInstanceUID",
        "DoseReferenceUID",
    ]
)
TECHNICAL = words("""
Modality SOPClassUID Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PhotometricInterpretation
NumberOfFrames PixelSpacing SliceThickness KVP ExposureTime XRayTubeCurrent RepetitionTime EchoTime FlipAngle MagneticFieldStrength
ImageOrientationPatient ImagePositionPatient WindowCenter WindowWidth RescaleSlope RescaleIntercept ImageType InstanceNumber
ConvolutionKernel GantryDetectorTilt SpacingBetweenSlices ImagerPixelSpacing PlanarConfiguration
""")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NEVER_EMPTY = ("PatientID", "PatientName", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look for in the output.

    Attributes:
        action: what should have happened, in the words of the MIDI-B challenge.
        tag: path of the element, ``RequestAttributesSequence[0].StudyDescription``; private ones by creator: ``(0011,CREATOR,01)``.
        text: what must be gone, or must be there.
        kind: kind of identifier.
        needs: the check applies only where the output claims this method code (PS3.16 CID 7050), or keeps such words without a claim.
        unless: the check does not apply where the output claims this code.
    """

    action: str
    tag: str
    text: str = ""
    kind: str = ""
    needs: str = ""
    unless: str = ""

    def as_json(self) -> dict[str, str]:
        """Fields that are set."""
        return {key: value for key, value in asdict(self).items() if value}


def instance_uid(seed: int | str, number: int) -> str:
    """The SOP Instance UID of the instance with this number."""
    return f"2.25.{random.Random(f'{seed}/uid/{number}').getrandbits(120)}"


def plant(dataset: Dataset, seed: int | str, number: int) -> tuple[Check, ...]:
    """Plant an invented patient all over ``dataset``, in place. One original patient becomes one invented patient.

    Args:
        dataset: a whole data set; its pixels, and all UIDs but that of the instance, stay as they are.
        seed: with the original PatientID it decides on the patient, with ``number`` on everything else.
        number: of the instance in its archive; it gets a UID of its own, and a reference to the instance before it.
    """
    who = person(random.Random(f"{seed}/{dataset.get('PatientID')}"))
    rng = random.Random(f"{seed}/{number}")
    kept = [*_technical(dataset)]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = instance_uid(seed, number)
    reference = PydicomDataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.get("SOPClassUID"), instance_uid(seed, number - 1)
    dataset.SourceImageSequence = DicomSequence([*(dataset.get("SourceImageSequence") or ()), reference])
    planter = _Planter(dataset, who, rng)
    planter.top_level()
    planter.nested()
    planter.private()
    never = [Check("text_notnull", keyword) for keyword in NEVER_EMPTY if dataset.get(keyword)]
    same = [Check("patid_consistent", "PatientID", str(dataset.PatientID))]
    return (*planter.checks, *kept, *never, *same, *_uids(dataset))


def _technical(dataset: Dataset) -> Iterator[Check]:
    """What no rule of the profile touches must be there as it was, unless it is no value of its VR to begin with."""
    for keyword in TECHNICAL:
        if keyword in dataset and dataset[keyword].value not in (None, ""):
            text = value_text(dataset[keyword].value)
            yield Check("tag_retained", keyword)
            if dataset[keyword].VR not in ("IS", "DS") or all(NUMBER.fullmatch(part.strip()) for part in text.split("\\")):
                yield Check("text_retained", keyword, text)


def _uids(dataset: Dataset, prefix: str = "") -> Iterator[Check]:
    """Every UID of an instance, at any depth."""
    for element in dataset:
        path = prefix + element_name(dataset, element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _uids(item, f"{path}[{number}].")
        elif element.keyword in INSTANCE_UIDS and isinstance(element.value, str) and element.value.startswith(("1.", "2.")):
            yield Check("uid_changed", path, str(element.value), "UID", unless=RETAIN_UIDS)
            yield Check("uid_consistent", path, str(element.value), "UID", unless=RETAIN_UIDS)


class _Planter:
    """Writes one patient into one data set."""

    def __init__(self, dataset: Dataset, who: Person, rng: random.Random) -> None:
        self.checks: list[Check] = []
        self._dataset, self._who, self._rng = dataset, who, rng
        try:
            dataset.decode()
            dataset.SpecificCharacterSet = "ISO_IR 192"
            self._ascii = False
        except Exception:  # text that its own character set cannot decode: what is planted must then fit into any
            self._ascii = True

    def top_level(self) -> None:
        """Elements of the data set itself."""
        who, dataset = self._who, self._dataset
        for keyword in PATIENT_NAMES:
            self._name(dataset, keyword, who.family, who.given)
        for keyword in PHYSICIANS:
            self._name(dataset, keyword, self._rng.choice((who.physician, coin(self._rng, 3))), "")
        for keyword in IDENTIFIERS:
            own = {"PatientID": who.mrn, "OtherPatientIDs": who.mrn, "AccessionNumber": who.accession[:16]}
            self._value(dataset, keyword, own.get(keyword) or f"{coin(self._rng, 2).upper()}{self._rng.randrange(10**6, 10**7)}", "ID")
        for keyword in DEVICES:
            self._value(dataset, keyword, f"{coin(self._rng, 2).upper()}{self._rng.randrange(100, 999)}", "DEVICE", unless=RETAIN_DEVICE)
        self._value(dataset, "InstitutionName", who.institution, "ORGANIZATION", unless=RETAIN_INSTITUTION)
        self._value(dataset, "InstitutionAddress", f"{coin(self._rng, 3)} Road 5, {who.place}", "LOCATION", unless=RETAIN_INSTITUTION)
        self._value(dataset, "PatientAddress", f"{self._rng.randrange(1, 99)} {coin(self._rng, 3)} Street, {who.place}", "LOCATION")
        self._value(dataset, "PatientTelephoneNumbers", who.phone, "PHONE_NUMBER")
        self._value(dataset, "CurrentPatientLocation", f"Ward {coin(self._rng, 2)}", "LOCATION")
        self._value(dataset, "RequestingService", f"{self._rng.choice(FAMILY)} Practice", "ORGANIZATION")
        self._value(dataset, "RetrieveAETitle", coin(self._rng, 3).upper(), "DEVICE")
        self._value(dataset, "PatientTelecomInformation", f"{plain(who.given)}@{coin(self._rng, 2)}.example".lower(), "EMAIL_ADDRESS")
        dataset.PatientAge = f"{who.age:03d}Y"
        self._note(Check("text_removed", "PatientAge", dataset.PatientAge, "AGE", unless=RETAIN_CHARACTERISTICS))
        for keyword in DESCRIPTIONS:
            self._sentence(dataset, keyword, 64)
        for keyword in NOTES:
            self._sentence(dataset, keyword, 900)
        for keyword in DATES:
            day = who.birth if keyword == "PatientBirthDate" else who.study - datetime.timedelta(days=self._rng.randrange(9))
            self._date(dataset, keyword, day.strftime("%Y%m%d"))
        for keyword in DATE_TIMES:
            self._date(dataset, keyword, f"{who.study:%Y%m%d}{who.time:%H%M%S}.000000{self._rng.choice(('', '+0100', '-0500'))}")

    def nested(self) -> None:
        """Items of sequences, down to the third level; what stands there already stays and is added to."""
        request = self._item("RequestAttributesSequence")
        path = f"RequestAttributesSequence[{len(self._dataset.RequestAttributesSequence) - 1}]."
        self._sentence(request, "ScheduledProcedureStepDescription", 64, path)
        self._sentence(request, "RequestedProcedureDescription", 64, path)
        self._value(request, "ScheduledProcedureStepID", f"{coin(self._rng, 2)}{self._rng.randrange(1000, 9999)}", "ID", path)
        self._value(request, "AccessionNumber", self._who.accession[:16], "ID", path)
        performer = self._item("PerformingPhysicianIdentificationSequence")
        path = f"PerformingPhysicianIdentificationSequence[{len(self._dataset.PerformingPhysicianIdentificationSequence) - 1}]."
        self._value(performer, "InstitutionName", self._who.institution, "ORGANIZATION", path)
        self._value(performer, "PersonTelephoneNumbers", self._who.phone, "PHONE_NUMBER", path)
        code = PydicomDataset()
        code.CodeValue, code.CodingSchemeDesignator = str(self._rng.randrange(1000, 9999)), "99LOCAL"
        self._value(code, "CodeMeaning", coin(self._rng, 4), "PERSON", path + "PersonIdentificationCodeSequence[0].")
        performer.PersonIdentificationCodeSequence = DicomSequence([code])
        original = self._item("OriginalAttributesSequence")
        path = f"OriginalAttributesSequence[{len(self._dataset.OriginalAttributesSequence) - 1}]."
        before = PydicomDataset()
        self._name(before, "PatientName", coin(self._rng, 3), coin(self._rng, 2), path + "ModifiedAttributesSequence[0].")
        self._value(before, "PatientID", f"OLD{self._rng.randrange(10**5, 10**6)}", "ID", path + "ModifiedAttributesSequence[0].")
        original.ModifiedAttributesSequence = DicomSequence([before])
        self._date(original, "AttributeModificationDateTime", f"{self._who.study:%Y%m%d}120000", path)
        other = self._item("OtherPatientIDsSequence")
        path = f"OtherPatientIDsSequence[{len(self._dataset.OtherPatientIDsSequence) - 1}]."
        self._value(other, "PatientID", f"ALT-{self._rng.randrange(10**5, 10**6)}", "ID", path)

    def private(self) -> None:
        """A private block with every text VR, bytes of unknown VR and a nested item; and text in a block that is known to be safe."""
        who, block = self._who, self._dataset.private_block(0x0011, PRIVATE_CREATOR, create=True)

        def add(offset: int, vr: str, value: Any, kind: str, gone: str) -> None:
            block.add_new(offset, vr, value)
            self._note(Check("text_removed", f"(0011,{PRIVATE_CREATOR},{offset:02X})", gone, kind))

        family = self._fit(who.family)
        for offset, vr in enumerate(("LO", "SH", "LT", "ST", "UT", "UC"), start=1):
            add(offset, vr, family[:16], "PERSON", family[:16])
        add(0x10, "PN", f"{family}^{self._fit(who.given)}", "PERSON", family)
        add(0x11, "UN", plain(who.family).encode() + b" ", "PERSON", plain(who.family))
        add(0x12, "DA", f"{who.birth:%Y%m%d}", "DATE_TIME", f"{who.birth:%Y%m%d}")
        add(0x13, "AE", coin(self._rng, 3).upper(), "DEVICE", "")
        uid = f"2.25.{self._rng.getrandbits(100)}"
        add(0x14, "UI", uid, "UID", uid)
        item = PydicomDataset()
        self._name(item, "PatientName", who.family, who.given, f"(0011,{PRIVATE_CREATOR},20)[0].")
        block.add_new(0x20, "SQ", DicomSequence([item]))
        safe = self._dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
        safe.add_new(0x9E, "LO", f"FSE {family}")
        self._note(Check("text_removed", "(0019,GEMS_ACQU_01,9E)", family, "PERSON"))

    def _item(self, keyword: str) -> Dataset:
        """A new item at the end of a sequence of the data set."""
        item = PydicomDataset()
        setattr(self._dataset, keyword, DicomSequence([*(self._dataset.get(keyword) or ()), item]))
        return item

    def _fit(self, text: str) -> str:
        return plain(text) if self._ascii else text

    def _note(self, check: Check) -> None:
        if check.text:
            self.checks.append(check)

    def _value(self, dataset: Dataset, keyword: str, value: str, kind: str, path: str = "", *, unless: str = "") -> None:
        setattr(dataset, keyword, self._fit(value))
        self._note(Check("text_removed", path + keyword, self._fit(value), kind, unless=unless))

    def _name(self, dataset: Dataset, keyword: str, family: str, given: str, path: str = "") -> None:
        setattr(dataset, keyword, "^".join(self._fit(part) for part in (family, given) if part))
        for part in (family, given):
            self._note(Check("text_removed", path + keyword, self._fit(part), "PERSON"))

    def _date(self, dataset: Dataset, keyword: str, value: str, path: str = "") -> None:
        setattr(dataset, keyword, value)
        self._note(Check("date_shifted", path + keyword, value, "DATE_TIME", unless=RETAIN_FULL_DATES))

    def _sentence(self, dataset: Dataset, keyword: str, longest: int, path: str = "") -> None:
        made = sentence(self._rng, self._who, longest, ascii_only=self._ascii)
        setattr(dataset, keyword, made.text)
        for kind, text in made.phi:
            self._note(Check("text_removed", path + keyword, text, kind))
        for word in made.innocent:
            self._note(Check("text_retained", path + keyword, word, "innocent", needs=CLEAN_DESCRIPTORS))
