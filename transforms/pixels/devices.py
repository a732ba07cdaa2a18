"""Places that are known before looking: rules for devices, and the regions that ultrasound states itself; importers for two peers' rules.

Rules add places to hide. They take nothing away from looking, unless a rule says ``trust``: then the site vouches that text stands nowhere
else on images of this device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import keyword_for_tag

from transforms.pixels.geometry import intersection
from transforms.policy import DeviceRule, PixelsPolicy
from transforms.types import Box, Dataset

MIN_REGION = 8
_CTP_TEST = re.compile(r"(\w+|\[[^\]]+\])\.(containsIgnoreCase|equalsIgnoreCase|contains|equals|startsWith|endsWith)\(\"([^\"]*)\"\)")
_NUMBERS = re.compile(r"-?\d+")


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
    return all(wanted.lower() in str(dataset.get(keyword, "")).lower() for keyword, wanted in rule.match.items())


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


def from_ctp(script: str) -> list[DeviceRule]:
    """Rules of a CTP DicomPixelAnonymizer script: ``{ signature } (x,y,w,h) (x,y,w,h)``, tests joined with ``*`` (and).

    Raises:
        ValueError: a signature uses what a rule cannot say (``+``, ``!``); translate it by hand.
    """
    rules = []
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", script, flags=re.DOTALL)
    for number, (signature, areas) in enumerate(re.findall(r"\{([^{}]*)\}((?:\s*\([^()]*\))+)", text), 1):
        tests = _CTP_TEST.findall(signature)
        rest = _CTP_TEST.sub("", signature)
        if "+" in rest or "!" in rest or not tests:
            raise ValueError(f"signature {number}: expected tests joined with *, found + or ! or none")
        conditions, rows, columns = _conditions((name.strip("[]"), value) for name, _, value in tests)
        blank = tuple(_four(area) for area in re.findall(r"\(([^()]*)\)", areas))
        rules.append(DeviceRule(name=f"ctp-{number}", match=conditions, rows=rows, columns=columns, blank=blank))
    return rules


def from_deid(recipe: str) -> list[DeviceRule]:
    """Rules of a pydicom deid recipe: ``LABEL``, ``contains`` and ``equals`` tests, and ``coordinates``/``keepcoordinates``.

    deid writes corners (xmin,ymin,xmax,ymax).

    Raises:
        ValueError: a filter uses what a rule cannot say (``||``, not-equals, missing, present); translate it by hand.
    """
    rules: list[DeviceRule] = []
    for number, block in enumerate(re.split(r"^\s*LABEL\b", recipe, flags=re.MULTILINE)[1:], 1):
        tests = re.findall(r"\b(contains|equals)\s+(\w+)\s+(.+?)(?=\s*(?:&&|\|\||\+|$|\n))", block)
        if re.search(r"\|\||\b(notequals|notcontains|missing|present|empty)\b", block):
            raise ValueError(f"label {number}: expected contains or equals joined with + or &&")
        areas = {
            kind: [_four(found) for found in re.findall(rf"^\s*{kind}\s+([\d,\s-]+)$", block, re.MULTILINE)]
            for kind in ("coordinates", "keepcoordinates")
        }
        if not tests or not (areas["coordinates"] or areas["keepcoordinates"]):
            continue
        conditions, rows, columns = _conditions((name, value.strip()) for _, name, value in tests)
        corners = {kind: tuple((a, b, c - a, d - b) for a, b, c, d in found) for kind, found in areas.items()}
        blank = corners["coordinates"] or ((0, 0, 0, 0),)
        rules.append(
            DeviceRule(name=f"deid-{number}", match=conditions, rows=rows, columns=columns, blank=blank, keep=corners["keepcoordinates"])
        )
    return rules


def _conditions(tests: Iterator[tuple[str, str]]) -> tuple[dict[str, str], int | None, int | None]:
    found: Mapping[str, str] = {_keyword(name): value for name, value in tests}
    size: dict[str, Any] = {name: int(found[name]) if name in found else None for name in ("Rows", "Columns")}
    return {name: value for name, value in found.items() if name not in size}, size["Rows"], size["Columns"]


def _keyword(name: str) -> str:
    """A keyword as it is; a tag ``0008,0070`` as its keyword."""
    if re.fullmatch(r"[0-9A-Fa-f]{4},[0-9A-Fa-f]{4}", name):
        return keyword_for_tag(int(name.replace(",", ""), 16)) or name
    return name


def _four(text: str) -> tuple[int, int, int, int]:
    numbers = [int(item) for item in _NUMBERS.findall(text)]
    if len(numbers) != 4:
        raise ValueError(f"expected four numbers, found {len(numbers)}")
    return numbers[0], numbers[1], numbers[2], numbers[3]
