"""What the frames of a chunk share: text stands in the same place on most of them, and is looked for once.

A place that one frame taught is checked on every other frame by its pixels, not assumed: the ink has to be there, with the same values and
the same contrast, or the same letters fainter or brighter as a whole. Whatever triage sees outside the places that are there is looked at
as if the frame were alone, so that one slice with other text among hundreds is found like any other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.decide import Sighting
from transforms.pixels.fit import STROKE, Fits, fitted, strokes
from transforms.pixels.geometry import grown, share_covered, touch
from transforms.pixels.look import Look
from transforms.pixels.sieve import sieved
from transforms.pixels.triage import CELL, THRESHOLD, Heat, heat
from transforms.pixels.views import Picture
from transforms.types import Box

INK = 0.25
TOLERANCE = 0.25
SHARE_ALIKE = 0.9
FADED = 0.2
"""Text whose contrast is less than this share of what it was is looked for anew; likewise text that became as much stronger."""
NEWS = 0.25
"""Share of the pixels of a cell that may differ where there was no text: thin letters that come to be there cover more."""
RIM = 2
MAX_PLACES = 100
STALE = 8
"""Frames after which a place without text that did not come again is forgotten: on what moves, each frame teaches new ones."""
AROUND = 2 * CELL
"""Pixels around a line, at least, in which `Heat.without` may hide what comes to stand there; or the height of a line."""
COLD, WARM, SURE = 0.3, 0.5, 0.7
"""Cells that carried no text when a line was learned, that may carry it now, and that surely do."""
NEW_CELLS = 2
SAME_TEXT = 0.5
"""Share of the box of a line that is hidden anyway when the line is."""
IDLE, MOST = 0.1, 3
"""How much surer the closer look has to be for each frame on which OCR looked in vain, and how many of these count."""
TIMES = 3
"""Frames on which OCR looks at a cell in vain before what is seen there beside known text has to stand the closer look."""
CERTAIN = 0.9
"""Probability of a cell of triage from which on its area is not left out."""
STILL = 8
"""Frames, at least, whose mean is looked at, too."""
MOST_STILL = 1 << 23
"""Pixels of a frame up to which there is a mean: it takes up to 27 bytes for each."""
COVERED = 0.9
"""Share of what stands still that a frame hides anyway, from which nothing is added there."""
OVER = 0.5
"""Strokes drawn over a line stand out by at least this share of its contrast."""
LETTER = 0.06
"""Pixels of new strokes that count as text, as a share of the square of the height of a line: a letter has twice as many."""

Grey = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Place:
    """A box of one frame and its content, with the text that was found there; None where there was none."""

    box: Box
    sighting: Sighting | None
    content: Grey = field(repr=False)
    ink: NDArray[np.bool_] = field(repr=False)
    contrast: float
    first: int
    times: int = 1
    inked: int = 0
    """Pixels of ink."""
    levels: tuple[float, float] = (0.0, 0.0)
    """Mean of the ink, and of the rest."""
    cells: tuple[Grey, ...] = field(default=(), repr=False)
    """What triage saw of a line and around it, by level."""
    beside: tuple[Place, ...] = field(default=(), repr=False)
    """Known lines within a box without other text: without them it says nothing about what stands there."""

    @classmethod
    def of(cls, grey: Grey, box: Box, sighting: Sighting | None, first: int) -> Place:
        """Remember ``box`` of a frame; its ink is what stands out from the values at its edge."""
        content = _content(grey, box).copy()
        edge = float(np.median(np.concatenate((content[0], content[-1], content[:, 0], content[:, -1]))))
        deviation = content - np.float32(edge)
        peak = float(np.abs(deviation).max())
        ink = np.abs(deviation) >= np.float32(max(INK * peak, 1e-6))
        return cls(box, sighting, content, ink, peak, first, inked=int(np.count_nonzero(ink)), levels=_levels(content, ink))

    def on(self, grey: Grey) -> bool:
        """Whether a frame shows the same here."""
        content = np.ascontiguousarray(_content(grey, self.box))
        if self.contrast == 0 or not self.inked:
            return bool(np.array_equal(content, self.content))
        changed = cv2.compare(cv2.absdiff(content, self.content), (TOLERANCE * self.contrast,), cv2.CMP_GT)
        if self.sighting is None:
            # By cells, not on the whole: a short line is little of a large place.
            if cv2.countNonZero(changed) > NEWS * changed.size:
                return False
            return bool(cv2.blur(changed, (CELL, CELL)).max() <= math.ceil(255 * NEWS))
        alike = changed == 0
        count = self.inked
        if count == self.ink.size:
            return False
        (ink_before, rest_before), (ink_now, rest_now) = self.levels, _levels(content, self.ink)
        before, now = ink_before - rest_before, ink_now - rest_now
        if now * before <= 0 or not FADED <= now / before <= 1 / FADED:
            return False
        if abs(now) >= 0.5 * abs(before) and np.count_nonzero(alike & self.ink) >= SHARE_ALIKE * count:
            return True
        # The same letters, fainter or brighter: text fades in and out, and gains drift.
        gain = now / before
        expected = (self.content - np.float32(rest_before)) * np.float32(gain) + np.float32(rest_now)
        alike = cv2.absdiff(content, expected.astype(np.float32)) <= np.float32(TOLERANCE * self.contrast * gain)
        return bool(np.count_nonzero(alike & self.ink) >= SHARE_ALIKE * count)

    def around(self, shape: tuple[int, int]) -> Box:
        """The line with what lies close to it."""
        return grown(self.box, max(AROUND, min(self.box.w, self.box.h)), shape)

    def is_overwritten(self, grey: Grey) -> bool:
        """Whether strokes that were not there when the line was learned cross it: other text, drawn over it."""
        now, height = _content(grey, self.box), min(self.box.w, self.box.h)
        least = np.float32(max(OVER * self.contrast, 1e-6))
        came = (cv2.absdiff(np.ascontiguousarray(now), self.content) >= least) & ~self.ink
        enough = LETTER * height * height
        if np.count_nonzero(came) < enough:
            return False
        return bool(np.count_nonzero(came & (strokes(now, max(height // STROKE, 3) | 1) >= least)) >= enough)


class Still:
    """The mean of the frames of an instance: what stands still in it is clear there, and what moves, speckle above all, is even."""

    def __init__(self) -> None:
        self._sum: Grey | None = None
        self._count = 0

    def add(self, picture: Picture) -> None:
        """Take in one frame more; of frames that are too large there is no mean."""
        if picture.shape[0] * picture.shape[1] > MOST_STILL:
            return
        pixels = picture.content(Box(0, 0, picture.shape[1], picture.shape[0]))
        if self._sum is None:
            self._sum = np.zeros(pixels.shape, np.float32)
        np.add(self._sum, pixels, out=self._sum, casting="unsafe")
        self._count += 1

    def picture(self) -> Picture | None:
        """The mean; None of too few frames."""
        if self._sum is None or self._count < STILL:
            return None
        mean = self._sum / np.float32(self._count)
        return Picture(np.rint(mean).astype(np.uint8) if mean.ndim == 3 else mean)


@dataclass(frozen=True, slots=True)
class Seen:
    """Text of one frame, and how it was found: ``ocr``, ``triage``, ``shared``, or ``shared+ocr``."""

    sightings: tuple[Sighting, ...]
    method: str


class Memory:
    """What was learned about frames of one size. Frames come with increasing numbers."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._digests: dict[bytes, Seen] = {}
        self._fitted = Fits()
        self._idle: list[Grey] = []
        """For each level and cell, on how many frames OCR looked there and found nothing."""
        self._vain = 0
        """On how many frames since the last one with new text OCR looked, and found nothing."""
        self.frames = 0

    def frame(self, digest: bytes) -> Seen | None:
        """What was found in a frame with the same bytes, which then counts as looked at."""
        seen = self._digests.get(digest)
        if seen is None:
            return None
        self.frames += 1
        return replace(seen, method="same-bytes")

    def look(self, picture: Picture, look: Look, digest: bytes) -> Seen:
        """Text of the next frame: known places that are on it, and whatever else triage sees."""
        number = self.frames
        self.frames += 1
        grey = picture.grey()
        warmth = heat(grey, picture.colours())
        present = self._present(grey)
        for place in present:
            place.times += 1
        as_before = [place for place in present if place.sighting is None or not (look.reads and place.is_overwritten(grey))]
        rest = warmth.without([box for place in as_before for box in (place.sighting.pieces if place.sighting else (place.box,))])
        if lines := [place for place in as_before if place.sighting is not None]:
            _put_back(rest, warmth, lines)
        known = [place.sighting for place in present if place.sighting is not None]
        rest = self._closer(rest) if known else sieved(rest, IDLE * min(self._vain, MOST))
        spots = rest.spots()
        found = look(picture, rest, [box for line in known for box in line.pieces]) if spots else []
        self._vain = 0 if found else self._vain + bool(spots)
        for sighting in found:
            self._learn(grey, grown(sighting.box, RIM, picture.shape), sighting, number, warmth)
        for spot in spots:
            # What only colours show cannot be told by the luminance from text that comes later.
            if np.ptp(_content(grey, spot.box)) > 0 and not any(touch(spot.box, sighting.box) for sighting in found):
                beside = tuple(place for place in present if place.sighting is not None and touch(spot.box, place.box))
                self._learn(grey, spot.box, None, number, warmth, beside)
                self._idle = self._idle or [np.zeros_like(cells) for cells in warmth.levels]
                Heat(self._idle, warmth.shape).cells(spot.level, spot.box)[:] += 1
        seen = Seen(self._fitted(picture, (*known, *found)), _method(bool(known), bool(spots)))
        self._digests[digest] = seen
        return seen

    def still(self, picture: Picture, look: Look) -> tuple[Sighting, ...]:
        """Text of the mean of some frames, which is known already or comes to be seen there.

        Where triage sees more beside a line, the whole mean is looked at, as if nothing were known: what goes on with a line shows with it.
        """
        grey = picture.grey()
        known = [place.sighting for place in self._present(grey) if place.sighting is not None]
        boxes = [box for line in known for box in line.pieces]
        rest = heat(grey, picture.colours()).without(boxes)
        spots, beside = rest.spots(), [grown(box, min(box.w, box.h), picture.shape) for box in boxes]
        goes_on = any(touch(spot.box, box) for spot in spots for box in beside)
        found = look(picture, self._closer(rest), boxes) if spots and known and not goes_on else look(picture) if spots else []
        return fitted(picture, (*known, *found))

    def later(self, picture: Picture, number: int, known: Sequence[Box] = ()) -> tuple[Sighting, ...]:
        """Text that later frames taught, that stayed on more than one of them, and that is on this earlier one beside what is ``known``."""
        places = self._lasting(number, known)
        if not places:
            return ()
        grey = picture.grey()
        return fitted(picture, [place.sighting for place in places if place.sighting is not None and place.on(grey)])

    def teaches(self, number: int, known: Sequence[Box] = ()) -> bool:
        """Whether `later` could find anything on frame ``number``."""
        return bool(self._lasting(number, known))

    def _present(self, grey: Grey) -> list[Place]:
        """The places that a frame shows; those without text only together with the lines that were known in them."""
        self._places = [place for place in self._places if place.sighting or place.times > 1 or self.frames <= place.first + STALE]
        alike = [place for place in self._places if place.on(grey)]
        return [place for place in alike if all(any(line is other for other in alike) for line in place.beside)]

    def _closer(self, rest: Heat) -> Heat:
        """Beside known text, only areas have to stand the closer look that are in doubt, and in every cell of which OCR looked in vain."""
        if not self._idle or not rest.levels:
            return rest
        asked = []
        for level, times in enumerate(self._idle):
            idle = (times >= TIMES) & (rest.levels[level] < CERTAIN)
            asked.append(_within(rest.news(level) >= THRESHOLD, idle) if idle.any() else idle)
        if not any(cells.any() for cells in asked):
            return rest
        levels = [np.where(there, cells, 0) for there, cells in zip(asked, rest.levels, strict=True)]
        closer = sieved(Heat(levels, rest.shape, rest.sources), IDLE * MOST)
        kept = zip(asked, closer.levels, rest.levels, strict=True)
        return Heat([np.where(there, now, before) for there, now, before in kept], rest.shape, rest.sources)

    def _lasting(self, number: int, known: Sequence[Box]) -> list[Place]:
        later = [place for place in self._places if place.sighting is not None and place.first > number and place.times > 1]
        return [place for place in later if place.sighting is not None and share_covered(place.sighting.box, known) < SAME_TEXT]

    def _learn(self, grey: Grey, box: Box, sighting: Sighting | None, number: int, warmth: Heat, beside: tuple[Place, ...] = ()) -> None:
        if len(self._places) >= MAX_PLACES:
            # What was seen least is the least likely to come again.
            self._places.remove(min(self._places, key=lambda place: (place.times, place.first)))
        place = Place.of(grey, box, sighting, number)
        place.beside = beside
        if sighting is not None:
            place.cells = tuple(warmth.cells(level, place.around(warmth.shape)).copy() for level in range(len(warmth.levels)))
        self._places.append(place)


