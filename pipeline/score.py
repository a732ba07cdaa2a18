"""``dicom-deid score``: how much of the known text a run has hidden, and what it changed besides."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom

import transforms.read.quiet  # noqa: F401  # third parties log values
from pipeline.score_pixels import displayed, score_pixels
from pipeline.score_summary import FileScore, Rate, as_table, summary
from pipeline.score_tags import Tally
from pipeline.score_truth import TextBox, read_checks, read_truth
from pipeline.storage import local_path
from transforms.errors import DeidError
from transforms.types import Dataset

Ends = Mapping[str, tuple[str, str]]
"""How each input ended: (status, path of the output or "") by path of the input."""


def score_file(name: str, original: Path, redacted: Path | None, boxes: tuple[TextBox, ...], status: str) -> FileScore:
    """Score one file; one that cannot be compared is reported with its code, and its text counts as not hidden."""
    modality = ""
    try:
        source = pydicom.dcmread(original, force=True)
        modality = str(source.get("Modality", "") or "")
        if redacted is None:
            return FileScore(name, modality, status, boxes)
        target = pydicom.dcmread(redacted)
        hidden, worst, changed = compare(source, target, boxes)
        retained = source.get("PixelData") == target.get("PixelData")
        return FileScore(name, modality, status, boxes, hidden, worst, changed, retained)
    except (DeidError, OSError, AttributeError, pydicom.errors.InvalidDicomError) as exc:
        error = str(exc.code) if isinstance(exc, DeidError) else type(exc).__name__
        return FileScore(name, modality, status, boxes, (False,) * len(boxes), error=error)


def compare(source: Dataset, target: Dataset, boxes: tuple[TextBox, ...]) -> tuple[tuple[bool, ...], float, bool]:
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


def outputs_of(out: Path) -> Ends:
    """The run's crosswalk."""
    table = pq.read_table(out / "restricted" / "crosswalk", columns=["url", "url_deid", "status"])
    rows = table.to_pylist()
    return {local_path(row["url"]) or row["url"]: (row["status"], local_path(row["url_deid"] or "") or "") for row in rows}


def find_output(ends: Ends, original: Path) -> tuple[str, Path | None]:
    """Status of one input and, when it was saved, its output."""
    status, target = ends.get(str(original.absolute()), ends.get(str(original.resolve()), ("missing", "")))
    return status, Path(target) if status == "saved" and target else None


def score_run(truth: Mapping[str, tuple[TextBox, ...]], original: Path, out: Path) -> Iterator[FileScore]:
    """Score the pixels of every file of the truth against the output of a run."""
    ends = outputs_of(out)
    for name, boxes in sorted(truth.items()):
        status, target = find_output(ends, original / name)
        yield score_file(name, original / name, target, boxes, status)


def score_headers(truth: Path, original: Path, out: Path) -> Tally:
    """Check the headers of every saved file that the truth has checks for."""
    ends, tally = outputs_of(out), Tally()
    for name, checks in sorted(read_checks(truth).items()):
        status, target = find_output(ends, original / name)
        tally.ends[status] += 1
        if target is not None:
            tally.score(name, checks, pydicom.dcmread(target))
    return tally


REPORTED = ("name", "modality", "status", "hidden", "over_redaction", "changed", "retained", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``dicom-deid score``."""
    parser.add_argument("--truth", type=Path, required=True, help="truth.json of synth, Presidio's ground truth, or a CSV of checks")
    parser.add_argument("--original", type=Path, required=True, help="folder that the truth's names are relative to")
    parser.add_argument("--output", type=Path, required=True, help="output of the run")
    parser.add_argument("--json", action="store_true", help="print JSON, with a row for each file and each failed check")
    parser.add_argument("--failures", type=int, default=0, help="print up to this many failed checks: file, action, tag, kind")


def main(args: argparse.Namespace) -> int:
    """Run ``dicom-deid score``."""
    scores = list(score_run(read_truth(args.truth), args.original, args.output))
    tally = score_headers(args.truth, args.original, args.output)
    figures: dict[str, Any] = summary(scores) if scores else {}
    actions = {action: Rate(*counts) for action, counts in tally.finish().items()}
    if scores:
        actions |= {"pixels_hidden": figures["phi_hidden"], "pixels_retained": figures["clean_images_retained"]}
    figures["actions"] = actions
    figures["text_removed_by_kind"] = {
        kind: Rate(*counts) for (action, kind), counts in sorted(tally.passed.items()) if action == "text_removed"
    }
    figures["headers"] = dict(tally.ends)
    if args.json:
        rows = [{key: getattr(score, key) for key in REPORTED} for score in scores]
        print(json.dumps({"summary": figures, "files": rows, "failures": tally.failures}, indent=1, default=Rate.as_json))
        return 0
    print(as_table(figures))
    for failure in tally.failures[: args.failures]:
        print("failed:", *failure)
    return 0
