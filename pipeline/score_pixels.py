"""What 'hidden' means, and how much else was changed. The one definition that benches and ``dicom-deid score`` share.

Arrays are stored values of gray images, or RGB of colour ones; every measure is a ratio within one image of the same scale on both
sides, so no display range is chosen that could differ between the original and the redacted image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_color_lut

from transforms.errors import Code, DeidError
from transforms.pixels.frames import FrameReader
from transforms.policy import LimitsPolicy
from transforms.types import Dataset

Image = NDArray[Any]
Mask = NDArray[np.bool_]

INK_SHARE = 0.25
"""Ink stands out from the median of its box's border by at least this share of the largest deviation."""
CHANGED_SHARE = 0.125
"""An ink pixel has changed when it moved by at least this share of the largest deviation: half of what makes ink, above codecs' noise."""
ENOUGH_CHANGED = 0.9
CONTRAST_LEFT = 0.15
MARGIN = 12
"""Pixels around a truth box where a mask may reach without counting as over-redaction."""
COLOUR_TOLERANCE = 1.5
"""Levels of 255 by which colour may differ without counting as changed: the rounding of one conversion between RGB and YBR."""


class Region(Protocol):
    """Anything with a place in stored pixel coordinates."""

    @property
    def x(self) -> int: ...  # noqa: D102
    @property
    def y(self) -> int: ...  # noqa: D102
    @property
    def w(self) -> int: ...  # noqa: D102
    @property
    def h(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FrameScore:
    """One frame: for each box whether its text is hidden; the share of the image changed away from boxes; whether anything changed."""

    hidden: tuple[bool, ...]
    over_redaction: float
    changed: bool


def displayed(dataset: Dataset) -> Iterator[Image]:
    """Decode frame by frame: (rows, columns) stored values, or (rows, columns, 3) RGB in 0..255.

    pydicom decodes, so that the product does not judge itself; only what pydicom cannot decode is decoded as the product does.

    Raises:
        DeidError: a frame cannot be decoded.
    """
    for index in range(int(dataset.get("NumberOfFrames") or 1)):
        try:
            yield _decoded(dataset, index)
        except Exception:  # decoders raise anything
            reader = FrameReader(dataset, LimitsPolicy())
            yield reader.rgb(index).astype(np.float32) if reader.info.colour else reader.stored(index)


def _decoded(dataset: Dataset, index: int) -> Image:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    plugin = "pylibjpeg" if "pylibjpeg" in decoder.available_plugins else ""  # others may end the process on a malformed frame
    frame, meta = decoder.as_array(dataset, index=index, decoding_plugin=plugin)
    top = float(2 ** int(meta["bits_stored"]) - 1)
    if meta["photometric_interpretation"] == "PALETTE COLOR":
        frame = apply_color_lut(frame, dataset)
        top = 255.0 if frame.dtype == np.uint8 else 65535.0
    return np.asarray(frame * np.float32(255 / top) if frame.ndim == 3 else frame)


def luminance(image: Image) -> NDArray[np.float64]:
    """(rows, columns) brightness: gray values as they are, colour weighted as the eye does."""
    if image.ndim == 3:
        return np.asarray(image @ np.array([0.299, 0.587, 0.114]), np.float64)
    return image.astype(np.float64)


def ink_of(patch: NDArray[np.float64]) -> Mask:
    """Pixels of a box that stand out from the median of its border."""
    deviation = np.abs(patch - _border_median(patch))
    largest = float(deviation.max(initial=0))
    return (deviation >= INK_SHARE * largest) & (largest > 0)


def is_hidden(before: NDArray[np.float64], after: NDArray[np.float64], ink: Mask | None = None) -> bool:
    """Whether the text of one box can no longer be seen.

    Hidden: at least 90 % of the ink has changed, or at most 15 % of its contrast to the rest of the box is left (black text under a black
    mask has not changed and is hidden all the same).

    Args:
        before: luminance of the box in the original.
        after: the same of the redacted image.
        ink: the glyph pixels where they are known, else found by `ink_of`.
    """
    mask = ink_of(before) if ink is None else ink
    if not mask.any():
        return False
    largest = float(np.abs(before - _border_median(before)).max())
    moved = np.abs(after - before)[mask]
    if largest > 0 and float((moved >= CHANGED_SHARE * largest).mean()) >= ENOUGH_CHANGED:
        return True
    if mask.all():
        return False
    was, left = _contrast(before, mask), _contrast(after, mask)
    return was > 0 and left <= CONTRAST_LEFT * was


def score_pixels(original: Image, redacted: Image, boxes: Sequence[Region], ink: Sequence[Mask | None] | None = None) -> FrameScore:
    """Score one frame.

    Args:
        original: (rows, columns) or (rows, columns, 3), as `displayed` gives it.
        redacted: the same frame after de-identification, of the same shape.
        boxes: every piece of text in the frame, whether it identifies or not.
        ink: glyph masks (h, w) of the boxes where known.

    Raises:
        DeidError: the shapes differ.
    """
    if original.shape != redacted.shape:
        raise DeidError(Code.PIXELS_INCONSISTENT, "the redacted frame has another shape than the original")
    before, after = luminance(original), luminance(redacted)
    rows, columns = before.shape
    away = np.ones((rows, columns), bool)
    hidden = []
    for number, box in enumerate(boxes):
        place = np.s_[max(0, box.y) : max(0, box.y + box.h), max(0, box.x) : max(0, box.x + box.w)]
        glyph = ink[number] if ink is not None else None
        hidden.append(is_hidden(before[place], after[place], glyph) if before[place].size else False)
        away[max(0, box.y - MARGIN) : max(0, box.y + box.h + MARGIN), max(0, box.x - MARGIN) : max(0, box.x + box.w + MARGIN)] = False
    changed = difference(original, redacted)
    return FrameScore(tuple(hidden), float((changed & away).mean()), bool(changed.any()))


def difference(original: Image, redacted: Image) -> Mask:
    """Pixels that differ: exactly for gray, by more than the rounding of a colour conversion for colour."""
    if original.ndim == 3:
        return np.asarray((np.abs(original - redacted) > COLOUR_TOLERANCE).any(axis=-1))
    return np.asarray(original != redacted)


def wilson(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share; (0, 1) when nothing was counted."""
    if not total:
        return 0.0, 1.0
    share = successes / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _border_median(patch: NDArray[np.float64]) -> float:
    if min(patch.shape) < 3:
        return float(np.median(patch))
    return float(np.median(np.concatenate([patch[0], patch[-1], patch[1:-1, 0], patch[1:-1, -1]])))


def _contrast(patch: NDArray[np.float64], ink: Mask) -> float:
    """How far the ink stands from the rest of the box, on average."""
    return float(np.abs(patch[ink] - np.median(patch[~ink])).mean())
