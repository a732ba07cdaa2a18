"""Triage: nothing where there is nothing, text of any polarity, depth and size where there is some; sheets and boxes keep their places."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pixels import triage
from transforms.pixels.decide import Sighting, is_agreed, is_line, is_text, merged
from transforms.pixels.engines.base import Reading, Region
from transforms.pixels.geometry import bounding, grown, intersection, pieces, share_covered, union
from transforms.pixels.look import completed
from transforms.pixels.sheet import assign, lay_out
from transforms.pixels.triage import heat
from transforms.pixels.views import Picture
from transforms.types import Box


def smooth(rows: int = 400, columns: int = 500) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return 500 * np.exp(-(((y - 200) / 90) ** 2) - ((x - 250) / 120) ** 2)


def write(image: np.ndarray, value: float, scale: float, place: tuple[int, int] = (60, 210)) -> np.ndarray:
    glyphs = np.zeros(image.shape, np.uint8)
    thickness = max(1, round(2 * scale))
    cv2.putText(glyphs, "DOE 1943", place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), thickness, cv2.LINE_AA)
    share = glyphs.astype(np.float32) / 255
    return image * (1 - share) + value * share


@pytest.mark.parametrize("image", [np.zeros((64, 64)), np.full((300, 200), 7.0), smooth(), np.ones((3, 3)), np.zeros((1, 4000))])
def test_no_spot_where_there_is_no_text(image: np.ndarray) -> None:
    assert heat(image.astype(np.float32)).spots() == []


@pytest.mark.parametrize("scale", [0.45, 0.7, 1.0, 1.6, 2.5])
@pytest.mark.parametrize("value", [-150.0, 1500.0])
def test_text_is_seen_at_any_size_and_polarity(scale: float, value: float) -> None:
    seen = heat(write(smooth(), value, scale).astype(np.float32))
    assert any(intersection(spot.box, Box(60, 190, 60, 20)) for spot in seen.spots())
    assert max(spot.peak for spot in seen.spots()) > 0.9


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.01, 0.0), (60.0, -20_000.0)])
def test_scale_and_offset_of_the_values_do_not_matter(gain: float, offset: float) -> None:
    plain = heat(write(smooth(), 1500.0, 0.6).astype(np.float32)).spots()
    moved = heat((write(smooth(), 1500.0, 0.6) * gain + offset).astype(np.float32)).spots()
    assert [spot.box for spot in plain] == [spot.box for spot in moved]


def test_text_beside_one_hot_pixel_is_seen() -> None:
    image = write(np.random.default_rng(1).normal(20, 1, (200, 300)), 60.0, 0.5, (60, 100)).astype(np.float32)
    image[80, 70] = 30_000
    assert any(spot.peak > 0.5 for spot in heat(image).spots())


def coloured_text() -> np.ndarray:
    """Red letters on a green of the same luminance, with noise."""
    cover = write(np.zeros((200, 300)), 1.0, 0.6, (60, 100))[:, :, None]
    green, red = np.array((20.0, 110.0, 20.0)), np.array((208.0, 15.0, 10.0))
    assert abs((red - green) @ (0.299, 0.587, 0.114)) < 1
    noise = np.random.default_rng(4).normal(0, 3, cover.shape)
    return np.clip(np.rint(green * (1 - cover) + red * cover + noise), 0, 255).astype(np.uint8)


def test_text_that_only_colour_shows_is_seen() -> None:
    picture = Picture(coloured_text())
    place = Box(62, 84, 90, 16)
    assert max(spot.peak for spot in heat(picture.grey(), picture.colours()).spots() if intersection(spot.box, place)) > 0.9
    assert not [spot for spot in heat(picture.grey()).spots() if intersection(spot.box, place)]


def test_colour_is_seen_that_a_bright_area_beside_it_outshines() -> None:
    rgb = np.full((200, 300, 3), 245, np.uint8)
    rgb[:14, :100] = 0
    glyphs = np.zeros((14, 100), np.uint8)
    cv2.putText(glyphs, "KAUFMAN", (2, 11), cv2.FONT_HERSHEY_PLAIN, 0.9, (90,), 1, cv2.LINE_AA)
    rgb[:14, :100, 1] = glyphs
    picture, place = Picture(rgb), Box(8, 2, 50, 8)
    assert not (heat(picture.grey()).cells(0, place) >= triage.THRESHOLD).all()
    assert heat(picture.grey(), picture.colours()).support(place) > 0.9


def test_text_of_one_luminance_and_two_colours_is_seen() -> None:
    blue = write(np.full((200, 300), 60.0), 190.0, 0.6, (60, 100)).astype(np.uint8)
    assert heat(np.full((200, 300), 90, np.float32), [blue]).spots()


def test_a_frame_without_colours_has_no_planes_of_colour() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (60, 80, 1)).astype(np.uint8)
    assert Picture(np.repeat(grey, 3, axis=2)).colours() == ()
    assert Picture(grey[:, :, 0]).colours() == ()


def test_colours_beside_luminance_change_nothing() -> None:
    """A frame of which one corner is coloured keeps what it shows elsewhere."""
    rgb = np.repeat(write(smooth() / 4, 240.0, 0.6)[:, :, None], 3, axis=2).clip(0, 255).astype(np.uint8)
    rgb[300:340, 400:440] = (200, 20, 120)
    picture = Picture(rgb)
    with_colours, without = heat(picture.grey(), picture.colours()), heat(picture.grey())
    place = Box(60, 190, 100, 24)
    np.testing.assert_array_equal(with_colours.cells(0, place), without.cells(0, place))
    assert picture.colours()


def test_strips_do_not_change_the_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(2).normal(0, 10, (900, 300)).astype(np.float32)
    whole = heat(image)
    monkeypatch.setattr(triage, "STRIP_PIXELS", 1 << 16)
    for one, other in zip(whole.levels, heat(image).levels, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_is_taken_out_is_not_seen_again() -> None:
    seen = heat(write(smooth(), 1500.0, 0.6).astype(np.float32))
    boxes = [spot.box for spot in seen.spots()]
    assert [spot for spot in seen.without(boxes).spots() if spot.sure > 2] == []


def sighting(box: Box, detection: float, support: float, text: str = "", score: float = 0.0) -> Sighting:
    return Sighting(box, (box,), detection, support, text, score)


def test_both_networks_have_to_agree_on_a_line() -> None:
    line, blob = Box(0, 0, 100, 20), Box(0, 0, 30, 28)
    assert is_agreed(sighting(line, 0.8, 0.95), (512, 512))
    assert not is_agreed(sighting(line, 0.8, 0.4), (512, 512))
    assert not is_agreed(sighting(line, 0.3, 0.95), (512, 512))
    assert is_agreed(sighting(Box(0, 0, 44, 24), 0.86, 0.72), (512, 512))  # three syllables of Hangul, which no engine here reads
    assert not is_agreed(sighting(blob, 0.6, 0.95), (512, 512))
    assert is_agreed(sighting(blob, 0.6, 0.95), (512, 512), in_company=True)
    assert not is_agreed(sighting(Box(0, 0, 240, 85), 0.8, 0.95), (240, 320))


@pytest.mark.parametrize(
    ("text", "score", "support", "expected"),
    [
        ("KAUFMAN", 0.6, 0.9, True),
        ("KAUFMAN", 0.6, 0.4, False),
        ("KAUFMAN", 0.9, 0.4, True),
        ("KAUFMAN", 0.9, 0.1, False),
        ("00010", 0.9, 0.5, False),
        ("L", 0.95, 0.5, True),
        ("0", 0.95, 0.9, False),
        ("", 0.0, 1.0, False),
    ],
)
def test_the_fewer_characters_the_more_evidence(text: str, score: float, support: float, expected: bool) -> None:
    box = Box(0, 0, max(14 * len(text), 20), 20)
    assert is_text(sighting(box, 0.7, support).read_as(Reading(text, score)), 0.5, (512, 512)) is expected


def test_a_sign_that_does_not_fill_its_region_is_no_text() -> None:
    assert not is_text(sighting(Box(0, 0, 288, 104), 0.7, 0.7).read_as(Reading("R", 0.95)), 0.5, (1024, 1024))


def test_what_is_large_for_the_frame_is_text_only_if_it_is_a_word_or_certain() -> None:
    region = sighting(Box(0, 0, 240, 104), 0.7, 0.7)
    assert not is_text(region.read_as(Reading("dgy", 0.9)), 0.5, (512, 512))
    assert not is_text(sighting(region.box, 0.6, 0.7).read_as(Reading("dgy", 0.95)), 0.5, (512, 512))
    assert is_text(region.read_as(Reading("dgy", 0.95)), 0.5, (512, 512))
    assert is_text(region.read_as(Reading("dgy", 0.95)), 0.5, (1024, 1024))
    assert is_text(region.read_as(Reading("KAUFMAN", 0.95)), 0.5, (512, 512))


@pytest.mark.parametrize(("text", "detection", "score"), [("10", 0.7, 0.99), ("0", 0.7, 0.99)])
def test_numbers_of_simple_shapes_count_beside_certain_text(text: str, detection: float, score: float) -> None:
    box = Box(0, 0, 10 + 10 * len(text), 20)
    assert is_text(sighting(box, detection, 0.5).read_as(Reading(text, score)), 0.5, (512, 512), in_company=True)
    assert not is_text(sighting(box, detection, 0.5).read_as(Reading(text, score)), 0.5, (512, 512))
    assert not is_text(sighting(box, 0.5, 0.5).read_as(Reading(text, score)), 0.5, (512, 512), in_company=True)
    assert not is_text(sighting(box, detection, 0.5).read_as(Reading(text, 0.9)), 0.5, (512, 512), in_company=True)


def test_a_region_thicker_than_text_is_no_line() -> None:
    quad = np.array([(0, 0), (200, 0), (200, 90), (0, 90)], np.float32)
    assert not is_line(quad, 0)
    assert is_line(quad, 1)


def test_one_place_is_one_sighting() -> None:
    (one,) = merged([sighting(Box(0, 0, 50, 10), 0.6, 0.9), sighting(Box(4, 1, 60, 10), 0.7, 0.9, "DOE", 0.9)])
    assert one.box == Box(0, 0, 64, 11)
    assert one.text == "DOE"


def test_lines_are_not_joined_by_a_region_over_them() -> None:
    lines = [sighting(Box(10, 0, 80, 20), 0.8, 0.9, "kV 120", 0.9), sighting(Box(10, 24, 80, 20), 0.8, 0.9, "mA 200", 0.95)]
    assert merged([*lines, sighting(Box(5, 0, 90, 46), 0.7, 0.9)]) == lines
    # With one of them alone the region may hold another that nobody read: it stays, and is judged by itself.
    assert len(merged([lines[0], sighting(Box(5, 0, 90, 46), 0.7, 0.9)])) == 2


def test_pieces_follow_a_tilted_line() -> None:
    quad = np.array([(10, 10), (210, 60), (206, 76), (6, 26)], np.float32)
    parts = pieces(quad, (400, 400))
    assert len(parts) > 2
    assert sum(part.w * part.h for part in parts) < 0.6 * 204 * 66
    assert share_covered(Box(100, 38, 10, 8), parts) == 1


boxes = st.builds(Box, st.integers(0, 90), st.integers(0, 90), st.integers(1, 60), st.integers(1, 60))


@given(boxes, boxes)
def test_boxes_behave(one: Box, other: Box) -> None:
    joined = union(one, other)
    assert intersection(joined, one) == one.w * one.h
    assert intersection(one, other) == intersection(other, one)
    assert 0 <= share_covered(one, [other]) <= 1
    around = grown(one, 5, (150, 150))
    assert intersection(around, one) == one.w * one.h or one.x + one.w > 150 or one.y + one.h > 150


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(8, 300), st.integers(8, 120)), min_size=1, max_size=12))
def test_pictures_on_a_sheet_do_not_overlap_and_regions_find_home(sizes: list[tuple[int, int]]) -> None:
    pictures = [np.full((height, width, 3), index + 1, np.uint8) for index, (width, height) in enumerate(sizes)]
    sheet, places = lay_out(pictures)
    for index, place in enumerate(places):
        assert (sheet[place.y : place.y + place.h, place.x : place.x + place.w] == index + 1).all()
    quads = [np.array([(p.x + 1, p.y + 1), (p.x + 5, p.y + 1), (p.x + 5, p.y + 5), (p.x + 1, p.y + 5)], np.float32) for p in places]
    homes = assign([Region(quad, 1.0) for quad in quads], places)
    assert [index for index, _ in homes] == list(range(len(places)))
    assert all(region.quad.min() == 1 for _, region in homes)


def test_bounding_is_none_outside() -> None:
    assert bounding(np.array([(-9, -9), (-1, -9), (-1, -1), (-9, -1)], np.float32), (50, 50)) is None


def test_a_gap_between_two_parts_of_a_line_is_hidden_too() -> None:
    image = write(np.zeros((120, 400)), 200.0, 0.8, (40, 60)).astype(np.float32)
    parts = [Box(40, 40, 45, 24), Box(130, 40, 40, 24)]
    found = completed([sighting(part, 0.8, 0.95) for part in parts], heat(image))
    assert share_covered(Box(45, 45, 115, 10), [item.box for item in found]) == 1


@pytest.mark.parametrize("pitch", [20, 26, 60])
def test_a_region_that_only_joins_lines_hides_nothing_more(pitch: int) -> None:
    image = np.zeros((240, 320))
    lines = [Box(40, 40 + pitch * number, 100, 18) for number in range(3)]
    for box in lines:
        image = write(image, 200.0, 0.5, (box.x + 4, box.y + 14))
    seen, over = heat(image.astype(np.float32)), sighting(Box(30, 32, 120, 2 * pitch + 34), 0.7, 0.9)
    found = [sighting(box, 0.8, 0.95) for box in lines]
    assert all(item.box.h == 18 for item in completed([*found, over], seen))
    # Where one of them was not found, the region may be all that hides it.
    for number in range(3):
        assert share_covered(lines[number], [item.box for item in completed([*found[:number], *found[number + 1 :], over], seen)]) == 1


def test_a_wider_region_over_one_line_hides_nothing_more() -> None:
    image = write(np.zeros((240, 320)), 200.0, 0.8, (40, 120)).astype(np.float32)
    line, over = sighting(Box(36, 98, 140, 28), 0.8, 0.95), sighting(Box(36, 74, 140, 64), 0.7, 0.9)
    assert [item.box.h for item in completed([line, over], heat(image))] == [28]
    other = write(image, 200.0, 0.8, (40, 90)).astype(np.float32)
    assert share_covered(Box(36, 74, 140, 20), [item.box for item in completed([line, over], heat(other))]) == 1


def test_a_line_is_completed_past_one_above_whose_margin_reaches_into_it() -> None:
    image = write(np.zeros((120, 400)), 200.0, 0.8, (40, 60)).astype(np.float32)
    part, above = sighting(Box(40, 40, 45, 24), 0.8, 0.95), sighting(Box(90, 22, 90, 21), 0.6, 0.9)
    found = completed([part, above], heat(image))
    assert share_covered(Box(45, 45, 100, 10), [item.box for item in found if item.box.y == 40]) == 1
    beside = sighting(Box(120, 40, 60, 24), 0.6, 0.9)
    assert [item.box.x + item.box.w for item in completed([part, beside], heat(image)) if item.box.x == 40] == [120]


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        ([0.9, 0.6, 0.2, 0.9, 0.9, 0.8, 0.6, 0.1], 7),
        ([0.9, 0.2, 0.9, 0.9, 0.4], 1),
        ([0.2, 0.2, 0.9, 0.9, 0.9], 0),
        ([0.2, 0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9], 4),
        ([], 0),
    ],
)
def test_a_line_goes_on_behind_one_space_before_a_word(cells: list[float], count: int) -> None:
    assert triage._following(np.array(cells, np.float32)) == count


def test_the_reading_of_one_line_does_not_stand_for_the_line_that_it_reaches_into() -> None:
    upper, lower = sighting(Box(468, 1754, 208, 40), 0.6, 0.9, "DOE JANE", 0.9), sighting(Box(598, 1781, 77, 24), 0.8, 0.9, "616205", 1.0)
    assert [item.text for item in merged([upper, lower])] == ["DOE JANE", "616205"]
    part = sighting(Box(600, 1756, 70, 36), 0.8, 0.9, "JANE", 1.0)
    assert len(merged([upper, part])) == 1
