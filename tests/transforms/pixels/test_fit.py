from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pixels.decide import Sighting
from transforms.pixels.fit import Fits, fitted
from transforms.pixels.mask import region
from transforms.pixels.views import Picture
from transforms.types import Box


def image(text: str, ground: np.ndarray, level: float = 220.0) -> tuple[np.ndarray, np.ndarray]:
    """``text`` written on ``ground``, and where its strokes are."""
    ink = np.zeros(ground.shape, np.uint8)
    cv2.putText(ink, text, (60, 72), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,), 2)
    return np.where(ink > 0, np.float32(level), ground).astype(np.float32), ink > 0


def sighting(box: Box, read: Box | None = None) -> Sighting:
    return Sighting(box, (box,), 0.9, 1.0, read=read or box)


def test_a_box_is_cut_to_what_is_written_on_even_ground() -> None:
    pixels, ink = image("SMITH", np.full((120, 300), 40.0))
    (found,) = fitted(Picture(pixels), [sighting(Box(40, 40, 160, 50))])
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert found.fit == (Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1),)
    assert found.box == Box(40, 40, 160, 50)


def test_a_frame_that_shows_more_in_a_box_than_the_one_before_is_fitted_again() -> None:
    line, fits, ground = sighting(Box(40, 40, 160, 50)), Fits(), np.full((120, 300), 40.0)
    for text in ("SMITH", "SMITH", "SMITHSON", "SMITH"):
        picture = Picture(image(text, ground)[0])
        assert fits(picture, [line]) == fitted(picture, [line])


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 99),
    noise=st.floats(0, 12),
    slope=st.floats(-0.4, 0.4),
    x=st.integers(20, 58),
    y=st.integers(30, 50),
    text=st.sampled_from(["SMITH", "gy,jp", "R", "12/03/1974", "---I"]),
    colour=st.booleans(),
)
def test_no_ground_makes_a_fit_lose_ink(seed: int, noise: float, slope: float, x: int, y: int, text: str, colour: bool) -> None:
    rng = np.random.default_rng(seed)
    ground = 80 + slope * np.arange(300)[None, :] + rng.normal(0, noise, (120, 300))
    pixels, ink = image(text, ground)
    if colour:
        pixels = np.stack((ground, pixels, ground), axis=2).clip(0, 255).astype(np.uint8)
    box = Box(x, y, 270 - x, 90 - y)
    (found,) = fitted(Picture(pixels), [sighting(box)])
    assert not (ink & region([box], ink.shape) & ~region(found.fit, ink.shape)).any()
    assert region(found.fit, ink.shape).sum() <= box.w * box.h


def test_rows_of_anatomy_above_a_line_are_left() -> None:
    ground = 60 + 50 * np.sin(np.arange(120)[:, None] / 25 + np.arange(300)[None, :] / 40)
    pixels, ink = image("SMITH", ground)
    (found,) = fitted(Picture(pixels), [sighting(Box(40, 30, 160, 60))])
    assert found.fit[0].h < 35
    assert not (ink & ~region(found.fit, ink.shape)).any()


def test_a_line_that_grew_is_cut_where_its_strokes_end_and_not_before() -> None:
    pixels, ink = image("SMITH JOHN", np.linspace(20, 120, 300)[None, :].repeat(120, 0))
    (found,) = fitted(Picture(pixels), [sighting(Box(50, 48, 250, 30), read=Box(58, 48, 60, 30))])
    end = int(np.flatnonzero(ink.any(axis=0))[-1]) + 1
    assert found.fit[0].x + found.fit[0].w == end
    turned = Picture(np.ascontiguousarray(pixels.T))
    (found,) = fitted(turned, [sighting(Box(48, 50, 30, 250), read=Box(48, 58, 30, 60))])
    assert found.fit[0].y + found.fit[0].h == end


@pytest.mark.parametrize("level", [0.0, 65535.0])
def test_a_box_in_which_nothing_stands_out_stays(level: float) -> None:
    box = Box(10, 10, 80, 20)
    assert fitted(Picture(np.full((60, 120), level, np.float32)), [sighting(box)])[0].fit == (box,)
