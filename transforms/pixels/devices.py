"""Places that are known before looking: rules for devices, and the regions that ultrasound states itself.

Rules add places to hide. They take nothing away from looking, unless a rule says ``trust``: then the site vouches that text stands nowhere
else on images of this device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.multival import MultiValue
from pydicom.tag import Tag

from transforms.pixels.geometry import intersection
from transforms.policy import DeviceRule, PixelsPolicy
from transforms.types import Box, Dataset

MIN_REGION = 8


@dataclass(frozen=True, slots=True)
class Places:
    """What is known about an image before looking: boxes to hide with the rule that says so, and whether looking can be left out."""

    boxes: tuple[tuple[Box, str], ...] = ()
    trusted: str = ""


def known_places(dataset: Dataset, policy: PixelsPolicy, shape: tuple[int, int]) -> Places:
    """Apply the device rules of ``policy`` and the ultrasound regions to an instance of ``shape`` (rows, columns)."""
    boxes: list[tuple[Box, str]] = []
    trusted = ""
    for rule in policy.devices:
        if not matches(rule, dataset, shape):
            continue
        keep = [box for box in (placed(item, shape) for item in rule.keep) if box]
        for box in (placed(item, shape) for item in rule.blank):
            if box:
                boxes.extend((part, f"device:{rule.name}") for part in _minus(box, keep))
        trusted = f"device:{rule.name}" if rule.trust else trusted
    if policy.ultrasound == "outside":
        boxes.extend((box, "ultrasound-regions") for box in outside_regions(dataset, shape))
    return Places(tuple(boxes), trusted)


def matches(rule: DeviceRule, dataset: Dataset, shape: tuple[int, int]) -> bool:
    """Whether a rule is about this instance."""
    if (rule.rows or shape[0]) != shape[0] or (rule.columns or shape[1]) != shape[1]:
        return False
    return all(_holds(wanted.lower(), _text(dataset, name).lower()) for name, wanted in rule.match.items())


def _holds(wanted: str, found: str) -> bool:
    if wanted.startswith("="):
        return found == wanted[1:]
    if wanted.startswith("~"):
        return re.search(rf"(?<!\w){re.escape(wanted[1:])}(?!\w)", found) is not None
    return wanted in found


def _text(dataset: Dataset, name: str) -> str:
    """The value of an element as text, several joined by backslashes; empty when there is none."""
    tag = Tag(name.strip("()").replace(",", "")) if name.startswith("(") else Tag(name)
    value = dataset[tag].value if tag in dataset else ""
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)


def placed(numbers: tuple[int, int, int, int], shape: tuple[int, int]) -> Box | None:
    """A rule's rectangle on a frame (rows, columns); None when nothing of it lies inside."""
    rows, columns = shape
    x, y, width, height = numbers
    x, y = (x + columns if x < 0 else x), (y + rows if y < 0 else y)
    right = min(x + width, columns) if width else columns
    bottom = min(y + height, rows) if height else rows
    x, y = max(x, 0), max(y, 0)
    return Box(x, y, right - x, bottom - y) if right > x and bottom > y else None


def outside_regions(dataset: Dataset, shape: tuple[int, int]) -> list[Box]:
    """What lies outside of all regions of SequenceOfUltrasoundRegions (PS3.3 C.8.5.5); nothing where they make no sense."""
    rows, columns = shape
    regions: list[Box] = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        try:
            left, top = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            right, bottom = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
        except (AttributeError, TypeError, ValueError):
            return []
        if not (0 <= left < right <= columns and 0 <= top < bottom <= rows) or min(right - left, bottom - top) < MIN_REGION:
            return []
        regions.append(Box(left, top, right - left, bottom - top))
    return list(_minus(Box(0, 0, columns, rows), regions)) if regions else []


def _minus(box: Box, holes: Sequence[Box]) -> Iterator[Box]:
    """Boxes that cover ``box`` without ``holes``."""
    hole = next((item for item in holes if intersection(box, item)), None)
    if hole is None:
        yield box
        return
    left, top = max(hole.x, box.x), max(hole.y, box.y)
    right, bottom = min(hole.x + hole.w, box.x + box.w), min(hole.y + hole.h, box.y + box.h)
    around = (
        Box(box.x, box.y, box.w, top - box.y),
        Box(box.x, bottom, box.w, box.y + box.h - bottom),
        Box(box.x, top, left - box.x, bottom - top),
        Box(right, top, box.x + box.w - right, bottom - top),
    )
    for part in around:
        if part.w > 0 and part.h > 0:
            yield from _minus(part, holes)
