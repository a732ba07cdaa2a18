"""Cuts the boxes of text to what is written in them.

Detectors leave a margin that grows with the height of a line, and lines grow over what may go on. What is blank there hides nothing but
image. Only the pixels of the frame that is to be masked decide, so that nothing is uncovered because another frame was blank.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.decide import Sighting
from transforms.pixels.geometry import common, grown, transposed, union
from transforms.pixels.views import Picture
from transforms.types import Box

PEAK = 97
"""Percentile of what stands out in a box: a line of text covers more of it than the rest."""
NOISE = 5.0
"""Standard deviations of the ground that its own pixels may differ from it."""
FAINT = (1 / 64, 1 / 8)
"""Share of the contrast of the ink below which a pixel is ground at any rate, and above which it never is."""
STROKE = 3
"""Strokes are thinner than this part of the height of their box."""
INK = 0.25
"""Strokes of one line have at least this share of the contrast of its strongest."""
LINE = 2.0
"""Length over height from which a box is a line: the strokes of a single sign may be wide for their box."""
GAP = 2.0
"""Heights of a line within which it goes on."""

Grey = NDArray[np.float32]


def fitted(picture: Picture, sightings: Sequence[Sighting]) -> tuple[Sighting, ...]:
    """The same sightings with the boxes that hide what this picture shows there."""
    return tuple(replace(item, fit=tuple(_fit(picture, piece, item) for piece in item.pieces)) for item in sightings)


class Fits:
    """Does as `fitted` does for the frames of a series: what a frame shows like the one before is not fitted again."""

    def __init__(self) -> None:
        self._last: dict[Sighting, tuple[list[NDArray[Any]], Sighting]] = {}

    def __call__(self, picture: Picture, sightings: Sequence[Sighting]) -> tuple[Sighting, ...]:
        """The same sightings with the boxes that hide what this picture shows there."""
        now = {}
        for item in sightings:
            shown = [picture.content(_looked_at(piece, picture.shape)) for piece in item.pieces]
            before = self._last.get(item)
            if before is None or not all(np.array_equal(*both) for both in zip(before[0], shown, strict=True)):
                before = [content.copy() for content in shown], fitted(picture, (item,))[0]
            now[item] = before
        self._last = now
        return tuple(fit for _, fit in now.values())


def _fit(picture: Picture, box: Box, item: Sighting) -> Box:
    inner = without_ground(layers_of(picture, box))
    fit = Box(box.x + inner.x, box.y + inner.y, inner.w, inner.h)
    core = union(item.read, item.found) if item.read and item.found else item.read
    if len(item.pieces) > 1 or core is None or max(box.w, box.h) < LINE * min(box.w, box.h):
        return fit
    if box.h > box.w:
        inner = transposed(inner)
    if core == box and inner.y > 0 and inner.y + inner.h < min(box.w, box.h):
        return fit  # even ground above and below is all there is to cut
    # Strokes at the edge of the box are told by what is beside it.
    wide = _looked_at(box, picture.shape)
    layers = layers_of(picture, wide)
    if box.w >= box.h:
        line = along_line(layers, box.h, core.x - wide.x, core.x + core.w - wide.x)
    else:
        line = along_line(layers.transpose(1, 0, 2), box.w, core.y - wide.y, core.y + core.h - wide.y)
        line = transposed(line)
    return common(fit, Box(wide.x + line.x, wide.y + line.y, line.w, line.h)) or fit


def _looked_at(box: Box, shape: tuple[int, int]) -> Box:
    """A box with what is beside it."""
    return grown(box, max(min(box.w, box.h) // STROKE, 1) | 1, shape)


def layers_of(picture: Picture, box: Box) -> Grey | NDArray[np.uint8]:
    """Rows x columns x samples; 8 bits stay as they are, which is several times quicker."""
    content = picture.content(box)
    layers = content.reshape(*content.shape[:2], -1)
    if layers.dtype == np.uint8:
        return layers
    layers = layers.astype(np.float32)
    return np.nan_to_num(layers, copy=False, nan=0.0, posinf=0.0, neginf=0.0) if content.dtype.kind == "f" else layers


def without_ground(layers: Grey | NDArray[np.uint8]) -> Box:
    """What is left of rows x columns x samples without the rows and columns along its sides in which all pixels are ground.

    The ground is the median of the border, its noise that of the border. Where the border is structured, as over anatomy, nothing is cut.
    """
    layers = layers.astype(np.float32, copy=False)
    border = np.concatenate((layers[0], layers[-1], layers[:, 0], layers[:, -1]))
    middle = len(border) // 2
    ground = np.partition(border, middle, axis=0)[middle]
    deviation = layers - ground
    deviation = _largest(np.abs(deviation, out=deviation))
    peak, noise = _percentile(deviation, PEAK), 1.4826 * _percentile(_largest(np.abs(border - ground)), 50)
    return _around(deviation > min(max(NOISE * noise, FAINT[0] * peak), FAINT[1] * peak))


def along_line(layers: Grey | NDArray[np.uint8], height: int, start: int, end: int) -> Box:
    """What is left of a horizontal line without the rows above and below its strokes, and without what it grew over and holds none.

    Strokes are what is thinner than a part of the line's height, in either polarity: edges of anatomy and shades are none.

    Args:
        layers: rows x columns x samples.
        height: of the line.
        start: first column that was found as text; before it, the line grew.
        end: behind the last.
    """
    side = max(height // STROKE, 1) | 1
    if side < 3:
        return Box(0, 0, layers.shape[1], layers.shape[0])
    standing = all_strokes(layers, side)
    ink = standing >= max(INK * _percentile(standing[:, start:end], PEAK), 1e-6)
    found = _around(ink)
    quarter = height // 4 + (ink.shape[0] - height) // 2
    written = cv2.reduce(ink.view(np.uint8)[quarter : ink.shape[0] - quarter], 0, cv2.REDUCE_MAX)[0].nonzero()[0]
    before, after = written[written < start][::-1], written[written >= end]
    left = _followed(np.concatenate(([start], before)), GAP * height)
    right = _followed(np.concatenate(([end - 1], after)), GAP * height + 1) + 1
    return Box(left, found.y, right - left, found.h)


def _followed(columns: NDArray[np.int64], gap: float) -> int:
    """The last of some columns before the first gap between two of them."""
    gaps = np.flatnonzero(np.abs(np.diff(columns)) > gap)
    return int(columns[gaps[0]] if gaps.size else columns[-1])


def all_strokes(layers: Grey | NDArray[np.uint8], side: int) -> Grey:
    """`strokes` of rows x columns x samples: the most of any sample."""
    return functools.reduce(np.maximum, (strokes(layers[:, :, sample], side) for sample in range(layers.shape[2])))


def strokes(layer: Grey | NDArray[np.uint8], side: int) -> Grey:
    """How far each pixel stands out from what is thicker than ``side``; beyond the layer lies its median."""
    padded = cv2.copyMakeBorder(layer, side, side, side, side, cv2.BORDER_CONSTANT, value=(_percentile(layer, 50),))
    kernel = np.ones((side, side), np.uint8)
    both = cv2.max(cv2.morphologyEx(padded, cv2.MORPH_TOPHAT, kernel), cv2.morphologyEx(padded, cv2.MORPH_BLACKHAT, kernel))
    return np.asarray(both[side:-side, side:-side], np.float32)


def _largest(layers: Grey) -> Grey:
    """Over the samples, which are last."""
    return functools.reduce(np.maximum, (layers[..., sample] for sample in range(layers.shape[-1])))


def _percentile(values: Grey | NDArray[np.uint8], percent: int) -> float:
    """As numpy has it, but without interpolation, which takes longer than the rest for boxes of this size."""
    at = (values.size - 1) * percent // 100
    return float(np.partition(values, at, axis=None)[at])


def _around(ink: NDArray[np.bool_]) -> Box:
    """The smallest box that holds all ink; everything where there is none."""
    left, top, width, height = cv2.boundingRect(ink.view(np.uint8))
    return Box(left, top, width, height) if width else Box(0, 0, ink.shape[1], ink.shape[0])
