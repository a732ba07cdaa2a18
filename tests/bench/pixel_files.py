"""The files of bench_pixels: a corpus with truth, synthetic images, other clean images, CT series without text, a cine of static text."""

from __future__ import annotations

import copy
import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from pipeline.score_truth import TextBox, read_truth
from pipeline.synth import make_archive, set_header
from pipeline.synth_images import series_of, store
from pipeline.synth_layout import burn_frames
from pipeline.synth_people import person
from pipeline.synth_phantoms import phantom
from tests.bench.clean_kinds import clean_plane
from transforms.errors import DeidError
from transforms.pixels.frames import FrameReader
from transforms.policy import LimitsPolicy


@dataclass(frozen=True)
class File:
    """An image with its truth; ``kind`` is ``real`` or ``synthetic``. No boxes: it is known to hold no text."""

    kind: str
    path: Path
    boxes: tuple[TextBox, ...]


def corpus_files(folder: Path, clean: int, seed: int, *, all_encodings: bool) -> Iterator[File]:
    """Every distinct image with legible text (once, not in each of its encodings), and a sample of those without text."""
    truth = read_truth(folder / "burned_in_truth.json")
    texts = json.loads((folder / "burned_in_truth.json").read_text("utf-8"))
    seen, without = set(), []
    with (folder / "manifest.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name = row["relpath"]
            boxes = tuple(box for box in truth.get(name, ()) if not box.plane)
            if row["decodes"] == "yes" and any(box.legible == "yes" for box in boxes):
                content = frozenset((box["text"], box["x"], box["y"]) for box in texts[name]["boxes"])
                if all_encodings or content not in seen:
                    yield File("real", folder / name, boxes)
                seen.add(content)
            elif row["decodes"] == "yes" and row["burned_in_text"] == "no":
                without.append(File("real", folder / name, ()))
    yield from random.Random(seed).sample(without, min(clean, len(without)))


def synth_files(folder: Path, count: int, clean: int, seed: int) -> Iterator[File]:
    truth = read_truth(make_archive(None, folder, count=count, clean=clean, seed=seed))
    for name, boxes in truth.items():
        yield File("synthetic", folder / "dicom" / name, tuple(box for box in boxes if not box.plane))


def drawn_images(count: int, seed: int) -> Iterator[pydicom.Dataset]:
    """Images of `clean_kinds`, each kind in turn."""
    for number in range(count):
        yield _image(clean_plane(number, seed), "MONOCHROME2")


def altered_images(folder: Path, count: int, seed: int) -> Iterator[pydicom.Dataset]:
    """First frames of the corpus's images without text, altered so that nobody has seen them, and without text as before."""
    noise, limits, made = np.random.default_rng(seed), LimitsPolicy(), 0
    for file in corpus_files(folder, 1 << 20, seed, all_encodings=False):
        if file.boxes or made == count:
            continue
        try:
            dataset = pydicom.dcmread(file.path)
            reader = FrameReader(dataset, limits)
            plane = reader.rgb(0) if reader.info.colour else reader.stored(0)
        except (DeidError, ValueError, AttributeError):  # what cannot be read is for other tests
            continue
        if min(plane.shape[:2]) >= SMALLEST and plane.dtype.itemsize <= 2 and plane.max() > 1:
            made += 1
            yield _image(ALTERATIONS[int(noise.integers(len(ALTERATIONS)))](plane, noise), reader.info.photometric)


def _image(plane: NDArray[Any], photometric: str) -> pydicom.Dataset:
    """A secondary capture of one plane: rows x columns, or rows x columns x 3 of RGB."""
    dataset, _ = phantom("form", random.Random(0))
    dataset.SamplesPerPixel = 3 if plane.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if plane.ndim == 3 else "MONOCHROME1" if photometric == "MONOCHROME1" else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * plane.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(plane.dtype.kind == "i")
    store(dataset, plane[None])
    return dataset


def _rotated(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    rows, columns = plane.shape[:2]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(noise.uniform(-180, 180)), 1.0)
    border = [float(value) for value in np.atleast_1d(np.median(plane.reshape(-1, *plane.shape[2:]), axis=0))]
    turned = cv2.warpAffine(plane.astype(np.float32), turn, (columns, rows), borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    return np.rint(turned).astype(plane.dtype)


def _inverted(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    return np.ascontiguousarray(plane.max() - (plane - plane.min()))[:, :: int(noise.choice((-1, 1)))]


def _cropped(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    rows, columns = plane.shape[:2]
    top, left = int(noise.integers(0, rows // 3)), int(noise.integers(0, columns // 3))
    return plane[top : top + rows * 2 // 3, left : left + columns * 2 // 3]


def _zoomed(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    part = _cropped(plane, noise).astype(np.float32)
    larger = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.rint(np.clip(larger, part.min(), part.max())).astype(plane.dtype)


def _noisy(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    low, high = float(plane.min()), float(plane.max())
    grain = noise.normal(0, (high - low) * noise.uniform(0.005, 0.04), plane.shape)
    return np.rint(np.clip(plane + grain, low, high)).astype(plane.dtype)


def _brightened(plane: NDArray[Any], noise: np.random.Generator) -> NDArray[Any]:
    low, high = float(plane.min()), float(plane.max())
    share = (plane - np.float32(low)) / np.float32(max(high - low, 1))
    return np.rint(low + share ** noise.choice((0.4, 0.6, 1.7, 2.5)) * (high - low)).astype(plane.dtype)


ALTERATIONS: tuple[Callable[[NDArray[Any], np.random.Generator], NDArray[Any]], ...] = (
    _rotated,
    _inverted,
    _cropped,
    _zoomed,
    _noisy,
    _brightened,
)
SMALLEST = 64
"""Pixels of a side: smaller images have no room for text, and less of it cropped."""


def ct_series(slices: int, seed: int, *, metal: bool) -> list[pydicom.Dataset]:
    """A 512 x 512 series without text; with metal, teeth of the highest values and streaks that radiate from them."""
    rng = random.Random(seed)
    dataset, frames = phantom("padded-ct", rng)
    volume = series_of(frames[0], slices, rng)
    if metal:
        noise = np.random.default_rng(seed)
        for image in volume:
            for column in (190, 215, 290, 320):
                centre = (column + int(noise.integers(-2, 3)), 200 + int(noise.integers(-2, 3)))
                for angle in noise.uniform(0, 2 * np.pi, 10):
                    end = (round(centre[0] + 130 * np.cos(angle)), round(centre[1] + 130 * np.sin(angle)))
                    cv2.line(image, centre, end, int(noise.choice((-900, 1800))), 2)
                cv2.ellipse(image, centre, (9, 6), 0, 0, 360, 3071, -1)
    set_header(dataset, person(rng), rng)
    found = []
    for number in range(slices):
        one = copy.deepcopy(dataset)
        store(one, volume[number : number + 1])
        one.InstanceNumber = number + 1
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"2.25.{rng.getrandbits(120)}"
        found.append(one)
    return found


def cine(frames: int, seed: int) -> tuple[pydicom.Dataset, tuple[TextBox, ...]]:
    """A gray ultrasound cine of 480 x 640 that moves under text which stays; and the truth about it."""
    rng = random.Random(seed)
    dataset, image = phantom("ultrasound", rng)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    moving = series_of(np.ascontiguousarray(image[0, 60:540, 80:720, 0]), frames, rng)
    who = person(rng)
    for number in range(frames):
        truth = burn_frames(dataset, moving[number : number + 1], who, random.Random(seed))
    store(dataset, moving)
    set_header(dataset, who, rng)
    boxes = (TextBox(box.x, box.y, box.w, box.h, box.is_phi, box.entity_type) for box in truth.boxes)
    return dataset, tuple(replace(box, frames=frames, ink=ink) for box, ink in zip(boxes, truth.ink, strict=True))
