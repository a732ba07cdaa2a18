from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from transforms.pixels.decide import Sighting
from transforms.pixels.engines import registry
from transforms.pixels.engines.base import Image, Reading, Region
from transforms.pixels.read_on import read_on
from transforms.pixels.views import Picture
from transforms.types import Box

TEXT = "UNIVERSITY HOSPITAL SOLENE"


def written(text: str = TEXT) -> np.ndarray:
    """A line of text that runs from plain ground onto edges."""
    image = np.zeros((80, 500), np.float32)
    image[:, 160:] = 90
    for column in range(180, 500, 50):
        cv2.line(image, (column, 0), (column + 40, 80), (130,), 3)
    glyphs = np.zeros(image.shape, np.uint8)
    cv2.putText(glyphs, text, (20, 45), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 1, cv2.LINE_AA)
    return (image + (200 - image) * (glyphs / np.float32(255))).astype(np.uint8)


def line(x: int, width: int, text: str = "") -> Sighting:
    box = Box(x, 27, width, 24)
    return Sighting(box, (box,), 0.8, 0.9, text, 0.9, read=box)


class Counting:
    """Reads the same everywhere, and counts."""

    name = "fake"

    def __init__(self, text: str, score: float = 0.95) -> None:
        self._reading, self.crops = Reading(text, score), 0

    def detect(self, image: Image) -> list[Region]:
        return []

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        self.crops += len(crops)
        return [self._reading] * len(crops)


def test_a_line_that_was_found_on_plain_ground_is_read_on_over_edges() -> None:
    engine = registry.load(registry.choose("auto"))
    (whole,) = read_on(engine, Picture(written()), [line(16, 150)])
    width = cv2.getTextSize(TEXT, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)[0][0]
    assert whole.box.x == 16
    assert 20 + width <= whole.box.x + whole.box.w <= 20 + width + 2 * 24
    assert "HOSP" in whole.text.upper()
    assert whole.read == whole.box


def test_edges_that_do_not_read_end_a_line() -> None:
    engine = registry.load(registry.choose("auto"))
    found = [line(16, 130)]
    assert read_on(engine, Picture(written("UNIVERSITY")), found) == found


@pytest.mark.parametrize("reading", [Reading("HOSPITAL", 0.5), Reading("A", 0.95), Reading("IlO0", 0.95), Reading("", 0.0)])
def test_little_evidence_is_none(reading: Reading) -> None:
    found = [line(16, 150)]
    assert read_on(Counting(reading.text, reading.score), Picture(written()), found) == found


def test_plain_ground_and_other_lines_are_not_read() -> None:
    engine = Counting("HOSPITAL")
    plain = np.zeros((80, 500), np.uint8)
    plain[:, :160] = written()[:, :160]
    assert read_on(engine, Picture(plain), [line(16, 150)]) == [line(16, 150)]
    assert read_on(engine, Picture(written()), [line(16, 150), line(166, 150), line(316, 180)])[0] == line(16, 150)
    assert engine.crops <= 1


def test_the_letters_of_a_line_above_are_not_read_on_into() -> None:
    heights: list[int] = []

    class Measuring(Counting):
        def read(self, crops: Sequence[Image]) -> list[Reading]:
            heights.extend(crop.shape[0] for crop in crops)
            return super().read(crops)

    read_on(Measuring(""), Picture(written()), [line(16, 150)])
    alone = heights.copy()
    heights.clear()
    above = Box(100, 10, 200, 22)
    read_on(Measuring(""), Picture(written()), [line(16, 150), Sighting(above, (above,), 0.8, 0.9, read=above)])
    assert heights
    assert max(heights) < min(alone)
