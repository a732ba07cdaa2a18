"""Where consoles put text on an image, and in which style."""

from __future__ import annotations

import random

from pipeline.synth_burn import Burner, Style, Truth
from pipeline.synth_fonts import available
from pipeline.synth_images import Frames
from pipeline.synth_labels import scale, technical_labels
from pipeline.synth_people import Person, Piece, phi_lines, write_name
from transforms.types import Dataset

COLOURS = ((255, 255, 255), (255, 255, 255), (255, 255, 0), (0, 255, 0), (0, 255, 255), (255, 170, 0), (200, 200, 200))
"""Colours of consoles' text on a dark ground, white most of the time."""


def choose_style(rng: random.Random, rows: int, columns: int, fonts: tuple[str, ...]) -> Style:
    """A style for an image of this size: letters from 8 pixels up to a 24th of the shorter side, mostly at full contrast."""
    return Style(
        font=rng.choice(fonts),
        size=rng.randint(8, max(10, min(rows, columns) // 24)),
        contrast=rng.choice((1.0, 1.0, 1.0, 0.7, 0.45)),
        backing=rng.random() < 0.12,
        outline=rng.random() < 0.15,
        above=rng.random() < 0.3,
        colour=rng.choice(COLOURS),
        turned=rng.choice((90.0, 270.0, 180.0)) if rng.random() < 0.3 else 0.0,
        tilt=rng.uniform(-8, 8) if rng.random() < 0.1 else 0.0,
        mirrored=rng.random() < 0.04,
        margin=rng.choice((0, 1, 3, 6, 10)),
    )


def burn_frames(
    dataset: Dataset, frames: Frames, who: Person, rng: random.Random, *, odd: bool = False, system_fonts: bool = False
) -> Truth:
    """Write ``who``'s text into all ``frames`` in place, a running number into each of several, and (``odd``) a name into one only."""
    count, rows, columns = frames.shape[:3]
    style = choose_style(rng, rows, columns, available(system=system_fonts))
    burner = Burner(dataset, frames, style)
    _corners(burner, rng, who, style, rows, columns)
    _turned(burner, rng, who, style, rows, columns)
    if count > 1:
        for frame in range(count):
            number = Piece(f"{frame + 1}/{count}", False, "TECHNICAL")
            burner.line([number], columns // 2, rows - style.margin - style.size * 2, first=frame, count=1)
    if odd:
        name = Piece(write_name(rng, who), True, "PERSON")
        frame, row = rng.randrange(count), rng.uniform(0.55, 0.7)
        for share in (row, 0.52, 0.6, 0.68, 0.76, 0.84):
            if burner.line([name], columns // 4, round(rows * share), first=frame, count=1):
                break
    return Truth(tuple(burner.boxes), who.identity(), tuple(burner.ink))


def _corners(burner: Burner, rng: random.Random, who: Person, style: Style, rows: int, columns: int) -> None:
    """Identity in the upper corners, settings in the lower ones."""
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
    _settings(burner, rng, labels, style, rows, columns)


def _settings(burner: Burner, rng: random.Random, labels: list[Piece], style: Style, rows: int, columns: int) -> None:
    """A column of settings beside the image, as ultrasound has it, and on the other side the numbers of a ruler."""
    right = rng.random() < 0.5
    x = columns - style.margin if right else style.margin
    y = round(rows * 0.5)
    for label in (labels.pop() for _ in range(rng.randint(0, 6))):
        y += (burner.line([label], x, y, right=right) or style.size) + max(3, style.size // 2)
        if y > rows * 0.8:
            break
    if rng.random() < 0.3:
        numbers = scale(rng)
        for index, number in enumerate(numbers):
            top = round(rows * (0.5 + 0.35 * index / len(numbers)))
            burner.line([Piece(number, False, "TECHNICAL")], style.margin if right else columns - style.margin, top, right=not right)


def _turned(burner: Burner, rng: random.Random, who: Person, style: Style, rows: int, columns: int) -> None:
    """Text along a side, upside down at the bottom, tilted, or mirrored as on a film that was scanned from behind."""
    family, given = Piece(who.family.upper(), True, "PERSON"), Piece(who.given.upper(), True, "PERSON")
    edge = style.margin + style.size
    if style.turned == 180:
        burner.turned(family, columns // 2, rows - edge, style.turned)
    elif style.turned:
        burner.turned(family, rng.choice((edge, columns - edge)), rows // 2, style.turned)
    if style.tilt:
        burner.turned(Piece(f"{who.given} {who.family}", True, "PERSON"), columns // 2, round(rows * 0.62), style.tilt)
    if style.mirrored:
        burner.turned(given, columns // 2, round(rows * 0.8), 0.0, mirrored=True)
