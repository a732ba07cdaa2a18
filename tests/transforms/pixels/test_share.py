"""Sharing between frames: static text is read once, every frame is masked, and one odd slice among hundreds is still found."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.transforms.pixels.test_cleaner import clean, instance, pixels, report
from tests.transforms.pixels.test_sieve import streaks
from transforms.pixels import share
from transforms.pixels.decide import Sighting
from transforms.pixels.engines import registry
from transforms.pixels.engines.base import Image, Reading
from transforms.pixels.triage import Heat, heat
from transforms.policy import PixelMode
from transforms.types import Box


def slices(count: int, *, odd: int = -1, text: str = "", seed: int = 1) -> list[Dataset]:
    """A series of noisy slices whose disc grows and shrinks; ``text`` on all, and one slice with other text."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256].astype(np.float32)
    series = []
    for index in range(count):
        radius = 50 + 30 * np.sin(index / 20)
        image = 600 / (1 + np.exp((np.hypot(y - 128, x - 128) - radius) / 3)) + rng.normal(40, 12, y.shape)
        words = [(text, (10, 25))] if text else []
        words += [("DOE^JANE 19430722", (60, 140))] if index == odd else []
        for word, place in words:
            glyphs = np.zeros(y.shape, np.uint8)
            cv2.putText(glyphs, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
            image = np.where(glyphs > 0, image + (1400 - image) * (glyphs / 255.0), image)
        dataset = instance()
        dataset.PixelData = image.clip(0, 4095).astype(np.uint16).tobytes()
        series.append(dataset)
    return series


def test_one_odd_slice_in_two_hundred_is_found() -> None:
    series = slices(200, odd=137)
    results = [report(result) for result in clean(*series)]
    assert [index for index, result in enumerate(results) if result.changed_frames] == [137]
    assert pixels(series[137])[0, 128:142, 64:190].max() < 1000


def test_one_odd_slice_among_static_text_is_found() -> None:
    series = slices(40, odd=23, text="KAUFMAN 1943")
    results = [report(result) for result in clean(*series)]
    assert all(result.changed_frames == (0,) for result in results)
    assert pixels(series[23])[0, 128:142, 64:190].max() < 1000
    assert all(pixels(dataset)[0, 14:28, 12:100].max() < 1000 for dataset in series)
    assert sum(result.frames[0].method.startswith("shared") for result in results) >= 38


def test_what_ocr_looked_at_in_vain_it_looks_at_less_and_text_among_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at() -> list[int]:
        series = []
        for index in range(24):
            dataset, image = instance(), streaks(index)[72:328, 128:384] + 1000
            if index == 17:
                glyphs = cv2.putText(np.zeros((256, 256), np.uint8), "DOE^JANE 19430722", (60, 240), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,))
                image = np.where(glyphs > 0, np.float32(2500), image)
            dataset.PixelData = image.clip(0, 4095).astype(np.uint16).tobytes()
            series.append(dataset)
        results = [report(result) for result in clean(*series)]
        assert results[17].changed_frames == (0,)
        assert pixels(series[17])[0, 228:242, 64:190].max() < 2000
        return [index for index, result in enumerate(results) if result.frames[0].method == "ocr"]

    fewer = looked_at()
    monkeypatch.setattr(share, "IDLE", 0.0)
    assert len(fewer) < len(looked_at())


def test_beside_known_text_only_doubtful_areas_that_were_looked_at_in_vain_are_left_out() -> None:
    memory, seen = share.Memory(), heat(streaks())
    assert memory._closer(seen).spots() == seen.spots()
    memory._idle = [np.full_like(cells, share.TIMES) for cells in seen.levels]
    rest = memory._closer(seen)
    for level, (before, after) in enumerate(zip(seen.levels, rest.levels, strict=True)):
        assert (after[before >= share.CERTAIN] >= share.CERTAIN).all(), level
    assert len(rest.spots()) < len(seen.spots())
    marked, idle = np.zeros((4, 9), bool), np.ones((4, 9), bool)
    marked[1, 1:3] = marked[1, 6:8] = True
    idle[1, 7] = False
    assert np.argwhere(share._within(marked, idle)).tolist() == [[1, 1], [1, 2]]


