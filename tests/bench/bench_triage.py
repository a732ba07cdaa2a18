"""What triage loses: text that a look at full effort hides and the ordinary path does not; and what triage marks on clean images.

    python -m tests.bench.bench_triage [--count 30] [--seed 1] [--full all|missed] [--only han,mirrored] [--fonts FOLDER …]
                                       [--corpus FOLDER] [--model spotter.onnx]

One to three lines of one kind are written on an image that pydicom carries or on a phantom; lines that the ground makes illegible are not
counted. ``touched``: triage marks a cell of the line, so that OCR looks there. ``hidden``: by the ordinary path; ``full``: by every window,
the whole frame, no triage. ``lost``: by ``full`` alone, of which ``unseen`` were not even touched. Full effort reads upright lines only: of
what is turned it hides less than the ordinary path. Names are of this file, fonts of the families that `spotter_text` holds out from
training; a script for which the machine has none is drawn with OpenCV's own font, or left out.
"""

from __future__ import annotations

import argparse
import copy
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom

import transforms.read.quiet  # noqa: F401  # malformed files are part of the measurement
from pipeline.score import compare
from pipeline.score_pixels import wilson
from pipeline.score_truth import TextBox
from pipeline.synth_burn import Burner, Style, TruthBox
from pipeline.synth_fonts import BUNDLED
from pipeline.synth_images import Source, bundled_sources, load, store
from pipeline.synth_people import FAMILY, GIVEN, Piece, words
from tests.bench.pixel_files import corpus_files, synth_files
from tests.bench.pixel_methods import LIMITS
from transforms.errors import DeidError
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.encode import hide_boxes
from transforms.pixels.engines import registry
from transforms.pixels.frames import FrameReader
from transforms.pixels.full import full_look
from transforms.pixels.geometry import grown, to_edge
from transforms.pixels.sieve import sieved
from transforms.pixels.spotter_text import FONT_FOLDER, fonts, has
from transforms.pixels.train_spotter import _network_of
from transforms.pixels.triage import THRESHOLD, Heat, heat
from transforms.pixels.views import Picture, View, grey_views
from transforms.policy import PixelsPolicy
from transforms.types import Box, PixelReport

NAMES = {
    "latin": (*FAMILY, *GIVEN),
    "cyrillic": words("Ковальчук Оксана Шевченко Дмитрий Жуковская Людмила Пётр Щербаков"),
    "greek": words("Σταματόπουλος Γιώργος Παπαδοπούλου Ελένη Νικολάου Χρήστος Θεοδωρίδης"),
    "han": words("王秀英 欧阳建国 张伟 刘洋 陈静怡 赵磊 司马相如 黄志强 周杰 徐丽华 北京协和医院 住院号"),
    "kana": words("ナカシマタクミ たなかはなこ サトウ すずきいちろう ワタナベ ヨシダケンジ"),
    "hangul": words("남궁지호 김서연 박준영 이민정 최은경 서울대학교병원 황보석"),
    "arabic": words("محمد فاطمة عبدالله يوسف خديجة الحسن مستشفى إبراهيم"),
    "hebrew": words("ישראלי כהן לוי מזרחי אברהם בן־דוד שלמה"),
    "thai": words("สมชาย สุภาพร วิไล ประเสริฐ กรุงเทพ โรงพยาบาล"),
    "devanagari": words("राजेश्वरी शर्मा अमिताभ गुप्ता सुनीता कुमार अस्पताल"),
}
MARKS = ("MS", "JD", "KO", "RW", "TB", "AH", "EG", "FP", "NK", "DV")
LUMINANCE = np.array((0.299, 0.587, 0.114))
HIDDEN = "black"
PADDING = PixelsPolicy().padding


@dataclass(frozen=True)
class Kind:
    """How the lines of one row of the table look."""

    script: str = "latin"
    marks: bool = False
    degrees: tuple[float, ...] = (0.0,)
    mirrored: bool = False
    edge: bool = False
    sizes: tuple[int, int] = (11, 24)
    contrast: tuple[float, float] = (0.7, 1.0)
    ground: str = ""
    most: float = 0.1
    """Size over the image's smaller side, at most. Capitals as high as a tenth of the image are not what consoles write."""


