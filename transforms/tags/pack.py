"""Encodes sequences whose elements are raw: what pydicom would write, at a fraction of the cost for instances with thousands of items."""

from __future__ import annotations

import struct
from typing import Any

from pydicom.dataelem import RawDataElement

from transforms.tags.values import raw
from transforms.types import Dataset

_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_MAX_SHORT = 0xFFFF


class NotRawError(Exception):
    """An element that only pydicom can encode."""


def pack(ds: Dataset) -> None:
    """Turn the sequences of a data set into raw elements, where every element in them is raw and in the encoding of the data set.

    Those that are not stay as they are, for pydicom to write.
    """
    implicit, little = ds.original_encoding
    if implicit is None:
        return
    encoder = Encoder(implicit, little)
    for tag, element in list(ds._dict.items()):
        if element.VR == "SQ" and not isinstance(element, RawDataElement) and not tag.real & 0x00010000 and len(element.value):
            try:
                value = encoder.items(element.value)
            except (NotRawError, struct.error):
                continue
            ds._dict[tag] = raw(tag, "SQ", value, None)._replace(is_implicit_VR=implicit, is_little_endian=little)


class Encoder:
    """Encodes raw elements, and sequences of such, in the encoding that they were read in."""

    def __init__(self, implicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self._implicit, self._little = implicit, little
        self._head = struct.Struct(order + "HHL").pack
        self._short = struct.Struct(order + "HH2sH").pack
        self._long = struct.Struct(order + "HH2s2xL").pack

    def items(self, sequence: Any) -> bytes:
        """The items of a sequence.

        Raises:
            NotRawError: something in them is not raw.
        """
        parts: list[bytes] = []
        for item in sequence:
            value = self._dataset(item)
            parts += (self._head(0xFFFE, 0xE000, len(value)), value)
        return b"".join(parts)

    def _dataset(self, ds: Dataset) -> bytes:
        if ds.original_encoding not in ((self._implicit, self._little), (None, None)):
            raise NotRawError
        elements = ds._dict
        parts: list[bytes] = []
        for number, tag in sorted((tag.real, tag) for tag in elements):
            parts += self.element(number, elements[tag])
        return b"".join(parts)

    def element(self, number: int, element: Any) -> tuple[bytes, bytes]:
        """Tag, VR and length of an element, and its value.

        Raises:
            NotRawError: it is to be converted, padded or delimited.
        """
        vr = element.VR
        if isinstance(element, RawDataElement):
            value = element.value or b""
            if element.length == _UNDEFINED or len(value) % 2 or not (self._implicit or vr):
                raise NotRawError
        elif vr == "SQ":
            value = self.items(element.value)
        else:
            raise NotRawError
        group, low, size = number >> 16, number & 0xFFFF, len(value)
        if self._implicit:
            return self._head(group, low, size), value
        if vr in _LONG_VRS:
            return self._long(group, low, vr.encode(), size), value
        if size > _MAX_SHORT or len(vr) != 2:
            raise NotRawError
        return self._short(group, low, vr.encode(), size), value
