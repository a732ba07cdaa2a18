"""What an OCR engine is: finds regions of text in an image, and reads crops of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Rows x columns x 3, 8 bits."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where an engine sees text.

    Attributes:
        quad: 4 x 2 corners (x, y) in pixels of the image: top left, top right, bottom right, bottom left of the line of text.
        score: 0 to 1.
    """

    quad: NDArray[np.float32]
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What an engine reads in a crop; ``text`` may be empty."""

    text: str = field(repr=False)
    score: float


class TextEngine(Protocol):
    """An OCR engine. One instance per process and thread: it holds its models."""

    name: str

    def detect(self, image: Image) -> list[Region]:
        """Regions of ``image`` that look like lines of text."""
        ...

    def read(self, crops: Sequence[Image]) -> list[Reading]:
        """The text of each crop, in order. A crop holds one horizontal line."""
        ...
