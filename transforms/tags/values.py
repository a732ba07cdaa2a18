"""Values of raw elements: bytes to text and back in any character set, dummy values, and which VRs may stand for which."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes, encode_string
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

DEFAULT_ENCODINGS = ("iso8859",)
TEXT_VRS = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
FREE_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
DATE_VRS = frozenset({"DA", "DT", "TM"})
NUMBER_STRINGS = frozenset({"DS", "IS"})
SINGLE_VALUED = frozenset({"LT", "ST", "UR", "UT"})
STRING_VRS = TEXT_VRS | DATE_VRS | NUMBER_STRINGS | {"UI"}
BINARY_VRS = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"})
MAX_LENGTH = {"AE": 16, "AS": 4, "CS": 16, "LO": 64, "SH": 16, "PN": 64, "ST": 1024, "LT": 10240}
DUMMY_TEXT = "ANONYMIZED"

NUMBER = re.compile(rb"[0-9+\-.eE \\\0]*")
UID = re.compile(r"[0-9.]{1,64}")
_DUMMY = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "PN": "Anonymized",
    "UR": "urn:anonymized",
}  # fmt: skip


@lru_cache(maxsize=256)
def encodings_of(charset: str) -> tuple[str, ...]:
    """Python's names of the encodings of a SpecificCharacterSet; an unknown one is read as Latin-1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings([part.strip(" \0") for part in charset.split("\\")])) or DEFAULT_ENCODINGS
        except (LookupError, ValueError):
            return DEFAULT_ENCODINGS


def decode(value: bytes, encodings: Sequence[str], vr: str = "LO") -> str:
    """Bytes as text without padding. What the encodings cannot read is read as Latin-1, so that no byte is lost from sight."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").rstrip(" \0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(decode_bytes(value, list(encodings), PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)).rstrip(" \0")
        except (UnicodeError, LookupError, ValueError):
            return value.decode("latin-1").rstrip(" \0")


def encode(text: str, encodings: Sequence[str], vr: str) -> bytes:
    """Text as padded bytes; a character that the encodings lack becomes a question mark."""
    if text.isascii():
        value = text.encode("ascii")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = encode_string(text, list(encodings))
    return value + (b"\0" if vr == "UI" else b" ") if len(value) % 2 else value


def text_of(element: Any, encodings: Sequence[str], vr: str) -> str:
    """The value of a raw or converted element as text, values joined by backslashes; '' when it is empty or not text."""
    value = element.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return decode(value, encodings if vr in CHARSET_VRS else DEFAULT_ENCODINGS, vr)
    if isinstance(value, str) or hasattr(value, "components") or not hasattr(value, "__iter__"):
        return str(value).rstrip(" \0")
    return "\\".join(str(entry) for entry in value)


def raw(tag: int, vr: str, value: bytes, like: Any) -> RawDataElement:
    """A raw element with a new value, in the encoding of the data set that ``like`` is from."""
    implicit = getattr(like, "is_implicit_VR", False) if isinstance(like, RawDataElement) else False
    little = getattr(like, "is_little_endian", True) if isinstance(like, RawDataElement) else True
    return RawDataElement(BaseTag(tag), vr, len(value), value, 0, implicit, little)


def dummy(vr: str, text: str, size: int) -> bytes:
    """A value of the VR that says nothing (PS3.15 E.1.1, code D), with as many numbers as what it replaces.

    Args:
        vr: as in the data dictionary; of ``US or SS`` and its like the first.
        text: what it replaces, for the precision of dates and times; '' if unknown.
        size: bytes of what it replaces.
    """
    if vr in ("OB", "UN"):
        return b"\0\0"
    if vr in BINARY_VRS or " or " in vr:
        return bytes(size + size % 2 or struct.calcsize("d"))
    value = _DUMMY.get(vr, DUMMY_TEXT)
    if vr in ("DT", "TM") and (match := re.fullmatch(r"\d+", text.strip())):
        value = value[: max(len(match[0]), 2)] if len(match[0]) <= len(value) else value
    return encode(value, DEFAULT_ENCODINGS, vr)
