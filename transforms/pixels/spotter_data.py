"""Training data for ``data/spotter.onnx``: lines of text written on images without text, and the cells that they fill.

Backgrounds are first frames of files that pydicom carries and of a folder that the caller names, and patterns drawn here (noise, speckle,
lines and circles, which a network could take for letters). A family of files (one image in several encodings, slices of a series; by the
start of the name) is either for training or held out, and so is a font.
"""

from __future__ import annotations

import csv
import hashlib
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from transforms.errors import DeidError
from transforms.pixels.frames import FrameReader
from transforms.pixels.spotter_text import Writer
from transforms.pixels.triage import BORDER, CELL, CONTRAST_FLOOR, RANGE_FLOOR, Grey, _local_contrast
from transforms.pixels.views import Picture
from transforms.policy import LimitsPolicy
from transforms.types import Box

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
BUNDLED_WITH_TEXT = frozenset({"GDCMJ2K_TextGBR", "examples_jpeg2k", "examples_palette", "examples_rgb_color", "examples_ybr_color"})
MAX_BYTES = 60_000_000
MIN_SIDE = 64
CROP = 128
MARGIN = 20
"""Cut off each side of a crop when it is done, so that the contrast at its border is that of an image that goes on."""
SIDE = CROP + 2 * MARGIN
PATTERNS = 0.12
CORNERS = 0.35
NEAR = 5
"""Pixels from the edge of a frame within which many consoles begin their text."""
FILLED = 0.45
TOUCHED = 0.02
UNKNOWN = 255
Crops = tuple[NDArray[np.float16], NDArray[np.uint8]]
"""Inputs of a network (count x 128 x 128) and their cells (count x 16 x 16): 1 text, 0 none, 255 either."""
_NUMBER = re.compile(r"^\d+_(clean|image)_")
"""What `dicom-deid synth` puts before the name of the source."""
_ENCODINGS = re.compile(r"[_-]?(J2K[IR]?|JPL[LY]|JLS[LN]|RLE|UNC[IR]?|REF|LITTLE|BIG|EXPB|IMPL|2FRAME|PALETTED?|16BIT|8BIT|HTJ2K\w*)")


