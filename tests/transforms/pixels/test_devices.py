"""Device rules add places; ultrasound regions say what lies outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset

from tests.transforms.pixels.test_cleaner import clean, instance, pixels, report
from transforms.pixels.devices import known_places, matches, outside_regions, placed
from transforms.policy import DeviceRule, PixelsPolicy


def test_a_rule_hides_its_place_and_looking_goes_on() -> None:
    rule = DeviceRule(name="corner", match={"Modality": "ct"}, blank=((-20, -20, 0, 0),))
    dataset = instance("KAUFMAN 1943")
    result = report(clean(dataset, devices=(rule,))[0])
    assert pixels(dataset)[0, 236:, 236:].max() == pixels(dataset)[0, 236:, 236:].min()
    assert {finding.rule for finding in result.findings} == {"device:corner", "pixels.mode"}


def test_a_trusted_rule_replaces_looking() -> None:
    rule = DeviceRule(name="corner", match={"Modality": "CT"}, blank=((0, 0, 200, 40),), trust=True)
    result = report(clean(instance("KAUFMAN 1943"), devices=(rule,))[0])
    assert [finding.rule for finding in result.findings] == ["device:corner"]
    assert result.frames[0].method == "device:corner"


def test_a_part_of_a_place_may_be_kept() -> None:
    rule = DeviceRule(name="frame", blank=((0, 0, 0, 0),), keep=((40, 60, 100, 80), (120, 100, 20, 40)))
    mask = np.zeros((200, 256), bool)
    for box, name in known_places(instance(), PixelsPolicy(devices=(rule,)), mask.shape).boxes:
        assert name == "device:frame"
        assert not mask[box.y : box.y + box.h, box.x : box.x + box.w].any(), "hidden once"
        mask[box.y : box.y + box.h, box.x : box.x + box.w] = True
    expected = np.ones_like(mask)
    expected[60:140, 40:140] = False
    assert np.array_equal(mask, expected)


def test_a_box_that_is_none_is_refused() -> None:
    """It would hide nothing, and say nothing: corners instead of sizes, mostly."""
    with pytest.raises(ValidationError, match="width and height 0 or more"):
        DeviceRule(name="corners", blank=((10, 40, -5, 20),))


def test_a_rule_of_another_device_does_nothing() -> None:
    rule = DeviceRule(name="corner", match={"Modality": "US"}, blank=((0, 0, 0, 0),))
    assert known_places(instance(), PixelsPolicy(devices=(rule,)), (256, 256)).boxes == ()


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"Manufacturer": "ge med"}, True),
        ({"Manufacturer": "=ge medical systems"}, True),
        ({"Manufacturer": "=ge"}, False),
        ({"Manufacturer": "~ge"}, True),
        ({"Manufacturer": "~e med"}, False),
        ({"Manufacturer": "~systems"}, True),
        ({"WindowWidth": "=1"}, False),
        ({"ImageType": "SECONDARY\\SCREEN SAVE"}, True),
        ({"(6000,0022)": "graphics"}, True),
        ({"StationName": "a"}, False),
        ({"StationName": ""}, True),
        ({}, True),
    ],
)
def test_what_a_rule_says_about_a_header(match: dict[str, str], expected: bool) -> None:
    dataset = Dataset()
    dataset.Manufacturer, dataset.WindowWidth = "GE MEDICAL SYSTEMS", 1500
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    dataset.add_new(0x60000022, "LO", "Object Graphics")
    assert matches(DeviceRule(name="one", match=match), dataset, (512, 512)) is expected


def region(*numbers: int) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = numbers
    return item


def test_outside_of_ultrasound_regions() -> None:
    dataset = Dataset()
    dataset.SequenceOfUltrasoundRegions = [region(20, 30, 100, 90), region(110, 30, 150, 90)]
    mask = np.zeros((120, 160), bool)
    for box in outside_regions(dataset, mask.shape):
        mask[box.y : box.y + box.h, box.x : box.x + box.w] = True
    expected = np.ones_like(mask)
    expected[30:90, 20:100] = expected[30:90, 110:150] = False
    assert np.array_equal(mask, expected)


def test_regions_that_make_no_sense_hide_nothing() -> None:
    dataset = Dataset()
    dataset.SequenceOfUltrasoundRegions = [region(20, 30, 1000, 90)]
    assert outside_regions(dataset, (120, 160)) == []


@given(st.tuples(*[st.integers(-300, 300)] * 4), st.integers(1, 200), st.integers(1, 200))
def test_a_placed_box_lies_inside(numbers: tuple[int, int, int, int], rows: int, columns: int) -> None:
    box = placed(numbers, (rows, columns))
    if box is not None:
        assert box.x >= 0
        assert box.y >= 0
        assert box.w > 0
        assert box.h > 0
        assert box.x + box.w <= columns
        assert box.y + box.h <= rows


def test_the_rules_that_come_along_are_valid() -> None:
    path = Path(__file__).parents[3] / "configs" / "devices.yaml"
    policy = PixelsPolicy.model_validate({"devices": str(path)})
    assert len(policy.devices) > 5
    dataset = Dataset()
    dataset.Modality = "US"
    for manufacturer, places in (("GE Healthcare", 1), ("GEMS Ultrasound", 0), ("Agfa-Gevaert", 0), ("Philips", 1)):
        dataset.Manufacturer = manufacturer
        assert len(known_places(dataset, policy, (600, 800)).boxes) == places
