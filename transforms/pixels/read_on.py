"""Reads on behind the ends of lines: a line that runs from plain ground onto anatomy is often found up to there only.

Neither detector nor triage sees faint letters on a ground of many edges. A recognizer does, where it is told at which height to read.
Only ends behind which strokes stand like those of the line are read: behind most there is plain ground or another line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transforms.pixels.decide import SIMPLE_SHAPES, Sighting
from transforms.pixels.engines.base import Reading, TextEngine
from transforms.pixels.fit import STROKE, all_strokes, layers_of
from transforms.pixels.geometry import grown, intersection, rows_shared, touch
from transforms.pixels.reread import characters
from transforms.pixels.views import Picture
from transforms.types import Box

LINE = 2
"""Length over height from which a box is a line that may go on."""
REACH = 4
"""Heights of a line that are read at once."""
STEPS = 6
RIM = 2
SCALE = 2.0
MIN_SCORE = 0.7
LEAST_SIGNS = 2
SAME_ROW = 0.5
"""Share of its rows by which another line stands beside a line."""
MARGIN = 4
"""The part of the height of a box that is above its letters, and below them."""
SIGN = 0.6
"""Width of a sign over the height of a box."""
INK = 0.2
"""Share of the contrast of a line's strongest strokes that strokes behind its end have at least."""
LETTER = 0.06
"""Pixels of strokes that count as text, as a share of the square of the height of a line: a letter has twice as many, and loses some on
anatomy of its brightness."""
GAP = 2.0
"""Heights of a line within which its next strokes begin."""
SIGNS = 0.4
"""Columns from the first stroke to the last where two signs stand, over the height of a line: an edge that crosses it has fewer."""


def read_on(engine: TextEngine, picture: Picture, found: Sequence[Sighting], known: Sequence[Box] = ()) -> list[Sighting]:
    """The same lines, each as far to the left and right as it reads on, with the text of the whole; only horizontal ones are asked.

    Args:
        engine: reads.
        picture: the frame.
        found: its lines.
        known: other text of the frame, where lines end, too.
    """
    lines = list(found)
    ends = [
        (index, side) for index, item in enumerate(lines) if len(item.pieces) == 1 and item.box.w >= LINE * item.box.h for side in (-1, 1)
    ]
    for _ in range(STEPS):
        boxes = [*(item.box for item in lines), *known]
        asked = [(index, side, box) for index, side in ends if (box := _beyond(picture, boxes, index, side)) is not None]
        readings = engine.read([picture.tile(grown(box, RIM, picture.shape), SCALE) for _, _, box in asked])
        ends = []
        for (index, side, box), reading in zip(asked, readings, strict=True):
            if _is_text(reading):
                width = min(box.w, round((len(reading.text) + 1) * SIGN * lines[index].box.h))
                lines[index] = _longer(lines[index], side, width, reading.text)
                ends.append((index, side))
    longer = [index for index, item in enumerate(found) if lines[index].box != item.box]
    wholes = engine.read([picture.tile(grown(lines[index].box, RIM, picture.shape), 1.0) for index in longer])
    for index, whole in zip(longer, wholes, strict=True):
        if whole.score >= MIN_SCORE and characters(whole.text) >= characters(lines[index].text):
            lines[index] = replace(lines[index], text=whole.text, score=whole.score)
    return lines


def _is_text(reading: Reading) -> bool:
    return reading.score >= MIN_SCORE and characters(reading.text) >= LEAST_SIGNS and bool(set(reading.text) - SIMPLE_SHAPES)


def _longer(item: Sighting, side: int, width: int, more: str) -> Sighting:
    box = Box(item.box.x - width if side < 0 else item.box.x, item.box.y, item.box.w + width, item.box.h)
    return replace(item, box=box, pieces=(box,), read=box, text=more + item.text if side < 0 else item.text + more)


def _beyond(picture: Picture, lines: Sequence[Box], index: int, side: int) -> Box | None:
    """What is to be read behind an end of a line, up to the next line; None where no strokes like its own are."""
    own = lines[index]
    start, end = (own.x - REACH * own.h, own.x) if side < 0 else (own.x + own.w, own.x + own.w + REACH * own.h)
    start, end = max(start, 0), min(end, picture.shape[1])
    beyond = Box(start, own.y, end - start, own.h)
    for other in (box for at, box in enumerate(lines) if touch(box, beyond) and at != index and rows_shared(box, own) >= SAME_ROW):
        if side < 0 and other.x < own.x:
            start = max(start, min(other.x + other.w, own.x))
        elif side > 0 and other.x + other.w > own.x + own.w:
            end = min(end, max(other.x, own.x + own.w))
    beyond = Box(start, own.y, end - start, own.h)
    return _between(beyond, lines) if beyond.w >= own.h / 2 and _has_strokes(picture, own, beyond) else None


def _between(beyond: Box, lines: Sequence[Box]) -> Box:
    """``beyond`` without the rows of its margin in which a line above or below stands: half of that line's letters read, too."""
    near = [other for other in lines if intersection(beyond, other) and rows_shared(beyond, other) < SAME_ROW]
    margin, end = beyond.h // MARGIN, beyond.y + beyond.h
    top = max((min(other.y + other.h, beyond.y + margin) for other in near if other.y < beyond.y), default=beyond.y)
    bottom = min((max(other.y, end - margin) for other in near if other.y + other.h > end), default=end)
    return Box(beyond.x, top, beyond.w, bottom - top)


def _has_strokes(picture: Picture, own: Box, beyond: Box) -> bool:
    """Whether strokes like those of the line's next part stand in ``beyond``, which adjoins it."""
    near = min(own.w, 2 * REACH * own.h)
    side = max(own.h // STROKE, 1) | 1
    if side < 3:
        return False
    start = beyond.x if beyond.x < own.x else beyond.x - near
    layers = layers_of(picture, Box(start, own.y, near + beyond.w, own.h))
    standing = all_strokes(layers, side)
    middle = standing[own.h // 4 : own.h - own.h // 4]
    line, rest = (middle[:, beyond.w :], middle[:, beyond.w - 1 :: -1]) if beyond.x < own.x else (middle[:, :near], middle[:, near:])
    ink = rest >= max(INK * float(np.percentile(line, 97)), 1e-6)
    if np.count_nonzero(ink) < LETTER * own.h * own.h:
        return False
    columns = np.flatnonzero(ink.any(axis=0))
    return bool(columns[0] <= GAP * own.h and columns[-1] + 1 - columns[0] >= SIGNS * own.h)
