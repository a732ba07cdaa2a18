"""The files of bench_pixels: a corpus with truth, synthetic images, CT series without text, a cine with the same text in each frame."""

from __future__ import annotations

import copy
import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pydicom

from pipeline.score_truth import TextBox, read_truth
from pipeline.synth import make_archive, set_header
from pipeline.synth_images import series_of, store
from pipeline.synth_layout import burn_frames
from pipeline.synth_people import person
from pipeline.synth_phantoms import phantom


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
