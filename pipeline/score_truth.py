"""Truth files: where text is in the originals, and what is to be checked in headers. Ours, those of the same shape, and those of peers."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.score_pixels import Mask
from pipeline.score_tags import ACTIONS
from pipeline.synth_tags import Check
from transforms.errors import ConfigError

PADDING = 25
"""Pixels that Presidio's DICOM engines put around an image before they look at it, and that the places of its ground truth count."""


@dataclass(frozen=True, slots=True)
class TextBox:
    """A piece of text that stands in ``frames`` consecutive frames from ``frame`` on, or in the overlay plane of group ``plane``.

    ``alone``: the truth is about this frame, and says nothing of what stands in others.
    """

    x: int
    y: int
    w: int
    h: int
    is_phi: bool
    entity_type: str = ""
    frame: int = 0
    frames: int = 1
    legible: str = "yes"
    look: str = "plain"
    plane: int = 0
    alone: bool = False
    ink: Mask | None = field(default=None, repr=False, compare=False)


def read_truth(path: Path, padding: int = PADDING) -> dict[str, tuple[TextBox, ...]]:
    """Boxes by file, for the files whose text is known; none at all means that the image is known to hold no text.

    Two shapes are read: ``{file: {"frame": 0, "boxes": [{text, x, y, w, h, is_phi, …}], "ink": "x.npz"}}`` and Presidio's
    ``{file: [{label, left, top, width, height}]}``, in which every box identifies, and lies ``padding`` pixels farther right and below than
    in the image. Where only the entry names a frame, and not its boxes, it is about that frame alone.

    Raises:
        ConfigError: the file has neither shape.
    """
    if path.suffix == ".csv":
        return {}
    known = {name: entry for name, entry in _entries(path).items() if isinstance(entry, list) or "boxes" in entry}
    try:
        return {name: _presidio(entry, padding) if isinstance(entry, list) else _ours(entry, path.parent) for name, entry in known.items()}
    except (KeyError, TypeError, ValueError) as exc:
        raise ConfigError(f"{path}: expected boxes with x, y, w, h, is_phi, or Presidio's left, top, width, height ({exc!r})") from exc


def read_checks(path: Path) -> dict[str, tuple[Check, ...]]:
    """Checks of headers by file.

    Two shapes are read: ``{file: {"checks": [{action, tag, text, kind, needs, unless}]}}`` and CSV with the columns file, action, tag, text
    and, if wanted, kind, needs, unless.

    Raises:
        ConfigError: a check that is none.
    """
    found: dict[str, list[Check]] = defaultdict(list)
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    found[row.pop("file")].append(Check(**row))
        else:
            for name, entry in _entries(path).items():
                for row in entry.get("checks", ()) if isinstance(entry, dict) else ():
                    found[name].append(Check(**row))
    except (KeyError, TypeError, OSError) as exc:
        raise ConfigError(f"{path}: expected checks with file, action, tag, text, kind, needs, unless ({exc!r})") from exc
    unknown = sorted({check.action for checks in found.values() for check in checks} - set(ACTIONS))
    if unknown:
        raise ConfigError(f"{path}: expected actions among {', '.join(ACTIONS)}; found {', '.join(unknown)}")
    return {name: tuple(checks) for name, checks in found.items()}


def _entries(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"{path}: cannot be read ({type(exc).__name__}); expected the truth.json of 'dicom-deid synth', or its like"
        ) from None
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: expected an object of files, found {type(entries).__name__}")
    return entries


def _ours(entry: dict[str, Any], folder: Path) -> tuple[TextBox, ...]:
    ink = dict(np.load(folder / entry["ink"])) if entry.get("ink") else {}
    overlay = [box | {"plane": int(str(box["group"]), 16)} for box in entry.get("overlay_boxes", ())]
    return tuple(
        TextBox(
            x=int(box["x"]),
            y=int(box["y"]),
            w=int(box["w"]),
            h=int(box["h"]),
            is_phi=bool(box["is_phi"]),
            entity_type=box.get("entity_type", ""),
            frame=int(box.get("frame", entry.get("frame", 0))),
            frames=int(box.get("frames", 1)),
            legible=str(box.get("legible", "yes")),
            look=_look(box),
            plane=int(box.get("plane", 0)),
            alone="frame" in entry and "frame" not in box,
            ink=ink.get(f"arr_{number}"),
        )
        for number, box in enumerate([*entry["boxes"], *overlay])
    )


def _look(box: dict[str, Any]) -> str:
    """What makes a text hard to read, where the truth says so."""
    if box.get("plane"):
        return "overlay"
    if box.get("mirrored"):
        return "mirrored"
    if box.get("rotated") or box.get("vertical"):
        return "rotated"
    if float(box.get("contrast", 1)) < 0.5:
        return "faint"
    return "small" if 0 < int(box.get("size", 0)) < 10 else "plain"


def _presidio(entry: list[dict[str, Any]], padding: int) -> tuple[TextBox, ...]:
    return tuple(
        TextBox(round(box["left"]) - padding, round(box["top"]) - padding, round(box["width"]), round(box["height"]), is_phi=True)
        for box in entry
    )