KINDS = {name: Kind(name, sizes=(14, 26) if name in ("han", "hangul", "devanagari", "thai") else (11, 24)) for name in NAMES} | {
    "turned 90, 270": Kind(degrees=(90.0, 270.0)),
    "turned 180": Kind(degrees=(180.0,)),
    "mirrored": Kind(mirrored=True),
    "tilted": Kind(degrees=(-9.0, -5.0, 5.0, 9.0)),
    "at the edge": Kind(edge=True),
    "han at the edge": Kind("han", edge=True, sizes=(9, 16)),
    "8 to 10 px": Kind(sizes=(8, 10)),
    "headings": Kind(sizes=(100, 200), most=0.3),
    "faint": Kind(contrast=(0.15, 0.3)),
    "two letters": Kind(marks=True),
    "two letters turned": Kind(marks=True, degrees=(90.0, 180.0, 270.0)),
    "on ultrasound": Kind(ground="ultrasound"),
    "on noise": Kind(ground="noise"),
    "on saturated": Kind(ground="saturated"),
    "equal luminance": Kind(ground="colours", sizes=(11, 20)),
}


@dataclass
class Row:
    """What was counted of one kind."""

    lines: int = 0
    touched: int = 0
    hidden: int = 0
    full: int = 0
    examined: int = 0
    lost: int = 0
    unseen: int = 0


