"""Reads again: lines that grew after they were read, and lines that no detector saw.

A place grows after it was read: over cells that go on, and over other detections of the same place. Where all text is hidden that is
enough; where it matters what is written, a reading has to stand for the whole box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transforms.pixels.decide import SIMPLE_SHAPES, Sighting
from transforms.pixels.engines.base import Image, Reading, TextEngine
from transforms.pixels.geometry import grown, union
from transforms.pixels.views import Picture, Style
from transforms.types import Box

GREW = 0.5
"""A box that became longer than the one that was read by this share of its height holds more text."""
RIM = 2
TURNED = 1.5
MIN_SCORE = 0.5
NEARLY = 0.4
"""Score of a reading that is not certain enough, but worth a second opinion."""
DOUBT_SCORE = 0.65
"""What reads as text where no detector saw any: tissue and the marks of rulers reach 0.63, and lines of text 0.7."""
SURE = 0.8
LEAST_SIGNS = 2
SCALE = 2.0
FAR = 2.0
"""Cells go on for this many heights only over text, or over what is none."""
FILLED = 0.8
"""Signs for each length of a line that is as long as it is high, at least: two in a place for ten are no reading of it."""


def reread(engine: TextEngine, picture: Picture, found: Sequence[Sighting]) -> list[Sighting]:
    """The same places; those that grew with the text of the whole, where it can be read and is more."""
    grew = [index for index, item in enumerate(found) if _grew(item)]
    crops: list[Image] = []
    owners: list[int] = []
    for index in grew:
        for crop in _upright(picture.tile(grown(found[index].box, RIM, picture.shape), 1.0)):
            crops.append(crop)
            owners.append(index)
    best: dict[int, Reading] = {}
    for index, reading in zip(owners, engine.read(crops), strict=True):
        if index not in best or reading.score > best[index].score:
            best[index] = reading
    return [_with(item, best[index]) if index in best else item for index, item in enumerate(found)]


def read_in_doubt(engine: TextEngine, picture: Picture, lines: Sequence[Sighting]) -> list[Sighting]:
    """Lines that triage alone sees, if they read as two signs at least, in one of the ways to look at them: speckle and vessels do not."""
    found = []
    for line in lines:
        best = _best(engine, picture, line.box)
        if best is not None and characters(best.text) * min(line.box.w, line.box.h) >= FILLED * max(line.box.w, line.box.h):
            found.append(replace(line, text=best.text, score=best.score, read=line.box))
    return found


def trimmed(engine: TextEngine, picture: Picture, found: Sequence[Sighting]) -> list[Sighting]:
    """The same lines, but no longer than they were found where they grew far over what does not read: rulers, edges, frames."""
    return [_trimmed(engine, picture, item) if _reach(item) > FAR else item for item in found]


def _reach(item: Sighting) -> float:
    """By how many of its heights a line grew at most on one side."""
    if item.read is None or len(item.pieces) > 1 or item.box.w < item.box.h:
        return 0.0
    core = union(item.read, item.found or item.read)
    left, right = core.x - item.box.x, item.box.x + item.box.w - core.x - core.w
    return max(left, right) / max(core.h, 1)


def _trimmed(engine: TextEngine, picture: Picture, item: Sighting) -> Sighting:
    assert item.read is not None
    box, core = item.box, union(item.read, item.found or item.read)
    start, end = box.x, box.x + box.w
    if core.x - start > FAR * core.h and _best(engine, picture, Box(start, core.y, core.x - start, core.h)) is None:
        start = core.x - core.h
    far = end - core.x - core.w
    if far > FAR * core.h and _best(engine, picture, Box(core.x + core.w, core.y, far, core.h)) is None:
        end = core.x + core.w + core.h
    cut = Box(start, box.y, end - start, box.h)
    return item if cut == box else replace(item, box=cut, pieces=(cut,))


def _best(engine: TextEngine, picture: Picture, box: Box) -> Reading | None:
    """The surest reading of two signs or more of what stands in ``box``; None when there is none.

    Where it does not read as it is, but nearly, the other renderings are asked, too; what is no text reads as nothing in all of them.
    """
    around = grown(box, 2 * RIM, picture.shape)
    best, nearly = _surest(engine, [picture.tile(around, SCALE)])
    if best is None and nearly >= NEARLY:
        best, _ = _surest(engine, [picture.tile(around, SCALE, style) for style in (Style.INVERSE, Style.EQUALISED)])
    return best


def _surest(engine: TextEngine, tiles: Sequence[Image]) -> tuple[Reading | None, float]:
    """The surest reading that counts, and the score of the surest of all."""
    readings = engine.read(tiles)
    texts = [reading for reading in readings if _is_shaped(reading.text) and reading.score >= DOUBT_SCORE]
    return max(texts, key=lambda reading: reading.score, default=None), max(reading.score for reading in readings)


def _is_shaped(text: str) -> bool:
    """Two signs or more, not all of them bars and rings as the marks of rulers are."""
    return characters(text) >= LEAST_SIGNS and bool(set(text) - SIMPLE_SHAPES)


def _grew(item: Sighting) -> bool:
    if item.read is None or len(item.pieces) > 1:
        return False
    longer = max(item.box.w - item.read.w, item.box.h - item.read.h)
    return longer > GREW * min(item.read.w, item.read.h)


def _upright(image: Image) -> list[Image]:
    """A line as it is; one that is higher than wide also turned to either side."""
    turns = (0,) if image.shape[0] < TURNED * image.shape[1] else (0, 1, 3)
    return [np.ascontiguousarray(np.rot90(image, turn)) for turn in turns]


def _with(item: Sighting, reading: Reading) -> Sighting:
    """The longer of two readings, when it is certain enough. A single sign that the whole reads as, too was complete before it grew."""
    if len(item.text) == 1 and reading.text == item.text and reading.score >= SURE and item.read is not None:
        return replace(item, box=item.read, pieces=(item.read,))
    more = characters(reading.text) > characters(item.text)
    return replace(item, text=reading.text, score=reading.score, read=item.box) if more and reading.score >= MIN_SCORE else item


def characters(text: str) -> int:
    """Letters and digits of a reading."""
    return sum(character.isalnum() for character in text)
