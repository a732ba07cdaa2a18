"""Puts small pictures on one sheet, so that a text detector runs once for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from transforms.pixels.engines.base import Image, Region

GUTTER = 8
WIDTH_STEP = 64
SPREAD = 1.15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture stands on its sheet."""

    x: int
    y: int
    w: int
    h: int


def lay_out(pictures: Sequence[Image]) -> tuple[Image, list[Place]]:
    """One sheet with all pictures in rows, tallest first; their edges are continued into the gutters, so that no edge arises between."""
    sizes = [(picture.shape[1] + 2 * GUTTER, picture.shape[0] + 2 * GUTTER) for picture in pictures]
    area = sum(width * height for width, height in sizes)
    wanted = max(*(width for width, _ in sizes), int(math.sqrt(area) * SPREAD)) if len(sizes) > 1 else sizes[0][0]
    sheet_width = wanted + -wanted % WIDTH_STEP
    places: list[Place | None] = [None] * len(sizes)
    x = y = row_height = 0
    for index in sorted(range(len(sizes)), key=lambda item: (-sizes[item][1], item)):
        width, height = sizes[index]
        if x + width > sheet_width:
            x, y, row_height = 0, y + row_height, 0
        places[index] = Place(x + GUTTER, y + GUTTER, width - 2 * GUTTER, height - 2 * GUTTER)
        x += width
        row_height = max(row_height, height)
    settled = [place for place in places if place is not None]
    sheet = np.zeros((y + row_height, sheet_width, 3), np.uint8)
    for picture, place in zip(pictures, settled, strict=True):
        framed = cv2.copyMakeBorder(picture, GUTTER, GUTTER, GUTTER, GUTTER, cv2.BORDER_REPLICATE)
        sheet[place.y - GUTTER : place.y + place.h + GUTTER, place.x - GUTTER : place.x + place.w + GUTTER] = framed
    return sheet, settled


def assign(regions: Sequence[Region], places: Sequence[Place]) -> list[tuple[int, Region]]:
    """Each region with the picture that holds its centre; regions are moved into the coordinates of their picture."""
    assigned = []
    for region in regions:
        x, y = region.quad.mean(axis=0)
        for index, place in enumerate(places):
            if place.x - GUTTER <= x < place.x + place.w + GUTTER and place.y - GUTTER <= y < place.y + place.h + GUTTER:
                moved = region.quad - np.array((place.x, place.y), np.float32)
                assigned.append((index, Region(moved.astype(np.float32), region.score)))
                break
    return assigned
