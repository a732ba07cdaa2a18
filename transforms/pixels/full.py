"""The expensive look: every window, the whole frame, every region read. Independent of triage, so that it can check it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from transforms.pixels.decide import Sighting, is_text, merged
from transforms.pixels.engines.base import TextEngine
from transforms.pixels.geometry import bounding, pieces
from transforms.pixels.look import crop
from transforms.pixels.views import View

BORDER = 16
SMALL_SIDE = 640
LARGE_SIDE = 1600
LARGEST_SHARE = 0.25
MIN_SCORE = 0.7


def full_look(engine: TextEngine, views: Iterable[View], min_score: float) -> list[Sighting]:
    """Text that reads with confidence in any of the views."""
    found: list[Sighting] = []
    for view in views:
        rows, columns = view.image.shape[:2]
        scale = 2.0 if max(rows, columns) <= SMALL_SIDE else min(1.0, LARGE_SIDE / max(rows, columns))
        padded = cv2.copyMakeBorder(view.image, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        scaled = np.asarray(cv2.resize(padded, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)
        regions = engine.detect(scaled)
        for region, reading in zip(regions, engine.read([crop(scaled, region.quad) for region in regions]), strict=True):
            quad = (region.quad / scale - BORDER).astype(np.float32)
            box = bounding(quad, (rows, columns))
            if box is None or (box.w > columns * LARGEST_SHARE and box.h > rows * LARGEST_SHARE):
                continue
            # Without triage there is no second opinion: only what it would also accept as certain counts.
            sighting = Sighting(box, pieces(quad, (rows, columns)), region.score, 0.5, reading.text, reading.score)
            if is_text(sighting, max(min_score, MIN_SCORE), (rows, columns)):
                found.append(sighting)
    return merged(found)
