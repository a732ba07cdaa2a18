"""What OCR looks at: one stored frame through the windows in which text can be legible.

Burned-in text is written at any level of the stored range: above all anatomy (overlays drawn at the maximum), inside it, or in 8-bit
values within a 16-bit container whose header window belongs to the original. No single window shows all of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.engines.base import Image
from transforms.pixels.frames import FrameReader
from transforms.types import Box, Dataset

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.0
ANATOMY_PERCENTILE = 99.5
SAMPLES = 65_536
SAME_LEVELS = 6.0
SAME_COLOUR = 20
"""Levels of 255 within which a plane of colour shows nothing that is read."""
TILE_PERCENTILES = (0.3, 99.7)


class Style(Enum):
    """How a tile is rendered: as it is, in the other polarity, or with its contrast equalised from place to place."""

    PLAIN = "plain"
    INVERSE = "inverse"
    EQUALISED = "equalised"


_EQUALISER = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4))


@dataclass(frozen=True, slots=True)
class View:
    """One rendering of a frame, at the frame's size."""

    name: str
    image: Image


@dataclass(frozen=True, slots=True)
class Window:
    """Stored values ``low`` to ``high`` become 0 to 255."""

    name: str
    low: float
    high: float

    def apply(self, stored: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Rows x columns, 8 bits."""
        scale = np.float32(255.0 / (self.high - self.low))
        levels = (stored.astype(np.float32) - np.float32(self.low)) * scale
        return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


class Picture:
    """One decoded frame, as triage and OCR look at it.

    Args:
        pixels: rows x columns stored values, or rows x columns x 3 of 8 bits.
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels
        self.shape: tuple[int, int] = (pixels.shape[0], pixels.shape[1])

    def grey(self) -> NDArray[np.float32]:
        """Rows x columns; of a colour frame its luminance."""
        if self._pixels.ndim == 3:
            return np.asarray(cv2.cvtColor(self._pixels, cv2.COLOR_RGB2GRAY), np.float32)
        grey = self._pixels.astype(np.float32)
        return grey if np.isfinite(grey).all() else np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)

    def colours(self) -> tuple[NDArray[np.uint8], ...]:
        """The planes of colour without luminance, 128 where there is none (rows x columns); none of a frame without colours."""
        if self._pixels.ndim != 3:
            return ()
        whole = cv2.cvtColor(self._pixels, cv2.COLOR_RGB2YCrCb)
        planes = [np.asarray(cv2.extractChannel(whole, channel), np.uint8) for channel in (1, 2)]
        return tuple(plane for plane in planes if int(plane.max()) - int(plane.min()) > SAME_COLOUR)

    def content(self, box: Box) -> NDArray[Any]:
        """The pixels of ``box``: rows x columns stored values, or rows x columns x 3 of 8 bits. Not to be written to."""
        return self._pixels[box.y : box.y + box.h, box.x : box.x + box.w]

    def tile(self, box: Box, scale: float, style: Style = Style.PLAIN) -> Image:
        """The content of ``box`` through the window of its own values, so that text in it has the contrast that it can have."""
        values = self.content(box).astype(np.float32)
        if self._pixels.dtype.kind == "f":
            values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = _percentiles(values, TILE_PERCENTILES)
        if not high > low:
            low, high = float(values.min()), float(values.max())
        image = Window("tile", low, high if high > low else low + 1).apply(values)
        if scale != 1:
            size = (max(round(box.w * scale), 8), max(round(box.h * scale), 8))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)
        if style is Style.INVERSE:
            image = 255 - image
        elif style is Style.EQUALISED:
            image = cv2.merge([_EQUALISER.apply(plane) for plane in cv2.split(image)]) if image.ndim == 3 else _EQUALISER.apply(image)
        return image if image.ndim == 3 else cv2.merge([image, image, image])


def display(reader: FrameReader, index: int) -> Image:
    """One ordinary view of a frame, for people: colour as it is, grey through the range of most pixels."""
    if reader.info.colour:
        return reader.rgb(index)
    stored = reader.stored(index)
    found = {window.name: window for window in windows(stored, None)}
    window = found.get("percentile") or found.get("full")
    grey = window.apply(stored) if window else np.zeros(stored.shape, np.uint8)
    if reader.info.photometric == "MONOCHROME1":
        grey = 255 - grey
    return np.repeat(grey[:, :, None], 3, axis=2)


def grey_views(stored: NDArray[np.generic], dataset: Dataset) -> Iterator[View]:
    """Views of a one-sample frame (rows x columns), widest window first; windows that would show the same are left out."""
    for window in windows(stored, dataset):
        grey = window.apply(stored)
        yield View(window.name, np.repeat(grey[:, :, None], 3, axis=2))


def windows(stored: NDArray[np.generic], dataset: Dataset | None) -> list[Window]:
    """The distinct windows of a frame, with those of a header when one is given; none when all of its values are equal."""
    sample = _sample(stored)
    low, high = float(stored.min()), float(stored.max())
    if not high > low:
        return []
    candidates = [Window("full", low, high)]
    bottom, top, ceiling = (float(value) for value in np.percentile(sample, (LOW_PERCENTILE, HIGH_PERCENTILE, ANATOMY_PERCENTILE)))
    candidates.append(Window("percentile", bottom, top))
    candidates.extend(Window("header", *bounds) for bounds in (header_windows(dataset) if dataset is not None else ()))
    candidates.append(Window("above", ceiling, high))
    chosen: list[Window] = []
    shown: list[NDArray[np.float32]] = []
    for window in candidates:
        if not window.high > window.low:
            continue
        levels = np.clip((sample - window.low) * (255.0 / (window.high - window.low)), 0, 255)
        if np.ptp(levels) < SAME_LEVELS or any(float(np.abs(levels - other).max()) < SAME_LEVELS for other in shown):
            continue
        chosen.append(window)
        shown.append(levels)
    return chosen


def header_windows(dataset: Dataset) -> list[tuple[float, float]]:
    """The windows of the VOI LUT module (PS3.3 C.11.2) in stored values: rescaling (C.11.1) undone. Malformed values are no window."""
    try:
        slope = float(dataset.get("RescaleSlope", 1) or 1)
        intercept = float(dataset.get("RescaleIntercept", 0) or 0)
        pairs = zip(_numbers(dataset.get("WindowCenter")), _numbers(dataset.get("WindowWidth")), strict=False)
        bounds = [((center - width / 2 - intercept) / slope, (center + width / 2 - intercept) / slope) for center, width in pairs]
    except (TypeError, ValueError):
        return []
    return [(min(pair), max(pair)) for pair in bounds if np.isfinite(pair).all() and pair[0] != pair[1]]


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [float(item) for item in values]


def _percentiles(values: NDArray[np.float32], percents: Sequence[float]) -> tuple[float, ...]:
    """As numpy has them, in half of its time for as few values as a tile has."""
    places = [(values.size - 1) * percent / 100 for percent in percents]
    ordered = np.partition(values, [index for place in places for index in (math.floor(place), math.ceil(place))], axis=None)
    return tuple(
        float(ordered[math.floor(place)]) + (place % 1) * (float(ordered[math.ceil(place)]) - float(ordered[math.floor(place)]))
        for place in places
    )


def _sample(stored: NDArray[np.generic]) -> NDArray[np.float32]:
    """At most 65,536 values on a regular grid."""
    step = max(1, int(np.sqrt(stored.size / SAMPLES)))
    return stored[::step, ::step].astype(np.float32)
