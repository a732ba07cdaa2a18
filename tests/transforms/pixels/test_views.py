"""The windows of the second look: each shows text that no other does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from transforms.pixels import views
from transforms.pixels.engines import registry
from transforms.pixels.full import full_look
from transforms.pixels.geometry import share_covered
from transforms.pixels.views import grey_views, header_windows, windows
from transforms.types import Box

TEXT = Box(20, 50, 150, 20)


def header(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def image(kind: str) -> tuple[np.ndarray, Dataset]:
    """A frame whose text one window shows: levels of its ground, of its letters, and what else widens the range."""
    glyphs = cv2.putText(np.zeros((160, 256), np.uint8), "KAUFMAN 1943", (20, 66), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 1)
    ground = np.random.default_rng(2).normal(1000, 10, glyphs.shape)
    ground[100:, ::2] = 60_000  # more than one value in a hundred: a wide range by whatever percentile
    ground[100:, 1::2] = 0
    letters, dataset = {
        "full": (60_000, header()),
        "header": (1100, header(WindowCenter=[40, 50], WindowWidth=[400, 200], RescaleIntercept=-1000, RescaleSlope=1)),
        "percentile": (1100, header()),
    }[kind]
    if kind == "percentile":
        ground[100:] = 1000
        ground[150, :20] = 60_000
    return np.where(glyphs > 100, letters, ground).clip(0, 65_535).astype(np.uint16), dataset


@pytest.mark.parametrize("kind", ["full", "header", "percentile"])
def test_each_window_shows_text_that_it_is_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = registry.load(registry.choose("auto"))
    stored, dataset = image(kind)

    def covered() -> float:
        found = full_look(engine, grey_views(stored, dataset), 0.5)
        return share_covered(TEXT, [box for sighting in found for box in sighting.pieces])

    assert covered() > 0.6
    chosen = windows
    monkeypatch.setattr(views, "windows", lambda *args: [window for window in chosen(*args) if window.name != kind])
    if kind != "full":
        assert covered() == 0


def test_windows_of_a_header_are_in_stored_values() -> None:
    found = header_windows(header(WindowCenter=["40", "300"], WindowWidth=["400", "1500"], RescaleIntercept="-1024", RescaleSlope="2"))
    assert found == [(432.0, 632.0), (287.0, 1037.0)]
    assert header_windows(header(WindowCenter="40", WindowWidth="0")) == []
    assert header_windows(header(WindowCenter="nan", WindowWidth="400")) == []


def test_the_range_above_the_anatomy_is_a_window_of_its_own() -> None:
    stored = np.random.default_rng(5).normal(1000, 100, (512, 512)).clip(0, 2000).astype(np.uint16)
    stored[10:20, 10:60] = 4095
    found = {window.name: window for window in windows(stored, None)}
    assert found["above"].high == 4095
    assert 1000 < found["above"].low < 1500
    shown = found["above"].apply(stored)
    assert shown[10:20, 10:60].min() == 255
    assert np.median(shown) == 0


def test_windows_that_show_the_same_are_one() -> None:
    stored = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    assert [window.name for window in windows(stored, header(WindowCenter=127, WindowWidth=255))] == ["full", "above"]
    assert windows(np.full((8, 8), 7, np.uint16), None) == []
