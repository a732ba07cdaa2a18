"""A cheap look that says where text could be, so that OCR looks there only; nowhere means that a frame needs no OCR.

A small convolutional network (``data/spotter.onnx``, 33 kB) gives each cell of 8 x 8 pixels the probability that it belongs to text 7 to 20
pixels high; larger text is found on reduced copies of the frame. It sees local contrast only, so that windows, bit depth and polarity do
not matter: what can be read stands out from what surrounds it, at the size of its strokes, in brightness or in colour. It costs a fiftieth
of a text detector.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.types import Box

SPOTTER = "spotter.onnx"
THRESHOLD = 0.3
SEEN = 0.7
FOLLOWS = 0.5
WORD = 3
"""Sure cells in a row that are a word of the same line behind a space."""
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


@dataclass(frozen=True, slots=True)
class Source:
    """What a map was made from: a frame or a reduced copy.

    Attributes:
        grey: its luminance.
        colours: its planes of colour, if it has colours.
        floor: the contrast that counts as nothing.
        middle: an ordinary value; sums of squares of the difference to it stay precise.
    """

    grey: Grey
    colours: Sequence[Colour]
    floor: float
    middle: float


class Heat:
    """The probabilities of all cells of a frame, one map for each level.

    Args:
        levels: the maps.
        shape: rows and columns of the frame.
        sources: what each map was made from; of two, a cell has the higher probability.
    """

    def __init__(self, levels: list[Grey], shape: tuple[int, int], sources: Sequence[Sequence[Source]] = ()) -> None:
        self.levels = levels
        self.shape = shape
        self.sources = sources

    def spots(self, threshold: float = THRESHOLD) -> list[Spot]:
        """Connected areas of cells of at least ``threshold``; what a sharper level sees as well is left out of the coarser one."""
        warm = [level for level, cells in enumerate(self.levels) if cells.max(initial=0.0) >= threshold]
        return [spot for level in warm for spot in self._areas(self.news(level), level, threshold)]

    def news(self, level: int) -> Grey:
        """The map of a level without what a sharper one sees as well."""
        cells = self.levels[level]
        return cells if level == 0 or not (cells >= THRESHOLD).any() else np.where(self._seen(level), np.float32(0), cells)

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

    def without(self, boxes: Sequence[Box], *, around: bool = True) -> Heat:
        """The same with nothing in ``boxes`` and, unless not wanted, a cell around them, which their text still warms."""
        levels = [cells.copy() for cells in self.levels]
        for level, cells in enumerate(levels):
            reach = CELL * 2**level if around else 0
            for box in boxes:
                left, top = self._cell(level, box.x - reach, box.y - reach)
                right, bottom = self._cell(level, box.x + box.w - 1 + reach, box.y + box.h - 1 + reach)
                cells[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = 0
        return Heat(levels, self.shape, self.sources)

    def support(self, box: Box) -> float:
        """How well cells carry ``box`` along its length: 1 for text that they are sure of from end to end."""
        return max((_along(self.cells(level, box), box.w >= box.h) for level in range(len(self.levels))), default=0.0)

    def continued(self, box: Box) -> Box:
        """``box`` extended along its length as far as likely cells follow, on the sharpest level that carries it.

        One cell on either side is a space, or an edge that the line crosses, when sure cells follow.
        """
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
        first -= _following(line[:first][::-1])
        last += _following(line[last + 1 :])
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
    sample = np.sort(grey[::step, ::step], axis=None)
    bottom, middle, top = (float(sample[(sample.size - 1) * percent // 100]) for percent in (1, 50, 99))
    low, high, _, _ = cv2.minMaxLoc(grey)
    if not (high > low or colours) or max(shape) < SMALLEST:
        return Heat([], shape)
    floor = max(CONTRAST_FLOOR * (top - bottom), RANGE_FLOOR * (high - low), LEAST_FLOOR)
    sources = [[source] for source in _reduced(Source(grey, colours, floor, middle))]
    if top > bottom and high - low > OUTLIERS * (top - bottom):
        reach = top - bottom
        cut = np.clip(grey, np.float32(bottom - reach), np.float32(top + reach))
        for both, source in zip(sources, _reduced(Source(cut, (), CONTRAST_FLOOR * reach, middle)), strict=True):
            both.append(source)
    return Heat([np.maximum.reduce([mapped(source, network) for source in both]) for both in sources], shape, sources)


def _following(line: Grey) -> int:
    """How many cells of the rest of a line go on with it."""
    likely = [*(line >= FOLLOWS).tolist(), False]
    count = likely.index(False)
    beyond = line[count + 1 : count + 1 + WORD]
    if len(beyond) < WORD or (beyond < SEEN).any():
        return count
    return count + 1 + likely[count + 1 :].index(False)


def _reduced(source: Source) -> list[Source]:
    """A frame and its reduced copies."""
    levels = [source]
    while len(levels) < MAX_LEVELS and min(levels[-1].grey.shape) >= 2 * MIN_SIDE:
        grey, *colours = (
            cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for plane in (levels[-1].grey, *levels[-1].colours)
        )
        levels.append(Source(np.asarray(grey, np.float32), [np.asarray(plane, np.uint8) for plane in colours], source.floor, source.middle))
    return levels


def mapped(source: Source, look: Callable[[Grey], Grey]) -> Grey:
    """What a network sees of a frame."""
    rows, columns = ((side + 2 * BORDER + -side % CELL) // CELL for side in source.grey.shape)
    return look_over(source, slice(0, rows), slice(0, columns), look)


def look_over(source: Source, rows: slice, columns: slice, look: Callable[[Grey], Grey]) -> Grey:
    """What a network sees in a rectangle of cells.

    A large one is looked at in strips that overlap by more than the network sees, so that the work stays in the cache.
    """
    width, around = slice(columns.start * CELL, columns.stop * CELL), CONTEXT // CELL
    step = max(STRIP_PIXELS // ((columns.stop - columns.start) * CELL * CELL), 4 * around)
    if rows.stop - rows.start <= step + 2 * around:
        return look_at(source, slice(rows.start * CELL, rows.stop * CELL), width, look)
    parts = []
    for start in range(rows.start, rows.stop, step):
        top, bottom = max(start - around, rows.start), min(start + step + around, rows.stop)
        part = look_at(source, slice(top * CELL, bottom * CELL), width, look)
        parts.append(part[start - top : min(start + step, rows.stop) - top])
    return np.concatenate(parts)


def look_at(source: Source, rows: slice, columns: slice, look: Callable[[Grey], Grey]) -> Grey:
    """The map of a part: of the luminance, raised to that of the plane of colour that varies most, where there is colour.

    Args:
        source: a frame.
        rows: of its pixels with the border; they begin and end with a cell.
        columns: likewise.
        look: a network: local contrast to cells.
    """
    cells = look(_local_contrast(_bordered(source.grey, rows, columns) - np.float32(source.middle), source.floor))
    planes = [np.asarray(_bordered(plane, rows, columns), np.uint8) for plane in source.colours]
    floor = max(source.floor, COLOUR_FLOOR)
    for rows, columns in _coloured(planes):
        parts = [plane[rows, columns].astype(np.float32) - np.float32(NEUTRAL) for plane in planes]
        best, spread = _contrast(parts[0], floor)
        for part in parts[1:]:
            contrast, more = _contrast(part, floor)
            best = np.where(more > spread, contrast, best)
        place = cells[rows.start // CELL : rows.stop // CELL, columns.start // CELL : columns.stop // CELL]
        np.maximum(place, look(best), out=place)
    return cells


def _bordered(plane: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
    """A part of a frame with its border, which continues the frame's edge."""
    height, width = plane.shape
    top, bottom, left, right = rows.start - BORDER, rows.stop - BORDER, columns.start - BORDER, columns.stop - BORDER
    inside = plane[max(top, 0) : bottom, max(left, 0) : right]
    beyond = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    return cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE) if any(beyond) else inside


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


def network(local: Grey) -> Grey:
    """Cells of a part of a frame whose sides are multiples of 8 pixels, from its local contrast."""
    output: Grey = session(SPOTTER).run(None, {"input": local[None, None]})[0][0, 0]
    return output


@functools.cache
def session(name: str) -> Any:
    """A network of the folder ``data``, loaded once per process; one thread."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A plan of memory for each shape of a part would be made, kept, and hardly used again.
    options.enable_mem_pattern = False
    model = resources.files("transforms.pixels").joinpath("data", name).read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _fill(area: NDArray[np.bool_], likely: NDArray[np.bool_]) -> float:
    """Share of likely cells in the smallest rectangle around those of an area."""
    rows, columns = np.nonzero(area & likely)
    return len(rows) / float((np.ptp(rows) + 1) * (np.ptp(columns) + 1))


def _along(cells: Grey, horizontal: bool) -> float:
    """Mean along a line of the best cell across it."""
    return float(cells.max(axis=0 if horizontal else 1).mean()) if cells.size else 0.0
