"""Looks at one rendering of a frame with an engine: where is text, and what does it say?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.decide import Sighting, covered, is_text, merged
from transforms.pixels.engines.base import Image, TextEngine
from transforms.pixels.views import View
from transforms.types import Box

BORDER = 16
SMALL_SIDE = 400
LARGE_SIDE = 1600
TURNED = 1.5


def look(engine: TextEngine, views: Iterable[View], min_score: float) -> list[Sighting]:
    """Text that is legible in any of the views; a region that an earlier view has read is not read again."""
    found: list[Sighting] = []
    for view in views:
        found.extend(_look_once(engine, view.image, scale_for(view.image.shape[:2]), min_score, [item.box for item in found]))
    return merged(found)


def scale_for(shape: tuple[int, ...]) -> float:
    """Small images carry small letters (9 px on 256 x 256): enlarged. Letters on large images are large: reduced."""
    side = max(shape[:2])
    if side <= SMALL_SIDE:
        return 2.0
    return min(1.0, LARGE_SIDE / side)


def _look_once(engine: TextEngine, image: Image, scale: float, min_score: float, known: Sequence[Box]) -> list[Sighting]:
    padded = cv2.copyMakeBorder(image, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = padded if scale == 1 else np.asarray(cv2.resize(padded, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)
    regions = []
    for region in engine.detect(scaled):
        box = _box(region.quad / scale - BORDER, image.shape[:2])
        if box is not None and not covered(box, known):
            regions.append((region, box))
    readings = engine.read([crop(scaled, region.quad) for region, _ in regions])
    sightings = [Sighting(box, reading.text, reading.score, region.score) for (region, box), reading in zip(regions, readings, strict=True)]
    return [sighting for sighting in sightings if is_text(sighting, image.shape[:2], min_score)]


def crop(image: Image, quad: NDArray[np.float32]) -> Image:
    """The content of ``quad`` turned upright; a region much taller than wide is a line turned by 90 degrees."""
    width = max(round(float(np.linalg.norm(quad[1] - quad[0]))), 2)
    height = max(round(float(np.linalg.norm(quad[3] - quad[0]))), 2)
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    transform = cv2.getPerspectiveTransform(quad, target)
    content = cv2.warpPerspective(image, transform, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if height >= TURNED * width:
        content = np.rot90(content)
    return np.ascontiguousarray(content, np.uint8)


def _box(quad: NDArray[np.float32], shape: tuple[int, ...]) -> Box | None:
    """The upright box around ``quad``, cut to the frame; None when nothing of it lies inside."""
    left, top = np.floor(quad.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int)
    right, bottom = min(right, shape[1]), min(bottom, shape[0])
    return Box(int(left), int(top), int(right - left), int(bottom - top)) if right > left and bottom > top else None
