"""Invented images of the kinds that are not among the real ones at hand: large gray radiographs, padded CT, captured screens, forms."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset as PydicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from transforms.types import Dataset

Plane = NDArray[np.float64]


def phantom(kind: str, rng: random.Random) -> tuple[Dataset, NDArray[Any]]:
    """A data set without pixels, and its frames; ``kind`` is a key of `PHANTOMS`."""
    return PHANTOMS[kind](np.random.default_rng(rng.getrandbits(64)))


def _body(noise: np.random.Generator, rows: int, columns: int) -> Plane:
    """Smooth anatomy between 0 and 1: soft blobs inside an oval, a few bright lines, fine noise."""
    small = noise.random((rows // 40 + 3, columns // 40 + 3))
    soft = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    oval = np.clip((1 - (x / 0.8) ** 2 - (y / 0.92) ** 2) * 4, 0, 1)
    bones = np.zeros((rows, columns))
    for _ in range(6):
        start, end = (tuple(int(part) for part in noise.integers((columns, rows))) for _ in range(2))
        cv2.line(bones, start, end, 0.35, max(2, columns // 60))
    plane = oval * (0.25 + 0.45 * soft + cv2.GaussianBlur(bones, (0, 0), columns / 200))
    return np.asarray(np.clip(plane + noise.normal(0, 0.01, plane.shape) * oval, 0, 1))


def _dataset(sop_class: UID, modality: str, bits: int, stored: int, photometric: str, *, signed: bool = False) -> Dataset:
    dataset = PydicomDataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.Modality = modality
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel = 3 if photometric == "RGB" else 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, stored, stored - 1
    dataset.PixelRepresentation = int(signed)
    return dataset


def _radiograph(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    """MONOCHROME1: what is stored high is shown dark, so the unexposed ground is stored high."""
    dataset = _dataset(ComputedRadiographyImageStorage, "CR", 16, 12, "MONOCHROME1")
    return dataset, np.rint(4000 * (1 - _body(noise, 1200, 1000))).astype(np.uint16)[None]


def _mammogram(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    dataset = _dataset(DigitalMammographyXRayImageStorageForPresentation, "MG", 16, 14, "MONOCHROME2")
    plane = np.roll(_body(noise, 1800, 1400), -700, axis=1)
    plane[:, 700:] = 0
    return dataset, np.rint(9000 * plane).astype(np.uint16)[None]


def _ultrasound(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    dataset = _dataset(UltrasoundImageStorage, "US", 8, 8, "RGB")
    rows, columns = 600, 800
    y, x = np.mgrid[0:rows, 0:columns]
    angle, depth = np.arctan2(x - columns / 2, y + 60), np.hypot(x - columns / 2, y + 60)
    sector = (np.abs(angle) < 0.65) & (depth > 130) & (depth < 560)
    speckle = cv2.GaussianBlur(noise.rayleigh(0.35, (rows, columns)), (0, 0), 1.2) * sector
    gray = np.clip(speckle * np.exp(-depth / 700) * 255, 0, 255)
    return dataset, np.repeat(np.rint(gray).astype(np.uint8)[..., None], 3, axis=-1)[None]


def _padded_ct(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    """Signed Hounsfield units with padding far below air outside the circle."""
    dataset = _dataset(CTImageStorage, "CT", 16, 16, "MONOCHROME2", signed=True)
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    plane = np.rint(_body(noise, 512, 512) * 1400 - 1000)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    plane[x**2 + y**2 > 1] = -2000
    return dataset, plane.astype(np.int16)[None]


def _captured_ct(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    """Eight bits of content in sixteen, under the window of the original: shown by its header it is nearly blank."""
    dataset = _dataset(SecondaryCaptureImageStorage, "CT", 16, 16, "MONOCHROME2")
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    return dataset, np.rint(_body(noise, 512, 512) * 220).astype(np.uint16)[None]


def _small_mr(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    dataset = _dataset(MRImageStorage, "MR", 16, 12, "MONOCHROME2")
    return dataset, np.rint(_body(noise, 256, 256) * 1100).astype(np.uint16)[None]


def _form(noise: np.random.Generator) -> tuple[Dataset, NDArray[Any]]:
    """A scanned sheet: dark on bright."""
    dataset = _dataset(SecondaryCaptureImageStorage, "OT", 8, 8, "MONOCHROME2")
    page = np.clip(noise.normal(243, 2, (1100, 850)), 0, 255)
    page[520:523, 60:790] = 60
    page[640:643, 60:790] = 60
    page[520:643, 60:63] = page[520:643, 787:790] = 60
    return dataset, np.rint(page).astype(np.uint8)[None]


PHANTOMS: dict[str, Callable[[np.random.Generator], tuple[Dataset, NDArray[Any]]]] = {
    "radiograph": _radiograph,
    "mammogram": _mammogram,
    "ultrasound": _ultrasound,
    "padded-ct": _padded_ct,
    "captured-ct": _captured_ct,
    "small-mr": _small_mr,
    "form": _form,
}
