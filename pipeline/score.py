"""``dicom-deid score``: how much of the known text a run has hidden, and what it changed besides."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

import transforms.read.quiet  # noqa: F401  # third parties log values
from pipeline import audit
from pipeline.score_pixels import ENOUGH_CHANGED, displayed, score_pixels
from pipeline.score_summary import FileScore, Rate, as_table, summary
from pipeline.score_tags import Tally
from pipeline.score_truth import PADDING, TextBox, read_checks, read_truth
from pipeline.storage import Store
from pipeline.synth_tags import Check
from pipeline.uri import canonical
from transforms.errors import Code, ConfigError, DeidError
from transforms.types import Dataset

MAX_FILE_BYTES = 8 * 1024**3


def overlay_is_hidden(source: Dataset, target: Dataset, box: TextBox) -> bool:
    """Whether at least 90 % of the bits of a text in an overlay plane are cleared, or its plane is gone."""
    if (box.plane, 0x3000) not in target:
        return True
    place = np.s_[..., box.y : box.y + box.h, box.x : box.x + box.w]
    before, after = source.overlay_array(box.plane)[place], target.overlay_array(box.plane)[place]
    return before.shape == after.shape and bool(before.any()) and float((after[before > 0] == 0).mean()) >= ENOUGH_CHANGED


class Run:
    """What a run made of an archive, in any storage.

    Args:
        original: folder or URI that the names of the truth are relative to.
        output: output of the run.
    """

    def __init__(self, original: str, output: str) -> None:
        self._store = Store()
        self._original = canonical(original).rstrip("/")
        rows = [
            row
            for table in audit.read(self._store, canonical(output), "restricted/crosswalk", ["url", "url_deid", "status", "run_id"])
            for row in table.to_pylist()
        ]
        if not rows:
            raise ConfigError("the output holds no restricted/crosswalk; expected a folder or URI that 'dicom-deid run' wrote")
        rows.sort(key=lambda row: str(row["run_id"]))  # of an input that was done again the latest counts
        self._ends: dict[str, tuple[str, str]] = {row["url"]: (row["status"], row["url_deid"] or "") for row in rows}

    def original(self, name: str) -> Dataset:
        """An input of the run."""
        return self._read(f"{self._original}/{name}", force=True)

    def output(self, name: str) -> tuple[str, Dataset | None]:
        """How an input ended (``missing``: the run does not know it), and what was saved of it."""
        status, uri = self._ends.get(f"{self._original}/{name}", ("missing", ""))
        return status, self._read(uri) if status == "saved" else None

    def _read(self, uri: str, *, force: bool = False) -> Dataset:
        return pydicom.dcmread(io.BytesIO(self._store.read_all(uri, MAX_FILE_BYTES)), force=force)


def score_file(run: Run, name: str, boxes: tuple[TextBox, ...]) -> FileScore:
    """Score one file; of one that cannot be compared the code is reported, and its text counts as not hidden."""
    modality, status = "", "missing"
    try:
        status, target = run.output(name)
        source = run.original(name)
        modality = str(source.get("Modality", "") or "")
        if target is None:
            return FileScore(name, modality, status, boxes)
        hidden, worst, changed = compare(source, target, boxes)
        retained = source.get("PixelData") == target.get("PixelData")
        return FileScore(name, modality, status, boxes, hidden, worst, changed, retained)
    except (DeidError, OSError, AttributeError, pydicom.errors.InvalidDicomError) as exc:
        error = str(exc.code) if isinstance(exc, DeidError) else type(exc).__name__
        return FileScore(name, modality, status, boxes, (False,) * len(boxes), error=error)


def compare(source: Dataset, target: Dataset, boxes: tuple[TextBox, ...]) -> tuple[tuple[bool, ...], float, bool]:
    """Hidden in every frame it stands in, per box; the worst frame's over-redaction; whether any frame changed.

    Frames that the truth says nothing about are not scored.

    Raises:
        DeidError: undecodable pixels or another shape.
    """
    same_bytes = source.get("PixelData") is not None and source.PixelData == target.get("PixelData")
    if same_bytes and source.file_meta.TransferSyntaxUID == target.file_meta.TransferSyntaxUID:
        return tuple(bool(box.plane) and overlay_is_hidden(source, target, box) for box in boxes), 0.0, False
    hidden, worst, changed = [not box.plane or overlay_is_hidden(source, target, box) for box in boxes], 0.0, False
    for frame, (before, after) in enumerate(zip_longest(displayed(source), displayed(target))):
        if before is None or after is None:
            raise DeidError(Code.PIXELS_INCONSISTENT, "the redacted image has another number of frames than the original")
        here = [number for number, box in enumerate(boxes) if not box.plane and box.frame <= frame < box.frame + box.frames]
        if not here and any(box.alone for box in boxes):
            continue
        score = score_pixels(before, after, [boxes[number] for number in here], [boxes[number].ink for number in here])
        for number, is_hidden in zip(here, score.hidden, strict=True):
            hidden[number] &= is_hidden
        worst, changed = max(worst, score.over_redaction), changed or score.changed
    return tuple(hidden), worst, changed


def score_pixels_of(run: Run, truth: Mapping[str, tuple[TextBox, ...]]) -> Iterator[FileScore]:
    """Score the pixels of every file whose text is known."""
    for name, boxes in sorted(truth.items()):
        yield score_file(run, name, boxes)


def score_headers_of(run: Run, truth: Mapping[str, tuple[Check, ...]]) -> Tally:
    """Check the headers of every saved file that there are checks for."""
    tally = Tally()
    for name, checks in sorted(truth.items()):
        status, target = run.output(name)
        tally.ends[status] += 1
        if target is not None:
            tally.score(name, checks, target)
    return tally


REPORTED = ("name", "modality", "status", "hidden", "over_redaction", "changed", "retained", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``dicom-deid score``."""
    parser.add_argument(
        "--truth", type=Path, required=True, metavar="FILE", help="truth.json of synth, Presidio's ground truth, or a CSV of checks"
    )
    parser.add_argument("--original", required=True, metavar="URI", help="folder or URI that the truth's names are relative to")
    parser.add_argument("--output", required=True, metavar="OUT", help="folder or URI that 'dicom-deid run' wrote")
    parser.add_argument(
        "--presidio-padding", type=int, default=PADDING, metavar="N", help=f"padding_width of Presidio's ground truth (default {PADDING})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with a row for each file and each failed check")
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="failed checks to print: file, action, tag, kind (default 0)")


