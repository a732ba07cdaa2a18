"""Training data for ``data/sieve.onnx``: what the first network marks, rightly on lines of text and wrongly on images without.

The second network is asked only where the first one has marked something, so only such cells count: all others are unknown. Places without
text are sought over images at all sizes, made harder by bright lines and rings (streaks of metal, wires, rulers), by noise and by JPEG.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.spotter_data import CROP, UNKNOWN, Crops, Generator, Levels
from transforms.pixels.triage import BORDER, CELL, CONTRAST_FLOOR, RANGE_FLOOR, Grey, _local_contrast, network

MARKED = 0.2
LARGEST = 640
SIZES = (-3.0, 0.6)
DRAWN = 0.25
EACH = 6
WITHOUT = 0.5
SHIFT = 28


def doubts(generator: Generator, count: int) -> Crops:
    """``count`` crops, half of them from images without text."""
    inputs = np.zeros((count, CROP, CROP), np.float16)
    cells = np.full((count, CROP // CELL, CROP // CELL), UNKNOWN, np.uint8)
    split = round(count * WITHOUT)
    done = 0
    while done < split:
        for crop, marked in _wrong(generator, split - done):
            inputs[done], cells[done] = crop, np.where(marked, 0, UNKNOWN)
            done += 1
    while done < count:
        crop, known = generator._crop()
        marked = _marked(crop)
        if (marked & (known == 1)).any():
            inputs[done], cells[done] = crop, np.where(marked, known, UNKNOWN)
            done += 1
    return inputs, cells


def _marked(local: Grey) -> NDArray[np.bool_]:
    """Cells that the first network marks, and those beside them."""
    likely = (network(np.ascontiguousarray(local, np.float32)) >= MARKED).astype(np.uint8)
    return np.asarray(cv2.dilate(likely, np.ones((3, 3), np.uint8)) > 0)


def _wrong(generator: Generator, most: int) -> list[tuple[Grey, NDArray[np.bool_]]]:
    """Crops around what is marked on one image without text."""
    rng = generator._rng
    grey = _varied(generator)
    levels = Levels.of(grey)
    floor = max(CONTRAST_FLOOR * (levels.high - levels.low), RANGE_FLOOR * (levels.greatest - levels.least), 1e-6)
    edges = (BORDER, max(BORDER, CROP - grey.shape[0]), BORDER, max(BORDER, CROP - grey.shape[1]))
    local = _local_contrast(np.asarray(cv2.copyMakeBorder(grey, *edges, cv2.BORDER_REPLICATE), np.float32), floor)
    local = local[: local.shape[0] // CELL * CELL, : local.shape[1] // CELL * CELL]
    marked = _marked(local)
    count, _, _, centres = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    found = []
    for index in rng.permutation(np.arange(1, count))[: min(EACH, most)]:
        x, y = centres[index] * CELL + rng.uniform(-SHIFT, SHIFT, 2) - CROP / 2
        column, row = (int(np.clip(at, 0, side - CROP)) // CELL for at, side in ((x, local.shape[1]), (y, local.shape[0])))
        part = local[row * CELL : row * CELL + CROP, column * CELL : column * CELL + CROP]
        found.append((part, marked[row : row + CROP // CELL, column : column + CROP // CELL]))
    return found


def _varied(generator: Generator) -> Grey:
    """An image without text, or a part of it, at some size; or a pattern."""
    rng = generator._rng
    if not generator._images or rng.random() < 0.1:
        grey = generator._pattern(int(rng.integers(160, 400)))
    else:
        images = generator._images[rng.integers(len(generator._images))]
        whole = images[rng.integers(len(images))]
        scale = max(2.0 ** rng.uniform(*SIZES), 72 / min(whole.shape))
        side = round(LARGEST / scale)
        y, x = (int(rng.integers(max(length - side, 0) + 1)) for length in whole.shape)
        grey = whole[y : y + side, x : x + side]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how), np.float32)
    levels = Levels.of(grey)
    if rng.random() < 0.3:  # another curve of the same values
        span = levels.greatest - levels.least
        grey = np.asarray(levels.least + span * ((grey - levels.least) / span).clip(0, 1) ** rng.uniform(0.4, 2.2), np.float32)
    if rng.random() < DRAWN:
        _draw(grey, levels, rng)
    return generator._degrade(grey, levels)


def _draw(grey: Grey, levels: Levels, rng: np.random.Generator) -> None:
    """Lines that radiate from bright spots, rings and rulers."""
    rows, columns = grey.shape
    for _ in range(rng.integers(1, 4)):
        centre = (int(rng.integers(columns)), int(rng.integers(rows)))
        kind = rng.integers(3)
        value = float(levels.low + levels.span * rng.uniform(-0.5, 2.5))
        if kind == 0:
            for angle in rng.uniform(0, 2 * np.pi, rng.integers(2, 14)):
                reach = rng.uniform(10, 140)
                end = (round(centre[0] + reach * np.cos(angle)), round(centre[1] + reach * np.sin(angle)))
                other = float(levels.low + levels.span * rng.uniform(-0.5, 1.5))
                cv2.line(grey, centre, end, other, int(rng.integers(1, 4)))
            axes = (int(rng.integers(2, 14)), int(rng.integers(2, 10)))
            cv2.ellipse(grey, centre, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
        elif kind == 1:
            axes = (int(rng.integers(3, 40)), int(rng.integers(3, 40)))
            cv2.ellipse(grey, centre, axes, 0, 0, int(rng.integers(120, 361)), value, int(rng.integers(1, 4)))
        else:
            step, length, upright = int(rng.integers(6, 40)), int(rng.integers(3, 14)), rng.random() < 0.5
            for number in range(rng.integers(3, 20)):
                at = centre[int(upright)] + number * step
                long = length * (2 if number % 5 == 0 else 1)
                start, end = ((centre[0], at), (centre[0] + long, at)) if upright else ((at, centre[1]), (at, centre[1] + long))
                cv2.line(grey, start, end, value, int(rng.integers(1, 3)))