def _put_back(rest: Heat, warmth: Heat, lines: Sequence[Place]) -> None:
    """Close around known lines, where their own warmth was taken out of ``rest``: what was not warm there when they were learned."""
    known = Heat([np.full_like(cells, -1) for cells in warmth.levels], warmth.shape)
    arounds = [line.around(warmth.shape) for line in lines]
    for line, around in zip(lines, arounds, strict=True):
        for level, cells in enumerate(line.cells):
            place = known.cells(level, around)
            np.maximum(place, cells, out=place)
    new = [np.where((now >= WARM) & (then >= 0) & (then < COLD), now, 0) for now, then in zip(warmth.levels, known.levels, strict=True)]
    came = Heat(new, warmth.shape)
    for level, cells in enumerate(new):
        if np.count_nonzero(cells >= SURE) >= NEW_CELLS:
            for around in arounds:
                here = came.cells(level, around)
                if np.count_nonzero(here >= SURE) >= NEW_CELLS:
                    np.copyto(rest.cells(level, around), here, where=here > 0)


def _within(marked: NDArray[np.bool_], area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those connected parts of ``marked`` that lie in ``area`` with all of their cells."""
    _, parts = cv2.connectedComponents(cv2.dilate(marked.astype(np.uint8), np.ones((1, 3), np.uint8)))
    outside = np.unique(parts[marked & ~area])
    return np.asarray(marked & ~np.isin(parts, outside))


def _levels(content: Grey, ink: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean of the ink, and of the rest."""
    mask = ink.view(np.uint8)
    return cv2.mean(content, mask)[0], cv2.mean(content, 1 - mask)[0]


def _content(grey: Grey, box: Box) -> NDArray[Any]:
    return grey[box.y : box.y + box.h, box.x : box.x + box.w]


def _method(known: bool, looked: bool) -> str:
    if known:
        return "shared+ocr" if looked else "shared"
    return "ocr" if looked else "triage"
