"""Frames that no decoder should meet in the worker: only their instance is lost."""

from __future__ import annotations

import os
import signal

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from transforms.errors import Code, DeidError
from transforms.pixels import isolate
from transforms.pixels.frames import FrameReader
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
