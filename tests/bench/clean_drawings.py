"""What people and devices draw where there is no text: recorded curves, rulers, axes, test patterns, phantoms, edges. See `clean_kinds`."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Noise = np.random.Generator


def plane_of(rows: int, columns: int, value: float = 0.0) -> Plane:
    return np.full((rows, columns), value, np.float32)


def grid(rows: int, columns: int) -> tuple[Plane, Plane]:
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return y, x


def at(*values: float) -> tuple[int, int]:
    x, y = values
    return round(x), round(y)


def curve(plane: Plane, points: Any, value: Any = 1.0, thick: int = 1, *, closed: bool = False) -> None:
    """Draws a curve through points (n x 2 of x and y), smooth at its edges."""
    fixed = np.rint(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.polylines(plane, [fixed], closed, value, thick, cv2.LINE_AA, 4)


def blobs(noise: Noise, rows: int, columns: int, size: int) -> Plane:
    """Soft shapes of about ``size`` pixels, 0 to 1."""
    small = noise.random((rows // size + 3, columns // size + 3)).astype(np.float32)
    return np.clip(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC), 0, 1)


def walk(noise: Noise, steps: int, bend: float, along: tuple[float, float]) -> NDArray[np.float64]:
    """A line (steps x 2) that bends as wires, folds and vessels do, from 0, 0 in the direction ``along``."""
    return np.cumsum(np.cumsum(noise.normal(0, bend, (steps, 2)), 0) + np.array(along), 0)


def tissue(noise: Noise, rows: int = 512, columns: int = 512) -> Plane:
    return 0.15 + 0.35 * blobs(noise, rows, columns, 48) + 0.1 * blobs(noise, rows, columns, 9)


def texture(noise: Noise, rows: int, columns: int, fine: float, coarse: float) -> Plane:
    """Grain between two sizes."""
    white = noise.normal(0, 1, (rows, columns)).astype(np.float32)
    band = cv2.GaussianBlur(white, (0, 0), fine) - cv2.GaussianBlur(white, (0, 0), coarse)
    return band / max(float(band.std()), 1e-6)


def electrocardiogram(noise: Noise) -> Plane:
    """Leads on squared paper, with calibration marks."""
    rows, columns = int(noise.integers(300, 700)), int(noise.integers(600, 1100))
    plane = plane_of(rows, columns)
    if noise.random() < 0.7:
        step = int(noise.integers(16, 30))
        for size, value in ((step // 4, 0.08), (step, 0.2)):
            plane[::size] = plane[:, ::size] = value
    leads, time = int(noise.integers(1, 7)), np.arange(columns)
    thick = int(noise.integers(1, 3))
    for lead in range(leads):
        beat = (time % int(noise.integers(60, 160))) / 100
        waves = ((0.15, 0.15, 0.03), (-0.1, 0.24, 0.01), (1, 0.27, 0.012), (-0.25, 0.3, 0.012), (0.3, 0.5, 0.05))
        height = sum(size * noise.uniform(0.6, 1.4) * np.exp(-(((beat - place) / width) ** 2)) for size, place, width in waves)
        middle, tall = rows * (lead + 0.6) / leads, rows / leads * noise.uniform(0.25, 0.4)
        curve(plane, np.stack((time, middle - tall * (height + 0.03 * noise.normal(size=columns))), 1), 1.0, thick)
        if noise.random() < 0.5:
            mark = np.array([(4, 0), (9, 0), (9, 1), (20, 1), (20, 0), (26, 0)]) * (1, -tall) + (0, middle)
            curve(plane, mark, 1.0, thick)
    return plane


def electroencephalogram(noise: Noise) -> Plane:
    """Many channels of irregular waves."""
    rows, columns, channels = 600, 900, int(noise.integers(8, 24))
    plane = plane_of(rows, columns)
    if noise.random() < 0.5:
        plane[:, :: int(noise.integers(60, 120))] = 0.3
    for channel in range(channels):
        wave = cv2.GaussianBlur(noise.normal(0, 1, (1, columns)).astype(np.float32), (0, 0), float(noise.uniform(1, 6)))[0]
        curve(plane, np.stack((np.arange(columns), rows * (channel + 0.5) / channels + wave / wave.std() * rows / channels / 5), 1), 0.9)
    return plane


def ruler(noise: Noise) -> Plane:
    """Rulers and scale bars without digits, with and without a base line."""
    plane = plane_of(512, 512, float(noise.uniform(0, 0.3)))
    for _ in range(int(noise.integers(1, 4))):
        step, length, tens = noise.uniform(4, 25), int(noise.integers(150, 480)), int(noise.choice((5, 10)))
        start, place, side = noise.integers(10, 30), noise.integers(30, 480), noise.choice((-1, 1))
        short, tall, thick = noise.integers(4, 12), noise.integers(10, 24), int(noise.integers(1, 3))
        upright, value = noise.random() < 0.5, float(noise.uniform(0.6, 1))
        lines = [
            (start + n * step, place, start + n * step, place - side * (short if n % tens else tall)) for n in range(int(length / step) + 1)
        ]
        lines += [(start, place, start + length, place)] if noise.random() < 0.6 else []
        for x1, y1, x2, y2 in lines:
            ends = ((y1, x1), (y2, x2)) if upright else ((x1, y1), (x2, y2))
            cv2.line(plane, at(*ends[0]), at(*ends[1]), value, thick)
    return plane


def wedges(noise: Noise) -> Plane:
    """Colour bars and grey wedges, smooth or in steps, with a border."""
    plane = np.zeros((480, 640, 3), np.float32)
    table = noise.integers(0, 22)
    for _ in range(int(noise.integers(1, 4))):
        steps, upright = int(noise.choice((256, *range(4, 24)))), noise.random() < 0.5
        ramp = np.rint(np.linspace(0, 255, steps)).astype(np.uint8)[None].repeat(20, 0)
        bar = cv2.resize(ramp, (int(noise.integers(150, 400)), int(noise.integers(8, 60))), interpolation=cv2.INTER_NEAREST)
        colour = cv2.applyColorMap(bar, int(table)) if noise.random() < 0.6 else cv2.merge([bar] * 3)
        colour = colour.transpose(1, 0, 2) if upright else colour
        y, x = noise.integers(0, 480 - colour.shape[0]), noise.integers(0, 640 - colour.shape[1])
        plane[y : y + colour.shape[0], x : x + colour.shape[1]] = colour / 255
        cv2.rectangle(plane, (x - 1, y - 1), (x + colour.shape[1], y + colour.shape[0]), (0.8, 0.8, 0.8), 1)
    return plane


def plot(noise: Noise) -> Plane:
    """Axes without numbers; curves, bars or scattered marks."""
    plane = plane_of(480, 640)
    cv2.polylines(plane, [np.array([(70, 40), (70, 400), (600, 400)], np.int32)], False, 1.0, 1)
    for x in range(70, 600, int(noise.integers(12, 60))):
        cv2.line(plane, (x, 400), (x, 400 + int(noise.choice((4, 8)))), 1.0, 1)
    for y in range(40, 400, int(noise.integers(12, 60))):
        cv2.line(plane, (64, y), (70, y), 1.0, 1)
    kind, across = noise.integers(3), np.linspace(75, 595, int(noise.integers(20, 90)))
    for _ in range(int(noise.integers(1, 4))):
        walk = np.cumsum(noise.normal(0, 1, len(across)))
        height = 390 - 330 * (walk - walk.min()) / np.ptp(walk)
        marker, size, filled = int(noise.integers(7)), int(noise.integers(5, 11)), int(noise.choice((-1, 1)))
        if kind == 0:
            curve(plane, np.stack((across, height), 1))
        for x, y in zip(across, height, strict=True):
            if kind == 1:
                cv2.rectangle(plane, at(x, y), (round(x) + 4, 399), 0.8, filled)
            elif kind == 2:
                cv2.drawMarker(plane, at(x, y + noise.normal(0, 12)), 1.0, marker, size, 1)
    return plane


def calipers(noise: Noise) -> Plane:
    """Measuring marks, dotted lines, arrows and regions of interest."""
    plane = tissue(noise)
    for _ in range(int(noise.integers(1, 6))):
        start, end = noise.uniform(40, 470, (2, 2))
        kind, thick = noise.integers(5), int(noise.integers(1, 3))
        if kind <= 1:
            for place in np.linspace(start, end, int(np.hypot(*(end - start)) / 8) + 2):
                cv2.circle(plane, at(*place), 1, 0.95, -1)
            for place in (start, end):
                cv2.drawMarker(plane, at(*place), 0.95, int(noise.integers(2)), int(noise.integers(7, 14)), thick)
        elif kind == 2:
            cv2.arrowedLine(plane, at(*start), at(*(0.8 * start + 0.2 * end)), 0.95, thick, cv2.LINE_AA, 0, 0.35)
        elif kind == 3:
            cv2.ellipse(plane, at(*start), at(*noise.uniform(8, 70, 2)), 0, 0, 360, 0.95, thick)
        else:
            cv2.rectangle(plane, at(*start), at(*(start + noise.uniform(10, 80, 2))), 0.95, thick)
    return plane


def line_pairs(noise: Noise) -> Plane:
    """Groups of bars of growing frequency, along a row or around a disc."""
    plane = plane_of(640, 640, 0.4)
    around = noise.random() < 0.5
    for number, pitch in enumerate(noise.permutation([2, 3, 4, 5, 6, 8, 10, 12, 16, 20])):
        count, length = int(noise.integers(3, 14)), float(noise.uniform(14, 44))
        angle = 2 * np.pi * number / 10 if around else 0.0
        along = np.array((-np.sin(angle), np.cos(angle))) if around else np.array((1.0, 0.0))
        across = np.array((np.cos(angle), np.sin(angle))) if around else np.array((0.0, 1.0))
        place = 320 + 210 * across if around else np.array((noise.uniform(20, 200), 20 + number * 60))
        for bar in range(count):
            start = place + along * bar * pitch
            curve(plane, (start, start + across * length), 0.9, max(int(pitch) // 2, 1))
    return plane


def phantom_disc(noise: Noise) -> Plane:
    """A disc with inserts of many sizes and contrasts, as Leeds and CATPHAN have."""
    plane = plane_of(600, 600)
    cv2.circle(plane, (300, 300), 280, 0.45, -1)
    for ring in range(int(noise.integers(2, 5))):
        radius, count, contrast = 70 + 55 * ring, int(noise.integers(6, 20)), noise.uniform(-0.4, 0.5)
        for number in range(count):
            angle, size = 2 * np.pi * number / count, noise.uniform(0.5, 1.2) * (2 + 12 * number / count)
            cv2.circle(plane, at(300 + radius * np.cos(angle), 300 + radius * np.sin(angle)), max(round(size), 1), 0.45 + contrast, -1)
    for _ in range(4):
        corner = noise.uniform(120, 460, 2)
        curve(plane, (corner, corner + noise.uniform(-60, 60, 2)), 0.9, 1)
    return plane


def screen_test(noise: Noise) -> Plane:
    """Squares of grey, bars and cross lines, as screens are tested with."""
    plane, count = plane_of(600, 600, 0.5), int(noise.integers(8, 18))
    for number in range(count):
        angle, half = 2 * np.pi * number / count, noise.uniform(18, 28)
        x, y = 300 + 190 * np.cos(angle), 300 + 190 * np.sin(angle)
        cv2.rectangle(plane, at(x - half, y - half), at(x + half, y + half), number / (count - 1), -1)
        cv2.rectangle(plane, at(x - half / 3, y - half / 3), at(x + half / 3, y + half / 3), 0.95 * number / (count - 1) + 0.04, -1)
    for x, y in ((20, 20), (500, 20), (20, 500), (500, 500), (260, 260)):
        for row, pitch in enumerate((1, 2, 3)):
            bars = (np.arange(70) // pitch % 2).astype(np.float32)
            plane[y + row * 26 : y + row * 26 + 24, x : x + 70] = bars if noise.random() < 0.5 else bars[:24, None]
    cv2.rectangle(plane, (5, 5), (594, 594), 1.0, 1)
    plane[300], plane[:, 300] = 1.0, 1.0
    return plane


def board(noise: Noise) -> Plane:
    """Checkerboards, and grids of dots, crosses, squares or lines."""
    plane, pitch, kind = plane_of(512, 512, float(noise.uniform(0, 0.4))), int(noise.integers(8, 44)), noise.integers(5)
    for y in range(pitch // 2, 512, pitch):
        for x in range(pitch // 2, 512, pitch):
            if kind == 0:
                cv2.circle(plane, (x, y), max(pitch // 6, 1), 0.9, -1)
            elif kind == 1:
                cv2.drawMarker(plane, (x, y), 0.9, cv2.MARKER_CROSS, pitch // 2, 1)
            elif kind == 2:
                cv2.rectangle(plane, (x, y), (x + pitch // 2, y + pitch // 2), 0.9, 1)
            elif kind == 3 and (x // pitch + y // pitch) % 2:
                plane[y : y + pitch, x : x + pitch] = 0.9
    if kind == 4:
        plane[::pitch] = plane[:, ::pitch] = 0.9
    return plane


def moire(noise: Noise) -> Plane:
    """Gratings that beat against each other."""
    y, x = grid(512, 512)
    waves = [np.sin(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / noise.uniform(3, 14)) for a in noise.uniform(0, np.pi, 2)]
    return np.clip(0.4 + noise.uniform(0.1, 0.3) * waves[0] * waves[1] + 0.1 * blobs(noise, 512, 512, 60), 0, 1).astype(np.float32)


def shutter(noise: Noise) -> Plane:
    """A round or polygonal cut-out with marks of orientation on its edge."""
    plane, mask = tissue(noise, 600, 600), plane_of(600, 600)
    corners = np.linspace(0, 2 * np.pi, int(noise.choice((6, 8, 12, 60))), endpoint=False)
    cv2.fillPoly(mask, [np.rint(300 + 270 * np.stack((np.cos(corners), np.sin(corners)), 1)).astype(np.int32)], 1.0)
    plane *= mask
    for angle in noise.uniform(0, 2 * np.pi, int(noise.integers(1, 4))):
        tip = 300 + 272 * np.array((np.cos(angle), np.sin(angle)))
        cv2.fillPoly(plane, [np.rint(tip + noise.uniform(-8, 8, (3, 2))).astype(np.int32)], 1.0)
    return plane


def collimator(noise: Noise) -> Plane:
    """An exposed polygon with sharp, tilted or doubled edges, and leaves of a multileaf collimator."""
    rows, columns = int(noise.integers(500, 900)), int(noise.integers(500, 900))
    plane, inner = plane_of(rows, columns, float(noise.uniform(0, 0.1))), tissue(noise, rows, columns)
    corners = np.array([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]) + noise.uniform(-0.08, 0.08, (4, 2))
    opening = plane_of(rows, columns)
    cv2.fillPoly(opening, [np.rint(corners * (columns, rows)).astype(np.int32)], 1.0)
    if noise.random() < 0.5:
        for top in range(0, rows, leaf := int(noise.integers(10, 26))):
            opening[top : top + leaf, : int(noise.uniform(0.1, 0.35) * columns)] = 0
    return plane + opening * inner
