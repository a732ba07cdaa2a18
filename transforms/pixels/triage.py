"""A cheap look that says where text could be, so that OCR looks there only; nowhere means that a frame needs no OCR.

A small convolutional network (``data/spotter.onnx``, 33 kB) gives each cell of 8 x 8 pixels the probability that it belongs to text 7 to 20
pixels high; larger text is found on reduced copies of the frame. It sees local contrast only, so that windows, bit depth and polarity do
not matter: what can be read stands out from what surrounds it, at the size of its strokes, in brightness or in colour. It costs a fiftieth
of a text detector.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.types import Box

THRESHOLD = 0.3
SEEN = 0.7
FOLLOWS = 0.5
CARRIED = 0.9
SEEN_SHARE = 0.7
CELL = 8
NEIGHBOURHOOD = 31
BORDER = 16
MIN_SIDE = 64
CONTEXT = 64
STRIP_PIXELS = 1 << 20
MAX_LEVELS = 4
SMALLEST = 20
SAMPLES = 16_384
OUTLIERS = 8.0
CONTRAST_FLOOR = 0.02
RANGE_FLOOR = 0.002
LEAST_FLOOR = 1e-6
LIMIT = 8.0
NEUTRAL = 128
COLOUR_FLOOR = 3
"""Levels of 255: codecs of colour images lose that much."""

Grey = NDArray[np.float32]
Colour = NDArray[np.uint8]
"""A plane of chrominance; `NEUTRAL` is no colour."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where text could be.

    Attributes:
        box: in pixels of the frame, without margin.
        level: text here is 7 to 20 pixels high on the frame reduced by 2 to the power of ``level``.
        peak: the highest probability of its cells.
        sure: how many of its cells have a probability of at least 0.9.
        fill: share of likely cells in its box; text fills its place evenly.
    """

    box: Box
    level: int
    peak: float
    sure: int
    fill: float


class Heat:
    """The probabilities of all cells of a frame, one map for each level."""

    def __init__(self, levels: list[Grey], shape: tuple[int, int]) -> None:
        self.levels = levels
        self.shape = shape

    def spots(self, threshold: float = THRESHOLD) -> list[Spot]:
        """Connected areas of cells of at least ``threshold``; what a sharper level sees as well is left out of the coarser one."""
        found: list[Spot] = []
        for level, cells in enumerate(self.levels):
            found.extend(self._areas(cells if level == 0 else np.where(self._seen(level), 0, cells).astype(np.float32), level, threshold))
        return found

    def _seen(self, level: int) -> NDArray[np.bool_]:
        """Which cells of a level lie in areas that the sharper level is sure of: text of a size between two levels shows on both."""
        cells, sharper = self.levels[level], self.levels[level - 1]
        likely = (cells >= THRESHOLD).astype(np.uint8)
        rows, columns = cells.shape
        # One cell here covers two by two of the sharper map; the borders of both maps have the same number of cells.
        offset = BORDER // CELL
        inner = sharper[offset:, offset:]
        padded = cv2.copyMakeBorder(
            inner, 0, max(2 * rows - inner.shape[0], 0), 0, max(2 * columns - inner.shape[1], 0), cv2.BORDER_REPLICATE
        )
        best = padded[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).max(axis=(1, 3))
        seen = np.zeros_like(likely, bool)
        seen[offset:, offset:] = best[: rows - offset, : columns - offset] >= SEEN
        count, labels = cv2.connectedComponents(likely)
        share = np.bincount(labels.ravel(), weights=seen.ravel(), minlength=count) / np.maximum(
            np.bincount(labels.ravel(), minlength=count), 1
        )
        return np.asarray(share[labels] >= SEEN_SHARE)

    def without(self, boxes: Sequence[Box]) -> Heat:
        """The same with nothing in ``boxes`` and a cell around them, which their text still warms."""
        levels = [cells.copy() for cells in self.levels]
        for level, cells in enumerate(levels):
            reach = CELL * 2**level
            for box in boxes:
                left, top = self._cell(level, box.x - reach, box.y - reach)
                right, bottom = self._cell(level, box.x + box.w - 1 + reach, box.y + box.h - 1 + reach)
                cells[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = 0
        return Heat(levels, self.shape)

    def support(self, box: Box) -> float:
        """How well cells carry ``box`` along its length: 1 for text that they are sure of from end to end."""
        return max((_along(self.cells(level, box), box.w >= box.h) for level in range(len(self.levels))), default=0.0)

    def continued(self, box: Box) -> Box:
        """``box`` extended along its length as far as likely cells follow without a gap, on the sharpest level that carries it."""
        horizontal = box.w >= box.h
        carried = [_along(self.cells(level, box), horizontal) for level in range(len(self.levels))]
        level = next((level for level, support in enumerate(carried) if support >= CARRIED * max(carried)), 0)
        inset = (box.h if horizontal else box.w) // 4
        core = (
            Box(box.x, box.y + inset, box.w, max(box.h - 2 * inset, 1))
            if horizontal
            else Box(box.x + inset, box.y, max(box.w - 2 * inset, 1), box.h)
        )
        (left, top), (right, bottom) = self._cell(level, core.x, core.y), self._cell(level, core.x + core.w - 1, core.y + core.h - 1)
        cells = self.levels[level]
        if horizontal:
            line, first, last = cells[max(top, 0) : bottom + 1].max(axis=0), left, right
        else:
            line, first, last = cells[:, max(left, 0) : right + 1].max(axis=1), top, bottom
        while first > 0 and line[first - 1] >= FOLLOWS:
            first -= 1
        while last < len(line) - 1 and line[last + 1] >= FOLLOWS:
            last += 1
        reach = self.box_of(level, first, top, last + 1, bottom + 1) if horizontal else self.box_of(level, left, first, right + 1, last + 1)
        if reach is None:
            return box
        low, high = (reach.x, reach.x + reach.w) if horizontal else (reach.y, reach.y + reach.h)
        # Text warms a cell beyond its end, so that only what reaches farther goes on; it covers about half of the last cell that shows it.
        cell = CELL * 2**level
        start, end = (box.x, box.x + box.w) if horizontal else (box.y, box.y + box.h)
        start = low + cell // 2 if low < start - cell else start
        end = high - cell // 2 if high > end + cell else end
        return Box(start, box.y, end - start, box.h) if horizontal else Box(box.x, start, box.w, end - start)

    def cells(self, level: int, box: Box) -> Grey:
        """The cells of a level that touch ``box``."""
        (left, top), (right, bottom) = self._cell(level, box.x, box.y), self._cell(level, box.x + box.w - 1, box.y + box.h - 1)
        return self.levels[level][max(top, 0) : bottom + 1, max(left, 0) : right + 1]

    def _cell(self, level: int, x: float, y: float) -> tuple[int, int]:
        size = 2**level
        return int(x / size + BORDER) // CELL, int(y / size + BORDER) // CELL

    def _areas(self, cells: Grey, level: int, threshold: float) -> list[Spot]:
        likely = cells >= threshold
        if not likely.any():
            return []
        joined = np.asarray(cv2.dilate(likely.astype(np.uint8), np.ones((1, 3), np.uint8)), np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
        found = []
        for index in range(1, count):
            x, y, w, h = (int(value) for value in stats[index, :4])
            values = cells[y : y + h, x : x + w][(labels[y : y + h, x : x + w] == index) & likely[y : y + h, x : x + w]]
            box = self.box_of(level, x, y, x + w, y + h)
            if box is not None:
                found.append(
                    Spot(
                        box,
                        level,
                        float(values.max()),
                        int((values >= 0.9).sum()),
                        _fill(labels[y : y + h, x : x + w] == index, likely[y : y + h, x : x + w]),
                    )
                )
        return found

    def box_of(self, level: int, left: int, top: int, right: int, bottom: int) -> Box | None:
        """The pixels of a rectangle of cells; None when all of it lies in the border."""
        size = 2**level
        x, y = max((left * CELL - BORDER) * size, 0), max((top * CELL - BORDER) * size, 0)
        x2, y2 = min((right * CELL - BORDER) * size, self.shape[1]), min((bottom * CELL - BORDER) * size, self.shape[0])
        return Box(x, y, x2 - x, y2 - y) if x2 > x and y2 > y else None


def heat(grey: Grey, colours: Sequence[Colour] = ()) -> Heat:
    """Look at a frame (rows x columns, any range).

    Where few pixels are far brighter or darker than all others (hot spots of nuclear medicine, metal, padding), their surroundings are
    looked at a second time with these cut off: text of ordinary brightness beside them would else not stand out.

    Args:
        grey: its luminance.
        colours: its planes of colour, for a ``grey`` of 0 to 255. These are looked at too: text can have the luminance of what surrounds
            it, or little contrast beside a bright area, and a colour of its own.
    """
    shape = (grey.shape[0], grey.shape[1])
    step = max(1, int(np.sqrt(grey.size / SAMPLES)))
    sample = grey[::step, ::step]
    bottom, middle, top = (float(value) for value in np.percentile(sample, (1, 50, 99)))
    low, high = float(grey.min()), float(grey.max())
    if not (high > low or colours) or max(shape) < SMALLEST:
        return Heat([], shape)
    levels = _levels(grey - np.float32(middle), colours, max(CONTRAST_FLOOR * (top - bottom), RANGE_FLOOR * (high - low), LEAST_FLOOR))
    if top > bottom and high - low > OUTLIERS * (top - bottom):
        reach = top - bottom
        cut = np.clip(grey, np.float32(bottom - reach), np.float32(top + reach)) - np.float32(middle)
        levels = [np.maximum(one, other) for one, other in zip(levels, _levels(cut, (), CONTRAST_FLOOR * reach), strict=True)]
    return Heat(levels, shape)


def _levels(grey: Grey, colours: Sequence[Colour], floor: float) -> list[Grey]:
    """The maps of a frame and of its reduced copies. ``floor`` is the contrast that counts as nothing."""
    levels: list[Grey] = []
    while len(levels) < MAX_LEVELS:
        levels.append(_probabilities(grey, colours, floor))
        if min(grey.shape) < 2 * MIN_SIDE:
            break
        grey = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        colours = [np.asarray(cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8) for plane in colours]
    return levels


def _probabilities(grey: Grey, colours: Sequence[Colour], floor: float) -> Grey:
    """One map. A large frame is looked at in strips that overlap by more than the network sees, so that the work stays in the cache."""
    rows, columns = grey.shape
    edges = (BORDER, BORDER + -rows % CELL, BORDER, BORDER + -columns % CELL)
    padded = np.asarray(cv2.copyMakeBorder(grey, *edges, cv2.BORDER_REPLICATE), np.float32)
    planes = [np.asarray(cv2.copyMakeBorder(plane, *edges, cv2.BORDER_REPLICATE), np.uint8) for plane in colours]
    height = padded.shape[0]
    step = max(STRIP_PIXELS // padded.shape[1] // CELL * CELL, 4 * CONTEXT)
    if height <= step + 2 * CONTEXT:
        return _map(padded, planes, floor)
    parts = []
    for start in range(0, height, step):
        top, bottom = max(start - CONTEXT, 0), min(start + step + CONTEXT, height)
        part = _map(padded[top:bottom], [plane[top:bottom] for plane in planes], floor)
        parts.append(part[(start - top) // CELL : (min(start + step, height) - top) // CELL])
    return np.concatenate(parts)


def _map(grey: Grey, colours: Sequence[Colour], floor: float) -> Grey:
    """The map of the luminance; where there are colours, raised to that of the plane of colour that varies most."""
    cells = _network(_local_contrast(grey, floor))
    for rows, columns in _coloured(colours):
        parts = [plane[rows, columns].astype(np.float32) - np.float32(NEUTRAL) for plane in colours]
        best, spread = _contrast(parts[0], max(floor, COLOUR_FLOOR))
        for part in parts[1:]:
            contrast, more = _contrast(part, max(floor, COLOUR_FLOOR))
            best = np.where(more > spread, contrast, best)
        place = cells[rows.start // CELL : rows.stop // CELL, columns.start // CELL : columns.stop // CELL]
        np.maximum(place, _network(best), out=place)
    return cells


def _coloured(colours: Sequence[Colour]) -> list[tuple[slice, slice]]:
    """Where there is colour, with what the contrast there depends on; most frames have little of it."""
    if not colours:
        return []
    (rows, columns), side = colours[0].shape, NEIGHBOURHOOD + 1
    grey = [cv2.inRange(plane, (NEUTRAL - COLOUR_FLOOR,), (NEUTRAL + COLOUR_FLOOR,)) for plane in colours]
    none = np.asarray(np.minimum.reduce(grey), np.uint8)
    padded = cv2.copyMakeBorder(none, 0, -rows % side, 0, -columns % side, cv2.BORDER_CONSTANT, value=(255,))
    coarse = padded.reshape(padded.shape[0] // side, side, -1, side).min(axis=1).min(axis=2) == 0
    if not coarse.any():
        return []
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.asarray(cv2.dilate(coarse.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8))
    return [
        (slice(y * side, min((y + h) * side, rows)), slice(x * side, min((x + w) * side, columns))) for x, y, w, h, _ in stats[1:].tolist()
    ]


def _local_contrast(grey: Grey, floor: float) -> Grey:
    """How far each pixel stands out from the 31 x 31 pixels around it, in their standard deviations."""
    return _contrast(grey, floor)[0]


def _contrast(grey: Grey, floor: float) -> tuple[Grey, Grey]:
    """The local contrast of a plane, and the standard deviations, raised by ``floor``."""
    size = (NEIGHBOURHOOD, NEIGHBOURHOOD)
    mean = cv2.blur(grey, size, borderType=cv2.BORDER_REFLECT_101)
    spread = cv2.sqrBoxFilter(grey, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.multiply(mean, mean)
    cv2.subtract(spread, square, dst=spread)
    cv2.max(spread, 0.0, dst=spread)  # type: ignore[call-overload]
    cv2.sqrt(spread, dst=spread)
    cv2.add(spread, floor, dst=spread)  # type: ignore[call-overload]
    cv2.subtract(grey, mean, dst=mean)
    cv2.divide(mean, spread, dst=mean)
    return np.clip(mean, -LIMIT, LIMIT, out=mean), np.asarray(spread, np.float32)  # type: ignore[call-overload]


def _network(local: Grey) -> Grey:
    output: Grey = _session().run(None, {"input": local[None, None]})[0][0, 0]
    return output


@functools.cache
def _session() -> Any:
    """The network, loaded once per process; one thread."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    model = resources.files("transforms.pixels").joinpath("data/spotter.onnx").read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _fill(area: NDArray[np.bool_], likely: NDArray[np.bool_]) -> float:
    """Share of likely cells in the smallest rectangle around those of an area."""
    rows, columns = np.nonzero(area & likely)
    return len(rows) / float((np.ptp(rows) + 1) * (np.ptp(columns) + 1))


def _along(cells: Grey, horizontal: bool) -> float:
    """Mean along a line of the best cell across it."""
    return float(cells.max(axis=0 if horizontal else 1).mean()) if cells.size else 0.0
