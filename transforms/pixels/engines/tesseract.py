"""Tesseract, through tesserocr when it is installed (in process) and through pytesseract otherwise (a process per call).

Languages are named as Tesseract does: ``deu``, or several, ``deu+fra``.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from transforms.pixels.engines.base import Image, Reading, Region, TextEngine

ENGLISH = "eng"
SPARSE_TEXT = 11
MIN_CONFIDENCE = 0.3
LINE_HEIGHT = 40
GAP = 24
WORD_LEVEL = "5"
Word = tuple[int, int, int, int, int, str, float]
"""Line number, left, top, width, height, text, confidence 0 to 1."""


def available(languages: str = ENGLISH) -> str | None:
    """Why Tesseract cannot run, or None when it can."""
    if _runs_in_process(languages):
        return None
    if importlib.util.find_spec("pytesseract") is None:
        return "neither package tesserocr nor pytesseract is installed"
    if shutil.which("tesseract") is None:
        return "program tesseract is not installed"
    import pytesseract

    missing = sorted(set(languages.split("+")) - set(pytesseract.get_languages()))
    return f"program tesseract has no model named {', '.join(missing)}" if missing else None


def load(languages: str = ENGLISH) -> TextEngine:
    """Tesseract with one thread."""
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    return Tesseract(languages, in_process=_runs_in_process(languages))


def _runs_in_process(languages: str) -> bool:
    return importlib.util.find_spec("tesserocr") is not None and tessdata(languages) is not None


def tessdata(languages: str = ENGLISH) -> str | None:
    """The folder with the models of languages, which the wheel of tesserocr lacks: as the environment says, or where systems install it."""
    prefix = os.environ.get("TESSDATA_PREFIX")
    folders = [Path(prefix), Path(prefix, "tessdata")] if prefix else []
    folders += sorted(Path("/usr/share/tesseract-ocr").glob("*/tessdata"), reverse=True)
    folders += [Path(root, "share", "tessdata") for root in ("/usr", "/usr/local", "/opt/homebrew")]
    names = [f"{language}.traineddata" for language in languages.split("+")]
    return next((str(folder) for folder in folders if all((folder / name).is_file() for name in names)), None)


class Tesseract:
    """Finds words in sparse text and joins those of a line."""

    def __init__(self, languages: str = ENGLISH, *, in_process: bool) -> None:
        self.name = "tesserocr" if in_process else "tesseract"
        self._words = _tesserocr_words(languages) if in_process else functools.partial(_pytesseract_words, languages)

    def detect(self, image: Image) -> list[Region]:
        """Lines of words with a confidence of at least 0.3."""
        found = []
        for words in self._lines(image).values():
            left, top = min(word[1] for word in words), min(word[2] for word in words)
            right, bottom = max(word[1] + word[3] for word in words), max(word[2] + word[4] for word in words)
            quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
            found.append(Region(quad, float(np.mean([word[6] for word in words]))))
        return found

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        """Reads all crops in one call, stacked on one sheet: a call costs more than a line."""
        if not crops:
            return []
        lines = [_dark_on_white(crop) for crop in crops]
        width = max(line.shape[1] for line in lines) + 2 * GAP
        step = LINE_HEIGHT + GAP
        sheet = np.full((step * len(lines) + GAP, width, 3), 255, np.uint8)
        for index, line in enumerate(lines):
            sheet[GAP + index * step : GAP + index * step + LINE_HEIGHT, GAP : GAP + line.shape[1]] = line
        words: dict[int, list[Word]] = defaultdict(list)
        for word in self._words(sheet):
            words[min(max((word[2] + word[4] // 2 - GAP // 2) // step, 0), len(lines) - 1)].append(word)
        readings = []
        for index in range(len(lines)):
            ordered = sorted(words[index], key=lambda word: word[1])
            score = float(np.mean([word[6] for word in ordered])) if ordered else 0.0
            readings.append(Reading(" ".join(word[5] for word in ordered), score))
        return readings

    def _lines(self, image: Image) -> dict[int, list[Word]]:
        lines: dict[int, list[Word]] = defaultdict(list)
        for word in self._words(image):
            if word[6] >= MIN_CONFIDENCE:
                lines[word[0]].append(word)
        return lines


def _dark_on_white(crop: Image) -> Image:
    """A crop at the sheet's height with dark text, which is what Tesseract was trained on."""
    import cv2  # imported late: a driver asks only whether the engine is here

    width = max(round(crop.shape[1] * LINE_HEIGHT / crop.shape[0]), 1)
    line = np.asarray(cv2.resize(crop, (width, LINE_HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    return 255 - line if np.median(line) < 128 else line


def _pytesseract_words(languages: str, image: Image) -> list[Word]:
    import pytesseract

    data = pytesseract.image_to_data(image, lang=languages, config=f"--psm {SPARSE_TEXT}", output_type=pytesseract.Output.DICT)
    words: list[Word] = []
    for index, text in enumerate(data["text"]):
        if text.strip():
            line = (data["block_num"][index] * 1000 + data["par_num"][index]) * 1000 + data["line_num"][index]
            box = (data["left"][index], data["top"][index], data["width"][index], data["height"][index])
            words.append((line, *box, text.strip(), float(data["conf"][index]) / 100))
    return words


def _tesserocr_words(languages: str) -> Callable[[Image], list[Word]]:
    import tesserocr
    from PIL import Image as Picture

    api = tesserocr.PyTessBaseAPI(path=tessdata(languages), lang=languages, psm=SPARSE_TEXT)

    def words(image: Image) -> list[Word]:
        api.SetImage(Picture.fromarray(image))
        api.Recognize()
        found: list[Word] = []
        for row in api.GetTSVText(0).splitlines():
            level, _, block, paragraph, line, _, left, top, width, height, confidence, text = row.split("\t", 11)
            if level == WORD_LEVEL and text.strip():
                number = (int(block) * 1000 + int(paragraph)) * 1000 + int(line)
                found.append((number, int(left), int(top), int(width), int(height), text.strip(), float(confidence) / 100))
        return found

    return words
