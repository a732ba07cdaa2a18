"""Burn known text into stored pixels, and say exactly where every bit of its ink is."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.synth_fonts import VISIBLE, Coverage, available, render, turn
from pipeline.synth_images import Frames, palette_luminance, value_range
from pipeline.synth_people import Person, Piece, phi_lines, technical_labels
from transforms.types import Dataset

COLOURS = ((255, 255, 255), (255, 255, 255), (255, 255, 0), (0, 255, 0), (0, 255, 255), (255, 170, 0), (200, 200, 200))
"""Colours of consoles' text on a dark ground, white most of the time."""


@dataclass(frozen=True, slots=True)
class TruthBox:
    """One piece of text: its box in stored pixel coordinates, from ``frame`` on for ``frames`` frames."""

    text: str
    x: int
    y: int
    w: int
    h: int
    is_phi: bool
    entity_type: str
    frame: int = 0
    frames: int = 1
    rotated: float = 0.0
    size: int = 0
    contrast: float = 1.0
    font: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """What was burned into one image. ``ink[i]`` is the visible glyph of ``boxes[i]`` as (h, w) booleans."""

    boxes: tuple[TruthBox, ...]
    identity: dict[str, str]
    ink: tuple[NDArray[np.bool_], ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The entry of a truth file, without the ink."""
        return {"frame": 0, "source": "synth", "boxes": [asdict(box) for box in self.boxes], "identity": self.identity}


@dataclass(frozen=True, slots=True)
class Style:
    """How the text of one image looks."""

    font: str
    size: int
    contrast: float
    backing: bool
    colour: tuple[int, int, int]
    turned: float
    margin: int


def choose_style(rng: random.Random, rows: int, columns: int, fonts: tuple[str, ...]) -> Style:
    """A style for an image of this size: from 8 pixels up to a thirtieth of the shorter side, mostly full contrast."""
    largest = max(10, min(rows, columns) // 24)
    return Style(
        font=rng.choice(fonts),
        size=rng.randint(8, largest),
        contrast=rng.choice((1.0, 1.0, 1.0, 0.7, 0.45)),
        backing=rng.random() < 0.15,
        colour=rng.choice(COLOURS),
        turned=rng.choice((90.0, 270.0, 180.0)) if rng.random() < 0.3 else 0.0,
        margin=rng.choice((0, 1, 3, 6, 10)),
    )


class Burner:
    """Writes pieces of text into the frames of one image and remembers where."""

    def __init__(self, dataset: Dataset, frames: Frames, style: Style) -> None:
        self._frames = frames
        self._style = style
        palette = dataset.PhotometricInterpretation == "PALETTE COLOR"
        self._mode = "palette" if palette else "bits" if dataset.BitsAllocated == 1 else "blend"
        self._low, self._high = value_range(dataset, frames)
        self._shades = palette_luminance(dataset) if palette else np.zeros(1)
        self._first = int(dataset.RedPaletteColorLookupTableDescriptor[1]) if palette else 0
        self._size: tuple[int, int] = frames.shape[1], frames.shape[2]
        self._taken: NDArray[np.bool_] = np.zeros(frames.shape[1:3], bool)
        self.boxes: list[TruthBox] = []
        self.ink: list[NDArray[np.bool_]] = []

    def line(self, pieces: list[Piece], x: int, y: int, *, right: bool = False, first: int = 0, count: int | None = None) -> int:
        """Write pieces side by side with their top at ``y``, starting at ``x`` or (``right``) ending there.

        Returns:
            Height used, 0 when the line does not fit or would touch text that is there already (then nothing is written).
        """
        style = self._style
        drawn = [render(piece.text, style.size, style.font) for piece in pieces]
        gap = max(3, style.size // 2)
        width = sum(glyph.shape[1] + gap for glyph in drawn) - gap
        height = max(len(glyph) for glyph in drawn)
        left = x - width if right else x
        rows, columns = self._size
        if min(left, y) < 0 or left + width > columns or y + height > rows or self._taken[y : y + height, left : left + width].any():
            return 0
        for piece, glyph in zip(pieces, drawn, strict=True):
            self._put(piece, glyph, left, y + height - glyph.shape[0], first, count, 0.0)
            left += glyph.shape[1] + gap
        return height

    def turned(self, piece: Piece, x: int, y: int, degrees: float) -> bool:
        """Write one piece turned by ``degrees`` with its centre at (x, y); false when it does not fit."""
        glyph = turn(render(piece.text, self._style.size, self._style.font), degrees)
        rows, columns = self._size
        top, left = y - glyph.shape[0] // 2, x - glyph.shape[1] // 2
        left, top = max(0, min(left, columns - glyph.shape[1])), max(0, min(top, rows - glyph.shape[0]))
        area = self._taken[top : top + glyph.shape[0], left : left + glyph.shape[1]]
        if area.shape != glyph.shape or area.any():
            return False
        self._put(piece, glyph, left, top, 0, None, degrees)
        return True

    def _put(self, piece: Piece, glyph: Coverage, x: int, y: int, first: int, count: int | None, degrees: float) -> None:
        rows, columns = self._size
        top, left, bottom, right = max(0, y - 1), max(0, x - 1), min(rows, y + glyph.shape[0] + 1), min(columns, x + glyph.shape[1] + 1)
        cover = np.zeros((bottom - top, right - left), np.float32)
        cover[y - top : y - top + glyph.shape[0], x - left : x - left + glyph.shape[1]] = glyph
        last = len(self._frames) if count is None else first + count
        self._draw(self._frames[first:last, top:bottom, left:right], cover)
        self._taken[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = True
        style = self._style
        box = TruthBox(
            piece.text, left, top, right - left, bottom - top, piece.is_phi, piece.entity_type, first, last - first, degrees, style.size
        )
        self.boxes.append(box)
        self.ink.append(cover >= VISIBLE)

    def _draw(self, area: Frames, cover: Coverage) -> None:
        """Blend ink over ``area`` (a view of the frames). Dark ink where the ground is bright; backing fills the box first."""
        style = self._style
        if self._mode != "blend":
            shades = (
                self._shades[np.clip(area.astype(np.int64) - self._first, 0, len(self._shades) - 1)] if self._mode == "palette" else area
            )
            bright = float(np.median(shades)) < 0.5
            nearest = self._shades.argmax() if bright else self._shades.argmin()
            entry = self._first + int(nearest) if self._mode == "palette" else int(bright)
            area[:, cover >= 0.5] = entry
            return
        middle = (self._low + self._high) / 2
        if style.backing:
            area[:] = np.array(self._low).astype(area.dtype)
        ground = float(np.median(area))
        top = self._high if ground < middle else self._low
        ink = ground + (top - ground) * style.contrast
        target = np.array(style.colour) / 255 * ink if area.ndim == 4 and ground < middle else np.array(ink)
        weight = cover[None, :, :, None] if area.ndim == 4 else cover[None]
        mixed = area.astype(np.float64) * (1 - weight) + target * weight
        area[:] = np.clip(np.rint(mixed), self._low, self._high).astype(area.dtype)


def lay_out(burner: Burner, rng: random.Random, who: Person, style: Style, rows: int, columns: int, frames: int) -> None:
    """Text as consoles place it: identity in the upper corners, settings in the lower ones, some turned along the side."""
    identity = phi_lines(rng, who)
    labels = [Piece(text, False, "TECHNICAL") for text in technical_labels(rng)]
    gap = max(3, style.size // 2)
    split = rng.randint(3, 6)
    for lines, right in ((identity[:split], False), (identity[split:], True)):
        y = style.margin
        for pieces in lines:
            y += (burner.line(pieces, columns - style.margin if right else style.margin, y, right=right) or -gap) + gap
            if y > rows * 0.45:
                break
    for right in (False, True):
        y = rows - style.margin - style.size * 2
        for label in (labels.pop() for _ in range(rng.randint(1, 4))):
            burner.line([label], columns - style.margin if right else style.margin, y, right=right)
            y -= style.size + gap
    if style.turned:
        piece = Piece(who.family.upper(), True, "PERSON")
        x = rng.choice((style.margin + style.size, columns - style.margin - style.size)) if style.turned != 180 else columns // 2
        burner.turned(piece, x, rows // 2 if style.turned != 180 else rows - style.margin - style.size, style.turned)
    if frames > 1:
        for frame in range(frames):
            burner.line(
                [Piece(f"{frame + 1}/{frames}", False, "TECHNICAL")],
                columns // 2,
                rows - style.margin - style.size * 2,
                first=frame,
                count=1,
            )


def burn_frames(dataset: Dataset, frames: Frames, who: Person, rng: random.Random, *, system_fonts: bool = False) -> Truth:
    """Write ``who``'s text into ``frames``, in place."""
    count, rows, columns = frames.shape[:3]
    style = choose_style(rng, rows, columns, available(system=system_fonts))
    burner = Burner(dataset, frames, style)
    lay_out(burner, rng, who, style, rows, columns, count)
    return Truth(tuple(burner.boxes), who.identity(), tuple(burner.ink))
