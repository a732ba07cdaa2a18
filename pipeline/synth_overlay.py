"""Text in an overlay plane (PS3.3 C.9.2): drawn by viewers on top of the image, and no part of its pixels."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from pydicom.pixels.utils import pack_bits

from pipeline.synth_fonts import render
from pipeline.synth_people import Person, write_name
from transforms.types import Dataset


def add_overlay(dataset: Dataset, who: Person, rng: random.Random) -> dict[str, Any] | None:
    """Put the patient's name into the first overlay group that is free.

    Returns:
        The entry of ``overlay_boxes`` in a truth file; None when the image is too small for the name.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    text = write_name(rng, who)
    glyph, _ = render(text, max(9, min(rows, columns) // 30), "pil-bitmap")
    if glyph.shape[1] + 8 > columns:
        return None
    x, y = rng.randint(4, columns - glyph.shape[1] - 4), rng.randint(rows // 2, rows - len(glyph) - 4)
    plane = np.zeros((rows, columns), np.uint8)
    plane[y : y + len(glyph), x : x + glyph.shape[1]] = glyph >= 0.5
    group = next(number for number in range(0x6000, 0x6020, 2) if (number, 0x0010) not in dataset)
    for element, vr, value in (
        (0x0010, "US", rows),
        (0x0011, "US", columns),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", pack_bits(plane.ravel(), pad=True)),
    ):
        dataset.add_new((group, element), vr, value)
    place = {"x": x, "y": y, "w": glyph.shape[1], "h": len(glyph)}
    return {"group": f"0x{group:04x}", "text": text, **place, "is_phi": True, "entity_type": "PERSON"}
