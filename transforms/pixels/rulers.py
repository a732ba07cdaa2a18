"""Rulers: marks of equal step on one base line. Detectors take them for lines of text, and they hide image where they are masked.

No writing is drawn so: letters have no common line under all of them, nor two heights in equal steps. So nothing is read to tell them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transforms.pixels.decide import Sighting
from transforms.pixels.engines.base import TextEngine
from transforms.pixels.fit import INK, PEAK, all_strokes, layers_of
from transforms.pixels.views import Picture
from transforms.types import Box

LONG = 5.0
"""Length over height from which a region is looked at."""
STROKE = 7
"""Marks and base line are thinner than this, in pixels."""
LEAST_MARKS = 8
LEAST_STEP = STROKE + 1
"""Gaps between closer marks would count as strokes, and then those between small letters, too."""
UNEVEN = 1.5
"""Pixels by which a mark is drawn beside its place."""
TALL = 1.25
"""Every fifth or tenth mark is higher than the others by this factor, as in no row of letters with feet."""
OVER = 2.5
"""Steps by which a base line may go on behind the outermost marks, and a letter stand over them."""
BESIDE = 0.02
"""Share of a ruler's area that other strokes may cover."""


def without_rulers(engine: TextEngine, picture: Picture, found: Sequence[Sighting]) -> list[Sighting]:
    """The same regions without the rulers in them: text before and behind one stays, and is read; what is a ruler only goes."""
    kept: list[Sighting] = []
    for item in found:
        ruler = _ruler(picture, item.box) if len(item.pieces) == 1 and item.box.w >= LONG * item.box.h else None
        if ruler is None:
            kept.append(item)
            continue
        box = item.box
        parts = [Box(box.x, box.y, ruler[0], box.h), Box(box.x + ruler[1], box.y, box.w - ruler[1], box.h)]
        parts = [part for part in parts if part.w >= box.h / 2]
        for part, reading in zip(parts, engine.read([picture.tile(part, 1.0) for part in parts]), strict=True):
            kept.append(replace(item, box=part, pieces=(part,), found=part).read_as(reading))
    return kept


def _ruler(picture: Picture, box: Box) -> tuple[int, int] | None:
    """First column of a ruler in a box and the one behind its last; None where there is none, or where more is drawn over it."""
    standing = all_strokes(layers_of(picture, box), STROKE)
    ink = standing >= max(INK * float(np.percentile(standing, PEAK)), 1e-6)
    for base in np.flatnonzero(ink.mean(axis=1) >= LEAST_MARKS * LEAST_STEP / ink.shape[1]):
        start, end = _longest(ink[base])
        if end - start < LEAST_MARKS * LEAST_STEP:
            continue
        for side in (ink[:base, start:end][::-1], ink[base + 1 :, start:end]):
            marks = _marks(side)
            reach = OVER * (marks[-1] - marks[0]) / (len(marks) - 1) if len(marks) >= LEAST_MARKS else -1.0
            if len(marks) >= LEAST_MARKS and max(marks[0], end - start - 1 - marks[-1]) <= reach:
                rest = side.copy()
                for mark in marks:
                    rest[:, max(int(mark) - 2, 0) : int(mark) + 3] = False
                # A letter beside a ruler stands over its first marks.
                over = np.flatnonzero(rest[2:].any(axis=0))
                first = max((int(column) + 1 for column in over if column < marks[0] + reach), default=0)
                last = min((int(column) for column in over if column > marks[-1] - reach), default=end - start)
                beside = np.count_nonzero(rest[2:, first:last]) <= BESIDE * rest[:, first:last].size
                return (start + first, start + last) if beside else None
    return None


def _longest(row: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest run of ink in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    at = int(np.argmax(ends - starts)) if len(starts) else 0
    return (int(starts[at]), int(ends[at])) if len(starts) else (0, 0)


def _marks(side: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Columns of the marks that stand on the first row, when they are thin, in equal steps and of two heights at least; otherwise none."""
    if len(side) < 3:
        return np.empty(0)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], side[1:3].all(axis=0), [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    middles = (starts + ends - 1) / 2
    if len(middles) < LEAST_MARKS or (ends - starts).max() > STROKE:
        return np.empty(0)
    step, first = np.polyfit(np.arange(len(middles)), middles, 1)
    if step < LEAST_STEP or np.abs(first + step * np.arange(len(middles)) - middles).max() > UNEVEN:
        return np.empty(0)
    heights = np.array([np.argmin(np.append(side[1:, start:end].any(axis=1), False)) for start, end in zip(starts, ends, strict=True)])
    tall = heights >= TALL * heights.min()
    return middles if 2 <= np.count_nonzero(tall) <= len(heights) - 2 else np.empty(0)
