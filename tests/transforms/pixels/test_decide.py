from __future__ import annotations

import cv2
import numpy as np
import pytest

from transforms.pixels.decide import Sighting, is_agreed, is_flow, merged
from transforms.types import Box


def seen(box: Box, detection: float = 0.7) -> Sighting:
    return Sighting(box, (box,), detection, 1.0, score=detection)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("wider", [Box(94, 194, 208, 76), Box(100, 210, 190, 50), Box(105, 219, 181, 36)])
def test_of_one_line_at_two_scales_the_closer_box_counts_across(wider: Box, turned: bool) -> None:
    boxes = [Box(105, 219, 181, 36), wider]
    (line,) = merged([seen(Box(box.y, box.x, box.h, box.w) if turned else box) for box in boxes])
    box = Box(line.box.y, line.box.x, line.box.h, line.box.w) if turned else line.box
    assert (box.y, box.h) == (219, 36)
    assert box.x <= 105
    assert box.x + box.w >= 286
    assert line.found == line.box


@pytest.mark.parametrize("wider", [Box(100, 219, 190, 76), Box(0, 210, 300, 50), Box(90, 150, 210, 110)])
def test_what_may_hold_more_than_the_closer_line_is_covered(wider: Box) -> None:
    covered = merged([seen(Box(105, 219, 181, 36)), seen(wider)])
    assert any(item.box.y <= wider.y and item.box.y + item.box.h >= wider.y + wider.h for item in covered)


def test_a_short_mark_needs_no_reading_where_both_networks_are_sure() -> None:
    def agreed(width: int, detection: float, support: float) -> bool:
        box = Box(675, 51, width, 58)
        return is_agreed(Sighting(box, (box,), detection, support), (800, 800))

    assert agreed(71, 0.7, 0.75)
    assert not agreed(71, 0.6, 0.75)
    assert not agreed(71, 0.7, 0.65)
    assert not agreed(300, 0.7, 0.75)  # a line reads


def test_flow_is_told_from_coloured_letters_by_its_hues() -> None:
    noise = np.random.default_rng(3).uniform(0, 1, (5, 12)).astype(np.float32)
    speed = cv2.resize(noise, (72, 30), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    flow = np.stack([np.full_like(speed, 230), 230 * speed, np.zeros_like(speed)], axis=2).astype(np.uint8)
    assert is_flow(flow)
    assert is_flow(255 - flow)
    for ground, ink in (((0, 0, 0), (255, 220, 0)), ((120, 120, 120), (255, 220, 0)), ((0, 0, 90), (255, 255, 255))):
        line = np.full((30, 72, 3), ground, np.uint8)
        cv2.putText(line, "DOE", (2, 25), cv2.FONT_HERSHEY_SIMPLEX, 1, ink, 3, cv2.LINE_AA)
        assert not is_flow(line)
    assert not is_flow(np.full((30, 72, 3), 90, np.uint8))
