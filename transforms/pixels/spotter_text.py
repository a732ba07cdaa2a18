"""Lines of text as training data of the spotter needs them: random characters of many scripts, drawn with the fonts of the machine."""

from __future__ import annotations

import functools
import hashlib
import re
import string
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Ink = NDArray[np.float32]
"""Rows x columns: 0 where the background shows, 1 where the ink covers all of it."""

FONT_FOLDER = Path("/usr/share/fonts")
FONT_TYPES = frozenset({".ttf", ".otf", ".ttc"})
NOT_LETTERS = ("Symbol", "Dingbat", "D050000L", "Z003", "Emoji", "Math", "Music", "DroidSansFallback", "Display", "Condensed")
HERSHEY = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_COMPLEX_SMALL)
WORDS = (
    "NAME DOB MRN ID SEX HOSPITAL Patient Birth Acc Dr kV mAs TIS MI FR GAIN cm mm R L supine AP PORTABLE Smith Jones Anna Müller GARCIA"
)
SIZES = (9, 10, 10, 11, 12, 13, 14, 16, 18, 20, 24, 28)
"""Heights of the em in pixels: capitals of 7 to 20 pixels, what one level of the pyramid is for."""
DENSE_SIZES = SIZES[3:]
"""Of scripts whose signs are as high as the em and need its pixels."""
LATIN = "Latin"
LATIN_SHARE = 0.55
MARKS = 0.12
STROKES = 0.2


def signs(first: int, last: int, extra: str = "") -> str:
    """The characters from one code point to another that are letters, and some more."""
    return "".join(char for char in map(chr, range(first, last + 1)) if char.isalpha()) + extra


SCRIPTS = {
    "Cyrillic": signs(0x0410, 0x044F),
    "Greek": signs(0x0391, 0x03C9),
    "Han": signs(0x4E00, 0x9FA5),
    "HanNames": "王李林何高周朱徐孫田中山小川木村佐藤伊東大女男年月日生名姓病科床本三井上子英国明秀文建平",
    "Kana": signs(0x3041, 0x3093) + signs(0x30A1, 0x30F6),
    "Hangul": signs(0xAC00, 0xD7A3),
    "Arabic": signs(0x0621, 0x063A) + signs(0x0641, 0x064A),
    "Hebrew": signs(0x05D0, 0x05EA),
    "Thai": signs(0x0E01, 0x0E2E, "ะาิีุูเแโ"),
    "Devanagari": signs(0x0905, 0x0939, "ािीुूेो"),
}
"""Scripts beside Latin, with the characters that random words of them are made of."""
DENSE = frozenset({"Han", "HanNames", "Kana", "Hangul", "Thai", "Devanagari", "Arabic"})


