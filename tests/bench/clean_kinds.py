"""Clean images of kinds that the other sets of bench_pixels lack, as they may be stored.

Each kind is a function of a random generator that gives a plane (rows x columns, or rows x columns x 3) of values from 0 to 1. How it is
stored (bits, polarity, noise, size) is drawn apart from that. Nothing here may be readable: no letters, digits or bar codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench import clean_drawings, clean_scenes
from tests.bench.clean_drawings import Noise, Plane

KINDS: tuple[Callable[[Noise], Plane], ...] = (
    clean_drawings.electrocardiogram,
    clean_drawings.electroencephalogram,
    clean_drawings.ruler,
    clean_drawings.wedges,
    clean_scenes.coils,
    clean_scenes.clips,
    clean_scenes.pacemaker,
    clean_scenes.doppler,
    clean_scenes.m_mode,
    clean_drawings.plot,
    clean_scenes.trabecular_bone,
    clean_scenes.teeth,
    clean_scenes.mammogram,
    clean_scenes.speckle,
    clean_scenes.cells,
    clean_scenes.fundus,
    clean_scenes.retina_layers,
    clean_scenes.endoscopy,
    clean_drawings.line_pairs,
    clean_drawings.phantom_disc,
    clean_drawings.screen_test,
    clean_drawings.collimator,
    clean_drawings.shutter,
    clean_drawings.moire,
    clean_drawings.board,
    clean_drawings.calipers,
    clean_scenes.broken_lines,
    clean_scenes.angiogram,
)


def clean_plane(number: int, seed: int) -> NDArray[Any]:
    """Image ``number`` of a seed, as it is stored: 8, 12 or 16 bits (uint8 or uint16), either polarity, with noise and in several sizes."""
    noise = np.random.default_rng((seed, number))
    plane = np.asarray(KINDS[number % len(KINDS)](noise), np.float32)
    if noise.random() < 0.3:
        plane = cv2.resize(
            plane, None, fx=(zoom := float(noise.uniform(0.5, 2))), fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        )
    plane = np.clip(plane + noise.choice((0, 0.004, 0.012, 0.025)) * noise.normal(0, 1, plane.shape), 0, 1)
    plane = 1 - plane if noise.random() < 0.3 else plane
    highest = 255 if plane.ndim == 3 else int(noise.choice((255, 4095, 65535)))
    return np.rint(plane * highest).astype(np.uint8 if highest == 255 else np.uint16)
