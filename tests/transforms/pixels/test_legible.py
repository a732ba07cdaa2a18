"""What shows that a frame has text, and what looks like it only."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.bench.clean_drawings import electrocardiogram, electroencephalogram, ruler
from tests.bench.clean_scenes import coils
from transforms.pixels.decide import Sighting
from transforms.pixels.engines import registry
from transforms.pixels.engines.base import Image
from transforms.pixels.legible import shows_writing
from transforms.pixels.look import Look
from transforms.pixels.views import Picture
from transforms.types import Box

ENGINE = registry.load(registry.choose("auto"))


def written(text: str, *, turn: int = 0, mirrored: bool = False) -> tuple[Sighting, Image]:
    image = np.full((40, 24 * len(text), 3), 30, np.uint8)
    cv2.putText(image, text, (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (220, 220, 220), 2, cv2.LINE_AA)
    content = np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, turn))
    box = Box(0, 0, content.shape[1], content.shape[0])
    return Sighting(box, (box,), 0.8, 0.9), content


@pytest.mark.parametrize("text", ["ACHTERBERG", "12.03.1958", "TW"])
def test_one_reading_shows_it_in_whatever_way_it_is_turned(text: str) -> None:
    waves = written("wwwwwwww")
    assert shows_writing(ENGINE, [waves, written(text)])
    assert shows_writing(ENGINE, [waves, written(text, turn=2)])
    assert shows_writing(ENGINE, [waves, written(text, turn=1, mirrored=True)])


def test_one_sign_over_and_over_shows_nothing() -> None:
    assert not shows_writing(ENGINE, [written("wwwwwwww"), written("lllllllll")])
    assert not shows_writing(ENGINE, [])


@pytest.mark.parametrize("draw", [electrocardiogram, electroencephalogram, ruler, coils])
def test_drawings_stay_and_text_beside_them_goes(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    image = np.rint(255 * np.clip(draw(np.random.default_rng(8))[:300, :600], 0, 1)).astype(np.uint8)
    assert not Look(ENGINE, 0.5, read=False)(Picture(image))
    assert not Look(ENGINE, 0.5, read=True)(Picture(image))
    cv2.putText(image, "ACHTERBERG, W.", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (128,), 2, cv2.LINE_AA)
    assert any(box.x < 60 and box.y < 30 for item in Look(ENGINE, 0.5, read=False)(Picture(image)) for box in item.pieces)
