"""Masks: boxes of a frame filled so that nothing in them can be read, at native bit depth and in the stored representation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.pixels.info import MONOCHROME, PALETTE, PixelInfo
from transforms.pixels.values import Array
from transforms.types import Box

Fill = Literal["black", "background", "contrast", "inpaint"]

RING = 4
"""Pixels around a box whose median is its background."""
INPAINT_MARGIN = 16
INPAINT_RADIUS = 3
INPAINT_SPAN = 65535.0
"""What lies around a box spans as many levels while it is continued: the method's arithmetic adds up to two of them."""
_LUMINANCE = (0.299, 0.587, 0.114)


def mask_frame(stored: Array, boxes: Sequence[Box], info: PixelInfo, fill: Fill, space: str) -> Array:
    """A copy of a frame whose boxes are filled with one value each, whatever was there.

    ``black`` is displayed black. ``background`` is the median of the pixels around the box (the most frequent one of a palette).
    ``contrast`` is black or white, whichever is farther from the background, so that one sees where something was hidden. ``inpaint``
    continues the surroundings into the box; it looks at nothing inside, so that no ghost of the text remains.

    Args:
        stored: (rows, columns) or (rows, columns, samples) stored values.
        boxes: in stored pixel coordinates; parts outside the frame are ignored.
        info: of the data set.
        fill: see above.
        space: what the samples mean, see `transforms.pixels.frames.FrameReader.colour_space`.
    """
    masked = np.array(stored, copy=True)
    hidden = region(boxes, info.shape)
    # Once for all boxes: it looks at the whole frame.
    ends = _ends(stored, hidden, info, space)
    for box in boxes:
        inside = slices(box, info.shape)
        if masked[inside].size:
            masked[inside] = _value(stored, inside, hidden, ends, info, fill, space)
    if fill == "inpaint" and space != PALETTE and hidden.any() and not hidden.all():
        _inpaint(masked, boxes, hidden, info)
        if info.subsampled:  # pixels share their chrominance in pairs, and boxes cover whole pairs
            masked[:, 1::2, 1:] = np.where(hidden[:, 1::2, None], masked[:, ::2, 1:], masked[:, 1::2, 1:])
    return masked


def slices(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a box, cut to the frame."""
    rows, columns = shape
    top, left = min(max(box.y, 0), rows), min(max(box.x, 0), columns)
    return slice(top, min(max(box.y + box.h, top), rows)), slice(left, min(max(box.x + box.w, left), columns))


def region(boxes: Iterable[Box], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """True where any of the boxes lies; rows x columns."""
    covered = np.zeros(shape, bool)
    for box in boxes:
        covered[slices(box, shape)] = True
    return covered


def snapped(box: Box, grid: tuple[int, int], shape: tuple[int, int]) -> Box:
    """The box grown to whole cells of ``grid`` (rows, columns), where pixels of a cell share information."""
    rows, columns = slices(box, shape)
    top, left = rows.start // grid[0] * grid[0], columns.start // grid[1] * grid[1]
    bottom = min(-(-rows.stop // grid[0]) * grid[0], shape[0])
    right = min(-(-columns.stop // grid[1]) * grid[1], shape[1])
    return Box(left, top, right - left, bottom - top)


def _value(
    stored: Array,
    inside: tuple[slice, slice],
    hidden: NDArray[np.bool_],
    ends: tuple[Any, Any],
    info: PixelInfo,
    fill: Fill,
    space: str,
) -> Any:
    black, white = ends
    if fill == "black":
        return black
    background = _background(stored, inside, hidden, space)
    if fill != "contrast":
        return background
    levels = [_brightness(value, info, space) for value in (black, white, background)]
    return black if abs(levels[2] - levels[0]) >= abs(levels[1] - levels[2]) else white


def _ends(stored: Array, hidden: NDArray[np.bool_], info: PixelInfo, space: str) -> tuple[Any, Any]:
    """The stored values that are displayed black and white.

    For deep grey images the least and the greatest outside the boxes: an end of the type far below all others, such as -32768 in a CT,
    would change every histogram and the window of every viewer.
    """
    if info.is_float or (space in MONOCHROME and info.bits_stored > 8):
        seen = stored[~hidden & np.isfinite(stored)]
        low, high = (seen.min(), seen.max()) if seen.size else (stored.dtype.type(0), stored.dtype.type(1))
    elif space == PALETTE and info.palette is not None:
        brightness = info.palette @ np.array(_LUMINANCE)
        low, high = int(np.argmin(brightness)) + info.palette_first, int(np.argmax(brightness)) + info.palette_first
    else:
        low, high = info.value_range
    if space == "YBR":
        middle = (high + 1) // 2
        return np.array([low, middle, middle], stored.dtype), np.array([high, middle, middle], stored.dtype)
    return (high, low) if space == MONOCHROME[0] else (low, high)


def _background(stored: Array, inside: tuple[slice, slice], hidden: NDArray[np.bool_], space: str) -> Any:
    """Median, sample by sample, of what lies around a box and in no other; of the frame outside the boxes if nothing does."""
    rows, columns = inside
    near = (slice(max(rows.start - RING, 0), rows.stop + RING), slice(max(columns.start - RING, 0), columns.stop + RING))
    pixels = stored[near][~hidden[near]]
    if not len(pixels):
        pixels = stored[~hidden] if not hidden.all() else stored.reshape(-1, *stored.shape[2:])
    if space == PALETTE:
        values, counts = np.unique(pixels, return_counts=True)
        return values[np.argmax(counts)]
    return np.median(pixels, axis=0).astype(stored.dtype)


def _brightness(value: Any, info: PixelInfo, space: str) -> float:
    """A measure by which two values of one image can be compared."""
    if space == PALETTE and info.palette is not None:
        position = min(max(int(value) - info.palette_first, 0), len(info.palette) - 1)
        return float(info.palette[position] @ np.array(_LUMINANCE))
    if np.ndim(value) == 0:
        return float(value)
    return float(value[0]) if space == "YBR" else float(np.asarray(value, float)[:3].mean())


def _inpaint(masked: Array, boxes: Sequence[Box], hidden: NDArray[np.bool_], info: PixelInfo) -> None:
    """Telea's method, box by box in a window around it, sample by sample; in place. Values stay within the range of the window's others."""
    for box in boxes:
        rows, columns = slices(box, info.shape)
        window = (
            slice(max(rows.start - INPAINT_MARGIN, 0), rows.stop + INPAINT_MARGIN),
            slice(max(columns.start - INPAINT_MARGIN, 0), columns.stop + INPAINT_MARGIN),
        )
        where, patch = hidden[window], masked[window]
        layers = patch.reshape(*patch.shape[:2], -1)
        for sample in range(layers.shape[2]):
            layer = layers[..., sample].astype(np.float64)
            unknown = where | ~np.isfinite(layer)
            low, high = (layer[~unknown].min(), layer[~unknown].max()) if not unknown.all() else (0.0, 0.0)
            if low == high:
                continue  # the background, which is there already
            levels = np.where(unknown, 0, (layer - low) * (INPAINT_SPAN / (high - low))).astype(np.float32)
            filled = cv2.inpaint(levels, unknown.astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_TELEA)
            values = np.clip(filled, 0, INPAINT_SPAN) * ((high - low) / INPAINT_SPAN) + low
            values = (values if info.is_float else np.rint(values)).astype(masked.dtype)
            layers[..., sample] = np.where(where, values, layers[..., sample])
        masked[window] = layers.reshape(patch.shape)