@dataclass(frozen=True, slots=True)
class Levels:
    """The values of an image: its 1st and 99th percentile, and the least and greatest of all."""

    low: float
    high: float
    least: float
    greatest: float

    @classmethod
    def of(cls, grey: Grey) -> Levels:
        """Of rows x columns."""
        low, high = np.percentile(grey[::3, ::3], (1, 99))
        return cls(float(low), float(high), float(grey.min()), float(max(grey.max(), grey.min() + 1)))

    @property
    def span(self) -> float:
        """The range that contrast is a share of."""
        return max(self.high - self.low, 0.05 * (self.greatest - self.least))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on a picture; not ``readable`` when it is too faint for its surroundings, which is neither text nor none.

    ``place`` is what it fills of its box; all of it without one.
    """

    box: Box
    readable: bool
    place: Grey | None = field(default=None, repr=False, compare=False)


def family(name: str) -> str:
    """What files of one image or series share: the start of the name without the words for encodings."""
    return re.split(r"[_.-]", _ENCODINGS.sub("", _NUMBER.sub("", Path(name).stem).upper()))[0][:8]


def is_held_out(name: str) -> bool:
    """Whether a family is kept from training: a quarter of them, the same on every machine."""
    return hashlib.md5(family(name).encode(), usedforsecurity=False).digest()[0] % 4 == 0


def backgrounds(*folders: Path, held_out: bool) -> dict[str, list[Grey]]:
    """Images without text, by family: those that pydicom carries and those of ``folders``; what cannot be read is left out.

    Where a folder has a ``manifest.csv`` with the columns ``relpath`` and ``burned_in_text``, only rows with ``no`` are taken; else all
    of its files have to be without text.
    """
    paths = [path for path in sorted(BUNDLED.rglob("*.dcm")) if path.stem not in BUNDLED_WITH_TEXT]
    found: dict[str, list[Grey]] = defaultdict(list)
    seen: set[bytes] = set()
    for path in [*paths, *(path for folder in folders for path in sorted(_without_text(folder)))]:
        if is_held_out(path.name) != held_out or path.stat().st_size > MAX_BYTES:
            continue
        grey = _read(path)
        if grey is None or min(grey.shape) < MIN_SIDE or not grey.max() > grey.min():
            continue
        digest = hashlib.sha256(grey.tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            found[family(path.name)].append(grey)
    return dict(found)


class Generator:
    """An endless source of pictures with text. The same seed, backgrounds, fonts and libraries give the same pictures.

    Args:
        seed: of all choices.
        images: as `backgrounds` gives them; may be empty, then all backgrounds are patterns.
        faces: font files.
    """

    def __init__(self, seed: int, images: dict[str, list[Grey]], faces: Sequence[Path]) -> None:
        self._rng = np.random.default_rng(seed)
        self._images = list(images.values())
        self._writer = Writer(self._rng, faces)

    def crops(self, count: int) -> Crops:
        """``count`` inputs of the network (count x 128 x 128) and their cells (count x 16 x 16): 1 text, 0 none, 255 either."""
        inputs = np.zeros((count, CROP, CROP), np.float16)
        cells = np.zeros((count, CROP // CELL, CROP // CELL), np.uint8)
        for index in range(count):
            inputs[index], cells[index] = self._crop()
        return inputs, cells

    def pictures(self, count: int, side: int = 256) -> Iterator[tuple[Grey, list[Line]]]:
        """``count`` pictures of ``side`` x ``side`` pixels with one to five lines on them."""
        while count:
            grey, levels = self._background(side)
            lines, _ = self._write(grey, levels)
            if lines:
                count -= 1
                yield self._degrade(grey, levels), lines

    def _crop(self) -> tuple[Grey, NDArray[np.uint8]]:
        """A part of a picture, or its corner or edge as triage looks at these: continued by copies of the last pixel."""
        rng = self._rng
        grey, levels = self._background(SIDE)
        corner = (rng.random() < 0.7, rng.random() < 0.7) if rng.random() < CORNERS else (False, False)
        lines, levels = self._write(grey, levels, corner) if rng.random() < 0.65 else ([], levels)
        grey = self._degrade(grey, levels)
        floor = max(CONTRAST_FLOOR * (levels.high - levels.low), RANGE_FLOOR * (levels.greatest - levels.least), 1e-6)
        top, left = (BORDER if edge else 0 for edge in corner)
        grey = np.asarray(cv2.copyMakeBorder(grey, top, 0, left, 0, cv2.BORDER_REPLICATE), np.float32)
        rows, columns = (slice(0, CROP) if edge else slice(MARGIN, MARGIN + CROP) for edge in corner)
        return _local_contrast(grey, floor)[rows, columns], _cells(lines, corner)

    def _background(self, side: int) -> tuple[Grey, Levels]:
        """A part of an image at some scale, or a pattern; with the values of the whole."""
        if not self._images or self._rng.random() < PATTERNS:
            grey = self._pattern(side)
            return grey, Levels.of(grey)
        images = self._images[self._rng.integers(len(self._images))]
        whole = images[self._rng.integers(len(images))]
        scale = float(self._rng.choice([1, 1, 1, 2, 2, 4, 8, 0.5, 0.7]))
        if min(whole.shape) / scale < 96:
            scale = min(1.0, min(whole.shape) / 96)
        size = int(min(side * scale, *whole.shape))
        y, x = (int(self._rng.integers(length - size + 1)) for length in whole.shape)
        grey = whole[y : y + size, x : x + size].copy()
        if scale != 1:
            target = (max(96, int(size / scale)),) * 2
            grey = np.asarray(cv2.resize(grey, target, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC), np.float32)
        while min(grey.shape) < side:
            more = [min(side - length, length - 1) for length in grey.shape]
            grey = np.asarray(cv2.copyMakeBorder(grey, 0, more[0], 0, more[1], cv2.BORDER_REFLECT_101), np.float32)
        return grey, Levels.of(whole)

    def _pattern(self, side: int) -> Grey:
        rng = self._rng
        kind = rng.integers(4)
        if kind == 0:
            grey = np.full((side, side), rng.uniform(0, 200), np.float32)
        elif kind in (1, 2):
            noise = rng.normal(0, 1, (side, side)).astype(np.float32)
            grey = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.3, 2.5)), np.float32)
            grey /= grey.std()
            if kind == 1:
                grey = grey * np.float32(rng.uniform(5, 50)) + 120
            else:  # speckle of ultrasound
                gain = cv2.resize(rng.random((5, 5)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
                grey = np.asarray(np.abs(grey) * 60 * gain, np.float32)
        else:
            grey = np.full((side, side), rng.uniform(0, 100), np.float32)
            for _ in range(rng.integers(1, 13)):
                start, end = ((int(x), int(y)) for x, y in rng.integers(0, side + 1, (2, 2)))
                value, thickness = rng.uniform(50, 255), int(rng.integers(1, 4))
                shape = rng.integers(3)
                if shape == 0:
                    cv2.line(grey, start, end, value, thickness)
                elif shape == 1:
                    cv2.circle(grey, start, int(rng.integers(3, 61)), value, thickness)
                else:
                    cv2.rectangle(grey, start, end, value, thickness)
        if rng.random() < 0.5:
            grey = grey + rng.normal(0, rng.uniform(0, 6), grey.shape).astype(np.float32)
        return grey.astype(np.float32)

    def _write(self, grey: Grey, levels: Levels, corner: tuple[bool, bool] = (False, False)) -> tuple[list[Line], Levels]:
        """Write one to five lines into ``grey``, some cut by its border; the lines, and the values with their ink.

        ``corner`` says at which edges (top, left) every second line begins.
        """
        rng, lines = self._rng, list[Line]()
        rows, columns = grey.shape
        least, greatest = levels.least, levels.greatest
        for _ in range(rng.integers(1, 6)):
            ink, place = self._writer.ink()
            height, width = ink.shape
            if not ink.size or height > 2 * rows or width > 2 * columns:
                continue
            y, x = int(rng.integers(-(height // 3), rows - height // 2)), int(rng.integers(-(width // 2), max(columns - width // 3, 1)))
            if corner[0] and rng.random() < 0.5:
                y = int(rng.integers(0, NEAR))
            if corner[1] and rng.random() < 0.5:
                x = int(rng.integers(0, NEAR))
            top, left, bottom, right = max(y, 0), max(x, 0), min(y + height, rows), min(x + width, columns)
            box = Box(left, top, right - left, bottom - top)
            if min(box.w, box.h) < 4 or any(_overlap(box, line.box) for line in lines):
                continue
            under = grey[top:bottom, left:right]
            base, noise = float(np.median(under)), float(under.std())
            kind = rng.integers(6)
            if kind == 0:  # overlays at the maximum, far above the anatomy
                value = max(greatest, base + levels.span * rng.uniform(0.3, 3))
            elif kind == 1:
                value = levels.high + rng.uniform(0, 0.3) * levels.span
            elif kind == 2:
                value = levels.low - rng.uniform(0, 0.1) * levels.span
            elif kind in (3, 4):
                value = base + rng.choice([-1, 1]) * levels.span * rng.uniform(0.08, 0.6)
            else:  # on a plain box
                base, noise = float(rng.choice([levels.low, levels.high, levels.low + 0.3 * levels.span])), 0.0
                value = levels.high if base < levels.high else levels.low
            contrast = abs(value - base)
            if contrast < 0.03 * levels.span:
                continue
            if kind == 5:
                around = int(rng.integers(1, 5))
                grey[max(0, top - around) : bottom + around, max(0, left - around) : right + around] = base
            inside = np.s_[top - y : bottom - y, left - x : right - x]
            cover = ink[inside]
            grey[top:bottom, left:right] = grey[top:bottom, left:right] * (1 - cover) + np.float32(value) * cover
            least, greatest = min(least, value), max(greatest, value)
            contrast *= float(cover.max())
            lines.append(Line(box, contrast >= max(0.08 * levels.span, 2.2 * noise), place[inside]))
        return lines, Levels(levels.low, levels.high, least, greatest)

    def _degrade(self, grey: Grey, levels: Levels) -> Grey:
        """Some pictures go through JPEG, some get noise."""
        low, high = float(grey.min()), float(grey.max())
        if self._rng.random() < 0.25 and high > low:
            _, data = cv2.imencode(".jpg", ((grey - low) / (high - low) * 255).astype(np.uint8), [1, int(self._rng.uniform(35, 95))])
            grey = np.asarray(cv2.imdecode(data, 0), np.float32) / np.float32(255) * np.float32(high - low) + np.float32(low)
        if self._rng.random() < 0.2:
            grey = grey + self._rng.normal(0, self._rng.uniform(0, 0.03) * levels.span, grey.shape).astype(np.float32)
        return grey


def _cells(lines: Sequence[Line], corner: tuple[bool, bool] = (False, False)) -> NDArray[np.uint8]:
    """What the network should say of each cell of a crop. Beyond an edge, where text is continued by streaks, it may say either."""
    areas = np.zeros((2, SIDE, SIDE), np.float32)
    for line in lines:
        box = line.box
        area = areas[int(line.readable), box.y : box.y + box.h, box.x : box.x + box.w]
        np.maximum(area, 1 if line.place is None else line.place, out=area)
    top, left = (BORDER if edge else 0 for edge in corner)
    areas = np.pad(areas, ((0, 0), (top, 0), (left, 0)), mode="edge")
    rows, columns = (slice(0, CROP) if edge else slice(MARGIN, MARGIN + CROP) for edge in corner)
    faint, text = areas[:, rows, columns].reshape(2, CROP // CELL, CELL, CROP // CELL, CELL).mean(axis=(2, 4))
    cells = np.where(text >= FILLED, 1, np.where(text + faint > TOUCHED, UNKNOWN, 0)).astype(np.uint8)
    beyond = np.zeros(cells.shape, bool)
    beyond[: top // CELL], beyond[:, : left // CELL] = True, True
    cells[beyond & (cells == 1)] = UNKNOWN
    return cells


def _overlap(one: Box, other: Box) -> bool:
    return one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h


def _without_text(folder: Path) -> list[Path]:
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return [path for path in folder.rglob("*") if path.is_file()]
    with manifest.open(encoding="utf-8") as lines:
        return [folder / row["relpath"] for row in csv.DictReader(lines) if row["burned_in_text"] == "no"]


def _read(path: Path) -> Grey | None:
    """The first frame as triage sees it, or None."""
    try:
        with warnings.catch_warnings(action="ignore"):  # malformed files are good backgrounds
            reader = FrameReader(pydicom.dcmread(path, force=True), LimitsPolicy())
            return Picture(reader.rgb(0) if reader.info.colour else reader.stored(0)).grey()
    except (DeidError, ValueError, AttributeError, KeyError, TypeError, OSError, pydicom.errors.InvalidDicomError):
        return None
