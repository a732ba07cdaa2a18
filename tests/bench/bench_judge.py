"""How many OCR lines with PHI the judge flags, and how many technical labels it leaves, on generated frames.

    python -m tests.bench.bench_judge [--count 2000] [--seed 7] [--split held-out|dev] [--noise 0.04] [--show 0]

A frame has lines with planted pieces of `bench_text.Planter` and technical labels; each character of a planted piece may be read wrong the
way OCR does (0/O, 1/I/l, 5/S, 8/B, rn/m). With the corpus at hand, its burned-in truth is judged too, by distinct text.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import time
import warnings
from pathlib import Path

import pydicom

from tests.bench.bench_text import LISTS, Planter
from transforms.policy import TextPolicy
from transforms.text.detector import PiiDetector
from transforms.text.known import NOTHING
from transforms.types import Box, OcrLine

CONFUSED = {"0": "O", "O": "0", "1": "l", "l": "1", "I": "l", "5": "S", "S": "5", "8": "B", "B": "8", "m": "rn", "i": "l"}
TECHNICAL: list[str] = LISTS["technical"].split("|")


def noisy(text: str, rate: float, rng: random.Random) -> str:
    """``text`` as an engine may read it."""
    return "".join(CONFUSED.get(char, char) if rng.random() < rate else char for char in text)


def technical(rng: random.Random) -> str:
    return rng.choice(TECHNICAL).format(a=rng.randint(1, 99), b=f"{rng.uniform(0.1, 9.9):.1f}", c=rng.randint(10, 400))


def generated(count: int, planter: Planter, rng: random.Random, noise: float, show: int) -> None:
    """Frames of eight technical lines and three planted ones, far from each other."""
    detector = PiiDetector(TextPolicy())
    right: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    seconds = 0.0
    for _ in range(count // 3):
        case = planter.case("")
        lines = [("technical", technical(rng)) for _ in range(8)] + [(kind, noisy(piece, noise, rng)) for kind, piece in case.planted]
        rng.shuffle(lines)
        boxes = [OcrLine(0, Box(10, 60 * at, 9 * len(text), 14), text, 0.9, "bench") for at, (_, text) in enumerate(lines)]
        known = detector.known([case.header])
        began = time.process_time()
        verdicts = detector.judge(boxes, known)
        seconds += time.process_time() - began
        for (kind, text), verdict in zip(lines, verdicts, strict=True):
            total[kind] += 1
            if (verdict is None) == (kind == "technical"):
                right[kind] += 1
            elif show:
                show -= 1
                print(f"  WRONG {kind}: {text!r} {verdict and verdict.detector}")
    kinds = [kind for kind in total if kind != "technical"]
    for kind in sorted(kinds):
        print(f"{kind:16}{right[kind] / total[kind]:8.4f}  of {total[kind]}")
    print(f"{'PHI flagged':16}{sum(right[k] for k in kinds) / sum(total[k] for k in kinds):8.4f}")
    print(f"{'labels left':16}{right['technical'] / total['technical']:8.4f}  of {total['technical']}")
    print(f"{'ms per line':16}{1000 * seconds / total.total():8.4f}")


def corpus(folder: Path) -> None:
    """The truth of real files, by distinct text: clean text in, as a sanity check of a development set."""
    detector = PiiDetector(TextPolicy())
    verdicts: dict[tuple[bool, str], bool] = {}
    for name, frame in json.loads((folder / "burned_in_truth.json").read_text("utf-8")).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                known = detector.known([pydicom.dcmread(folder / name, stop_before_pixels=True, force=True)])
            except Exception:
                known = NOTHING
        boxes = [box for box in frame["boxes"] if box.get("text")]
        lines = [OcrLine(0, Box(box["x"], box["y"], box["w"], box["h"]), box["text"], 1.0, "truth") for box in boxes]
        for box, verdict in zip(boxes, detector.judge(lines, known), strict=True):
            key = (bool(box["is_phi"]), box["text"])
            flagged = verdict is not None
            verdicts[key] = verdicts.get(key, flagged) and flagged if key[0] else verdicts.get(key, flagged) or flagged
    phi = [flagged for (is_phi, _), flagged in verdicts.items() if is_phi]
    labels = [flagged for (is_phi, _), flagged in verdicts.items() if not is_phi]
    print(f"corpus: PHI flagged {sum(phi)} of {len(phi)} distinct texts, labels left {len(labels) - sum(labels)} of {len(labels)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--split", choices=("held-out", "dev"), default="held-out")
    parser.add_argument("--noise", type=float, default=0.04)
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    generated(options.count, Planter(rng, options.split), rng, options.noise, options.show)
    folder = Path(os.environ.get("DICOM_DEID_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
    if (folder / "burned_in_truth.json").exists():
        corpus(folder)


if __name__ == "__main__":
    main()
