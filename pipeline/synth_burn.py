"""Burn known text into stored pixels, and say exactly where every bit of its ink is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.synth_fonts import VISIBLE, Coverage, render, turn
from pipeline.synth_images import Frames, palette_luminance, value_range
from pipeline.synth_people import Piece
from transforms.types import Dataset


@dataclass(frozen=True, slots=True)
class TruthBox:
    """One piece of text: its box in stored pixel coordinates, from ``frame`` on for ``frames`` frames, and how it looks."""

    text: str
    x: int
    y: int
    w: int
    h: int
    is_phi: bool
    entity_type: str
    frame: int
    frames: int
    rotated: float
    mirrored: bool
    size: int
    contrast: float
    font: str
    legible: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What was burned into one image. ``ink[i]`` is the visible glyph of ``boxes[i]`` as (h, w) booleans."""

    boxes: tuple[TruthBox, ...]
    identity: dict[str, str]
    ink: tuple[NDArray[np.bool_], ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The entry of a truth file, without the ink."""
        return {"frame": 0, "source": "synth", "boxes": [asdict(box) for box in self.boxes], "identity": self.identity}

    def of_frame(self, frame: int) -> Truth:
        """What stands in one frame, as the truth of an image of that frame alone."""
        here = [number for number, box in enumerate(self.boxes) if box.frame <= frame < box.frame + box.frames]
        boxes = (TruthBox(**asdict(self.boxes[number]) | {"frame": 0, "frames": 1}) for number in here)
        return Truth(tuple(boxes), self.identity, tuple(self.ink[number] for number in here))


@dataclass(frozen=True, slots=True)
class Style:
    """How the text of one image looks.

    Attributes:
        contrast: share of the way from the ground to the brightest (or darkest) value that the ink goes.
        backing: each piece stands on a plain strip of its own.
        outline: bright text has a dark rim one pixel wide.
        above: gray text takes the highest value that the stored bits hold, above all anatomy.
        turned: degrees by which one piece along the side is turned, 0 for none.
        tilt: the same for one piece in the middle of the lower half, a few degrees.
    """

    font: str
    size: int
    contrast: float = 1.0
    backing: bool = False
    outline: bool = False
    above: bool = False
    colour: tuple[int, int, int] = (255, 255, 255)
    turned: float = 0.0
    tilt: float = 0.0
    mirrored: bool = False
    margin: int = 3


class Burner:
    """Writes pieces of text into the frames of one image and remembers where."""

    def __init__(self, dataset: Dataset, frames: Frames, style: Style) -> None:
        self._frames = frames
        self._style = style
        palette = dataset.PhotometricInterpretation == "PALETTE COLOR"
        self._mode = "palette" if palette else "bits" if dataset.BitsAllocated == 1 else "blend"
        self._low, self._high = value_range(dataset, frames, above=style.above)
        self._shades = palette_luminance(dataset) if palette else np.zeros(1)
        self._first = int(dataset.RedPaletteColorLookupTableDescriptor[1]) if palette else 0
        self._size: tuple[int, int] = frames.shape[1], frames.shape[2]
        self._taken: NDArray[np.bool_] = np.zeros(frames.shape[1:3], bool)
        self.boxes: list[TruthBox] = []
        self.ink: list[NDArray[np.bool_]] = []

    def line(self, pieces: list[Piece], x: int, y: int, *, right: bool = False, first: int = 0, count: int | None = None) -> int:
        """Write pieces side by side with their top at ``y``, starting at ``x`` or (``right``) ending there.

        Args:
            pieces: what to write; all of them or none.
            x: column where the line starts or ends.
            y: row where it starts.
            right: ``x`` is its end.
            first: the first frame to write into.
            count: how many frames, None for all from there on.

        Returns:
            Height used, 0 when the line does not fit or would touch text that is there already (then nothing is written).
        """
        drawn = [render(piece.text, self._style.size, self._style.font) for piece in pieces]
        gap = max(3, self._style.size // 2)
        width = sum(glyph.shape[1] + gap for glyph, _ in drawn) - gap
        above = max(len(glyph) - below for glyph, below in drawn)
        height = above + max(below for _, below in drawn)
        left = x - width if right else x
        if not self._free(left, y, width, height):
            return 0
        for piece, (glyph, below) in zip(pieces, drawn, strict=True):
            self._put(piece, glyph, left, y + above - len(glyph) + below, first, count)
            left += glyph.shape[1] + gap
        return height

    def turned(self, piece: Piece, x: int, y: int, degrees: float, *, mirrored: bool = False) -> bool:
        """Write one piece turned by ``degrees`` with its centre near (x, y); false when it does not fit."""
        glyph = turn(render(piece.text, self._style.size, self._style.font)[0], degrees)
        glyph = np.ascontiguousarray(glyph[:, ::-1]) if mirrored else glyph
        height, width = len(glyph), glyph.shape[1]
        rows, columns = self._size
        left, top = max(0, min(x - width // 2, columns - width)), max(0, min(y - height // 2, rows - height))
        if not self._free(left, top, width, height):
            return False
        self._put(piece, glyph, left, top, 0, None, degrees, mirrored=mirrored)
        return True

    def _free(self, x: int, y: int, width: int, height: int) -> bool:
        rows, columns = self._size
        return min(x, y) >= 0 and x + width <= columns and y + height <= rows and not self._taken[y : y + height, x : x + width].any()

    def _put(
        self, piece: Piece, glyph: Coverage, x: int, y: int, first: int, count: int | None, degrees: float = 0.0, *, mirrored: bool = False
    ) -> None:
        """Draw a trimmed glyph with its corner at (x, y) and note its box, one pixel wider than its ink."""
        rows, columns = self._size
        top, left, bottom, right = max(0, y - 1), max(0, x - 1), min(rows, y + len(glyph) + 1), min(columns, x + glyph.shape[1] + 1)
        cover = np.zeros((bottom - top, right - left), np.float32)
        cover[y - top : y - top + len(glyph), x - left : x - left + glyph.shape[1]] = glyph
        last = len(self._frames) if count is None else first + count
        area = self._frames[first:last, top:bottom, left:right]
        before = area[0].copy()
        self._draw(area, cover)
        glyph_pixels = cover >= (VISIBLE if self._mode == "blend" else 0.5)
        ink = glyph_pixels & self._stands_out(before, area[0])
        share = ink.sum() / max(1, glyph_pixels.sum())
        self._taken[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = True
        self.boxes.append(
            TruthBox(
                text=piece.text,
                x=left,
                y=top,
                w=right - left,
                h=bottom - top,
                is_phi=piece.is_phi,
                entity_type=piece.entity_type,
                frame=first,
                frames=last - first,
                rotated=degrees,
                mirrored=mirrored,
                size=self._style.size,
                contrast=self._style.contrast,
                font=Path(self._style.font).stem,
                legible="yes" if share >= 0.9 else "partial" if share >= 0.4 else "poor",
            )
        )
        self.ink.append(ink)

    def _stands_out(self, before: Frames, after: Frames) -> NDArray[np.bool_]:
        """Pixels in which the ink can be told from what was there: by a twentieth of the image's range."""
        if self._mode != "blend":
            return np.asarray(before != after)
        moved = np.abs(after.astype(np.float64) - before)
        return np.asarray((moved.max(axis=-1) if moved.ndim == 3 else moved) >= (self._high - self._low) / 20)

    def _draw(self, area: Frames, cover: Coverage) -> None:
        """Write ink over ``area``, a view of the frames: bright on a dark ground and dark on a bright one."""
        if self._mode == "blend":
            self._blend(area, cover)
            return
        entries = np.clip(area.astype(np.int64) - self._first, 0, len(self._shades) - 1)
        bright = float(np.median(self._shades[entries] if self._mode == "palette" else area)) < 0.5
        nearest = self._shades.argmax() if bright else self._shades.argmin()
        area[:, cover >= 0.5] = self._first + int(nearest) if self._mode == "palette" else int(bright)

    def _blend(self, area: Frames, cover: Coverage) -> None:
        style = self._style
        if style.backing:
            area[:] = np.asarray(self._low, area.dtype)
        ground = float(np.median(area))
        dark_ground = ground < (self._low + self._high) / 2
        if style.outline and dark_ground:
            rim = cv2.dilate(cover, np.ones((3, 3), np.uint8)) >= VISIBLE
            area[:, rim] = np.asarray(self._low, area.dtype)
        ink = np.asarray(ground + ((self._high if dark_ground else self._low) - ground) * style.contrast)
        if area.ndim == 4 and dark_ground:
            ink = np.array(style.colour) / 255 * ink
        weight = cover[None, :, :, None] if area.ndim == 4 else cover[None]
        mixed = area.astype(np.float64) * (1 - weight) + ink * weight
        area[:] = np.clip(np.rint(mixed), self._low, self._high).astype(area.dtype)