def pictures(kind: Kind, count: int, rng: random.Random, faces: Sequence[str]) -> Iterator[tuple[pydicom.Dataset, list[TextBox]]]:
    """Images with lines of one kind, until ``count`` legible lines have been written."""
    grounds = [source for source in bundled_sources() if source.name not in ("radiograph", "mammogram", "liver_1frame", "examples_palette")]
    while count > 0:
        dataset, frames = load(next((s for s in grounds if s.name == kind.ground), rng.choice(grounds)), rng)
        frames = frames[:1].copy()
        noise = np.random.default_rng(rng.getrandbits(64))
        if kind.ground in ("noise", "saturated", "colours"):
            dataset, frames = load(Source("ultrasound"), rng)
            frames = made(kind.ground, frames.shape, noise)
        dataset.pop("NumberOfFrames", None)
        size, (rows, columns) = rng.randint(*kind.sizes), frames.shape[1:3]
        size = max(min(size, int(min(rows, columns) * kind.most)), 8)
        burner = Burner(dataset, frames, Style(font=rng.choice(faces), size=size, contrast=rng.uniform(*kind.contrast)))
        ends = ((0, columns // 2), (columns, columns // 2), (columns // 3, 0), (columns // 3, rows))
        for _ in range(rng.randint(1, 3)):
            names = [rng.choice(NAMES[kind.script]) for _ in range(rng.randint(1, 2))]
            text = rng.choice(MARKS) if kind.marks else " ".join(names)
            x, y = rng.randrange(columns), rng.randrange(rows)
            if kind.edge:
                side = rng.randrange(4)
                x, y = (ends[side][0], y) if side < 2 else (x, ends[side][1])
            if kind.ground == "colours":
                coloured(burner, Piece(text, True, "PERSON"), x, y, frames, noise)
            else:
                burner.turned(Piece(text, True, "PERSON"), x, y, rng.choice(kind.degrees), mirrored=kind.mirrored)
        store(dataset, frames)
        boxes = [truth(box, ink) for box, ink in zip(burner.boxes, burner.ink, strict=True) if box.legible == "yes"][:count]
        count -= len(boxes)
        if boxes:
            yield dataset, boxes


def truth(box: TruthBox, ink: np.ndarray) -> TextBox:
    return TextBox(box.x, box.y, box.w, box.h, is_phi=True, ink=ink)


def made(ground: str, shape: tuple[int, ...], noise: np.random.Generator) -> np.ndarray:
    """One colour frame of noise, of large areas at the limits of the range, or of one colour."""
    _, rows, columns, _ = shape
    if ground == "noise":
        grey = cv2.GaussianBlur(noise.normal(0, 1, (rows, columns)), (0, 0), float(noise.uniform(0.3, 2.0)))
        plane = 90 + grey / grey.std() * noise.uniform(5, 22)
    elif ground == "saturated":
        grey = cv2.GaussianBlur(noise.normal(0, 1, (rows, columns)), (0, 0), 40.0)
        plane = 128 + grey / grey.std() * 250
    else:
        colour, _ = pair(noise)
        return np.clip(colour + noise.normal(0, 2, (rows, columns, 3)), 0, 255).astype(np.uint8)[None]
    return np.repeat(np.clip(plane, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)[None]


def pair(noise: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours of the same luminance that are far apart."""
    while True:
        one, other = noise.uniform(0, 255, (2, 3))
        other = other * (one @ LUMINANCE) / (other @ LUMINANCE)
        if other.max() <= 255 and np.abs(one - other).max() >= 110:
            return one, other


def coloured(burner: Burner, piece: Piece, x: int, y: int, frames: np.ndarray, noise: np.random.Generator) -> None:
    """Write a line in another colour than that of the ground, of the same luminance."""
    plain = frames.copy()
    if burner.turned(piece, x, y, 0.0):
        box = burner.boxes[-1]
        place = np.s_[0, box.y : box.y + box.h, box.x : box.x + box.w]
        ground = np.median(plain[0].reshape(-1, 3), axis=0)
        while np.abs((ink := pair(noise)[1] * 1.0) - ground).max() < 110 or (ink * (ground @ LUMINANCE) / (ink @ LUMINANCE)).max() > 255:
            pass
        ink = ink * (ground @ LUMINANCE) / (ink @ LUMINANCE)
        # How far each pixel went from the ground to the white or black ink is its coverage.
        moved = np.abs(frames[place].astype(float) - plain[place]).max(axis=2)
        cover = (moved / max(moved.max(), 1))[:, :, None]
        frames[place] = np.clip(np.rint(plain[place] * (1 - cover) + ink * cover), 0, 255)


class Judge:
    """Runs both paths."""

    def __init__(self, full: str) -> None:
        self._cleaner = PixelCleaner(PixelsPolicy(), LIMITS, None)
        self._engine = registry.load(registry.choose("auto"))
        self._always = full == "all"

    def __call__(self, row: Row, dataset: pydicom.Dataset, boxes: Sequence[TextBox]) -> None:
        reader = FrameReader(dataset, LIMITS)
        seen = [looked(picture) for picture in frames_of(reader)]
        touched = [touches(seen[box.frame], Box(box.x, box.y, box.w, box.h)) for box in boxes]
        hidden = self._ordinary(dataset, boxes)
        examined = self._always or not all(hidden)
        full = self._full(dataset, boxes) if examined else hidden
        row.lines += len(boxes)
        row.touched += sum(touched)
        row.hidden += sum(hidden)
        row.full += sum(full) * examined
        row.examined += len(boxes) * examined
        lost = [more and not less for more, less in zip(full, hidden, strict=True)]
        row.lost += sum(lost)
        row.unseen += sum(one and not other for one, other in zip(lost, touched, strict=True))

    def _ordinary(self, dataset: pydicom.Dataset, boxes: Sequence[TextBox]) -> Sequence[bool]:
        target = copy.deepcopy(dataset)
        (result,) = self._cleaner.clean([(target, None)])
        if not isinstance(result, PixelReport):
            raise result
        return compare(dataset, target, tuple(boxes))[0]

    def _full(self, dataset: pydicom.Dataset, boxes: Sequence[TextBox]) -> Sequence[bool]:
        target = copy.deepcopy(dataset)
        reader = FrameReader(target, LIMITS)
        found: dict[int, list[Box]] = {}
        for frame in range(len(reader)):
            views = [View("colour", reader.rgb(frame))] if reader.info.colour else list(grey_views(reader.stored(frame), dataset))
            pieces = [piece for sighting in full_look(self._engine, views, PixelsPolicy().min_score) for piece in sighting.pieces]
            shape = reader.info.shape
            found[frame] = [to_edge(grown(piece, PADDING + min(piece.w, piece.h) // 8, shape), shape) for piece in pieces]
        if any(found.values()):
            hide_boxes(target, reader, {frame: pieces for frame, pieces in found.items() if pieces}, HIDDEN)
        return compare(dataset, target, tuple(boxes))[0]

    def clean(self, dataset: pydicom.Dataset) -> tuple[bool, bool, float, int]:
        """Whether an image without text is looked at, whether it changes, and what its triage costs: processor seconds, pixels."""
        reader = FrameReader(dataset, LIMITS)
        seconds, pixels, spots = 0.0, 0, False
        for picture in frames_of(reader):
            start = time.process_time()
            spots |= bool(looked(picture).spots())
            seconds += time.process_time() - start
            pixels += picture.shape[0] * picture.shape[1]
        target = copy.deepcopy(dataset)
        (result,) = self._cleaner.clean([(target, None)])
        return spots, isinstance(result, PixelReport) and bool(result.changed_frames), seconds, pixels


def frames_of(reader: FrameReader) -> Iterator[Picture]:
    for frame in range(len(reader)):
        yield Picture(reader.rgb(frame) if reader.info.colour else reader.stored(frame))


def looked(picture: Picture) -> Heat:
    return sieved(heat(picture.grey(), picture.colours()))


def touches(seen: Heat, box: Box) -> bool:
    return any((seen.cells(level, box) >= THRESHOLD).any() for level in range(len(seen.levels)))


def faces_of(script: str, folders: Sequence[Path]) -> list[str]:
    """Fonts that can draw a script: those held out from training, and those that libraries carry."""
    found = [str(face) for folder in folders for face in fonts(folder, held_out=True) if has(face, "".join(NAMES[script]))]
    if script == "latin":
        return [*found, *BUNDLED]
    drawn = hasattr(cv2, "FontFace") and script in ("cyrillic", "greek", "han", "kana", "hangul")
    return [*found, "cv-wide"] if drawn else found


def share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part / max(whole, 1):6.1%} [{low:.0%}, {high:.0%}]"


def guarded(step: Callable[[], None]) -> None:
    """Leave out files that cannot be read or decoded: they are for other tests."""
    try:
        step()
    except DeidError:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30, help="lines of each kind")
    parser.add_argument("--clean", type=int, default=36, help="images without text, from synth and from the corpus each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", choices=("all", "missed"), default="missed", help="where to look at full effort")
    parser.add_argument("--only", default="", help="kinds, or clean")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[FONT_FOLDER])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--max-frames", type=int, default=4)
    parser.add_argument("--model", type=Path, help="another network than the shipped one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    chosen = arguments.only.split(",") if arguments.only else [*KINDS, "clean", "corpus"]
    with _network_of(arguments.model) if arguments.model else nullcontext():
        judge = Judge(arguments.full)
        rows: dict[str, Row] = {}
        print(f"{'':<20} {'lines':>5}  {'touched':<20} {'hidden':<20} {'full':<20} {'lost':>4} {'unseen':>6}")
        for name in (name for name in KINDS if name in chosen):
            faces = faces_of(KINDS[name].script, arguments.fonts)
            rows[name] = Row()
            for dataset, boxes in pictures(KINDS[name], arguments.count if faces else 0, random.Random(f"{arguments.seed}/{name}"), faces):
                judge(rows[name], dataset, boxes)
            show(name, rows[name])
        wanted = arguments.corpus and {"corpus", "clean"} & set(chosen)
        images = real(arguments.corpus, arguments.max_frames, arguments.clean, arguments.seed) if wanted else []
        if "corpus" in chosen and arguments.corpus:
            rows["corpus"] = Row()
            for dataset, boxes in (image for image in images if image[1]):
                guarded(lambda dataset=dataset, boxes=boxes: judge(rows["corpus"], dataset, boxes))  # type: ignore[misc]
            show("corpus", rows["corpus"])
        show("all", Row(*np.sum([astuple(row) for row in rows.values()], axis=0).tolist() if rows else ()))
        if "clean" in chosen:
            quiet(judge, "clean, synth", invented(arguments.clean, arguments.seed))
            quiet(judge, "clean, corpus", [dataset for dataset, boxes in images if not boxes])


def real(folder: Path, frames: int, clean: int, seed: int) -> list[tuple[pydicom.Dataset, tuple[TextBox, ...]]]:
    """The readable files of a corpus with their truth."""
    found = []
    for file in corpus_files(folder, clean, seed, all_encodings=False):
        try:
            dataset = pydicom.dcmread(file.path, force=True)
            if int(dataset.get("NumberOfFrames") or 1) <= frames and "PixelData" in dataset:
                found.append((dataset, file.boxes))
        except Exception:  # what cannot be read is for other tests
            continue
    return found


def invented(count: int, seed: int) -> list[pydicom.Dataset]:
    with tempfile.TemporaryDirectory() as scratch:
        return [pydicom.dcmread(file.path) for file in synth_files(Path(scratch), 0, count, 10_000 + seed)]


def quiet(judge: Judge, name: str, images: Sequence[pydicom.Dataset]) -> None:
    """What becomes of images without text."""
    results: list[tuple[bool, bool, float, int]] = []
    for dataset in images:
        guarded(lambda dataset=dataset: results.append(judge.clean(dataset)))  # type: ignore[misc]
    if results:
        looked, changed, seconds, pixels = (sum(column) for column in zip(*results, strict=True))
        cost = 1e9 * seconds / max(pixels, 1)
        print(f"{name:<20} {len(results):>5}  looked at {share(looked, len(results))}, changed {changed}; triage {cost:.0f} ns per pixel")


def show(name: str, row: Row) -> None:
    shares = " ".join(f"{share(part, row.lines):<20}" for part in (row.touched, row.hidden))
    shares += f" {share(row.full, row.lines) if row.examined == row.lines else '-':<20}"
    print(f"{name:<20} {row.lines:>5}  {shares} {row.lost:>4} {row.unseen:>6}", flush=True)


if __name__ == "__main__":
    main()
