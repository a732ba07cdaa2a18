"""Which detected regions are text, and which boxes of it are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from transforms.types import Box

MIN_CHARACTERS = 3
SHORT_SCORE = 0.8
LARGEST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Sighting:
    """A region that an engine detected in a view of a frame, in stored pixel coordinates, and what it read there."""

    box: Box
    text: str = field(repr=False)
    score: float
    detection: float


def is_text(sighting: Sighting, shape: tuple[int, int], min_score: float) -> bool:
    """Whether a detected region is text.

    Detectors mark whole anatomies; what they mark there does not read as characters. Three letters or digits that read with moderate
    confidence do not arise from tissue; one or two arise easily (edges read as I, l, 1, -), so they need more. And a single line of
    text is never large in both directions.
    """
    rows, columns = shape
    if sighting.box.w > columns * LARGEST_SHARE and sighting.box.h > rows * LARGEST_SHARE:
        return False
    characters = sum(character.isalnum() for character in sighting.text)
    if characters >= MIN_CHARACTERS:
        return sighting.score >= min_score
    return characters > 0 and sighting.score >= max(SHORT_SCORE, min_score)


def merged(sightings: Sequence[Sighting]) -> list[Sighting]:
    """One sighting for each place: where two views show the same line, the better reading stays and the box covers both."""
    kept: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda item: (-item.score, item.box)):
        for index, other in enumerate(kept):
            if _overlap(sighting.box, other.box) >= 0.5:
                kept[index] = Sighting(_union(sighting.box, other.box), other.text, other.score, other.detection)
                break
        else:
            kept.append(sighting)
    return sorted(kept, key=lambda item: (item.box.y, item.box.x))


def covered(box: Box, boxes: Sequence[Box]) -> bool:
    """Whether nearly all of ``box`` lies inside one of ``boxes``."""
    return any(_intersection(box, other) >= 0.9 * box.w * box.h for other in boxes)


def grown(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """``box`` with a margin on each side, cut to the frame."""
    rows, columns = shape
    left, top = max(box.x - margin, 0), max(box.y - margin, 0)
    return Box(left, top, min(box.x + box.w + margin, columns) - left, min(box.y + box.h + margin, rows) - top)


def _intersection(one: Box, other: Box) -> int:
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return max(width, 0) * max(height, 0)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller area."""
    return _intersection(one, other) / max(min(one.w * one.h, other.w * other.h), 1)


def _union(one: Box, other: Box) -> Box:
    left, top = min(one.x, other.x), min(one.y, other.y)
    return Box(left, top, max(one.x + one.w, other.x + other.w) - left, max(one.y + one.h, other.y + other.h) - top)