def test_places_beyond_the_bound_push_out_the_rarest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "MAX_PLACES", 2)
    memory, box = share.Memory(), Box(0, 0, 8, 8)
    greys = [np.full((16, 16), value, np.float32) for value in (1, 2, 3)]
    memory._learn(greys[0], box, None, 0, Heat([], (16, 16)))
    memory._places[0].times = 5
    for number in (1, 2):
        memory._learn(greys[number], box, None, number, Heat([], (16, 16)))
    assert [place.content[0, 0] for place in memory._places] == [1, 3]


def test_frames_with_the_same_bytes_are_looked_at_once() -> None:
    dataset = instance("KAUFMAN 1943", frames=20)
    result = report(clean(dataset)[0])
    assert result.changed_frames == tuple(range(20))
    assert [frame.method for frame in result.frames] == ["ocr"] + ["same-bytes"] * 19


def test_text_that_later_frames_teach_is_sought_on_earlier_ones() -> None:
    first, *others = slices(4, text="KAUFMAN 1943")
    plain = slices(1)[0]
    stack = pixels(first).copy().astype(np.float32)
    background = pixels(plain).astype(np.float32)
    first.PixelData = (background + 0.8 * (stack - background)).astype(np.uint16).tobytes()
    results = [report(result) for result in clean(first, *others)]
    assert all(result.changed_frames == (0,) for result in results)


def test_a_place_is_not_hidden_where_its_text_is_not() -> None:
    with_text, without = slices(1, text="KAUFMAN 1943")[0], slices(1)[0]
    results = [report(result) for result in clean(with_text, without, with_text.copy())]
    assert results[1].changed_frames == ()


def test_a_short_line_within_a_large_place_without_text_is_news() -> None:
    grey = np.random.default_rng(3).normal(500, 10, (120, 400)).astype(np.float32)
    grey[::6] += 400  # a grating that OCR finds no text in
    place = share.Place.of(grey, Box(0, 0, 400, 120), None, 0)
    later = grey + np.random.default_rng(4).normal(0, 10, grey.shape).astype(np.float32)
    assert place.on(later)
    glyphs = np.zeros(grey.shape, np.uint8)
    cv2.putText(glyphs, "DOE J", (170, 64), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255,), 1)
    assert not place.on(np.where(glyphs > 0, np.float32(1400), later))


