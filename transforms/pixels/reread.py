"""Reads again what was hidden as one line with more than what was read of it.

A place grows after it was read: over cells that go on, and over other detections of the same place. Where all text is hidden that is
enough; where it matters what is written, a reading has to stand for the whole box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transforms.pixels.decide import Sighting
from transforms.pixels.engines.base import Image, Reading, TextEngine
from transforms.pixels.geometry import grown
from transforms.pixels.views import Picture

GREW = 0.5
"""A box that became longer than the one that was read by this share of its height holds more text."""
RIM = 2
TURNED = 1.5
MIN_SCORE = 0.5
SURE = 0.8


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
    more = _characters(reading.text) > _characters(item.text)
    return replace(item, text=reading.text, score=reading.score, read=item.box) if more and reading.score >= MIN_SCORE else item


def _characters(text: str) -> int:
    return sum(character.isalnum() for character in text)
