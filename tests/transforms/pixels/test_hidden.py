"""What hides beside the image goes, and the image stays."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from tests.transforms.pixels.images import instance
from transforms.pixels import hidden
from transforms.pixels.frames import FrameReader
from transforms.policy import LimitsPolicy

LIMITS = LimitsPolicy()


def rules(ds: Dataset) -> list[str]:
    return [finding.rule for finding in hidden.strip(ds, LIMITS)]


def test_a_plain_image_stays_as_it_is() -> None:
    ds = instance(np.arange(99, dtype=np.uint16).reshape(1, 9, 11), stored=12)
    value = ds.PixelData
    assert rules(ds) == []
    assert ds.PixelData is value


def test_nested_pixels_and_icons_go_at_any_depth() -> None:
    ds, item, deep = instance(np.zeros((1, 9, 11), np.uint8)), Dataset(), Dataset()
    deep.PixelData = b"\0\0"
    item.IconImageSequence = [deep]
    item.CodeMeaning = "stays"
    holder = Dataset()
    holder.FloatPixelData = b"\0" * 4
    ds.ReferencedImageSequence = [item]
    ds.SourceImageSequence = [holder]
    paths = {finding.tag_path for finding in hidden.strip(ds, LIMITS)}
    assert paths == {"ReferencedImageSequence[0].IconImageSequence", "SourceImageSequence"}
    assert ds.ReferencedImageSequence[0].CodeMeaning == "stays"
    assert "SourceImageSequence" not in ds


def test_bytes_behind_the_last_frame_go() -> None:
    frames = np.ones((2, 3, 3), np.uint8)
    ds = instance(frames)
    ds.PixelData += b"\0\0"
    assert rules(ds) == []
    ds.PixelData += bytes(frames[0].tobytes()) * 2
    assert rules(ds) == ["bytes behind the last frame"]
    assert ds.PixelData == frames.tobytes()


def test_swapped_words_keep_their_last_sample() -> None:
    ds = instance(np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3), syntax=ExplicitVRBigEndian)
    ds.PixelData = np.frombuffer(bytes(range(1, 10)) + b"\0", "<u2").byteswap().tobytes()
    ds["PixelData"].VR = "OW"
    assert rules(ds) == []
    assert FrameReader(ds, LimitsPolicy()).stored(0).reshape(-1).tolist() == list(range(1, 10))


def test_an_overlay_above_the_samples_goes() -> None:
    frames = np.array([[[0x1FFF, 0x0123], [0x8000, 7]]], np.uint16)
    ds = instance(frames, stored=12)
    assert rules(ds) == ["bits above the samples"]
    assert np.frombuffer(ds.PixelData, "<u2").tolist() == [0xFFF, 0x123, 0, 7]


def test_signs_are_no_overlay() -> None:
    ds = instance(np.array([[[-5, 3], [-2048, 2047]]], np.int16), stored=12)
    assert rules(ds) == []
    ds.PixelData = np.array([0xFFFB, 0x1003, 0x0800, 0x07FF], "<u2").tobytes()
    assert rules(ds) == ["bits above the samples"]
    assert np.frombuffer(ds.PixelData, "<i2").tolist() == [-5, 3, -2048, 2047]


def test_overlay_planes_go() -> None:
    ds = instance(np.zeros((1, 70, 75), np.uint8))
    for element, vr, value in ((0x10, "US", 61), (0x11, "US", 67), (0x22, "LO", "a name"), (0x50, "SS", [3, 4]), (0x100, "US", 1)):
        ds.add_new(0x601E0000 | element, vr, value)
    ds.add_new(0x601E3000, "OB", b"\xff" * 512)
    assert [finding.tag_path for finding in hidden.strip(ds, LIMITS)] == ["(601E,3000)"]
    assert 0x601E0022 not in ds
