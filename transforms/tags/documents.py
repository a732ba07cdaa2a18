"""Empty documents: what takes the place of an encapsulated document that is removed (PS3.15 table E.1-1: D), since its element is Type 1.

A reader that opens it meets a valid file of the kind that the SOP Class promises, with nothing in it.
"""

from __future__ import annotations

from pydicom.uid import (
    EncapsulatedCDAStorage,
    EncapsulatedMTLStorage,
    EncapsulatedOBJStorage,
    EncapsulatedPDFStorage,
    EncapsulatedSTLStorage,
)

from transforms.tags.values import raw
from transforms.types import Dataset

_DOCUMENT, _LENGTH = 0x00420011, 0x00420015


def _pdf() -> bytes:
    """One blank page of A4 (ISO 32000-1, 7.5)."""
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
    )
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n" % (size, table, size)
    return data + head + b"startxref\n%d\n%%%%EOF\n" % len(data)


_NOTHING = b'nullFlavor="MSK"'
_CDA = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'
    b'<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id NO/><code NO/><effectiveTime NO/><confidentialityCode NO/>'
    b"<recordTarget><patientRole><id NO/></patientRole></recordTarget>"
    b"<author><time NO/><assignedAuthor><id NO/></assignedAuthor></author>"
    b"<custodian><assignedCustodian><representedCustodianOrganization><id NO/></representedCustodianOrganization></assignedCustodian>"
    b"</custodian>"
    b"<component><nonXMLBody><text NO/></nonXMLBody></component></ClinicalDocument>\n"
).replace(b"NO", _NOTHING)
"""HL7 CDA Release 2: the participations that it requires, each masked."""
_EMPTY = {
    EncapsulatedPDFStorage: _pdf(),
    EncapsulatedCDAStorage: _CDA,
    EncapsulatedSTLStorage: bytes(84),  # 80 bytes of header, no triangle
    EncapsulatedOBJStorage: b"# empty\n",
    EncapsulatedMTLStorage: b"# empty\n",
}


def empty_document(sop_class: str, original: bytes) -> bytes | None:
    """An empty document of the kind that an SOP Class holds, or of the kind of the original in another class; None for other kinds."""
    kind = sop_class if sop_class in _EMPTY else EncapsulatedPDFStorage if original.startswith(b"%PDF") else ""
    data = _EMPTY.get(kind)
    return None if data is None else data + b"\n" * (len(data) % 2)


def correct_length(ds: Dataset) -> None:
    """Let Encapsulated Document Length (0042,0015) say how long the document is now, where it says anything."""
    document, length = ds._dict.get(_DOCUMENT), ds._dict.get(_LENGTH)
    if document is None or length is None:
        return
    size = len(document.value or b"")
    little = getattr(length, "is_little_endian", True)
    ds._dict[_LENGTH] = raw(_LENGTH, "UL", size.to_bytes(4, "little" if little else "big"), length)
