"""Whether a frame shows text at all: of all that two networks take for it, something has to read.

Curves, rulers, gratings, coils and waves look like lines to detectors, and a frame of them is full of such lines; none reads, however it is
turned. Text in scripts that the engine does not know still reads as a row of various signs with moderate certainty: asked is whether it is
writing, not what it says. So one reading is enough for the whole frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transforms.pixels.decide import FILLED, MIN_CHARACTERS, SIMPLE_SHAPES, Sighting
from transforms.pixels.engines.base import Image, Reading, TextEngine

ASKED = 6
"""Regions that are read, the surest first: where none of so many is writing, the rest is none."""
WORD_SCORE = 0.65
"""Score of three different signs: in 63 frames of scripts and lettering that are hard to read the best has 0.73 at least, in curves 0.6."""
WAVES = frozenset("wWmMnNuUvViIlrL1")
"""Signs of strokes in a row: curves of a heart or a brain read as several of them, and nothing else."""
SURE_SCORE = 0.9
"""Score of a sign or two."""
TURNED = 2.0
"""Length over height from which a line is not read sideways."""


def shows_writing(engine: TextEngine, agreed: Sequence[tuple[Sighting, Image]]) -> bool:
    """Whether one of some regions with their upright content is writing, as it stands or in one of the ways to turn and mirror it."""
    if any(item.text and _is_writing(Reading(item.text, item.score), content) for item, content in agreed):
        return True
    surest = [content for _, content in sorted(agreed, key=lambda pair: (-pair[0].detection, pair[0].box))[:ASKED]]
    return any(
        _is_writing(reading, content) for views in (_upright, _turned) for content in surest for reading in engine.read(views(content))
    )


def _is_writing(reading: Reading, content: Image) -> bool:
    """Whether a reading has three signs of three kinds, not all of them waves, or is sure and fills its place.

    Sure readings of bars and rings, or of one sign over and over, are no evidence: coils and waves read as ``ww``.
    """
    signs = [sign for sign in reading.text if sign.isalnum()]
    kinds = {sign.casefold() for sign in signs}
    if len(kinds) >= MIN_CHARACTERS and not set(signs) <= WAVES and reading.score >= WORD_SCORE:
        return True
    fills = len(reading.text) * min(content.shape[:2]) >= FILLED * max(content.shape[:2])
    return reading.score >= SURE_SCORE and fills and len(kinds) >= min(len(signs), 2) and not set(signs) <= SIMPLE_SHAPES


def _upright(content: Image) -> list[Image]:
    return [content]


def _turned(content: Image) -> list[Image]:
    """Upside down and mirrored; what is not clearly longer than high also sideways."""
    lying = [content, np.rot90(content)] if content.shape[1] < TURNED * content.shape[0] else [content]
    views = [view for one in lying for view in (one, np.rot90(one, 2), one[:, ::-1], one[::-1])]
    return [np.ascontiguousarray(view) for view in views[1:]]
