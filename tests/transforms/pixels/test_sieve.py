"""The closer look: it keeps text of any size, colour and place, and leaves out what triage takes for text."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.transforms.pixels.test_triage import coloured_text, smooth, write
from transforms.pixels.geometry import intersection
from transforms.pixels.sieve import sieved
from transforms.pixels.triage import Heat, heat
from transforms.pixels.views import Picture
from transforms.types import Box


def streaks(seed: int = 5) -> np.ndarray:
    """A slice with dental metal: lines of noise-free values that radiate from bright ellipses."""
    noise = np.random.default_rng(seed)
    image = np.asarray(cv2.GaussianBlur(noise.normal(0, 1, (512, 512)), (0, 0), 1.0), np.float32) * 40
    for column in (190, 215, 290, 320):
        for angle in noise.uniform(0, 2 * np.pi, 10):
            end = (round(column + 130 * np.cos(angle)), round(200 + 130 * np.sin(angle)))
            cv2.line(image, (column, 200), end, float(noise.choice((-900, 1800))), 2)
        cv2.ellipse(image, (column, 200), (9, 6), 0, 0, 360, 3071, -1)
    return image


@pytest.mark.parametrize("scale", [0.45, 0.7, 1.0, 1.6, 2.5])
@pytest.mark.parametrize("value", [-150.0, 1500.0])
def test_text_of_any_size_and_polarity_stays(scale: float, value: float) -> None:
    seen = sieved(heat(write(smooth(), value, scale).astype(np.float32)))
    assert max(spot.peak for spot in seen.spots() if intersection(spot.box, Box(60, 190, 60, 20))) > 0.9


@pytest.mark.parametrize("place", [(0, 12), (420, 12), (0, 396), (420, 396)])
def test_text_in_a_corner_stays(place: tuple[int, int]) -> None:
    seen = sieved(heat(write(smooth(), 1500.0, 0.5, place).astype(np.float32)))
    assert max(spot.peak for spot in seen.spots()) > 0.9


def test_text_that_only_colour_shows_stays() -> None:
    picture = Picture(coloured_text())
    seen = sieved(heat(picture.grey(), picture.colours()))
    assert max(spot.peak for spot in seen.spots() if intersection(spot.box, Box(62, 84, 90, 16))) > 0.9


def test_text_beside_one_hot_pixel_stays() -> None:
    image = write(np.random.default_rng(1).normal(20, 1, (200, 300)), 60.0, 0.5, (60, 100)).astype(np.float32)
    image[80, 70] = 30_000
    assert any(spot.peak > 0.5 for spot in sieved(heat(image)).spots())


def test_most_of_what_metal_looks_like_is_left_out() -> None:
    before = [heat(streaks(seed)) for seed in range(8)]
    assert all(seen.spots() for seen in before)
    assert sum(len(sieved(seen).spots()) for seen in before) <= 0.4 * sum(len(seen.spots()) for seen in before)


def test_beside_text_nothing_is_left_out() -> None:
    seen = heat(write(streaks(), 2000.0, 0.5, (60, 210)).astype(np.float32))
    assert sieved(seen) is seen
    assert max(spot.peak for spot in seen.spots() if intersection(spot.box, Box(62, 198, 60, 12))) > 0.9


def test_the_surer_it_has_to_be_the_less_stays_of_metal_and_all_of_text() -> None:
    metal, text = [heat(streaks(seed)) for seed in range(8)], heat(write(smooth(), 1500.0, 0.5).astype(np.float32))
    assert sum(len(sieved(seen, 0.3).spots()) for seen in metal) < sum(len(sieved(seen).spots()) for seen in metal)
    assert sieved(text, 0.3) is text


def test_nothing_becomes_more_probable() -> None:
    before = heat(streaks(1))
    after = sieved(before)
    assert all((one <= other).all() for one, other in zip(after.levels, before.levels, strict=True))
    assert after.shape == before.shape
    assert after.sources is before.sources


def test_a_frame_that_triage_did_not_look_at_stays_so() -> None:
    assert sieved(Heat([], (5, 5))).spots() == []