def main(args: argparse.Namespace) -> int:
    """Run ``dicom-deid score``; the status is 1 when the run does not know a file of the truth, or one could not be compared.

    Raises:
        ConfigError: there is no truth, or the run knows none of its files.
    """
    run = Run(args.original, args.output)
    scores = list(score_pixels_of(run, read_truth(args.truth, args.presidio_padding)))
    tally = score_headers_of(run, read_checks(args.truth))
    if {*tally.ends, *(score.status for score in scores)} == {"missing"}:
        raise ConfigError(
            "the run knows no file of the truth; --original is the folder that their names are relative to, and was its --input"
        )
    figures: dict[str, Any] = summary(scores) if scores else {}
    actions = {action: Rate(*counts) for action, counts in tally.finish().items()}
    if scores:
        actions |= {"pixels_hidden": figures["phi_hidden"], "pixels_retained": figures["clean_images_retained"]}
    figures["actions"] = actions
    removed = {kind: counts for (action, kind), counts in sorted(tally.passed.items()) if action == "text_removed"}
    figures["text_removed_by_kind"] = {kind: Rate(*counts) for kind, counts in removed.items()}
    figures["headers"] = dict(tally.ends)
    if args.json:
        rows = [{key: getattr(score, key) for key in REPORTED} for score in scores]
        print(json.dumps({"summary": figures, "files": rows, "failures": tally.failures}, indent=1, default=Rate.as_json))
    else:
        print(as_table(figures))
        for failure in tally.failures[: args.failures]:
            print("failed:", *failure)
    return int(tally.ends["missing"] > 0 or any(score.status == "missing" or score.error for score in scores))
