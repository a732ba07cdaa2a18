"""The goals for pixels, each with its figure and whether it is reached: ours beside three peers, in one run, one OCR thread.

    python -m tests.bench.bench_pixels                    about nine minutes on a core
    python -m tests.bench.bench_pixels --synth 200 --clean 289 --all-encodings

Files: a corpus with ``burned_in_truth.json`` and ``manifest.csv`` ($DICOM_DEID_CORPUS, or --corpus), each image with text in one of its
encodings, and images of ``dicom-deid synth``. What peers find is filled in by this project's encoder, so that only finding is compared.
Seconds are those of the processor, per frame: of decoding and finding, for all methods alike; hiding and encoding, this project's work for
all of them, are in a row of their own. So are clean images of kinds that neither set has (`clean_kinds`), and those of the corpus
turned, inverted, cropped, enlarged, made noisy or brighter. The archive mix is 98 % of the mean over files without text (drawn by the seed)
and 2 % of that over files with text. Series and cine count with all of their work. Intervals are those of Wilson, 95 %.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import pydicom

import transforms.read.quiet  # noqa: F401  # malformed files are part of the measurement
from pipeline.score import compare
from tests.bench.clean_kinds import KINDS
from tests.bench.pixel_files import File, altered_images, cine, corpus_files, ct_series, drawn_images, synth_files
from tests.bench.pixel_goals import Tallies, Tally, goals, modalities
from tests.bench.pixel_methods import METHODS, PEERS, Redact, cleaner, cpu, ours
from transforms.errors import DeidError

CORPUS = Path(os.environ.get("DICOM_DEID_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
CHUNK = 32
"""Slices that are cleaned together, as in a run."""
CINE_PARTS = (1, 5, 5, 5, 5)
"""Cines of following seeds, since what stays readable depends on where text stands: the first is timed, the others have fewer frames."""


def measure(tally: Tally, redact: Redact, dataset: Any, file: File, label: str) -> None:
    """One file through one method."""
    legible = [(number, box) for number, box in enumerate(file.boxes) if box.legible == "yes" or file.kind == "synthetic"]
    phi = [number for number, box in legible if box.is_phi]
    labels = [number for number, box in legible if not box.is_phi and box.entity_type in ("", "TECHNICAL")]
    frames = int(dataset.get("NumberOfFrames") or 1)
    tally.phi += len(phi)
    tally.labels += len(labels)
    tally.clean += not file.boxes
    try:
        start = cpu()
        target, seconds = redact(dataset)
        whole = cpu() - start
        hidden, away, changed = compare(dataset, target, file.boxes)
    except Exception as error:
        tally.failed += 1
        tally.left += len(labels)
        if label:
            print(f"{label}: {error if isinstance(error, DeidError) else type(error).__name__}")
        return
    tally.hidden += sum(hidden[number] for number in phi)
    tally.left += sum(not hidden[number] for number in labels)
    tally.changed += not file.boxes and changed
    if file.boxes:
        tally.away.append(away)
    (tally.seconds if file.boxes else tally.clean_seconds).append(seconds / frames)
    if file.boxes:
        tally.whole.append(whole / frames)
    if label and (not all(hidden[number] for number in phi) or (not file.boxes and changed)):
        print(f"{label}: {sum(hidden[number] for number in phi)} of {len(phi)} hidden, {'changed' if changed else 'unchanged'}")


def series(slices: int, seed: int, *, metal: bool) -> tuple[float, int]:
    """Processor seconds for a CT series without text, and how many slices changed."""
    instances = ct_series(slices, seed, metal=metal)
    clean = cleaner()
    start = cpu()
    reports = []
    for first in range(0, slices, CHUNK):
        reports += list(clean.clean([(instance, None) for instance in instances[first : first + CHUNK]]))
    return cpu() - start, sum(isinstance(report, DeidError) or bool(report.changed_frames) for report in reports)


def changed(images: Iterable[pydicom.Dataset], names: Iterable[str] = ()) -> tuple[int, int]:
    """How many of some images without text change, and of how many; prints it by name, where images have these names in turn."""
    redact, labels, counts, total = ours(), list(names), Counter[str](), 0
    for number, dataset in enumerate(images):
        target, _ = redact(dataset)
        counts[labels[number % len(labels)] if labels else ""] += bytes(target.PixelData) != bytes(dataset.PixelData)
        total += 1
    if labels:
        print("\nclean images that change, by kind: " + (", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none"))
    return counts.total(), total


def still_cine(frames: int, seed: int) -> tuple[float, dict[bool, list[bool]]]:
    """Processor seconds for a cine, and whether each of its texts is hidden in all frames; those that identify are under True."""
    dataset, boxes = cine(frames, seed)
    redact = ours()
    start = cpu()
    target, _ = redact(dataset)
    seconds = cpu() - start
    hidden, _, _ = compare(dataset, target, boxes)
    return seconds, {kind: [hidden[number] for number, box in enumerate(boxes) if box.is_phi == kind] for kind in (True, False)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--synth", type=int, default=24, help="synthetic images with text; a third as many without")
    parser.add_argument("--clean", type=int, default=60, help="files of the corpus without text, drawn by the seed")
    parser.add_argument(
        "--kinds", type=int, default=2 * len(KINDS), help="clean images of kinds that no other set has, and half as many altered"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--max-frames", type=int, default=4, help="larger files are left out")
    parser.add_argument("--all-encodings", action="store_true", help="an image of the corpus counts in each of its encodings")
    parser.add_argument("--slices", type=int, default=200, help="of the CT series; 0 leaves series and cine out")
    parser.add_argument("--misses", action="store_true", help="print what was not hidden, or changed without need")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    peers = [name for name in arguments.peers.split(",") if name]
    methods = {name: METHODS[name]() for name in ("ours", "sensitive", *peers)}
    tallies: Tallies = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as scratch:
        files = list(synth_files(Path(scratch), arguments.synth, arguments.synth // 3, arguments.seed)) if arguments.synth else []
        if (arguments.corpus / "burned_in_truth.json").exists():
            files += corpus_files(arguments.corpus, arguments.clean, arguments.seed, all_encodings=arguments.all_encodings)
        else:
            print(f"no corpus in {arguments.corpus}: synthetic images only")
        for file in files:
            try:
                dataset = pydicom.dcmread(file.path, force=True)
                if int(dataset.get("NumberOfFrames") or 1) > arguments.max_frames or "PixelData" not in dataset:
                    continue
            except Exception:  # what cannot be read is for other tests
                continue
            for name, redact in methods.items():
                tally = tallies[name, file.kind, str(dataset.get("Modality", "") or "?")]
                measure(tally, redact, dataset, file, f"{name} {file.path.name}" if arguments.misses else "")
    extra: dict[str, Any] = {}
    if arguments.kinds:
        extra["kinds"] = (len(KINDS), *changed(drawn_images(arguments.kinds, arguments.seed), [kind.__name__ for kind in KINDS]))
        if (arguments.corpus / "manifest.csv").exists():
            extra["altered"] = changed(altered_images(arguments.corpus, arguments.kinds // 2, arguments.seed))
    if arguments.slices:
        extra |= {
            "series": series(arguments.slices, arguments.seed, metal=False),
            "metal": series(arguments.slices, arguments.seed, metal=True),
            "cine": [still_cine(arguments.slices * 3 // 2 // part, arguments.seed + at) for at, part in enumerate(CINE_PARTS)],
        }
    print(modalities(tallies, ["ours", "sensitive", *peers]))
    print(goals(tallies, peers, extra))
    print(f"\nmemory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most, all methods loaded")


if __name__ == "__main__":
    main()
