"""Fonts: text in, coverage out. Only fonts that libraries carry are needed; those of the system join in when asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Coverage = NDArray[np.float32]
"""(rows, cols), 0 where the background shows and 1 where the ink covers all."""

VISIBLE = 0.25
"""Pixels covered by at least this much count as visible ink."""

BUNDLED = ("cv-sans", "cv-bold", "cv-italic", "pil-outline", "pil-bitmap")
SYSTEM_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
_PEN = 4


def available(*, system: bool = False) -> tuple[str, ...]:
    """Names that `render` knows on this machine. System fonts make the result depend on the machine, so they are left out by default."""
    return BUNDLED + (_system_fonts() if system else ())


def render(text: str, size: int, font: str) -> tuple[Coverage, int]:
    """Draw one line and trim it to its visible ink.

    Args:
        text: one line; characters that the font lacks are drawn with one that has them.
        size: height of a capital letter in pixels, about.
        font: a name from `available`.

    Returns:
        Coverage trimmed to the ink, (0, 0) when nothing was drawn; and how many of its rows lie below the base line (negative: it hovers).
    """
    font = _able(text, font)
    full = _renderer(font)(text, size)
    rows, cols = np.where(full.max(axis=1) >= VISIBLE)[0], np.where(full.max(axis=0) >= VISIBLE)[0]
    if not len(rows):
        return np.zeros((0, 0), np.float32), 0
    return full[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1], int(rows[-1]) - _base_line(font, size)


def turn(coverage: Coverage, degrees: float) -> Coverage:
    """Turn counter-clockwise; quarter turns exactly, other angles with interpolation."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(coverage, int(degrees // 90) % 4))
    turned = Image.fromarray(np.round(coverage * 255).astype(np.uint8)).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(turned, np.float32) / np.float32(255)


def _able(text: str, font: str) -> str:
    """``font``, or one that has the characters of ``text``."""
    if text.isascii() or not font.startswith(("cv-", "pil-")):
        return font
    return "cv-sans" if all(ord(char) < 0x250 for char in text) and hasattr(cv2, "FontFace") else "cv-wide"


@functools.cache
def _base_line(font: str, size: int) -> int:
    """Last row of a letter without descender, on the canvas that the font draws on."""
    return int(np.where(_renderer(font)("H", size).max(axis=1) >= VISIBLE)[0][-1])


@functools.cache
def _renderer(font: str) -> Callable[[str, int], Coverage]:
    if font == "pil-bitmap":
        return _bitmap
    if font == "pil-outline":
        return lambda text, size: _pillow(text, ImageFont.load_default(size=round(size * 1.4)))
    if font.startswith("cv-"):
        return functools.partial(_opencv, font)
    return lambda text, size: _pillow(text, ImageFont.truetype(font, round(size * 1.4)))


def _pillow(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Coverage:
    _, _, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (int(right) + 2 * _PEN, int(bottom) + 2 * _PEN))
    ImageDraw.Draw(canvas).text((_PEN, _PEN), text, fill=255, font=font)
    return np.asarray(canvas, np.float32) / np.float32(255)


def _bitmap(text: str, size: int) -> Coverage:
    """The 6 x 11 bitmap font, whose capitals are 7 pixels high, enlarged by whole numbers as old consoles do."""
    small = _pillow(text, ImageFont.load_default_imagefont())
    times = max(1, round(size / 7))
    return np.kron(small, np.ones((times, times), np.float32))


def _opencv(font: str, text: str, size: int) -> Coverage:
    """OpenCV's own text: outline faces from version 5 on, Hershey strokes before."""
    canvas = np.zeros((size * 4, size * (len(text) + 2) * 2), np.uint8)
    origin = (size, size * 3)
    if hasattr(cv2, "FontFace"):
        faces = {"cv-sans": ("sans", 400), "cv-bold": ("sans", 800), "cv-italic": ("italic", 400), "cv-wide": ("uni", 400)}
        face, weight = faces[font]
        cv2.putText(canvas, text, origin, (255,), cv2.FontFace(face), round(size * 1.4), weight)
    else:
        style = cv2.FONT_HERSHEY_COMPLEX if font == "cv-italic" else cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, origin, style, size / 21, (255,), 2 if font == "cv-bold" else 1, cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255)


@functools.cache
def _system_fonts() -> tuple[str, ...]:
    """TrueType files of the machine that can draw plain letters, by path."""
    found = []
    for folder in SYSTEM_FOLDERS:
        for path in sorted(Path(folder).rglob("*.ttf")) if Path(folder).is_dir() else ():
            try:
                face = ImageFont.truetype(str(path), 20)
            except OSError:
                continue
            if face.getbbox("Wg0")[2] > 20 and bytes(face.getmask("A")) != bytes(face.getmask("\uffff")):
                found.append(str(path))
    return tuple(found)
