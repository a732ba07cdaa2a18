"""Attributes that identify and have no row in table E.1-1: each is treated as the rows that are like it.

The table is of one edition, and lists what its authors thought of. What stays here unlisted would stay in the output.
"""

from __future__ import annotations

import re

from transforms.tags.table import Row
from transforms.tags.values import FREE_TEXT_VRS

DETECTOR = "like rows of E.1-1"
CALENDARS = frozenset({"PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar"})
"""Dates as text, in a calendar of another kind: they cannot be shifted."""
_IDENTIFIERS = frozenset(
    """
    FillerOrderNumberProcedure PlacerOrderNumberProcedure FillerOrderNumberImagingServiceRequestRetired
    PlacerOrderNumberImagingServiceRequestRetired StorageMediaFileSetID OwnerID PrintJobID PrintQueueID ComponentWelderIDs
    ContactDisplayName ContactURI HangingProtocolCreator HangingProtocolUserGroupName BoardingPassID ItineraryID CarrierID
    BreedRegistrationNumber RouteSegmentID RouteSegmentStartLocationID RouteSegmentEndLocationID AssignedLocation
    """.split()  # noqa: SIM905  # a list of words reads better as words
)
"""Like AccessionNumber, RequestedProcedureID and the names and contacts of persons."""
_DEVICES = frozenset(
    {"DeviceID", "HardcopyCreationDeviceID", "NTPSourceAddress", "PrinterName", "RadiationMachineName", "SecondaryCaptureDeviceID"}
)
"""Like DeviceSerialNumber, StationName and TreatmentMachineName."""
_AUTHORITIES = frozenset({"LocalNamespaceEntityID", "UniversalEntityID"})
"""Who assigned an identifier: like InstitutionName, but one of the two is required where there is an assigner."""
_REMARK = re.compile(r"Comments?(?![a-z])|Notes$")
"""Like ImageComments: what people type where nothing else fits."""
TYPED = re.compile(r"^(?!Patient).*(?:Title|Description|ProtocolName|ImageName|DeidentificationMethod)(?:Trial)?$")
"""Short text that people type as they type SeriesDescription, but that researchers need more often: cleaned, under every option."""
LABELS = re.compile(
    r"(?:Label|LabelVector|Labels|Explanation|InstructionText|TreatmentProtocols|AdditionalPosition|ReferenceToRecordedSound|EventTimerNames)$"
    r"|^(?:Beam|Block|Stage|View|DataSet|Template|ApplicationSetup|EnergyWindow)Name$|^DataSetSource$"
)
"""Short text that people type for things: dates, numbers and names with a title go, but a word that is not known is a name of the thing."""
_NO_ADDRESS = frozenset({"CodingSchemeURL", "URNCodeValue"})


def row(keyword: str, vr: str) -> Row | None:
    """A row for an attribute that has none, as the table would have it; None when nothing says that it identifies."""
    if keyword in CALENDARS or keyword in _IDENTIFIERS or (vr == "UR" and keyword not in _NO_ADDRESS):
        return Row("", keyword, "X/Z/D")
    if keyword in _DEVICES:
        return Row("", keyword, "X/Z/D", {"device": "K"})
    if keyword in _AUTHORITIES:
        return Row("", keyword, "D", {"institution": "K"})
    if vr in FREE_TEXT_VRS and _REMARK.search(keyword):
        return Row("", keyword, "X/Z/D", {"descriptors": "C"})
    return None
