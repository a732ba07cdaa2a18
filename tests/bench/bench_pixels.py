"""How much burned-in PHI is hidden, what else is changed, and what it costs: ours beside its peers, in one run, one OCR thread.

    python -m tests.bench.bench_pixels [--corpus FOLDER] [--synth 20] [--clean 10] [--limit N] [--peers presidio,tesseract,rapidocr]

Files come from a folder with ``burned_in_truth.json`` and ``manifest.csv``, and from ``dicom-deid synth``. Peers see the same files. What
they find is filled in by this project's encoder, so that only finding is compared. Seconds are those of the processor, per frame, decoding
included, encoding not.
"""

from __future__ import annotations

import argparse
import copy
import csv
import os
import resource
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OMP_THREAD_LIMIT"] = "1"

import cv2
import numpy as np
import pydicom

import transforms.read.quiet  # noqa: F401  # malformed files are part of the measurement
from pipeline.score import compare
from pipeline.score_pixels import wilson
from pipeline.score_truth import TextBox, read_truth
from pipeline.synth import make_archive
from transforms.errors import DeidError
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.encode import hide_boxes
from transforms.pixels.frames import FrameReader
from transforms.pixels.views import display
from transforms.policy import LimitsPolicy, PixelsPolicy
from transforms.types import Box, PixelReport

LIMITS = LimitsPolicy()
Redact = Callable[[pydicom.Dataset], tuple[pydicom.Dataset, float]]


@dataclass
class Tally:
    """What one method did on one kind of file."""

    phi: int = 0
    hidden: int = 0
    clean: int = 0
    untouched: int = 0
    away: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    clean_seconds: list[float] = field(default_factory=list)
    failed: int = 0


def ours(**policy: Any) -> Redact:
    cleaner = PixelCleaner(PixelsPolicy(**policy), LIMITS, None)

    def redact(dataset: pydicom.Dataset) -> tuple[pydicom.Dataset, float]:
        target = copy.deepcopy(dataset)
        start = cpu()
        (result,) = cleaner.clean([(target, None)])
        if not isinstance(result, PixelReport):
            raise result
        return target, cpu() - start

    return redact


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
    nlp = SpacyNlpEngine()
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


def cpu() -> float:
    """Processor seconds of this process and of the programs that it started (Tesseract)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


METHODS: dict[str, Callable[[], Redact]] = {"ours": ours, "presidio": presidio, "tesseract": tesseract, "rapidocr": rapidocr}


def corpus_files(folder: Path) -> Iterator[tuple[str, Path, tuple[TextBox, ...]]]:
    truth = read_truth(folder / "burned_in_truth.json")
    with (folder / "manifest.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            boxes = tuple(box for box in truth.get(row["relpath"], ()) if box.legible == "yes" and not box.plane)
            if row["decodes"] == "yes" and (boxes or row["burned_in_text"] == "no"):
                yield "real", folder / row["relpath"], boxes


def synth_files(folder: Path, count: int, clean: int, seed: int) -> Iterator[tuple[str, Path, tuple[TextBox, ...]]]:
    truth = read_truth(make_archive(None, folder, count=count, clean=clean, seed=seed))
    for name, boxes in truth.items():
        yield "synthetic", folder / "dicom" / name, tuple(box for box in boxes if not box.plane)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--synth", type=int, default=20)
    parser.add_argument("--clean", type=int, default=10)
    parser.add_argument("--limit", type=int, default=0, help="of files of the corpus, spread evenly")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default="presidio,tesseract,rapidocr")
    parser.add_argument("--max-frames", type=int, default=4)
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    chosen = ["ours", *(name for name in arguments.peers.split(",") if name)]
    methods = {name: METHODS[name]() for name in chosen}
    tallies: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as scratch:
        files = list(synth_files(Path(scratch), arguments.synth, arguments.clean, arguments.seed)) if arguments.synth else []
        real = list(corpus_files(arguments.corpus)) if arguments.corpus else []
        files += real[:: max(1, len(real) // arguments.limit)] if arguments.limit else real
        for kind, path, boxes in files:
            try:
                dataset = pydicom.dcmread(path, force=True)
                if int(dataset.get("NumberOfFrames") or 1) > arguments.max_frames or "PixelData" not in dataset:
                    continue
            except Exception:  # what cannot be read is for other tests
                continue
            for name, redact in methods.items():
                tally = tallies[name, kind, str(dataset.get("Modality", "") or "?")]
                measure(tally, redact, dataset, boxes, f"{name} {path.name}" if arguments.misses else "")
    show(tallies, chosen)
    print(f"\nmemory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most, all methods loaded")


def measure(tally: Tally, redact: Redact, dataset: pydicom.Dataset, boxes: tuple[TextBox, ...], label: str) -> None:
    """One file through one method. A failure hides nothing, and leaves a clean image untouched."""
    phi = [number for number, box in enumerate(boxes) if box.is_phi]
    frames = int(dataset.get("NumberOfFrames") or 1)
    tally.phi += len(phi)
    tally.clean += not boxes
    try:
        target, seconds = redact(dataset)
        hidden, away, changed = compare(dataset, target, boxes)
    except Exception as error:
        tally.failed += 1
        tally.untouched += not boxes
        if label:
            print(f"{label}: {error if isinstance(error, DeidError) else type(error).__name__}")
        return
    tally.hidden += sum(hidden[number] for number in phi)
    tally.untouched += not boxes and not changed
    tally.away.append(away)
    (tally.seconds if boxes else tally.clean_seconds).append(seconds / frames)
    if label and (not all(hidden[number] for number in phi) or (not boxes and changed)):
        print(f"{label}: {sum(hidden[number] for number in phi)} of {len(phi)} hidden, {'changed' if changed else 'unchanged'}")


def show(tallies: dict[tuple[str, str, str], Tally], methods: list[str]) -> None:
    kinds = sorted({kind for _, kind, _ in tallies})
    for kind in kinds:
        modalities = sorted({modality for _, k, modality in tallies if k == kind})
        print(f"\n{kind:<10} {'':<9} {'PHI hidden':<30} {'clean untouched':<24} {'away':>8} {'s/text':>7} {'s/clean':>7} {'failed':>6}")
        for modality in ["all", *modalities]:
            for name in methods:
                row = total([tally for (n, k, m), tally in tallies.items() if n == name and k == kind and modality in ("all", m)])
                low, high = wilson(row.hidden, row.phi)
                share = f"{row.hidden}/{row.phi} {row.hidden / max(row.phi, 1):.1%} [{low:.1%}, {high:.1%}]" if row.phi else "-"
                quiet = f"{row.untouched}/{row.clean} {row.untouched / max(row.clean, 1):.1%}" if row.clean else "-"
                away = f"{np.mean(row.away) if row.away else 0:.3%}"
                costs = " ".join(f"{np.mean(values) if values else 0:>7.3f}" for values in (row.seconds, row.clean_seconds))
                print(f"{modality:<10} {name:<9} {share:<30} {quiet:<24} {away:>8} {costs} {row.failed:>6}")


def total(tallies: list[Tally]) -> Tally:
    result = Tally()
    for tally in tallies:
        for key, value in vars(tally).items():
            setattr(result, key, getattr(result, key) + value)
    return result


if __name__ == "__main__":
    main()
