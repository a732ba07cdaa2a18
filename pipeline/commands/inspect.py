"""``dicom-deid inspect``: every tag action and every text box of one file, as a table and as a picture. Writes nothing but the picture.

For the person who may see the original: the values that would go are shown, unless ``--no-values``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline import secret as secrets
from pipeline.settings import load_policy
from pipeline.silence import silence
from pipeline.storage import Store, canonical
from transforms.deidentify import Deidentifier
from transforms.errors import Code, ConfigError, DeidError
from transforms.pixels.engines.registry import check_engine
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.pixels.views import display
from transforms.read.instance import read_instance
from transforms.tags.identity import Identity
from transforms.types import Dataset, Finding

MASKED, KEPT = (64, 64, 255), (64, 200, 64)
"""Colours of the drawn boxes, blue-green-red: what would be masked is red, text that would stay is green."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``inspect``."""
    parser.add_argument("file", metavar="FILE", help="a DICOM file or URI")
    parser.add_argument("--config", default="configs/basic.yaml", metavar="FILE", help="policy (default configs/basic.yaml)")
    parser.add_argument("--secret-file", metavar="FILE", help="as for 'run'; a random one will do: new values are not shown")
    parser.add_argument("--png", metavar="FILE", help="write the frame with its boxes drawn: red is masked, green is kept")
    parser.add_argument("--frame", type=int, default=0, metavar="N", help="frame to draw, from 0 (default 0)")
    parser.add_argument("--no-values", action="store_true", help="do not show the text that was recognised")


def main(options: argparse.Namespace) -> int:
    """Print the tables; 0 when the file could be saved."""
    silence()
    policy = load_policy(options.config)
    check_engine(policy.pixels)
    ephemeral = not (options.secret_file or os.environ.get(secrets.ENVIRONMENT_VARIABLE))
    identity = Identity(secrets.resolve(secrets.find(options.secret_file, ephemeral)))
    store = Store()
    worker = Deidentifier(policy, identity, store, canonical("."))
    try:
        dataset = read_instance(store.read_all(canonical(options.file), policy.limits.max_instance_bytes), policy.limits)
    except DeidError as exc:
        if exc.code is Code.READ_FAILED:
            raise ConfigError(f"'{options.file}' cannot be read ({exc.detail}); expected one DICOM file, or its URI") from None
        raise ConfigError(f"'{options.file}' would be no saved file: {exc}") from None
    known = worker.pii.known([dataset])
    boxes = worker.pixels.look(dataset, known)
    print(table(("tag", "VR", "action", "rule"), [_tag_row(finding) for finding in worker.tags.plan(dataset, known)]))
    print()
    print(table(("frame", "x", "y", "w", "h", "action", "entity", "score", "text"), [_box_row(f, options.no_values) for f in boxes]))
    if options.png:
        draw(dataset, boxes, options.frame, options.png, worker)
        print(f"\n{options.png}: frame {options.frame}, red is masked, green is kept")
    return 0


def draw(dataset: Dataset, findings: Sequence[Finding], frame: int, path: str, worker: Deidentifier) -> None:
    """Write one frame with its boxes as PNG.

    Raises:
        ConfigError: the instance has no such frame, or the picture cannot be written.
    """
    if pixel_info(dataset) is None:
        raise ConfigError("--png: the instance has no pixels")
    reader = FrameReader(dataset, worker.policy.limits)
    if not 0 <= frame < len(reader):
        raise ConfigError(f"--frame is {frame}; the instance has {len(reader)} frames, counted from 0")
    picture = np.ascontiguousarray(display(reader, frame)[..., ::-1])
    for finding in findings:
        if finding.frame == frame and finding.box is not None:
            box = finding.box
            cv2.rectangle(picture, (box.x, box.y), (box.x + box.w, box.y + box.h), MASKED if finding.action == "masked" else KEPT, 1)
    done, encoded = cv2.imencode(".png", picture)
    assert done
    try:
        Path(path).write_bytes(encoded.tobytes())
    except OSError as exc:
        raise ConfigError(f"--png {path}: cannot be written ({exc.strerror})") from None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain columns, each as wide as its widest cell."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def _tag_row(finding: Finding) -> tuple[str, ...]:
    return finding.tag_path or "", finding.vr or "", finding.action, finding.rule


def _box_row(finding: Finding, hide: bool) -> tuple[str, ...]:
    box = finding.box
    place = (box.x, box.y, box.w, box.h) if box else ("", "", "", "")
    text = "" if hide else finding.text
    return (*(str(value) for value in (finding.frame, *place)), finding.action, finding.entity_type, f"{finding.score:.2f}", text)
