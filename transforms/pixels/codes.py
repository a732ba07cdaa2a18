"""Bar codes and QR codes: they hold numbers of patients and orders, and no engine of OCR reads them.

Asked only of areas that triage is sure of and OCR did not explain, which hardly any frame without text has. Matrix codes other than QR
are not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.decide import Sighting
from transforms.pixels.geometry import grown, sides
from transforms.pixels.triage import CELL, Spot
from transforms.pixels.views import Picture
from transforms.types import Box

SURE_CELLS = 6
TWO_VALUED = 0.7
"""Share of the variance that two values explain. Tissue that triage takes for text has 0.64 to 0.85, but none of the shape of a code."""
SCORE = 0.9
ROWS = 0.35
"""Share of the rows of an area that show the same bars, at least; 8 rows."""
ALIKE = 0.9
BARS = 24
WIDE = 1.6
"""Times the width of a narrow bar that a wide one has: rulers and gratings have bars of one width."""
WIDE_SHARE = 0.15
WIDEST = 8
"""Times the width of a narrow bar that no bar or space within a code exceeds, with `BLUR` pixels more."""
BLUR = 2
NARROW = 20
"""Percentile of the widths of bars that is a narrow one."""
SQUARE = 1.4
COVERED = 0.3

Levels = NDArray[np.uint8]


def find_codes(picture: Picture, spots: Iterable[Spot]) -> Iterator[Sighting]:
    """The areas that are a bar code (along rows or columns) or a QR code, as text that cannot be read."""
    for spot in spots:
        if spot.sure < SURE_CELLS:
            continue
        around = grown(spot.box, CELL << spot.level, picture.shape)
        if is_bars(_levels(picture, spot.box)) or is_qr(_levels(picture, around)):
            yield Sighting(around, (around,), 0.0, spot.peak, score=SCORE)


def is_bars(levels: Levels) -> bool:
    """Whether bars of unequal widths stand side by side, the same in most rows, or in most columns."""
    return _is_barred(levels) or _is_barred(np.ascontiguousarray(levels.T))


def is_qr(levels: Levels) -> bool:
    """Whether OpenCV's detector locates the corners of a QR code at two sizes, in either polarity. At one size it takes wires for them."""
    # A square, or nearly, covers too little of a longer area: the detector is not asked.
    if max(levels.shape) * COVERED > SQUARE * min(levels.shape) or _two_values(levels)[0] < TWO_VALUED:
        return False
    return any(_located(image) and _located(_doubled(image)) for image in (levels, 255 - levels))


def _is_barred(levels: Levels) -> bool:
    share, light = _two_values(levels)
    if share < TWO_VALUED:
        return False
    rows = light.shape[0]
    pattern = light[rows // 3 : max(2 * rows // 3, rows // 3 + 1)].mean(axis=0) > 0.5
    if np.count_nonzero((light == pattern).mean(axis=1) >= ALIKE) < max(ROWS * rows, CELL):
        return False
    ends = np.flatnonzero(pattern[1:] != pattern[:-1])
    widths = np.diff(ends)
    if len(widths) < BARS or widths.max() > WIDEST * np.percentile(widths, NARROW) + BLUR:
        return False
    return any((one >= WIDE * np.percentile(one, NARROW)).mean() >= WIDE_SHARE for one in (widths[::2], widths[1::2]))


def _doubled(levels: Levels) -> Levels:
    return np.asarray(cv2.resize(levels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)


def _located(levels: Levels) -> bool:
    found, corners = cv2.QRCodeDetector().detect(levels)
    if not found:
        return False
    quad = np.asarray(corners, np.float32).reshape(4, 2)
    width, height = sides(quad)
    return max(width, height) <= SQUARE * min(width, height) and width * height >= COVERED * levels.size


def _two_values(levels: Levels) -> tuple[float, NDArray[np.bool_]]:
    """The share of the variance between the two classes of Otsu's threshold, and which pixels are of the lighter one."""
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light = levels > threshold
    share = float(light.mean())
    if not 0 < share < 1:
        return 0.0, light
    between = share * (1 - share) * (float(levels[light].mean()) - float(levels[~light].mean())) ** 2
    return between / float(levels.var()), light


def _levels(picture: Picture, box: Box) -> Levels:
    return np.asarray(cv2.cvtColor(picture.tile(box, 1.0), cv2.COLOR_RGB2GRAY), np.uint8)
