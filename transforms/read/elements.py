"""Values of elements that may be malformed, as text and numbers, without an exception."""

from __future__ import annotations

from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from transforms.types import Dataset


def text_of(dataset: Dataset, keyword: str) -> str:
    """The value of a top-level element as text, several values joined by a backslash; '' when it is absent or empty."""
    tag = tag_for_keyword(keyword)
    try:
        value = dataset[tag].value
    except KeyError:
        return ""
    except Exception:  # pydicom raises whatever a converter stumbles over
        raw = dataset.get_item(tag)
        value = raw.value.decode("latin-1") if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes) else ""
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
    """The first value of a top-level element as a number of at least 0; ``default`` when it is none."""
    try:
        number = int(text_of(dataset, keyword).split("\\")[0])
    except ValueError:
        return default
    return number if number >= 0 else default
