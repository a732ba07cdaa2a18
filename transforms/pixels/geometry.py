"""Boxes in stored pixel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transforms.types import Box

Quad = NDArray[np.float32]
"""4 x 2 corners (x, y): top left, top right, bottom right, bottom left."""

EDGE = 4
TILT = 0.06
"""Rise per length above which the upright box of a line holds much that is not the line."""


def bounding(quad: Quad, shape: tuple[int, int]) -> Box | None:
    """The upright box around ``quad``, cut to the frame (rows, columns); None when nothing of it lies inside."""
    left, top = (max(math.floor(value), 0) for value in quad.min(axis=0))
    right, bottom = (math.ceil(value) for value in quad.max(axis=0))
    right, bottom = min(right, shape[1]), min(bottom, shape[0])
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def sides(quad: Quad) -> tuple[float, float]:
    """Length along the top edge and along the left edge."""
    return float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[3] - quad[0]))


def pieces(quad: Quad, shape: tuple[int, int]) -> tuple[Box, ...]:
    """Upright boxes that follow a tilted line closely; one box for a line that is level or plumb."""
    across, down = sides(quad)
    start, end = ((quad[0], quad[3]), (quad[1], quad[2])) if across >= down else ((quad[0], quad[1]), (quad[3], quad[2]))
    length, height = max(across, down), max(min(across, down), 1.0)
    edge = end[0] - start[0]
    rise = float(np.abs(edge).min()) / max(length, 1.0)
    count = math.ceil(rise * length / height * 2) if rise > TILT else 1
    found = []
    for index in range(count):
        one, other = index / count, (index + 1) / count
        corners = [a + (b - a) * share for a, b in zip(start, end, strict=True) for share in (one, other)]
        box = bounding(np.asarray(corners, np.float32), shape)
        if box is not None:
            found.append(box)
    return tuple(found)


def touch(one: Box, other: Box) -> bool:
    """Whether two boxes share a pixel. Of hundreds of lines that are compared with each other, hardly any two do."""
    return one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h


def intersection(one: Box, other: Box) -> int:
    """Shared area in pixels."""
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return width * height if width > 0 and height > 0 else 0


def common(one: Box, other: Box) -> Box | None:
    """The part that two boxes share; None when they do not touch."""
    left, top = max(one.x, other.x), max(one.y, other.y)
    right, bottom = min(one.x + one.w, other.x + other.w), min(one.y + one.h, other.y + other.h)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def overlap(one: Box, other: Box) -> float:
    """Shared area over the smaller area."""
    return intersection(one, other) / max(min(one.w * one.h, other.w * other.h), 1)


def rows_shared(one: Box, other: Box) -> float:
    """Shared rows over the height of the lower box: 1 for two boxes side by side; negative for rows between them."""
    return (min(one.y + one.h, other.y + other.h) - max(one.y, other.y)) / max(min(one.h, other.h), 1)


def transposed(box: Box) -> Box:
    """``box`` with rows and columns exchanged."""
    return Box(box.y, box.x, box.h, box.w)


def union(one: Box, other: Box) -> Box:
    """The smallest box that holds both."""
    left, top = min(one.x, other.x), min(one.y, other.y)
    return Box(left, top, max(one.x + one.w, other.x + other.w) - left, max(one.y + one.h, other.y + other.h) - top)


def grown(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """``box`` with a margin on each side, cut to the frame (rows, columns)."""
    rows, columns = shape
    left, top = max(box.x - margin, 0), max(box.y - margin, 0)
    return Box(left, top, min(box.x + box.w + margin, columns) - left, min(box.y + box.h + margin, rows) - top)


def to_edge(box: Box, shape: tuple[int, int]) -> Box:
    """``box``, up to the edge of the frame (rows, columns) where it nearly reaches it: text stands there that the edge cuts."""
    left, top = (0 if box.x <= EDGE else box.x), (0 if box.y <= EDGE else box.y)
    right = shape[1] if box.x + box.w >= shape[1] - EDGE else box.x + box.w
    bottom = shape[0] if box.y + box.h >= shape[0] - EDGE else box.y + box.h
    return Box(left, top, right - left, bottom - top)


def share_covered(box: Box, boxes: Sequence[Box]) -> float:
    """How much of ``box`` lies inside ``boxes`` together, 0 to 1."""
    mask = np.zeros((box.h, box.w), bool)
    for other in boxes:
        if touch(box, other):
            mask[max(other.y - box.y, 0) : other.y + other.h - box.y, max(other.x - box.x, 0) : other.x + other.w - box.x] = True
    return float(mask.mean())
