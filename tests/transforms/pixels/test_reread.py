from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transforms.pixels.decide import Sighting
from transforms.pixels.engines.base import Image, Reading, Region
from transforms.pixels.reread import read_in_doubt, reread, trimmed
from transforms.pixels.views import Picture
from transforms.types import Box

PICTURE = Picture(np.arange(200 * 400, dtype=np.uint16).reshape(200, 400))


class Reader:
    """Reads the same in all crops."""

    name = "fake"

    def __init__(self, text: str, score: float) -> None:
        self._reading = Reading(text, score)

    def detect(self, image: Image) -> list[Region]:
        return []

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        return [self._reading] * len(crops)


def line(box: Box, core: Box, text: str = "Ph") -> Sighting:
    return Sighting(box, (box,), 0.8, 0.9, text, 0.9, read=core)


def test_a_line_that_grew_is_read_as_a_whole() -> None:
    grew, same = line(Box(0, 0, 200, 20), Box(0, 0, 30, 20)), line(Box(0, 50, 30, 20), Box(0, 50, 30, 20))
    first, second = reread(Reader("Ph (725) 841-0833", 0.9), PICTURE, [grew, same])
    assert (first.text, second.text) == ("Ph (725) 841-0833", "Ph")
    assert reread(Reader("Ph (725) 841-0833", 0.3), PICTURE, [grew]) == [grew]


def test_a_single_sign_that_is_all_there_is_gets_its_box_back() -> None:
    core = Box(0, 0, 20, 20)
    (found,) = reread(Reader("R", 0.9), PICTURE, [line(Box(0, 0, 20, 90), core, "R")])
    assert found.box == core


def test_lines_that_only_triage_sees_have_to_read_as_text() -> None:
    doubtful = [Sighting(Box(0, 0, 100, 20), (Box(0, 0, 100, 20),), 0.0, 1.0)]
    assert [item.text for item in read_in_doubt(Reader("HPen", 0.9), PICTURE, doubtful)] == ["HPen"]
    assert read_in_doubt(Reader("HPen", 0.4), PICTURE, doubtful) == []
    assert read_in_doubt(Reader("3", 0.9), PICTURE, doubtful) == []
    assert read_in_doubt(Reader("NG", 0.9), PICTURE, doubtful) == []  # two letters do not fill a place for ten
    assert read_in_doubt(Reader("lllllll", 0.9), PICTURE, doubtful) == []


def test_a_line_does_not_reach_over_what_does_not_read() -> None:
    long = line(Box(0, 0, 300, 20), Box(0, 0, 60, 20))
    (cut,) = trimmed(Reader("", 0.0), PICTURE, [long])
    assert cut.box == Box(0, 0, 80, 20)
    assert trimmed(Reader("DOE", 0.9), PICTURE, [long]) == [long]