def test_known_text_in_the_margin_of_a_spot_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, read = registry.load(registry.choose("auto")), []
    reader = engine.read

    def counting(crops: Sequence[Image]) -> list[Reading]:
        read.extend(crops)
        return reader(crops)

    monkeypatch.setattr(engine, "read", counting)
    first, second = slices(2, text="KAUFMAN 1943")
    glyphs = np.zeros((256, 256), np.uint8)
    cv2.putText(glyphs, "MERCY HOSPITAL", (120, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
    second.PixelData = np.where(glyphs > 0, np.uint16(1400), pixels(second)[0]).tobytes()
    results = [report(result) for result in clean(first, second)]
    assert results[1].frames[0].method == "shared+ocr"
    assert pixels(second)[0, 14:48, 12:120].max() < 1000
    assert not read


@pytest.mark.parametrize(("text", "place"), [("KAUFMAN", (72, 25)), ("KAUFMAN", (62, 25)), ("KAUFMAN", (10, 38)), ("KAUFMAN", (10, 12))])
def test_text_beside_a_line_that_is_known_and_kept_is_found(text: str, place: tuple[int, int]) -> None:
    """Right of it, touching it, under it and above it as closely as lines stand."""
    series = slices(3, text="120 KVP")
    glyphs = np.zeros((256, 256), np.uint8)
    cv2.putText(glyphs, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
    below = pixels(series[1])[0].astype(np.float32)
    series[1].PixelData = (below + (1400 - below) * (glyphs / 255.0)).astype(np.uint16).tobytes()
    results = [report(result) for result in clean(*series, mode=PixelMode.REDACT_SENSITIVE_TEXT)]
    assert [result.changed_frames for result in results] == [(), (0,), ()]
    assert pixels(series[1])[0][glyphs > 128].max() < 1000


def test_text_that_fades_or_grows_brighter_stays_known() -> None:
    grey = np.full((60, 200), 40, np.float32)
    glyphs = np.zeros(grey.shape, np.uint8)
    cv2.putText(glyphs, "KAUFMAN", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
    box = Box(16, 26, 80, 20)
    line = Sighting(box, (box,), 0.8, 0.9, read=box)
    place = share.Place.of(grey + glyphs, box, line, 0)
    assert all(place.on(grey + np.float32(gain) * glyphs) for gain in (0.3, 0.6, 1.5, 3.0))
    assert not place.on(grey + np.float32(0.1) * glyphs)
    other = np.zeros(grey.shape, np.uint8)
    cv2.putText(other, "STEIN 43", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1, cv2.LINE_AA)
    assert not any(place.on(grey + np.float32(gain) * other) for gain in (0.5, 1.0))


def test_a_place_without_other_text_says_nothing_when_the_line_in_it_is_no_longer_known() -> None:
    memory, grey = share.Memory(), np.zeros((64, 64), np.float32)
    grey[20:30, 10:50:3] = 100
    line, around = Box(8, 18, 44, 14), Box(0, 8, 64, 40)
    memory._learn(grey, line, Sighting(line, (line,), 0.8, 0.9, read=line), 0, Heat([], (64, 64)))
    known = memory._places[0]
    memory._learn(grey, around, None, 0, Heat([], (64, 64)), (known,))
    assert memory._present(grey) == memory._places
    memory._places.remove(known)
    assert memory._places[0].on(grey)
    assert memory._present(grey) == []


def test_a_place_without_text_that_does_not_come_again_is_forgotten() -> None:
    memory, grey = share.Memory(), np.zeros((64, 64), np.float32)
    grey[20:30, 10:50:3] = 100
    nothing = Heat([], (64, 64))
    line = Box(8, 18, 44, 14)
    memory._learn(grey, line, Sighting(line, (line,), 0.8, 0.9, read=line), 0, nothing)
    memory._learn(grey, Box(0, 8, 64, 40), None, 0, nothing)
    memory.frames = share.STALE
    assert len(memory._present(grey)) == 2
    memory.frames += 1
    assert [place.box for place in memory._present(grey)] == [line]


def test_text_drawn_over_a_known_line_is_looked_at_again() -> None:
    grey = np.random.default_rng(3).normal(40, 10, (60, 200)).astype(np.float32)
    glyphs = [np.zeros(grey.shape, np.uint8) for _ in range(2)]
    for image, text, start in zip(glyphs, ("120 KVP 2.5", "KAUFMAN"), (20, 30), strict=True):
        cv2.putText(image, text, (start, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,), 1)
    known = np.where(glyphs[0] > 0, np.float32(1400), grey)
    box = Box(16, 24, 110, 22)
    place = share.Place.of(known, box, Sighting(box, (box,), 0.9, 1.0), 0)
    both = np.where(glyphs[1] > 0, np.float32(1400), known)
    assert place.on(both)
    assert place.is_overwritten(both)
    assert not place.is_overwritten(known + np.random.default_rng(4).normal(0, 10, grey.shape).astype(np.float32))


@pytest.mark.parametrize("frames", [60])
def test_a_cine_with_static_text_costs_little(frames: int) -> None:
    rng = np.random.default_rng(3)
    dataset = instance("KAUFMAN 1943", "MERCY HOSPITAL", "12 MHz 4.5 cm", frames=frames)
    stack = pixels(dataset).copy()
    stack[:, 100:200, 60:200] = rng.gamma(1.5, 60, (frames, 100, 140)).astype(np.uint16)
    dataset.PixelData = stack.tobytes()
    clean(instance("WARM UP"))
    start = time.process_time()
    result = report(clean(dataset)[0])
    assert result.changed_frames == tuple(range(frames))
    assert (time.process_time() - start) / frames < 0.1


def test_text_that_stands_still_in_speckle_is_found_in_the_mean_of_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    glyphs = cv2.putText(np.zeros((256, 256), np.uint8), "KAUFMAN 1943", (30, 130), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 2)

    def changed() -> tuple[int, ...]:
        dataset = instance(frames=24)
        stack = 1000 + rng.normal(0, 200, (24, 256, 256)) + np.float32(0.8) * glyphs
        dataset.PixelData = stack.clip(0, 4095).astype(np.uint16).tobytes()
        result = report(clean(dataset)[0])
        return result.changed_frames

    assert changed() == tuple(range(24))
    monkeypatch.setattr(share, "STILL", 1000)
    assert len(changed()) < 24