def fonts(folder: Path = FONT_FOLDER, *, held_out: bool) -> list[Path]:
    """Every fourth family of fonts below ``folder`` is held out, the same on every machine; none where there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_TYPES)
    return [path for path in found if not any(word in path.name for word in NOT_LETTERS) and is_held_out(path) == held_out]


def is_held_out(font: Path) -> bool:
    """Whether a family of fonts is kept from training: by the name up to the first hyphen, without words for weights."""
    family = re.sub("(Bold|Italic|Oblique|Light|Colou?red)+$", "", font.stem.split("-")[0])
    return hashlib.md5(family.encode(), usedforsecurity=False).digest()[0] % 4 == 0


class Writer:
    """Draws lines of random text.

    Args:
        rng: of all choices.
        faces: font files. Without one that has a script, this script does not occur; Latin is then drawn with what libraries carry.
    """

    def __init__(self, rng: np.random.Generator, faces: Sequence[Path]) -> None:
        self._rng = rng
        known = {script: [face for face in faces if has(face, sample)] for script, sample in {LATIN: "AgR", **SCRIPTS}.items()}
        self._latin = known.pop(LATIN)
        self._others = {script: able for script, able in known.items() if able}

    def ink(self) -> tuple[Ink, Ink]:
        """The coverage of a line, trimmed to its ink, and the place of the line; some are upright, a few tilted or blurred.

        The place is 1 all over, but for a tilted line, which fills only a part of its box. Both are empty when nothing was drawn.
        """
        rng, script = self._rng, LATIN
        if self._others and rng.random() >= LATIN_SHARE:
            script = str(rng.choice(list(self._others)))
        size = int(rng.choice(DENSE_SIZES if script in DENSE else SIZES))
        if script == LATIN:
            text = self._text()
            ink = _strokes(rng, text, size) if rng.random() < STROKES else self._outlines(text, size, self._latin)
        else:
            ink = self._outlines(self._foreign(script), size, self._others[script])
        rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
        if not len(rows):
            return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
        ink = np.rot90(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], rng.choice([0] * 8 + [1, 2, 3]))
        place = np.full_like(ink, 255)
        if rng.random() < 0.12:
            angle = rng.uniform(-20, 20)
            ink, place = (np.asarray(Image.fromarray(part).rotate(angle, Image.Resampling.BILINEAR, expand=True)) for part in (ink, place))
        cover = ink.astype(np.float32) / np.float32(255)
        if rng.random() < 0.3:
            cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 0.4 + size / 40)), np.float32)
        return cover, (place >= 128).astype(np.float32)

    def _outlines(self, text: str, size: int, faces: Sequence[Path]) -> NDArray[np.uint8]:
        rng = self._rng
        face = _face(faces[int(rng.integers(len(faces)))], size) if faces else ImageFont.load_default(size)
        left, top, right, bottom = (round(edge) for edge in face.getbbox(text))
        canvas = Image.new("1" if rng.random() < 0.35 else "L", (max(right - left, 1) + 2, max(bottom - top, 1) + 2), 0)
        ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, font=face, fill=255)
        return np.asarray(canvas.convert("L"), np.uint8)

    def _foreign(self, script: str) -> str:
        """One to three words; sometimes a number or a Latin label beside them."""
        rng, pool = self._rng, list(SCRIPTS[script])
        shortest, longest = (1, 5) if script in DENSE else (2, 10)
        words = ["".join(rng.choice(pool, rng.integers(shortest, longest))) for _ in range(rng.integers(1, 4))]
        if rng.random() < 0.2:
            words.insert(int(rng.integers(2)) * len(words), str(rng.integers(10, 10_000_000)))
        return " ".join(words)

    def _text(self) -> str:
        rng = self._rng
        if rng.random() < MARKS:
            return "".join(rng.choice(list(string.ascii_uppercase + string.digits), rng.integers(1, 4)))
        kind = rng.integers(6)
        if kind == 1:
            mark = rng.choice(list("./- "))
            return f"{rng.integers(1, 32):02d}{mark}{rng.integers(1, 13):02d}{mark}{rng.integers(1920, 2026)}"
        if kind == 4:
            return " ".join(rng.choice(WORDS.split(), rng.integers(1, 4)))
        pool = (string.digits, "", string.ascii_uppercase + string.digits + "   -:/.^", string.ascii_letters)[kind % 4]
        if kind == 5:
            pool = string.ascii_letters + string.digits
        text = "".join(rng.choice(list(pool), rng.integers(2, 15)))
        return f"{rng.choice(WORDS.split())}: {text}" if kind == 5 else text.strip() or "XA"


def has(face: Path, characters: str) -> bool:
    """Whether a font has a script, judged by a few of its characters: what it lacks looks like what no font has."""
    font = _face(face, 16)
    return not {bytes(font.getmask(char)) for char in characters[:: max(len(characters) // 5, 1)]} & _absent(face)


@functools.cache
def _absent(face: Path) -> frozenset[bytes]:
    """How a font draws what it lacks, and nothing."""
    return frozenset((bytes(_face(face, 16).getmask("\uffff")), bytes(_face(face, 16).getmask(" ")), b""))


@functools.lru_cache(4096)
def _face(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def _strokes(rng: np.random.Generator, text: str, size: int) -> NDArray[np.uint8]:
    """Text of OpenCV's strokes."""
    face = int(rng.choice(HERSHEY))
    text = text.encode("ascii", "ignore").decode() or "ABC"
    scale, thickness = size / (11 if face == cv2.FONT_HERSHEY_PLAIN else 22) * 0.9, max(1, round(size / rng.choice([7, 10, 14])))
    (width, height), below = cv2.getTextSize(text, face, scale, thickness)
    canvas = np.zeros((height + below + 6, width + 6), np.uint8)
    cv2.putText(canvas, text, (3, height + 2), face, scale, (255,), thickness, int(rng.choice([cv2.LINE_AA, cv2.LINE_8])))
    return canvas
