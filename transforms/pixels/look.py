"""Looks at one frame: where is text, and what does it say?

Triage marks spots. The detector looks at these only, each at the size at which it works best. A region that both agree on is text: two
networks that were made from different images for different tasks do not agree on tissue. The rest is read, and stays only if it reads as
characters; where triage is sure and the detector saw nothing, the detector looks again, larger and in the other polarity. On a frame that
shows text it looks again wherever a larger network sees more of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.codes import find_codes
from transforms.pixels.decide import (
    LARGE_DETECTION,
    MIN_CHARACTERS,
    READ_SUPPORT,
    SIMPLE_SHAPES,
    Sighting,
    holds_no_other,
    is_agreed,
    is_flow,
    is_large,
    is_line,
    is_read_surely,
    is_text,
    lines_within,
    merged,
)
from transforms.pixels.engines.base import Image, Reading, TextEngine
from transforms.pixels.geometry import bounding, grown, intersection, pieces, rows_shared, share_covered, touch, transposed, union
from transforms.pixels.read_on import read_on
from transforms.pixels.reread import characters, read_in_doubt, reread, trimmed
from transforms.pixels.rulers import without_rulers
from transforms.pixels.sheet import assign, lay_out
from transforms.pixels.sieve import closest, sieved
from transforms.pixels.triage import FOLLOWS, Heat, Spot, heat
from transforms.pixels.views import Picture, Style
from transforms.types import Box

FIRST_SCALE = 1.0
MARGIN = 14
SURE = 0.7
SURE_CELLS = 3
FILLED = 0.4
LINE_CELLS = 6
LINE_FILL = 0.6
TURNED = 1.5
TURN_SUPPORT = 0.6
ALONE_SUPPORT = 0.5
INITIALS = 2
"""Signs that are text alone where engine and reading are sure of them."""
UPRIGHT = 0.7
"""Score of a reading as it stands from which a region is not turned: signs of simple shapes, which are text or not by other evidence."""
SECOND_SCALE = 2.0
WASTE = 1.25
CLOSER_STYLES = (Style.PLAIN, Style.EQUALISED)
LONG = 3.0
"""Length over height from which a region that was overlooked first need not be read, if both networks see it."""
SMALL = 1 << 16
"""Pixels up to which all of a frame is looked at again."""
MOST_PIXELS = 1 << 17
"""Of the frame that are looked at again in one style, on a larger one."""
SIGN = 0.3
"""Width of a sign over the height of its region, at least."""
NEARLY = 0.5
"""Score of a reading of three signs that says that a frame could show text: no image without text has any."""
PROBABLE = 0.5
"""Of the larger network, from which a place is looked at again on a frame with text: tissue reaches it hardly anywhere."""
BESIDE = 64
"""Pixels on either side that are looked at with such a place: of a faint line it may see one letter."""
EDGE = 1
KNOWN = 0.9
COMPANY = 2
EXPLAINED = 0.5
IN_THE_WAY = 0.25
"""Of its rows a line shares with another that ends it, at least: less is the margin of a line above or below."""

Place = tuple[Box, int]
"""A box to look at, and the level of triage that says at which size."""


class Look:
    """Text of one frame.

    Args:
        engine: detects and reads.
        min_score: of a reading that counts.
        read: every line is read, not only those in doubt.
    """

    def __init__(self, engine: TextEngine, min_score: float, *, read: bool) -> None:
        self._engine = engine
        self._min_score = min_score
        self.reads = read
        self._nearly = False

    def __call__(self, picture: Picture, seen: Heat | None = None, known: Sequence[Box] = ()) -> list[Sighting]:
        """All text in ``picture``; ``seen`` saves the triage when it was made before, and is without the text that is ``known``."""
        seen = sieved(heat(picture.grey(), picture.colours())) if seen is None else seen
        self._nearly = False
        found = completed(self._detect(picture, seen, _tiles(seen.spots(), picture.shape), FIRST_SCALE, Style.PLAIN), seen)
        closer = closest(seen.without([*known, *_boxes(found)])) if found or self._nearly else None
        for style in (Style.INVERSE, Style.EQUALISED):
            boxes = _boxes(found)
            missed = [spot for spot in seen.without(boxes).spots(SURE) if spot.sure >= SURE_CELLS and spot.fill >= FILLED]
            missed = [spot for spot in missed if _is_probable(spot, closer)]
            more = self._detect(picture, seen, _tiles(missed, picture.shape), SECOND_SCALE, style, boxes)
            found = completed([*found, *more], seen) if more else found
        if not known and _is_chance(found):
            found = []
        if found or self._nearly:
            boxes = [*known, *_boxes(found)]
            closer = closer or closest(seen.without(boxes))
            found = merged([*found, *self._overlooked(picture, seen, closer, boxes)])
        found = trimmed(self._engine, picture, without_rulers(self._engine, picture, found))
        found = read_on(self._engine, picture, reread(self._engine, picture, found) if self.reads else found, known)
        boxes = _boxes(found)
        codes = find_codes(picture, [spot for spot in seen.spots(SURE) if share_covered(spot.box, boxes) < EXPLAINED])
        return [*found, *read_in_doubt(self._engine, picture, self._unread(seen, closer, found)), *codes]

    def _overlooked(self, picture: Picture, seen: Heat, closer: Heat, known: Sequence[Box]) -> list[Sighting]:
        """More text on a frame that shows some: where nothing was found, and the larger network sees it, whatever the smaller one does."""
        cells = [np.maximum(*both) for both in zip(seen.levels, closer.levels, strict=False)]
        support = Heat([*cells, *seen.levels[len(cells) :]], seen.shape)
        found, whole = list[Sighting](), Box(0, 0, picture.shape[1], picture.shape[0])
        for style in CLOSER_STYLES:
            boxes = [*known, *_boxes(found)]
            spots = _surest(closer.without(boxes).spots(PROBABLE))
            places = [(whole, 0)] if whole.w * whole.h <= SMALL else _tiles(spots, picture.shape, BESIDE)
            found += self._detect(picture, support, places, SECOND_SCALE, style, boxes, least=READ_SUPPORT)
        return [replace(item, read=item.read or item.box, found=item.box) for item in found]

    def _unread(self, seen: Heat, closer: Heat | None, found: Sequence[Sighting]) -> list[Sighting]:
        """Lines that both networks see and no detector, faint ones above all: they count on frames where other text is certain."""
        if len(found) < COMPANY:
            return []
        rest = seen.without(_boxes(found)).spots(SURE)
        lines = [spot for spot in rest if spot.sure >= LINE_CELLS and spot.fill >= LINE_FILL and spot.box.w >= 2 * spot.box.h]
        lines = [spot for spot in lines if _is_probable(spot, closer)]
        return [Sighting(spot.box, (spot.box,), 0.0, spot.peak, score=spot.peak) for spot in lines]

    def _detect(
        self,
        picture: Picture,
        seen: Heat,
        places: Sequence[Place],
        scale: float,
        style: Style,
        known: Sequence[Box] = (),
        *,
        again: bool = True,
        least: float = 0.0,
    ) -> list[Sighting]:
        """Text in some places of the frame, beside what is known. A place whose edge cuts text is looked at again, larger.

        ``least`` is the support that they have by other evidence.
        """
        if not places:
            return []
        tiles = [picture.tile(box, scale / 2**level, style) for box, level in places]
        sheet, positions = lay_out(tiles)
        cut: set[int] = set()
        thick: set[Box] = set()
        candidates: list[tuple[Sighting, Image]] = []
        for index, region in assign(self._engine.detect(sheet), positions):
            (box, level), tile = places[index], tiles[index]
            quad = region.quad * _pair(box.w / tile.shape[1], box.h / tile.shape[0]) + _pair(box.x, box.y)
            where = bounding(quad, picture.shape)
            if where is None or share_covered(where, known) >= KNOWN:
                continue
            if not is_line(quad, level):
                # Headings can be larger than the text of a level; anatomy, which detectors mark as a whole, does not read with certainty.
                if region.score < LARGE_DETECTION or not is_large(where, picture.shape):
                    continue
                thick.add(where)
            support = max(seen.support(where), least)
            if support < READ_SUPPORT:
                # Whatever it reads as, it is no text, or text of a place that is known from another frame.
                continue
            if again and where not in thick and _is_cut(where, box, picture.shape):
                cut.add(index)
            sighting = Sighting(where, pieces(quad, picture.shape), region.score, support, score=region.score)
            candidates.append((sighting, crop(tile, region.quad)))
        judged = self._judged(candidates, len(known), picture.shape, LONG if least else 0.0)
        found = [item for item in judged if item.box not in thick or is_read_surely(item)]
        if least:
            found = [item for item in found if _is_written(item) or (item.support > least and _aspect(item.box) >= LONG)]
        wider = [(grown(box, 2 * MARGIN * 2**level, picture.shape), level) for box, level in (places[index] for index in sorted(cut))]
        known = [*known, *(sighting.box for sighting in found)]
        return found + self._detect(picture, seen, wider, scale, style, known, again=False, least=least)

    def _judged(
        self, candidates: Sequence[tuple[Sighting, Image]], known: int, shape: tuple[int, int], aspect: float = 0.0
    ) -> list[Sighting]:
        """Those that are text: agreed on and of that aspect, or read. Text comes in company: where some is certain, more needs less."""

        def agreed(*, in_company: bool) -> list[bool]:
            return [
                _aspect(item.box) >= aspect and is_agreed(item, shape, in_company=in_company) and not is_flow(content)
                for item, content in candidates
            ]

        certain = agreed(in_company=False)
        company = known + sum(certain) >= COMPANY
        if company:
            certain = agreed(in_company=True)
        kept = [] if self.reads else [sighting for (sighting, _), sure in zip(candidates, certain, strict=True) if sure]
        doubted = [(*item, sure) for item, sure in zip(candidates, certain, strict=True) if self.reads or not sure]
        readings = self._engine.read([content for _, content, _ in doubted])
        for (sighting, content, sure), reading in zip(doubted, readings, strict=True):
            best = sighting.read_as(reading)
            if not is_text(best, self._min_score, shape) and reading.score < UPRIGHT and sighting.support >= TURN_SUPPORT:
                best = sighting.read_as(max([reading, *self._engine.read(_turned(content))], key=_weight))
            if sure or is_text(best, self._min_score, shape, in_company=company):
                kept.append(best)
            elif characters(best.text) >= MIN_CHARACTERS and best.score >= NEARLY:
                self._nearly = True
        return kept


def _is_chance(alone: Sequence[Sighting]) -> bool:
    """Whether all that stands on a frame is a sign or two where triage doubts: streaks that cross read as ``X``.

    Two of which engine and reading are sure are initials: their full stops are no text to triage.
    """
    return (
        len(alone) == 1
        and characters(alone[0].text) < MIN_CHARACTERS
        and alone[0].support < ALONE_SUPPORT
        and not is_read_surely(alone[0], INITIALS)
    )


def _is_probable(spot: Spot, closer: Heat | None) -> bool:
    """Whether the larger network, too, sees text in a spot of triage. It is asked on frames that show text, and not about large text."""
    return closer is None or spot.level >= len(closer.levels) or bool(closer.cells(spot.level, spot.box).max() >= PROBABLE)


def _boxes(found: Sequence[Sighting]) -> list[Box]:
    return [box for item in found for box in item.pieces]


def _surest(spots: Sequence[Spot]) -> list[Spot]:
    """As many spots as may be looked at again, the most probable first: where it sees text all over a frame, it sees texture."""
    chosen, pixels = [], 0
    for spot in sorted(spots, key=lambda item: (-item.peak, item.level, item.box)):
        margin = MARGIN << spot.level
        pixels += (spot.box.w + 2 * margin + 2 * (BESIDE << spot.level)) * (spot.box.h + 2 * margin) >> 2 * spot.level
        if pixels > MOST_PIXELS:
            break
        chosen.append(spot)
    return chosen


def _is_written(item: Sighting) -> bool:
    """Whether a region reads as three signs or more, and is as long for its height as so many are, unless it is tilted."""
    signs = characters(item.text)
    return signs >= MIN_CHARACTERS and bool(set(item.text) - SIMPLE_SHAPES) and (len(item.pieces) > 1 or _aspect(item.box) >= SIGN * signs)


def _aspect(box: Box) -> float:
    return max(box.w, box.h) / min(box.w, box.h)


def _turned(content: Image) -> list[Image]:
    """A line upside down and mirrored; one that is not clearly longer than high also turned to either side."""
    views = [np.rot90(content, 2), content[:, ::-1]]
    if content.shape[1] < 2 * content.shape[0]:
        views += [np.rot90(content), np.rot90(content, 3)]
    return [np.ascontiguousarray(view) for view in views]


def _pair(x: float, y: float) -> NDArray[np.float32]:
    return np.array((x, y), np.float32)


def _weight(reading: Reading) -> float:
    return reading.score * min(sum(character.isalnum() for character in reading.text), 3)


def _tiles(spots: Sequence[Spot], shape: tuple[int, int], beside: int = 0) -> list[Place]:
    """Boxes to look at with their level: spots with a margin, and more of it ``beside`` them, joined where they would overlap."""
    tiles: list[Place] = []
    for spot in sorted(spots, key=lambda item: (item.level, item.box.y, item.box.x)):
        box, more = grown(spot.box, MARGIN * 2**spot.level, shape), beside * 2**spot.level
        left, right = max(box.x - more, 0), min(box.x + box.w + more, shape[1])
        box = Box(left, box.y, right - left, box.h)
        joined = True
        while joined:
            joined = False
            for index, (other, level) in enumerate(tiles):
                if level == spot.level and _worth_joining(box, other):
                    box = union(box, other)
                    del tiles[index]
                    joined = True
                    break
        tiles.append((box, spot.level))
    return tiles


def _is_cut(found: Box, tile: Box, shape: tuple[int, int]) -> bool:
    """Whether a region reaches the edge of its tile where the frame goes on."""
    rows, columns = shape
    return (
        (found.x <= tile.x + EDGE and tile.x > 0)
        or (found.y <= tile.y + EDGE and tile.y > 0)
        or (found.x + found.w >= tile.x + tile.w - EDGE and tile.x + tile.w < columns)
        or (found.y + found.h >= tile.y + tile.h - EDGE and tile.y + tile.h < rows)
    )


def _worth_joining(one: Box, other: Box) -> bool:
    """Whether looking at two boxes as one costs little more than looking at each."""
    joined = union(one, other)
    return touch(one, other) and joined.w * joined.h <= WASTE * (one.w * one.h + other.w * other.h)


def completed(found: Sequence[Sighting], seen: Heat) -> list[Sighting]:
    """One sighting for each place. A line that was found in part is hidden as a whole: it reaches as far as cells go on."""
    places = merged([item for item in found if not _only_joins(item, found, seen)])
    whole = []
    for index, sighting in enumerate(places):
        if len(sighting.pieces) > 1:
            whole.append(sighting)
            continue
        box = seen.continued(sighting.box)
        for at, other in enumerate(places if box != sighting.box else ()):
            if (
                at != index
                and touch(box, other.box)
                and intersection(box, other.box) > intersection(sighting.box, other.box)
                and _in_line(sighting.box, box, other.box)
            ):
                box = _up_to(sighting.box, box, other.box)
        whole.append(replace(sighting, box=box, pieces=(box,), read=sighting.read or sighting.box, found=sighting.found or sighting.box))
    return whole


def _only_joins(item: Sighting, found: Sequence[Sighting], seen: Heat) -> bool:
    """Whether a region is lines that were found by themselves, and what is between and around them: triage sees nothing else in it.

    What warms cells beside lines is their own text, unless there is room for another line.
    """
    inside = lines_within(item, found)
    if not inside:
        return False
    margin, box = min(line.h for line in inside) // 2, item.box
    core = Box(box.x + margin, box.y + margin, max(box.w - 2 * margin, 1), max(box.h - 2 * margin, 1))
    rest = seen.without(inside, around=len(inside) > 1 and holds_no_other(box, inside))
    return all((rest.cells(level, core) < FOLLOWS).all() for level in range(len(rest.levels)))


def _in_line(own: Box, longer: Box, other: Box) -> bool:
    """Whether ``other`` stands in the way of ``own`` along its length. A line above or below, whose margin reaches into it, does not."""
    if longer.h != own.h:
        own, other = transposed(own), transposed(other)
    return rows_shared(own, other) >= IN_THE_WAY


def _up_to(own: Box, longer: Box, other: Box) -> Box:
    """``longer``, which is ``own`` extended along its length, cut where ``other`` begins."""
    if longer.h == own.h:
        start, end = longer.x, longer.x + longer.w
        if 2 * other.x + other.w >= 2 * own.x + own.w:
            end = min(end, max(own.x + own.w, other.x))
        else:
            start = max(start, min(own.x, other.x + other.w))
        return Box(start, own.y, end - start, own.h)
    return transposed(_up_to(transposed(own), transposed(longer), transposed(other)))


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
