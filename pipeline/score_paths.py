"""How elements are named in truth files, and what a value is as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.multival import MultiValue

from transforms.types import Dataset

LARGEST_BYTES = 4096
"""Longer binary values are images, tables and documents, not text."""


def flatten(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every element at any depth."""
    for element in dataset:
        path = prefix + element_name(dataset, element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value or ()):
                yield from flatten(item, f"{path}[{number}].")
        elif isinstance(element.value, bytes) and len(element.value) > LARGEST_BYTES:
            continue
        else:
            yield path, "" if element.value is None else value_text(element.value)


def element_name(dataset: Dataset, element: Any) -> str:
    """Keyword of an element of ``dataset``, or ``(gggg,eeee)``, or ``(gggg,CREATOR,ee)`` of a private one, whose block may move."""
    if element.keyword:
        return str(element.keyword)
    tag = element.tag
    group, number = tag >> 16, tag & 0xFFFF
    if group % 2 and number > 0xFF:
        creator = dataset.get((group, number >> 8))
        return f"({group:04X},{creator.value if creator else ''},{number & 0xFF:02X})"
    return f"({group:04X},{number:04X})"


def value_text(value: Any) -> str:
    """A value as one text, values joined with backslashes."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    return "\\".join(str(item) for item in value) if isinstance(value, (MultiValue, list, tuple)) else str(value)
