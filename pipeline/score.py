"""``dicom-deid score``: how much of the known text a run has hidden, and what it changed besides."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom

from pipeline.score_pixels import displayed, score_pixels, wilson
from pipeline.score_truth import TextBox, read_truth
from pipeline.storage import local_path
from transforms.errors import DeidError


@dataclass(frozen=True, slots=True)
class FileScore:
    """One file of the truth.

    Attributes:
        status: how the run ended for it; ``missing`` when the run has no row for it. What was not saved shows nothing: it is counted apart.
        hidden: for each box of the truth, whether its text is hidden in every frame it stands in.
        over_redaction: the largest share of a frame that was changed away from text.
    """

    name: str
    modality: str
    status: str
    boxes: tuple[TextBox, ...]
    hidden: tuple[bool, ...] = ()
    over_redaction: float = 0.0
    changed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    count: int
    total: int

    def as_json(self) -> dict[str, float | int | None]:
        """Count, total, share and interval."""
        low, high = wilson(self.count, self.total)
        return {
            "count": self.count,
            "total": self.total,
            "share": self.count / self.total if self.total else None,
            "low": low,
            "high": high,
        }

    def __str__(self) -> str:
        if not self.total:
            return "      -"
        low, high = wilson(self.count, self.total)
        return f"{100 * self.count / self.total:6.2f} % [{100 * low:.1f}, {100 * high:.1f}]  {self.count}/{self.total}"


def score_file(name: str, original: Path, redacted: Path | None, boxes: tuple[TextBox, ...], status: str) -> FileScore:
    """Score one file; one that cannot be compared is reported with its code, and its text counts as not hidden."""
    modality = ""
    try:
        source = pydicom.dcmread(original, force=True)
        modality = str(source.get("Modality", "") or "")
        if redacted is None:
            return FileScore(name, modality, status, boxes)
        hidden, worst, changed = compare(source, pydicom.dcmread(redacted), boxes)
        return FileScore(name, modality, status, boxes, hidden, worst, changed)
    except (DeidError, OSError, AttributeError, pydicom.errors.InvalidDicomError) as exc:
        error = str(exc.code) if isinstance(exc, DeidError) else type(exc).__name__
        return FileScore(name, modality, status, boxes, (False,) * len(boxes), 0.0, False, error)


def compare(source: Any, target: Any, boxes: tuple[TextBox, ...]) -> tuple[tuple[bool, ...], float, bool]:
    """Hidden in every frame it stands in, per box; the worst frame's over-redaction; whether any frame changed.

    Raises:
        DeidError: undecodable pixels or another shape.
    """
    same_bytes = source.get("PixelData") is not None and source.PixelData == target.get("PixelData")
    if same_bytes and source.file_meta.TransferSyntaxUID == target.file_meta.TransferSyntaxUID:
        return (False,) * len(boxes), 0.0, False
    before, after = displayed(source), displayed(target)
    hidden, worst, changed = [True] * len(boxes), 0.0, False
    for frame in range(len(before)):
        here = [number for number, box in enumerate(boxes) if box.frame <= frame < box.frame + box.frames]
        score = score_pixels(before[frame], after[frame], [boxes[number] for number in here], [boxes[number].ink for number in here])
        for number, is_hidden in zip(here, score.hidden, strict=True):
            hidden[number] &= is_hidden
        worst, changed = max(worst, score.over_redaction), changed or score.changed
    return tuple(hidden), worst, changed


def outputs_of(out: Path) -> dict[str, tuple[str, str]]:
    """The run's crosswalk: (status, path of the output or "") by path of the input."""
    table = pq.read_table(out / "restricted" / "crosswalk", columns=["url", "url_deid", "status"])
    rows = table.to_pylist()
    return {local_path(row["url"]) or row["url"]: (row["status"], local_path(row["url_deid"] or "") or "") for row in rows}


def score_run(truth: Mapping[str, tuple[TextBox, ...]], original: Path, out: Path) -> Iterator[FileScore]:
    """Score every file of the truth against the output of a run."""
    ends = outputs_of(out)
    for name, boxes in sorted(truth.items()):
        path = (original / name).absolute()
        status, target = ends.get(str(path), ends.get(str(path.resolve()), ("missing", "")))
        yield score_file(name, path, Path(target) if status == "saved" and target else None, boxes, status)


def summary(scores: list[FileScore]) -> dict[str, Any]:
    """Figures over all files: text hidden by kind and modality, labels left, over-redaction, files that were not scored."""
    saved = [score for score in scores if score.hidden or (score.status == "saved" and not score.boxes)]
    pairs = [(score, box, hidden) for score in saved for box, hidden in zip(score.boxes, score.hidden, strict=True)]
    phi = [pair for pair in pairs if pair[1].is_phi]
    with_text, without = [score for score in saved if score.boxes], [score for score in saved if not score.boxes]

    def rate(selected: list[tuple[FileScore, TextBox, bool]], *, hidden: bool = True) -> Rate:
        return Rate(sum(pair[2] is hidden for pair in selected), len(selected))

    kinds = sorted({box.entity_type for _, box, _ in pairs if box.entity_type})
    return {
        "phi_hidden": rate(phi),
        "phi_hidden_legible": rate([pair for pair in phi if pair[1].legible == "yes"]),
        "all_text_hidden": rate(pairs),
        "technical_left": rate([pair for pair in pairs if not pair[1].is_phi and pair[1].entity_type in ("", "TECHNICAL")], hidden=False),
        "phi_hidden_by_modality": {
            key: rate([pair for pair in phi if pair[0].modality == key]) for key in sorted({score.modality for score, _, _ in phi})
        },
        "hidden_by_entity": {kind: rate([pair for pair in pairs if pair[1].entity_type == kind]) for kind in kinds},
        "clean_images_changed": Rate(sum(score.changed for score in without), len(without)),
        "area_changed_away_from_text": sum(score.over_redaction for score in with_text) / len(with_text) if with_text else 0.0,
        "files": {status: sum(score.status == status for score in scores) for status in sorted({score.status for score in scores})},
        "not_comparable": sum(bool(score.error) for score in scores),
    }


def as_table(figures: dict[str, Any]) -> str:
    """The summary as a table."""
    lines = []
    for key, value in figures.items():
        if isinstance(value, dict):
            lines.append(key)
            lines += [f"  {name or '(none)':28}{item}" for name, item in value.items()]
        else:
            lines.append(f"{key:30}{value:.4%}" if isinstance(value, float) else f"{key:30}{value}")
    return "\n".join(lines)


REPORTED = ("name", "modality", "status", "hidden", "over_redaction", "changed", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``dicom-deid score``."""
    parser.add_argument("--truth", type=Path, required=True, help="truth.json of synth, or Presidio's ground truth")
    parser.add_argument("--original", type=Path, required=True, help="folder that the truth's names are relative to")
    parser.add_argument("--output", type=Path, required=True, help="output of the run")
    parser.add_argument("--json", action="store_true", help="print JSON, with a row for each file")


def main(args: argparse.Namespace) -> int:
    """Run ``dicom-deid score``."""
    scores = list(score_run(read_truth(args.truth), args.original, args.output))
    figures = summary(scores)
    if args.json:
        rows = [{key: getattr(score, key) for key in REPORTED} for score in scores]
        print(json.dumps({"summary": figures, "files": rows}, indent=1, default=Rate.as_json))
    else:
        print(as_table(figures))
    return 0
