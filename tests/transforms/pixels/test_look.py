"""What stands alone on a frame, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from transforms.pixels import look
from transforms.pixels.decide import Sighting
from transforms.pixels.engines import registry
from transforms.pixels.engines.base import Image, Reading, Region
from transforms.pixels.geometry import share_covered
from transforms.pixels.look import Look
from transforms.pixels.triage import Heat, heat
from transforms.pixels.views import Picture
from transforms.types import Box

MARK, OTHER = Box(16, 16, 24, 16), Box(60, 60, 24, 16)


class Blind:
    name = "blind"

    def detect(self, image: Image) -> list[Region]:
        return []

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        return [Reading("", 0.0) for _ in crops]


def seen_by(monkeypatch: pytest.MonkeyPatch, marks: Sequence[Box], support: float, known: Sequence[Box]) -> int:
    marked = [Sighting(box, (box,), 0.4, support, "KX", 0.95) for box in marks]
    answers = iter([marked])
    monkeypatch.setattr(Look, "_detect", lambda *_, **__: next(answers, []))
    picture = Picture(np.zeros((96, 96), np.float32))
    return len(Look(Blind(), 0.5, read=False)(picture, Heat([np.zeros((12, 12), np.float32)], (96, 96)), known))


def test_a_lone_sign_where_triage_doubts_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by(monkeypatch, [MARK], 0.4, []) == 0
    assert seen_by(monkeypatch, [MARK], 0.6, []) == 1


@pytest.mark.parametrize(
    ("text", "detection", "counts"), [("R.S.", 0.8, True), ("R.S.", 0.6, False), ("X", 0.8, False), ("10", 0.8, False)]
)
def test_initials_that_read_with_certainty_are_text_alone(text: str, detection: float, counts: bool) -> None:
    assert look._is_chance([Sighting(MARK, (MARK,), detection, 0.44, text, 0.97)]) is not counts


def test_a_sign_beside_other_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by(monkeypatch, [MARK, OTHER], 0.4, []) == 2
    assert seen_by(monkeypatch, [MARK], 0.4, [OTHER]) == 1, "known from another frame"


def among_dots(other: str) -> np.ndarray:
    """A small nuclear medicine frame: a faint name among bright dots, in which triage sees nothing, and clear text or none."""
    noise, image = np.random.default_rng(0), np.full((168, 168), 25, np.uint8)
    for x, y in noise.integers(0, 168, (120, 2)).tolist():
        cv2.circle(image, (x, y), 1, (int(noise.integers(120, 255)),), -1)
    glyphs = np.zeros_like(image)
    cv2.putText(glyphs, "ACHTERBERG W.", (10, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
    image = np.clip(image + glyphs * (40 / 255), 0, 255).astype(np.uint8)
    cv2.putText(image, other, (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (250,), 1, cv2.LINE_AA)
    return image


def test_text_that_triage_does_not_see_is_found_beside_text_that_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    name, picture = Box(10, 70, 110, 12), Picture(among_dots("1958-04-11"))
    assert heat(picture.grey()).support(name) < 0.3
    engine = registry.load(registry.choose("auto"))
    assert share_covered(name, [box for item in Look(engine, 0.5, read=False)(picture) for box in item.pieces]) > 0.8
    monkeypatch.setattr(look, "CLOSER_STYLES", ())
    assert share_covered(name, [box for item in Look(engine, 0.5, read=False)(picture) for box in item.pieces]) == 0


def test_a_frame_that_shows_no_text_is_not_looked_at_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Heat] = []
    monkeypatch.setattr(look, "closest", lambda seen: asked.append(seen) or seen)
    engine = registry.load(registry.choose("auto"))
    assert not Look(engine, 0.5, read=False)(Picture(among_dots("")))
    assert not asked


def test_a_heading_larger_than_the_text_of_any_level_is_found() -> None:
    image = np.full((1000, 800), 235, np.uint8)
    cv2.putText(image, "Zoe", (40, 480), cv2.FONT_HERSHEY_DUPLEX, 8.0, (20,), 16, cv2.LINE_AA)
    (found,) = Look(registry.load(registry.choose("auto")), 0.5, read=False)(Picture(image))
    assert found.text == "Zoe"
    assert found.box.h > 180


@pytest.mark.parametrize(("text", "width", "counts"), [("NGOZI F.", 90, True), ("NGOZI F.", 30, False), ("JS", 40, False)])
def test_what_triage_gives_no_support_reads_as_three_signs_in_their_room(text: str, width: int, counts: bool) -> None:
    box = Box(0, 0, width, 20)
    assert look._is_written(Sighting(box, (box,), 0.8, 0.3, text, 0.9)) == counts


TURNS = {
    "upright": lambda image: image,
    "by 90": np.rot90,
    "by 180": lambda image: np.rot90(image, 2),
    "by 270": lambda image: np.rot90(image, 3),
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
}


def hidden_share(shape: tuple[int, int], place: tuple[int, int], size: float, turn: str = "upright", *, dark: bool = False) -> float:
    """The share of a line's ink that is found in a noisy image with a bright disc."""
    glyphs = cv2.putText(np.zeros(shape, np.uint8), "KAUFMAN 1943-02-11", place, cv2.FONT_HERSHEY_SIMPLEX, size, (255,), 1, cv2.LINE_AA)
    y, x = np.mgrid[: shape[0], : shape[1]]
    disc = 600 * np.exp(-((y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2) / (2 * (min(shape) / 4) ** 2))
    image = disc + np.random.default_rng(1).normal(60, 12, shape)
    image = np.where(glyphs > 0, image + (1500 - image) * (glyphs / 255.0), image).clip(0, 4095)
    ink, picture = (np.ascontiguousarray(TURNS[turn](array)) for array in (glyphs > 128, 4095 - image if dark else image))
    covered = np.zeros(ink.shape, bool)
    for item in Look(registry.load(registry.choose("auto")), 0.5, read=False)(Picture(picture.astype(np.uint16))):
        for box in item.pieces:
            covered[box.y : box.y + box.h, box.x : box.x + box.w] = True
    return float((covered & ink).sum() / ink.sum())


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("place", [(100, 150), (0, 12)])
def test_a_line_is_found_whichever_way_it_stands_and_at_the_edge(turn: str, place: tuple[int, int]) -> None:
    assert hidden_share((300, 400), place, 0.5, turn) > 0.99


@pytest.mark.parametrize("dark", [False, True])
def test_a_line_is_found_whatever_its_size_and_polarity(dark: bool) -> None:
    """9 pixels on a small image, and 12 on a radiograph."""
    assert hidden_share((256, 256), (20, 120), 0.3, dark=dark) > 0.99
    assert hidden_share((2000, 1800), (800, 1900), 0.5, dark=dark) > 0.99
