from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.transforms.pixels.test_reread import Reader
from transforms.pixels.decide import Sighting
from transforms.pixels.rulers import without_rulers
from transforms.pixels.views import Picture
from transforms.types import Box

BOX = Box(20, 40, 360, 40)


def ruler(step: int = 10, base: int = 70, *, start: int = 100) -> np.ndarray:
    """Marks of ``step`` pixels that stand on a line, each fifth twice as high."""
    pixels = np.full((120, 400), 30.0, np.float32)
    pixels[base, start:361] = 200
    for number, column in enumerate(range(start, 361, step)):
        pixels[base - (16 if number % 5 == 0 else 8) : base, column] = 200
    return pixels


def write(pixels: np.ndarray, text: str, at: tuple[int, int]) -> None:
    ink = np.zeros(pixels.shape, np.uint8)
    cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,), 2)
    pixels[ink > 0] = 200


def found(pixels: np.ndarray) -> list[Box]:
    return [
        item.box for item in without_rulers(Reader("Mag", 0.9), Picture(pixels), [Sighting(BOX, (BOX,), 0.7, 1.0, read=BOX, found=BOX)])
    ]


@pytest.mark.parametrize("noise", [0, 8])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("step", [8, 10, 20])
def test_a_ruler_is_no_text_whichever_side_its_marks_stand_on(step: int, turned: bool, noise: float) -> None:
    pixels = ruler(step, start=24) + np.random.default_rng(1).normal(0, noise, (120, 400)).astype(np.float32)
    assert found(pixels[::-1].copy() if turned else pixels) == []


def test_text_beside_a_ruler_stays() -> None:
    pixels = ruler()
    write(pixels, "Mag", (28, 68))
    (left,) = found(pixels)
    assert left == Box(BOX.x, BOX.y, 80, BOX.h)


@pytest.mark.parametrize("text", ["IIIIIIIIIIIIIIII", "1111111111111111", "__________", "SMITH JOHN 1935"])
@pytest.mark.parametrize("underlined", [False, True])
def test_text_is_no_ruler(text: str, underlined: bool) -> None:
    pixels = np.full((120, 400), 30.0, np.float32)
    write(pixels, text, (30, 68))
    if underlined:
        pixels[74, 24:361] = 200
    assert found(pixels) == [BOX]


def test_a_ruler_with_text_over_it_stays() -> None:
    pixels = ruler(start=24)
    write(pixels, "DOE", (150, 66))
    assert found(pixels) == [BOX]


def test_a_letter_over_the_first_marks_stays_and_no_more_than_it() -> None:
    pixels = ruler(start=100)
    write(pixels, "1.79X", (36, 64))
    end = 36 + cv2.getTextSize("1.79X", cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2)[0][0]
    (left,) = found(pixels)
    assert end - 3 <= left.x + left.w <= end + 10
