"""What a file is, by its first bytes alone; names and extensions say nothing about DICOM."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pydicom.valuerep import VR

from transforms.errors import Code, DeidError

MAGIC_OFFSET = 128
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
DICOMDIR_CLASS = b"1.2.840.10008.1.3.10"
_VRS = frozenset(str(vr).encode() for vr in VR if len(vr) == 2)
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_UNDEFINED = 0xFFFFFFFF
# Of 2025a; pydicom 3.0 would refuse to write it.
UID_dictionary.setdefault(
    "1.2.840.10008.1.2.8.1", ("Deflated Image Frame Compression", "Transfer Syntax", "", "", "DeflatedImageFrameCompression")
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a file start.

    Attributes:
        meta: offset of the first element, which is file meta information if there is any.
        dataset: offset of the data set, behind the file meta information.
        transfer_syntax: what the file meta information says, or ''.
    """

    meta: int
    dataset: int
    transfer_syntax: str


def recognise(head: bytes, size: int) -> Layout:
    """Say where file meta information and data set start.

    Args:
        head: the first bytes of the file, some thousand, or all of it.
        size: bytes of the whole file.

    Raises:
        DeidError: EMPTY; NOT_DICOM; DICOMDIR when it is a directory of media (PS3.10, 8.6) and no instance.
    """
    if not size:
        raise DeidError(Code.EMPTY, "0 bytes")
    start = MAGIC_OFFSET + 4 if head[MAGIC_OFFSET : MAGIC_OFFSET + 4] == b"DICM" else 0
    if not start and not starts_like_a_data_set(head, size):
        raise DeidError(Code.NOT_DICOM, "no DICM prefix, and the first bytes are no data elements")
    end, values = _meta(head, start)
    if values.get(0x0002, b"").startswith(DICOMDIR_CLASS) or head[end : end + 2] == b"\x04\x00":
        raise DeidError(Code.DICOMDIR, "a directory of media, no instance")
    return Layout(start, end, values.get(0x0010, b"").decode("latin-1"))


def _meta(head: bytes, start: int) -> tuple[int, dict[int, bytes]]:
    """End of group 0002, which is always Explicit VR Little Endian (PS3.10, 7.1), and its values, UIDs without padding."""
    position, values = start, dict[int, bytes]()
    while head[position : position + 2] == b"\x02\x00" and position + 8 <= len(head):
        element, vr = struct.unpack_from("<H2s", head, position + 2)
        if vr in _LONG_VRS:
            if position + 12 > len(head):
                break
            length, value = struct.unpack_from("<L", head, position + 8)[0], position + 12
        elif vr in _VRS:
            length, value = struct.unpack_from("<H", head, position + 6)[0], position + 8
        else:  # written as implicit VR, against the standard
            length, value = struct.unpack_from("<L", head, position + 4)[0], position + 8
        values[element] = head[value : value + length].rstrip(b"\0 ")
        position = value + length
    return position, values


def starts_like_a_data_set(head: bytes, size: int) -> bool:
    """Whether a file without prefix starts like one: two data elements of group 0000, 0002 or 0008, in ascending order.

    ACR-NEMA files, data sets dumped without file meta information, and files that lost their preamble start so. Two elements, since the
    first bytes of other formats can look like one by chance.
    """
    return any(_two_elements(head, size, order, explicit) for order in "<>" for explicit in (True, False))


def _two_elements(head: bytes, size: int, order: str, explicit: bool) -> bool:
    position, previous = 0, -1
    for index in range(2):
        if position + 12 > len(head):
            return index == 1 and position == size
        group, element = struct.unpack_from(f"{order}HH", head, position)
        tag = group << 16 | element
        if tag <= previous or (index == 0 and group not in (0x0000, 0x0002, 0x0008)):
            return False
        if index == 0 and group == 0 and element != 0:
            return False
        if explicit:
            vr = head[position + 4 : position + 6]
            if vr not in _VRS:
                return False
            long = vr in _LONG_VRS
            length = (
                struct.unpack_from(f"{order}L", head, position + 8)[0] if long else struct.unpack_from(f"{order}H", head, position + 6)[0]
            )
            position += 12 if long else 8
        else:
            length = struct.unpack_from(f"{order}L", head, position + 4)[0]
            position += 8
        if length == _UNDEFINED:
            return index == 1
        if position + length > size or (tag == 0 and length != 4):
            return False
        if position + length > len(head):
            return index == 1
        position, previous = position + length, tag
    return True
