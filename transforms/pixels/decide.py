"""Which detected regions are text. Detectors also mark anatomy; what is text shows it in one of two independent ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from transforms.pixels.engines.base import Image, Reading
from transforms.pixels.geometry import Quad, common, intersection, overlap, share_covered, sides, touch, transposed, union
from transforms.types import Box

MIN_CHARACTERS = 3
WORD = 5
SHORT_SCORE = 0.8
AGREEMENT = ((0.75, 0.7, 1.5), (0.6, 0.8, 1.5), (0.45, 0.9, 2.5))
"""Detection, support and length over height that are enough together."""
AGREEMENT_IN_COMPANY = ((0.45, 0.75, 1.0), (0.7, 0.45, 3.0))
AGREEMENT_ON_MARKS = (0.65, 0.7, 2.0)
"""Detection and support that are enough for a mark of so many heights at most: turned initials on lead markers do not read."""
COLOURED = 64
"""Levels of 255 between the channels of a pixel that has a colour."""
FLOW_SHARE = 0.4
"""Share of a region that is coloured where it shows flow. Coloured letters cover more only on a ground of another colour."""
HUES = 0.02
"""Spread of the hues of flow, 1 less the length of their mean: lines have 0.003 at most, flow from red to yellow 0.02 to 0.3."""
READ_SUPPORT = 0.3
SURE_SUPPORT = 0.6
DOUBT_SCORE = 0.7
SIMPLE_SHAPES = frozenset("0OoQDCc1Il|!iJj/\\-_.,:;'\"()[] 一二三")
SIMPLE_DETECTION = 0.65
SIMPLE_SCORE = 0.95
"""Detection and score of a reading that are enough for a sign or two of these beside certain text."""
THICKEST = 48
LARGE_SHARE = 0.125
LARGE_DETECTION = 0.7
LARGE_SCORE = 0.95
"""Of a large region that is no word: vessels, grids, graphs and bones were read as three signs with 0.8 at most."""
SAME_PLACE = 0.5
SAME_LINE = 0.5
LOWER = 0.7
INSIDE = 0.8
FILLED = 0.5
MARGINS = 0.7
"""Of the height of a line: less than this above and below it holds no other line."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A region that an engine detected in a frame.

    Attributes:
        box: in stored pixel coordinates.
        pieces: boxes that follow the line more closely where it is tilted; otherwise ``box`` alone.
        text: what was read; empty when it was not read or could not be.
        score: of the reading, or of the detection when it was not read.
        detection: of the engine, 0 to 1.
        support: of the triage network, 0 to 1.
        read: the box before it grew: the one that ``text`` was read in.
        found: what detectors marked, before it grew: ``read``, or more where the same line was found at several scales.
        fit: ``pieces`` cut to what one frame shows in them: what is hidden there. Empty when no frame was asked.
    """

    box: Box
    pieces: tuple[Box, ...]
    detection: float
    support: float
    text: str = field(default="", repr=False)
    score: float = 0.0
    read: Box | None = None
    found: Box | None = None
    fit: tuple[Box, ...] = ()

    def read_as(self, reading: Reading) -> Sighting:
        """The same region with what was read there."""
        return replace(self, text=reading.text, score=reading.score, read=self.box)


def is_line(quad: Quad, level: int) -> bool:
    """Whether a region found on a level of triage is as thin as the text of that level (7 to 20 pixels, and what surrounds it)."""
    return min(sides(quad)) <= THICKEST * (1 << level)


def is_agreed(sighting: Sighting, shape: tuple[int, int], *, in_company: bool = False) -> bool:
    """Whether both networks see a line of text: each was made from other images for another task, so they err on different tissue.

    The longer a line is for its height, the less its shape arises otherwise; on a single sign both have to be sure, or it has to be read.
    So has what is large for the frame (rows, columns): text is written small to leave room for the image.
    """
    if is_large(sighting.box, shape):
        return False
    short = min(sighting.box.w, sighting.box.h)
    aspect = max(sighting.box.w, sighting.box.h) / short
    detected, supported, longest = AGREEMENT_ON_MARKS
    if aspect <= longest and sighting.detection >= detected and sighting.support >= supported:
        return True
    enough = AGREEMENT_IN_COMPANY if in_company else AGREEMENT
    return any(sighting.detection >= detection and sighting.support >= support and aspect >= least for detection, support, least in enough)


def is_flow(content: Image) -> bool:
    """Whether a region shows blood flow in colours rather than a line: half of it is coloured, in hues that pass into each other.

    A line is drawn in one hue, or has fringes of two on its thin edges only. Flow looks like letters to both networks.
    """
    levels = content.astype(np.int16)
    coloured = levels.max(axis=2) - levels.min(axis=2) >= COLOURED
    if np.count_nonzero(coloured) < FLOW_SHARE * coloured.size:
        return False
    red, green, blue = np.moveaxis(levels[coloured], -1, 0).astype(np.float32)
    hues = (red - (green + blue) / 2) + 1j * np.sqrt(0.75) * (green - blue)
    return bool(abs(np.mean(hues / np.abs(hues))) <= 1 - HUES)


def is_text(sighting: Sighting, min_score: float, shape: tuple[int, int], *, in_company: bool = False) -> bool:
    """Whether a region reads as text.

    A word that reads with moderate confidence does not arise from tissue; the fewer letters or digits, the easier they arise, and the more
    they need: a sign or two have to fill their region, and what is large for the frame (rows, columns) has to be a word, or certain. Rings
    and bars are everywhere in anatomy (teeth, vessels, ribs): characters of that shape are no evidence in doubt. Beside certain text they
    are, where engine and reading are sure: the numbers of a scale are such.
    """
    if sighting.support < READ_SUPPORT:
        return False
    characters = sum(character.isalnum() for character in sighting.text)
    shaped = bool(set(sighting.text) - SIMPLE_SHAPES)
    if characters < WORD and is_large(sighting.box, shape) and not is_read_surely(sighting):
        return False
    if characters < MIN_CHARACTERS:
        if len(sighting.text) * min(sighting.box.w, sighting.box.h) < FILLED * max(sighting.box.w, sighting.box.h):
            return False
        if in_company and sighting.detection >= SIMPLE_DETECTION and sighting.score >= SIMPLE_SCORE:
            return characters > 0
        return shaped and characters > 0 and sighting.score >= max(SHORT_SCORE, min_score)
    if sighting.support < SURE_SUPPORT or characters < WORD:
        min_score = max(min_score, DOUBT_SCORE)
    return sighting.score >= min_score and (shaped or sighting.support >= SURE_SUPPORT)


def is_read_surely(sighting: Sighting, least: int = MIN_CHARACTERS) -> bool:
    """Whether engine and reading leave no doubt about so many signs or more."""
    signs = [character for character in sighting.text if character.isalnum()]
    return (
        len(signs) >= least and bool(set(signs) - SIMPLE_SHAPES) and sighting.detection >= LARGE_DETECTION and sighting.score >= LARGE_SCORE
    )


def is_large(box: Box, shape: tuple[int, int]) -> bool:
    """Whether a region is too large for the frame (rows, columns) to be text unless it reads."""
    return min(box.w, box.h) > max(LARGE_SHARE * min(shape), THICKEST)


def merged(sightings: Sequence[Sighting]) -> list[Sighting]:
    """One sighting for each place, in reading order: the better reading stays, and the boxes of all are covered.

    A region over several lines that were found one by one, as smaller copies of a frame show them, is none of its own: it would join them.
    """
    kept: list[Sighting] = []
    single = [item for item in sightings if not _spans_others(item, sightings)]
    for sighting in sorted(single, key=lambda item: (-item.score, -item.detection, item.box)):
        for index, other in enumerate(kept):
            if touch(sighting.box, other.box) and (_is_same_line(sighting.box, other.box) or _tighter(sighting, other) is not None):
                kept[index] = _joined(other, sighting)
                break
        else:
            kept.append(sighting)
    return sorted(kept, key=lambda item: (item.box.y, item.box.x))


def _is_same_line(one: Box, other: Box) -> bool:
    """Whether two boxes are of one line: on the same place, and across the longer one of about the same extent and position.

    Parts of a line are as high as the line; what reaches half into it only is another one, and its reading does not stand for both.
    """
    if overlap(one, other) < SAME_PLACE:
        return False
    longer = max(one, other, key=lambda box: max(box.w, box.h))
    shared = common(one, other)
    assert shared is not None
    return (shared.h / max(one.h, other.h) if longer.w >= longer.h else shared.w / max(one.w, other.w)) >= SAME_LINE


def _spans_others(item: Sighting, others: Sequence[Sighting]) -> bool:
    """Whether two or more lines apart from each other fill ``item``."""
    inside = lines_within(item, others)
    apart = any(overlap(one, other) < SAME_PLACE for at, one in enumerate(inside) for other in inside[:at])
    return apart and share_covered(item.box, inside) >= SAME_PLACE


def lines_within(item: Sighting, others: Sequence[Sighting]) -> list[Box]:
    """Lines in ``item``, each much lower than it."""
    box, highest = item.box, LOWER * item.box.h
    inside = [other.box for other in others if other.box.h <= highest and touch(other.box, box)]
    return [other for other in inside if intersection(other, box) >= INSIDE * other.w * other.h]


def holds_no_other(box: Box, inside: Sequence[Box]) -> bool:
    """Whether no line as high as those ``inside`` fits between two of them, above or below them."""
    height, end, gaps = min(line.h for line in inside), box.y, []
    for line in sorted(inside, key=lambda line: line.y):
        gaps.append(line.y - end)
        end = max(end, line.y + line.h)
    return max(gaps[0], box.y + box.h - end) <= height and all(gap <= MARGINS * height for gap in gaps[1:])


def _joined(kept: Sighting, other: Sighting) -> Sighting:
    box, found = union(kept.box, other.box), union(kept.found or kept.box, other.found or other.box)
    pieces = (box,) if len(kept.pieces) == len(other.pieces) == 1 else (*kept.pieces, *other.pieces)
    if (tight := _tighter(kept, other)) is not None:
        box, found = _across(box, tight), _across(found, tight)
        pieces = (box,)
    sure, support = max(kept.detection, other.detection), max(kept.support, other.support)
    return replace(kept, box=box, pieces=pieces, found=found, detection=sure, support=support)


def _across(line: Box, tight: Box) -> Box:
    """As long as ``line`` and as high as ``tight``."""
    return Box(line.x, tight.y, line.w, tight.h) if tight.w >= tight.h else Box(tight.x, line.y, tight.w, line.h)


def _tighter(one: Sighting, other: Sighting) -> Box | None:
    """Of two regions of one line, found at two scales, the box of the one that is closer to it across; None where they may be two lines.

    A frame that is looked at smaller has wider margins. The closer region has to be as long as the wider one, but for its margins.
    """
    if len(one.pieces) > 1 or len(other.pieces) > 1:
        return None
    tight, loose = sorted((one.box, other.box), key=lambda box: min(box.w, box.h))
    if (tight.w >= tight.h) != (loose.w >= loose.h):
        return None
    own, wide = (tight, loose) if tight.w >= tight.h else (transposed(tight), transposed(loose))
    above, below = own.y - wide.y, wide.y + wide.h - own.y - own.h
    ends = max(own.x - wide.x, 0) + max(wide.x + wide.w - own.x - own.w, 0)
    is_same = min(above, below) >= 0 and max(above, below) <= MARGINS * own.h and ends <= wide.h and common(own, wide) is not None
    return tight if is_same else None
