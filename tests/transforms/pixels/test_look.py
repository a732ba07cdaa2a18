"""What stands alone on a frame, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from transforms.pixels.decide import Sighting
from transforms.pixels.engines.base import Image, Reading, Region
from transforms.pixels.look import Look
from transforms.pixels.triage import Heat
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


def test_a_sign_beside_other_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by(monkeypatch, [MARK, OTHER], 0.4, []) == 2
    assert seen_by(monkeypatch, [MARK], 0.4, [OTHER]) == 1, "known from another frame"
