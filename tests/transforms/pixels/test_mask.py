"""Masks for any box, fill and value type."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.pixels.images import instance
from transforms.pixels.info import pixel_info
from transforms.pixels.mask import mask_frame, region, snapped
from transforms.types import Box

ROWS, COLUMNS = 24, 30
boxes = st.builds(Box, st.integers(-5, COLUMNS + 5), st.integers(-5, ROWS + 5), st.integers(0, COLUMNS), st.integers(0, ROWS))
kinds = st.sampled_from(
    [
        ("MONOCHROME2", np.uint8, 8),
        ("MONOCHROME1", np.uint16, 12),
        ("MONOCHROME2", np.int16, 12),
        ("RGB", np.uint8, 8),
        ("YBR", np.uint8, 8),
    ]
)


def make(kind: tuple[str, Any, int], seed: int) -> tuple[np.ndarray[Any, Any], Any]:
    photometric, dtype, stored = kind
    low = -(1 << (stored - 1)) if dtype is np.int16 else 0
    shape = (1, ROWS, COLUMNS, 3) if dtype is np.uint8 and photometric in ("RGB", "YBR") else (1, ROWS, COLUMNS)
    frames = np.random.default_rng(seed).integers(low, low + (1 << stored), shape).astype(dtype)
    return frames[0], pixel_info(instance(frames, "YBR_FULL" if photometric == "YBR" else photometric, stored))


@settings(deadline=None, max_examples=60)
@given(kinds, st.lists(boxes, min_size=1, max_size=4), st.sampled_from(["black", "background", "contrast", "inpaint"]), st.integers(0, 9))
def test_only_the_boxes_change_and_nothing_in_them_remains(kind: tuple[str, Any, int], items: list[Box], fill: Any, seed: int) -> None:
    frame, info = make(kind, seed)
    masked = mask_frame(frame, items, info, fill, kind[0])
    hidden = region(items, info.shape)
    assert np.array_equal(masked[~hidden], frame[~hidden])
    assert masked.dtype == frame.dtype
    assert masked.min() >= info.value_range[0]
    assert masked.max() <= info.value_range[1]
    other = np.array(frame)
    other[hidden] = np.random.default_rng(seed + 100).integers(0, 100, other[hidden].shape)
    if not hidden.all() or fill == "black":
        assert np.array_equal(mask_frame(other, items, info, fill, kind[0]), masked), "the result depends on what was hidden"


@given(boxes, st.sampled_from([(1, 1), (1, 2), (8, 8), (8, 16), (16, 16)]))
def test_snapped_boxes_cover_whole_cells(box: Box, grid: tuple[int, int]) -> None:
    shape = (ROWS, COLUMNS)
    grown = snapped(box, grid, shape)
    assert not (region([box], shape) & ~region([grown], shape)).any()
    assert grown.y % grid[0] == grown.x % grid[1] == 0
    assert (grown.y + grown.h) % grid[0] == 0 or grown.y + grown.h == ROWS
    assert (grown.x + grown.w) % grid[1] == 0 or grown.x + grown.w == COLUMNS


@given(st.lists(boxes, min_size=1, max_size=4), st.sampled_from(["black", "contrast"]))
def test_masks_of_deep_images_stay_within_the_range_of_the_rest(items: list[Box], fill: Any) -> None:
    frame, info = make(("MONOCHROME2", np.int16, 12), 1)
    frame = (frame // 8).astype(np.int16)
    hidden = region(items, info.shape)
    masked = mask_frame(frame, items, info, fill, "MONOCHROME2")
    if not hidden.all():
        assert masked.min() == frame[~hidden].min()
        assert masked.max() == frame[~hidden].max()
