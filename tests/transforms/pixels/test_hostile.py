"""Damaged pixel data in every syntax that can be made here: an instance is quarantined with a code, or comes out whole and masked."""

from __future__ import annotations

import io
import time

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGExtended12Bit

from tests.transforms.pixels.images import instance
from transforms.errors import Code, DeidError
from transforms.pixels import codecs
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.policy import LimitsPolicy, PixelsPolicy
from transforms.types import PixelReport

LIMITS = LimitsPolicy(decode_seconds=5)
JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
SYNTAXES = sorted({ExplicitVRLittleEndian, *codecs.LOSSLESS_ENCODERS, *JPEG})
VARIANTS = 12
FLAT = 40
"""Levels between the darkest and the brightest pixel of a masked box: what a blanked block of a coarse JPEG may have, and no text has."""


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    y, x = np.mgrid[:96, :128]
    image = (60 + 30 * np.sin(x / 25) + 20 * np.cos(y / 19)).astype(np.uint8)
    cv2.putText(image, "KAUFMAN 1943", (6, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,), 1, cv2.LINE_AA)
    return image


def made(picture: np.ndarray, syntax: str) -> Dataset:
    ds = instance(picture[None], syntax=syntax)
    info = pixel_info(ds)
    assert info is not None
    if syntax in JPEG:
        target = io.BytesIO()
        Image.fromarray(picture).save(target, "JPEG", quality=92)
        ds.PixelData = encapsulate([target.getvalue() + b"\0" * (target.tell() % 2)])
    elif syntax != ExplicitVRLittleEndian:
        ds.PixelData = encapsulate([codecs.encode(picture, info, None, syntax)])
    return ds


def damaged(value: bytes, random: np.random.Generator) -> bytes:
    """Some bytes of a frame, or of what is around it, are others, or missing."""
    data = bytearray(value)
    for _ in range(random.integers(1, 4)):
        position, length = int(random.integers(len(data))), int(random.integers(1, 8))
        data[position : position + length] = random.bytes(length) if random.random() < 0.8 else b""
    return bytes(data) + b"\0" * (len(data) % 2)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_damage_ends_in_a_code_or_in_a_masked_image(syntax: str, picture: np.ndarray) -> None:
    random = np.random.default_rng(11)
    cleaner = PixelCleaner(PixelsPolicy(), LIMITS, None)
    value = made(picture, syntax).PixelData
    started = time.monotonic()
    for _ in range(VARIANTS):
        ds = made(picture, syntax)
        ds.PixelData = damaged(value, random)
        (result,) = cleaner.clean([(ds, None)])
        if isinstance(result, DeidError):
            assert result.code is not Code.INTERNAL
            continue
        assert isinstance(result, PixelReport)
        frame = FrameReader(ds, LIMITS).rgb(0)
        for finding in result.findings:
            if (box := finding.box) is not None:
                assert np.ptp(frame[box.y : box.y + box.h, box.x : box.x + box.w].astype(int)) <= FLAT
    assert time.monotonic() - started < VARIANTS * 2 * LIMITS.decode_seconds
