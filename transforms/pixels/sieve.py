"""A second, closer look at what triage marks, before OCR is asked: what is certainly no text is left out.

A larger network (``data/sieve.onnx``), trained on what the first one takes for text in images without, looks at the same local contrast,
and only around what is marked. For a pixel it costs an eighth of a text detector, and the pixels are few. An area of marked cells
counts as what its best cell is: one that could be text is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.triage import THRESHOLD, Grey, Heat, Source, look_over, session

SIEVE = "sieve.onnx"
SURE = 0.98
"""Probability that the best area of a frame with text has, nearly always: of frames without, one of a hundred has it."""
DOUBT = 0.1
"""How much more probable than the closer look says an area may stay: below 0.2 it is no spot."""
CLOSE_LEVELS = 2
EXCLUDED = 0.02
"""Probability of triage below which no text is. Lines that only the closer look sees have 0.035 or more."""
BESIDE = 1
"""Cells beside what triage does not exclude that count, too: it may see one letter of a faint line."""
AROUND = 3
"""Cells around what is marked that the network looks at, two thirds of what it sees."""


def sieved(seen: Heat, doubt: float = 0.0) -> Heat:
    """The same, with no area much more probable than the closer look finds its best cell; what falls below the threshold is no spot.

    On each level only what no sharper one shows is looked at, as `Heat.spots` does. Text comes in company: where the closer look is sure of
    one area, all of the frame stays as it is, faint lines and single signs too.

    Args:
        seen: what triage marks.
        doubt: by how much surer the closer look has to be than for a frame of which nothing is known.
    """
    levels: list[Grey] = []
    for level, cells in enumerate(seen.levels):
        marked = Heat([*levels, cells], seen.shape).news(level) >= THRESHOLD
        if marked.any():
            areas, best = probabilities(marked, seen.sources[level])
            if best[1:].max() >= SURE:
                return seen
            best[0] = 2
            cells = np.asarray(np.minimum(cells, (best + np.float32(DOUBT - doubt))[areas]), np.float32)
        levels.append(cells)
    return Heat(levels, seen.shape, seen.sources)


def closest(seen: Heat) -> Heat:
    """What the larger network sees of a frame, marked or not, at its size and at half of it, wherever triage does not exclude text."""
    levels: list[Grey] = []
    for cells, sources in zip(seen.levels, seen.sources[:CLOSE_LEVELS], strict=False):
        possible = cv2.dilate((cells >= EXCLUDED).astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)) > 0
        closer = np.zeros_like(cells)
        for rows, columns in _surroundings(possible):
            closer[rows, columns] = _looked_at(sources, rows, columns)
        levels.append(np.where(possible, closer, np.float32(0)))
    return Heat(levels, seen.shape, seen.sources[:CLOSE_LEVELS])


def probabilities(marked: NDArray[np.bool_], sources: Sequence[Source]) -> tuple[NDArray[np.int32], Grey]:
    """The number of its area for each cell (0: of none), and for each number the probability of its best cell."""
    count, areas = cv2.connectedComponents(cv2.dilate(marked.astype(np.uint8), np.ones((1, 3), np.uint8)))
    best = np.zeros(count, np.float32)
    for rows, columns in _surroundings(areas > 0):
        np.maximum.at(best, areas[rows, columns].ravel(), _looked_at(sources, rows, columns).ravel())
    return np.asarray(areas, np.int32), best


def _looked_at(sources: Sequence[Source], rows: slice, columns: slice) -> Grey:
    """What the larger network sees in a rectangle of cells."""
    return np.asarray(np.maximum.reduce([look_over(source, rows, columns, network) for source in sources]), np.float32)


def _surroundings(areas: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Rectangles of cells around areas, with what surrounds them; areas whose surroundings touch share one."""
    (height, width), side = areas.shape, 2 * AROUND + 1
    _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(areas.astype(np.uint8), np.ones((side, side), np.uint8)))
    return [(slice(y, min(y + h, height)), slice(x, min(x + w, width))) for x, y, w, h, _ in stats[1:].tolist()]


def network(local: Grey) -> Grey:
    """Cells of a part of a frame whose sides are multiples of 8 pixels, from its local contrast."""
    output: Grey = session(SIEVE).run(None, {"input": local[None, None]})[0][0, 0]
    return output
