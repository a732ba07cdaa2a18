"""Truth files: where text is in the originals. Ours, those of the same shape, and Presidio's ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.score_pixels import Mask
from transforms.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TextBox:
    """A piece of text that stands in ``frames`` consecutive frames from ``frame`` on."""

    x: int
    y: int
    w: int
    h: int
    is_phi: bool
    entity_type: str = ""
    frame: int = 0
    frames: int = 1
    legible: str = "yes"
    ink: Mask | None = field(default=None, repr=False, compare=False)


def read_truth(path: Path) -> dict[str, tuple[TextBox, ...]]:
    """Boxes by file.

    Two shapes are read: ``{file: {"frame": 0, "boxes": [{text, x, y, w, h, is_phi, …}], "ink": "x.npz"}}`` and Presidio's
    ``{file: [{label, left, top, width, height}]}``, in which every box identifies.

    Raises:
        ConfigError: the file has neither shape.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: expected an object of files, found {type(entries).__name__}")
    try:
        return {name: _presidio(entry) if isinstance(entry, list) else _ours(entry, path.parent) for name, entry in entries.items()}
    except (KeyError, TypeError, ValueError) as exc:
        raise ConfigError(f"{path}: expected boxes with x, y, w, h, is_phi, or Presidio's left, top, width, height ({exc!r})") from exc


def _ours(entry: dict[str, Any], folder: Path) -> tuple[TextBox, ...]:
    ink = dict(np.load(folder / entry["ink"])) if entry.get("ink") else {}
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
            ink=ink.get(f"arr_{number}"),
        )
        for number, box in enumerate(entry["boxes"])
    )


def _presidio(entry: list[dict[str, Any]]) -> tuple[TextBox, ...]:
    return tuple(TextBox(round(box["left"]), round(box["top"]), round(box["width"]), round(box["height"]), is_phi=True) for box in entry)
