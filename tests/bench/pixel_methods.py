"""What bench_pixels compares: this project's two modes, and three peers as they come. One OCR thread each."""

from __future__ import annotations

import copy
import os
import resource
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OMP_THREAD_LIMIT"] = "1"

import numpy as np
import pydicom

from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.encode import hide_boxes
from transforms.pixels.frames import FrameReader
from transforms.pixels.views import display
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy, TextPolicy
from transforms.text.detector import PiiDetector
from transforms.types import Box, Finding, PixelReport

LIMITS = LimitsPolicy()
Redact = Callable[[pydicom.Dataset], tuple[pydicom.Dataset, float]]
"""Gives a copy without the text that was found, and the processor seconds of decoding and finding."""


def cpu() -> float:
    """Processor seconds of this process and of the programs that it started (Tesseract)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Cleaner(PixelCleaner):
    """Notes when all was found and judged: what follows is hiding and encoding, which are not timed for peers."""

    found = 0.0

    def _findings(self, job: Any) -> list[Finding]:
        findings = super()._findings(job)
        self.found = cpu()
        return findings


def cleaner(mode: PixelMode = PixelMode.REDACT_ALL_TEXT) -> Cleaner:
    return Cleaner(PixelsPolicy(mode=mode), LIMITS, PiiDetector(TextPolicy()))


def ours(mode: PixelMode = PixelMode.REDACT_ALL_TEXT) -> Redact:
    clean, detector = cleaner(mode), PiiDetector(TextPolicy())

    def redact(dataset: pydicom.Dataset) -> tuple[pydicom.Dataset, float]:
        target = copy.deepcopy(dataset)
        start = cpu()
        (result,) = clean.clean([(target, detector.known([dataset]))])
        if not isinstance(result, PixelReport):
            raise result
        return target, (clean.found if clean.found >= start else cpu()) - start

    return redact


def sensitive() -> Redact:
    return ours(PixelMode.REDACT_SENSITIVE_TEXT)


def boxes_of(find: Callable[[np.ndarray], list[Box]]) -> Redact:
    """A peer that gives boxes of an 8-bit colour picture."""

    def redact(dataset: pydicom.Dataset) -> tuple[pydicom.Dataset, float]:
        target = copy.deepcopy(dataset)
        start = cpu()
        reader = FrameReader(target, LIMITS)
        found = {frame: find(display(reader, frame)) for frame in range(len(reader))}
        seconds = cpu() - start
        found = {frame: boxes for frame, boxes in found.items() if boxes}
        if found:
            hide_boxes(target, reader, found, "black")
        return target, seconds

    return redact


def tesseract() -> Redact:
    import pytesseract

    def find(image: np.ndarray) -> list[Box]:
        data = pytesseract.image_to_data(image, config="--psm 11", output_type=pytesseract.Output.DICT)
        keys = ("left", "top", "width", "height")
        return [Box(*(data[key][i] for key in keys)) for i, text in enumerate(data["text"]) if text.strip() and float(data["conf"][i]) >= 0]

    return boxes_of(find)


def rapidocr() -> Redact:
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": 1, "Global.log_level": "critical"})

    def find(image: np.ndarray) -> list[Box]:
        result = engine(image)
        found = []
        for quad in [] if result.boxes is None else result.boxes:
            left, top = np.floor(quad.min(axis=0)).astype(int).clip(0)
            right, bottom = np.ceil(quad.max(axis=0)).astype(int)
            found.append(Box(int(left), int(top), int(right - left), int(bottom - top)))
        return found

    return boxes_of(find)


def presidio() -> Redact:
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_image_redactor import DicomImageRedactorEngine, ImageAnalyzerEngine

    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
    nlp: Any = SpacyNlpEngine()
    nlp.nlp = {"en": spacy.blank("en")}
    engine = DicomImageRedactorEngine(image_analyzer_engine=ImageAnalyzerEngine(analyzer_engine=AnalyzerEngine(nlp_engine=nlp)))

    def redact(dataset: pydicom.Dataset) -> tuple[pydicom.Dataset, float]:
        target = copy.deepcopy(dataset)
        start = cpu()
        # Its own encoder writes other syntaxes and shapes: only its boxes are taken, and filled in like those of the others.
        _, found = engine.redact_and_return_bbox(copy.deepcopy(dataset), use_metadata=True)
        seconds = cpu() - start
        boxes = [Box(max(item["left"], 0), max(item["top"], 0), item["width"], item["height"]) for item in found]
        if boxes:
            hide_boxes(target, FrameReader(target, LIMITS), {0: boxes}, "black")
        return target, seconds

    return redact


METHODS: dict[str, Callable[[], Redact]] = {
    "ours": ours,
    "sensitive": sensitive,
    "presidio": presidio,
    "tesseract": tesseract,
    "rapidocr": rapidocr,
}
PEERS = ("presidio", "tesseract", "rapidocr")
