"""Values of elements that may be malformed, as text and numbers, without an exception."""

from __future__ import annotations

from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement

from transforms.types import Dataset


def text_of(dataset: Dataset, keyword: str) -> str:
    """The value of a top-level text element, several values joined by a backslash; '' when it is absent or empty."""
    raw = dataset.get_item(tag_for_keyword(keyword), keep_deferred=True)
    if raw is None:
        return ""
    value = raw.value
    if isinstance(raw, RawDataElement) and isinstance(value, bytes) and not value.isascii():
        try:
            value = dataset[raw.tag].value  # in the character set of the data set
        except Exception:  # pydicom raises whatever a converter stumbles over
            value = raw.value
    return joined(value).strip(" \0")


def joined(value: Any) -> str:
    """A value as DICOM text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value)
    if hasattr(value, "components"):  # PersonName
        return str(value)
    return "\\".join(joined(item) for item in value)


def number_of(dataset: Dataset, keyword: str, default: int) -> int:
    """The first value of a top-level US or IS element as a number of at least 0; ``default`` when it is none."""
    raw = dataset.get_item(tag_for_keyword(keyword), keep_deferred=True)
    if raw is None:
        return default
    if isinstance(raw, RawDataElement) and (raw.VR or dictionary_VR(raw.tag)) == "US" and raw.value and len(raw.value) == 2:
        return int.from_bytes(raw.value, "little" if raw.is_little_endian else "big")
    try:
        number = int(joined(dataset[raw.tag].value).split("\\")[0])
    except Exception:  # pydicom raises whatever a converter stumbles over
        return default
    return number if number >= 0 else default
