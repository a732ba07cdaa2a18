"""The PP-OCR models' arithmetic, without a runtime: images to tensors, probability maps to boxes, logits to text.

The models are those of the ``rapidocr`` wheel. Its own pipeline is not used: it would fetch a missing model from the network, compute
in a precision that depends on the processor, and resize images in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.engines.base import Image, Reading, Region

Tensor = NDArray[np.float32]
Infer = Callable[[Tensor], Tensor]

STRIDE = 32
WHOLE_PIXELS = 2 << 20
BLOCK = 640
OVERLAP = 64
"""A larger image is looked at in blocks that overlap: the detector takes 0.2 GB for each million pixels at once, and what else is on a
large sheet can hide a plain line from it."""
MAP_THRESHOLD = 0.3
BOX_THRESHOLD = 0.4
UNCLIP = 1.6
MIN_SIDE = 3.0
MAX_REGIONS = 1000
LINE_HEIGHT = 48
MAX_LINE_WIDTH = 1920
WIDTH_STEP = 32
BATCH = 8
BATCH_WIDTH = 2048
"""Columns of all lines of a batch: a reading takes 72 kB for each 8 of them, most of it for characters that are not there."""


class PaddleModels:
    """Detection and recognition over two functions that run the networks.

    Args:
        detector: N x 3 x H x W to N x 1 x H x W, the probability that a pixel is text; H and W are multiples of 32.
        recognizer: N x 3 x 48 x W to N x steps x characters, probabilities; character 0 is the blank of CTC.
        characters: of the recognizer, without blank and space.
    """

    def __init__(self, name: str, detector: Infer, recognizer: Infer, characters: Sequence[str]) -> None:
        self.name = name
        self._detector = detector
        self._recognizer = recognizer
        self._characters = ["", *characters, " "]

    def detect(self, image: Image) -> list[Region]:
        """Regions of text; the image is looked at in the size that it has."""
        rows, columns = image.shape[:2]
        if rows * columns <= WHOLE_PIXELS:
            return regions(self._probability(image))
        probability = np.zeros((rows, columns), np.float32)
        for top in range(0, rows, BLOCK):
            for left in range(0, columns, BLOCK):
                y, x = max(top - OVERLAP, 0), max(left - OVERLAP, 0)
                block = image[y : top + BLOCK + OVERLAP, x : left + BLOCK + OVERLAP]
                if block.any():
                    part = self._probability(block)[top - y :, left - x :]
                    probability[top : top + BLOCK, left : left + BLOCK] = part[:BLOCK, :BLOCK]
        return regions(probability)

    def _probability(self, image: Image) -> Tensor:
        """Rows x columns, of text."""
        rows, columns = image.shape[:2]
        padded = cv2.copyMakeBorder(image, 0, -rows % STRIDE, 0, -columns % STRIDE, cv2.BORDER_REPLICATE)
        return self._detector(_tensor(padded)[None])[0, 0, :rows, :columns]

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        """The text of each crop; crops of similar shape share a batch, so that little is computed for padding."""
        lines = [_line(crop) for crop in crops]
        order = sorted(range(len(lines)), key=lambda index: lines[index].shape[2])
        readings: list[Reading] = [Reading("", 0.0)] * len(lines)
        while order:
            widths = (lines[index].shape[2] for index in order[:BATCH])
            fitting = sum(count * width <= BATCH_WIDTH for count, width in enumerate(widths, 1))
            group, order = order[: max(fitting, 1)], order[max(fitting, 1) :]
            width = max(lines[index].shape[2] for index in group)
            batch = np.zeros((len(group), 3, LINE_HEIGHT, width), np.float32)
            for row, index in enumerate(group):
                batch[row, :, :, : lines[index].shape[2]] = lines[index]
            for index, probabilities in zip(group, self._recognizer(batch), strict=True):
                readings[index] = self._decode(probabilities)
        return readings

    def _decode(self, probabilities: Tensor) -> Reading:
        """Greedy CTC: the best character of each step, repeats joined, blanks dropped; the score is the mean over what is left."""
        best = probabilities.argmax(axis=1)
        keep = best != 0
        keep[1:] &= best[1:] != best[:-1]
        if not keep.any():
            return Reading("", 0.0)
        text = "".join(self._characters[index] for index in best[keep])
        return Reading(text, float(probabilities.max(axis=1)[keep].mean()))


def _tensor(image: Image) -> Tensor:
    """3 x H x W in -1..1."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) * np.float32(2 / 255) - np.float32(1)


def _line(crop: Image) -> Tensor:
    """A crop at the height that the recognizer takes, its width a multiple of 32 so that few shapes occur."""
    width = min(max(round(crop.shape[1] * LINE_HEIGHT / crop.shape[0]), 8), MAX_LINE_WIDTH)
    resized = cv2.resize(crop, (width, LINE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    line = np.zeros((3, LINE_HEIGHT, width + -width % WIDTH_STEP), np.float32)
    line[:, :, :width] = _tensor(np.asarray(resized, np.uint8))
    return line


def regions(probability: Tensor) -> list[Region]:
    """Boxes of the connected areas of a probability map (differentiable binarization, Liao et al. 2020).

    The networks learn shrunken text areas: an area grows by ``area * UNCLIP / perimeter`` on each side to cover the glyphs.
    """
    mask = (probability > MAP_THRESHOLD).astype(np.uint8)
    if not mask.any():
        return []
    mask = cv2.dilate(mask, np.ones((2, 2), np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours if len(contours) <= MAX_REGIONS else sorted(contours, key=cv2.contourArea, reverse=True)[:MAX_REGIONS]:
        center, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < MIN_SIDE:
            continue
        score = _mean_inside(probability, cv2.boxPoints((center, (width, height), angle)))
        if score < BOX_THRESHOLD:
            continue
        grow = 2 * width * height * UNCLIP / (2 * (width + height))
        quad = upright(np.asarray(cv2.boxPoints((center, (width + grow, height + grow), angle)), np.float32))
        found.append(Region(quad, score))
    return found


def _mean_inside(probability: Tensor, corners: NDArray[np.float32]) -> float:
    """Mean of the map inside a polygon."""
    rows, columns = probability.shape
    low = np.floor(corners.min(axis=0)).astype(int).clip(0, (columns - 1, rows - 1))
    high = np.ceil(corners.max(axis=0)).astype(int).clip(0, (columns - 1, rows - 1))
    mask = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), np.uint8)
    cv2.fillPoly(mask, [np.round(corners - low).astype(np.int32)], [1.0])
    return float(cv2.mean(probability[low[1] : high[1] + 1, low[0] : high[0] + 1], mask)[0])


def upright(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners as top left, top right, bottom right, bottom left."""
    left, right = np.split(corners[np.argsort(corners[:, 0], kind="stable")], 2)
    left = left[np.argsort(left[:, 1], kind="stable")]
    right = right[np.argsort(right[:, 1], kind="stable")]
    return np.stack((left[0], right[0], right[1], left[1]))
