"""Frames that no decoder should meet in the worker: only their instance is lost."""

from __future__ import annotations

import io
import os
import signal

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from tests.transforms.pixels.images import instance
from transforms.errors import Code, DeidError
from transforms.pixels import codecs, isolate
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.policy import LimitsPolicy

LIMITS = LimitsPolicy()


@pytest.fixture
def reader() -> FrameReader:
    return FrameReader(pydicom.dcmread(get_testdata_file("MR_small_jp2klossless.dcm")), LIMITS)


def test_the_child_decodes_as_the_worker_does_and_stays(reader: FrameReader) -> None:
    apart = isolate.decode_apart(reader.encoded(0), reader.info, LIMITS)
    child = isolate._Child._current
    assert np.array_equal(apart, reader.coded(0).view(apart.dtype))
    isolate.decode_apart(reader.encoded(0), reader.info, LIMITS)
    assert isolate._Child._current is child


def test_overrunning_its_time_kills_the_child(reader: FrameReader) -> None:
    isolate.decode_apart(reader.encoded(0), reader.info, LIMITS)
    child = isolate._Child._current
    assert child is not None
    os.kill(child._process.pid, signal.SIGSTOP)
    with pytest.raises(DeidError) as error:
        isolate.decode_apart(reader.encoded(0), reader.info, LimitsPolicy(decode_seconds=0.05))
    assert error.value.code is Code.PIXELS_TIMEOUT
    assert child._process.poll() is not None


def test_a_dead_child_is_replaced(reader: FrameReader) -> None:
    isolate.decode_apart(reader.encoded(0), reader.info, LIMITS)
    child = isolate._Child._current
    assert child is not None
    os.kill(child._process.pid, signal.SIGKILL)
    child._process.wait()
    assert isolate.decode_apart(reader.encoded(0), reader.info, LIMITS).shape == reader.info.shape


@pytest.mark.parametrize(
    "name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "JPEGLSNearLossless_08.dcm", "SC_rgb_small_odd_jpeg.dcm"]
)
def test_damaged_frames_end_as_errors_of_ours(name: str) -> None:
    ds = pydicom.dcmread(get_testdata_file(name))
    frame = bytearray(FrameReader(ds, LIMITS).encoded(0))
    random = np.random.default_rng(7)
    for _ in range(12):
        damaged = bytearray(frame)
        for position in random.integers(0, len(frame), 6):
            damaged[position] = random.integers(256)
        ds.PixelData = encapsulate([bytes(damaged[: random.integers(len(frame) // 2, len(frame))])])
        try:
            FrameReader(ds, LIMITS).stored(0)
        except DeidError as error:
            assert error.code in (Code.PIXELS_UNDECODABLE, Code.PIXELS_INCONSISTENT, Code.PIXELS_UNSUPPORTED)  # noqa: PT017


def progressive(scans: int) -> pydicom.Dataset:
    """A progressive JPEG, as careless writers put it into a transfer syntax that has none; and ``scans`` empty scans more."""
    rows, columns = (2000, 2000) if scans else (48, 64)
    picture = np.tile(np.linspace(0, 255, columns).astype(np.uint8)[:, None] * np.array([1, 0.5, 0.2]), (rows, 1, 1)).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "JPEG", quality=95, progressive=True)
    data = target.getvalue()
    scan = data[data.rfind(b"\xff\xda") : -2]
    stream = data[:-2] + scan[:10] * scans + data[-2:]
    ds = instance(picture[None], "YBR_FULL", syntax=JPEGBaseline8Bit)
    ds.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2)])
    return ds


def test_a_progressive_image_keeps_its_colours() -> None:
    assert np.abs(FrameReader(progressive(0), LIMITS).rgb(0)[5, 60].astype(int) - (240, 120, 48)).max() < 12


def test_scans_without_end_overrun_their_time() -> None:
    with pytest.raises(DeidError) as error:
        FrameReader(progressive(20_000), LimitsPolicy(decode_seconds=2)).rgb(0)
    assert error.value.code is Code.PIXELS_TIMEOUT


def test_precincts_without_end_are_made_in_the_child() -> None:
    """A hundred bytes that would take some gigabytes of a worker's memory."""
    ds = instance(np.zeros((1, 1500, 1500), np.uint8), syntax=JPEG2000Lossless)
    info = pixel_info(ds)
    assert info is not None
    data = codecs.encode(np.zeros((1500, 1500), np.uint8), info, None, JPEG2000Lossless)
    start = data.index(b"\xff\x52")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    style = bytearray(data[start : start + 2 + length])
    style[4] |= 1
    style += bytes([0x11] * (style[9] + 1))
    style[2:4] = (len(style) - 2).to_bytes(2, "big")
    data = data[:start] + bytes(style) + data[start + 2 + length :]
    ds.PixelData = encapsulate([data + b"\0" * (len(data) % 2)])
    with pytest.raises(DeidError) as error:
        FrameReader(ds, LimitsPolicy(decode_seconds=1)).stored(0)
    assert error.value.code in (Code.PIXELS_TIMEOUT, Code.PIXELS_UNDECODABLE)
