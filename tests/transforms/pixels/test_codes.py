"""Codes that hold numbers: hidden in both modes; what only looks alike (rulers, gratings, wires) is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.transforms.pixels.test_cleaner import instance, pixels
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.codes import is_bars, is_qr
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy, TextPolicy
from transforms.text.detector import PiiDetector
from transforms.types import PixelReport

QUIET = 8
CODE_39 = {"*": "nwnnwnwnn", "0": "nnnwwnwnn", "1": "wnnwnnnnw", "4": "nnnwwnnnw", "7": "nnnwnnwnw", "9": "nnwwnnwnn"}
"""Narrow and wide, bars and spaces in turn (ISO/IEC 16388)."""


def qr(module: int) -> np.ndarray:
    """True where dark."""
    code = cv2.QRCodeEncoder.create().encode("MRN 4711-0815 KAUFMAN^HELENE") == 0
    return np.kron(code, np.ones((module, module), bool))


def code_39(narrow: int) -> np.ndarray:
    row: list[int] = []
    for sign in "*471940*":
        for index, width in enumerate(CODE_39[sign]):
            row += [int(index % 2 == 0)] * (narrow * (3 if width == "w" else 1))
        row += [0] * narrow
    return np.tile(np.array(row, bool), (40, 1))


def on_paper(dark: np.ndarray, light: int = 250, ink: int = 5) -> np.ndarray:
    return np.where(np.pad(dark, QUIET), ink, light).astype(np.uint8)


def placed(code: np.ndarray) -> tuple[Dataset, tuple[slice, slice]]:
    """An image with a code on a label, and where the code is."""
    dataset = instance(shape=(512, 512))
    label = on_paper(code).astype(np.uint16) * 4
    image = pixels(dataset)[0].copy()
    image[300 : 300 + label.shape[0], 40 : 40 + label.shape[1]] = label
    dataset.PixelData = image.tobytes()
    return dataset, np.s_[300 + QUIET : 300 + QUIET + code.shape[0], 40 + QUIET : 40 + QUIET + code.shape[1]]


@pytest.mark.parametrize("mode", [PixelMode.REDACT_ALL_TEXT, PixelMode.REDACT_SENSITIVE_TEXT])
@pytest.mark.parametrize("code", [qr(3), code_39(1), code_39(1).T], ids=["qr", "bars", "upright bars"])
def test_a_code_is_hidden_in_both_modes(code: np.ndarray, mode: PixelMode) -> None:
    dataset, place = placed(code)
    pii = PiiDetector(TextPolicy())
    (report,) = PixelCleaner(PixelsPolicy(mode=mode), LimitsPolicy(), pii).clean([(dataset, pii.known([dataset]))])
    assert isinstance(report, PixelReport)
    assert report.changed_frames == (0,)
    assert np.ptp(pixels(dataset)[0][place]) == 0


@pytest.mark.parametrize("module", [2, 3, 5])
@pytest.mark.parametrize("inverse", [False, True])
def test_qr_codes_of_any_polarity(module: int, inverse: bool) -> None:
    levels = on_paper(qr(module))
    assert is_qr(255 - levels if inverse else levels)


@pytest.mark.parametrize("narrow", [1, 2, 3])
def test_bar_codes_in_noise(narrow: int) -> None:
    noise = np.random.default_rng(4).normal(0, 12, on_paper(code_39(narrow)).shape)
    assert is_bars(np.clip(on_paper(code_39(narrow)) + noise, 0, 255).astype(np.uint8))


def ruler(step: int) -> np.ndarray:
    image = np.zeros((24, 40 * step), np.uint8)
    for index, column in enumerate(range(0, image.shape[1], step)):
        image[24 - (20 if index % 10 == 0 else 12) :, column] = 220
    return image


def grating(period: int) -> np.ndarray:
    return np.tile((np.arange(60 * period) // period % 2 * 200).astype(np.uint8), (40, 1))


def wire(seed: int) -> np.ndarray:
    image = np.zeros((120, 120), np.uint8)
    course = np.cumsum(np.random.default_rng(seed).normal(0, 6, (80, 2)), axis=0) + 60
    return np.asarray(cv2.polylines(image, [course.astype(np.int32)], False, (220,), 2), np.uint8)


def tissue(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (96, 160)).astype(np.float32)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "levels",
    [*(ruler(step) for step in (3, 5, 9)), *(grating(period) for period in (1, 2, 5)), *map(wire, range(4)), *map(tissue, range(4))],
)
def test_what_looks_alike_is_no_code(levels: np.ndarray) -> None:
    assert not is_bars(levels)
    assert not is_qr(levels)
