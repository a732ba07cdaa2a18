"""Changes the character set of a whole data set to UTF-8."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from transforms.tags.values import CHARSET_VRS, DEFAULT_ENCODINGS, decode, encode, encodings_of, raw, text_of
from transforms.types import Dataset

_CHARSET = BaseTag(0x00080005)
_UTF8 = ("UTF8",)
_TERM = re.compile(r"ISO[-_ ]?(?:2022[-_ ]?)?IR[-_ ]?\d{1,3}|GB18030|GBK|UTF-?8")


def to_utf8(ds: Dataset, encodings: Sequence[str] = DEFAULT_ENCODINGS, *, nested: bool = False) -> None:
    """Decode every text element by its declared character set, encode it as UTF-8, and say so in SpecificCharacterSet.

    Args:
        ds: changed in place. Its sequences must have been parsed; a raw one stays as it is only if it is plain ASCII.
        encodings: of the data set around it.
        nested: whether it is an item of a sequence, which then inherits the character set.
    """
    elements = ds._dict
    if _CHARSET in elements:
        encodings = encodings_of(text_of(elements[_CHARSET], DEFAULT_ENCODINGS, "CS"))
    for tag, element in list(elements.items()):
        if not isinstance(element, RawDataElement):
            if element.VR == "SQ":
                for item in element.value:
                    to_utf8(item, encodings, nested=True)
        elif element.value and _vr(element) in CHARSET_VRS and not (element.value.isascii() and b"\x1b" not in element.value):
            vr = _vr(element)
            elements[tag] = raw(tag, vr, encode(decode(element.value, encodings, vr), _UTF8, vr), element)
    if nested:
        elements.pop(_CHARSET, None)
    else:
        elements[_CHARSET] = raw(_CHARSET, "CS", b"ISO_IR 192", None)
    ds.set_original_encoding(*ds.original_encoding, list(_UTF8))  # so that pydicom takes the new bytes for what they are


def terms(text: str) -> str:
    """The terms of a SpecificCharacterSet (PS3.3 C.12.1.1.2) without what cannot be one, with the misspellings that readers accept."""
    values = [value.strip(" \0") for value in text.split("\\")]
    return "\\".join(value for value in values if not value or _TERM.fullmatch(value)).rstrip("\\")


def _vr(element: Any) -> str:
    if element.VR not in (None, "UN"):
        return str(element.VR)
    try:
        return str(dictionary_VR(element.tag))
    except KeyError:
        return "UN"
