"""What a site rule applies to: keywords, tags, patterns and VRs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from pydicom.datadict import DicomDictionary, tag_for_keyword

_TAG = re.compile(r"\(?([0-9a-fx?*]{4}),?([0-9a-fx?*]{4})\)?", re.IGNORECASE)


def matches(patterns: Iterable[str], tag: int, keyword: str, vr: str) -> bool:
    """Whether one of the patterns means the attribute."""
    return any(_matches(pattern, tag, keyword, vr) for pattern in patterns)


def check(pattern: str) -> str | None:
    """What is wrong with a pattern: it means no attribute of the data dictionary. None when nothing is."""
    if pattern.startswith("VR:") or _tag_pattern(pattern) or tag_for_keyword(pattern):
        return None
    if any(entry[4] and fnmatchcase(entry[4], pattern) for entry in DicomDictionary.values()):
        return None
    return f"{pattern!r} is no keyword, tag, pattern or VR of the data dictionary"


def _matches(pattern: str, tag: int, keyword: str, vr: str) -> bool:
    if pattern.startswith("VR:"):
        return pattern[3:].strip() in vr.split(" or ")
    if digits := _tag_pattern(pattern):
        return fnmatchcase(f"{tag:08x}", digits)
    return bool(keyword) and fnmatchcase(keyword, pattern)


def _tag_pattern(pattern: str) -> str:
    match = _TAG.fullmatch(pattern.strip())
    if not match or not re.search(r"\d|x", pattern, re.IGNORECASE):
        return ""
    return (match[1] + match[2]).lower().replace("x", "?")
