"""What is seen where there is no text: implants, teeth, vessels, textures, screens of ultrasound, cells. See `clean_kinds`."""

from __future__ import annotations

import cv2
import numpy as np

from tests.bench.clean_drawings import Noise, Plane, at, blobs, curve, grid, plane_of, texture, tissue, walk


def coils(noise: Noise) -> Plane:
    """Embolisation coils, stents, guide wires and leads on tissue."""
    plane = tissue(noise)
    for _ in range(int(noise.integers(2, 8))):
        place, angle, kind = noise.uniform(60, 450, 2), noise.uniform(0, np.pi), noise.integers(4)
        time, turns, wide = np.linspace(0, 1, 200), noise.uniform(2, 9), noise.uniform(4, 14)
        if kind == 0:
            line = np.stack((time * wide * turns, wide / 2 * np.sin(2 * np.pi * turns * time)), 1)
        elif kind == 1:
            line = np.stack((time * 40 + wide * np.cos(2 * np.pi * turns * time), wide * np.sin(2 * np.pi * turns * time)), 1)
        elif kind == 2:
            line = walk(noise, 200, 0.02, (1, 0))
        else:
            line = np.stack((time * 60, wide * (np.abs((time * turns * 2) % 2 - 1) - 0.5)), 1)
        turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
        curve(plane, line @ turn + place, float(noise.uniform(0.8, 1)), int(noise.integers(1, 3)))
        if kind == 3:
            curve(plane, (line * (1, -1)) @ turn + place, 0.9, 1)
    return plane


def clips(noise: Noise) -> Plane:
    """Surgical clips, sutures, screws and plates."""
    plane = tissue(noise)
    for _ in range(int(noise.integers(3, 14))):
        x, y = noise.uniform(60, 450, 2)
        angle, length, thick = noise.uniform(0, np.pi), noise.uniform(6, 18), int(noise.integers(1, 4))
        along = np.array((np.cos(angle), np.sin(angle))) * length
        across, place, kind = np.array((-along[1], along[0])) * 0.35, np.array((x, y)), noise.integers(5)
        if kind == 0:
            curve(plane, (place, place + along), 1.0, thick)
        elif kind == 1:
            curve(plane, (place, place + along, place + along + across, place + across), 1.0, thick)
        elif kind == 2:
            cv2.ellipse(plane, at(x, y), at(length / 2, length / 3), float(np.degrees(angle)), 0, 300, 1.0, thick, cv2.LINE_AA)
        elif kind == 3:  # a screw: shaft, thread and head
            for part in np.linspace(0, 3, 16):
                curve(plane, (place + part * along - across / 2, place + part * along + across / 2), 0.95, 1)
            curve(plane, (place, place + 3 * along), 0.95, 3)
            cv2.circle(plane, at(x, y), int(length / 2), 1.0, -1)
        else:  # a plate with holes
            curve(plane, (place, place + 5 * along), 0.9, 11)
            for part in range(6):
                cv2.circle(plane, at(*(place + part * along)), 3, 0.4, -1)
    return plane


def pacemaker(noise: Noise) -> Plane:
    """A generator with its inner parts, and leads with electrodes."""
    plane = tissue(noise, 900, 800)
    x, y, size = noise.uniform(150, 600), noise.uniform(120, 300), noise.uniform(50, 90)
    cv2.ellipse(plane, at(x, y), at(size, size * 0.85), float(noise.uniform(0, 180)), 0, 360, 0.8, -1)
    for _ in range(12):
        part, half = np.array((x, y)) + noise.uniform(-size / 2, size / 2, 2), noise.uniform(3, 16, 2)
        cv2.rectangle(plane, at(*(part - half)), at(*(part + half)), float(noise.uniform(0.5, 1)), -1 if noise.random() < 0.5 else 1)
    for _ in range(int(noise.integers(1, 4))):
        line = np.array((x, y + size)) + walk(noise, 300, 0.02, (0, 1.2))
        curve(plane, line, 0.9, int(noise.integers(1, 4)))
        for place in line[-60::15]:
            cv2.circle(plane, at(*place), 4, 1.0, -1)
    return plane


def doppler(noise: Noise) -> Plane:
    """A spectrum with base line and time marks under it."""
    rows, columns = 480, 720
    y, x = grid(rows, columns)
    base, period = noise.uniform(200, 380), noise.uniform(80, 200)
    envelope = 20 + noise.uniform(60, 160) * np.exp(-((((x % period) / period) - 0.2) ** 2) / 0.02)
    inside = np.clip((envelope - (base - y)) / 10, 0, 1) * (base > y)
    plane = (inside * np.clip(0.55 + 0.2 * texture(noise, rows, columns, 0.8, 6), 0, 1)).astype(np.float32)
    plane[int(base)] = 0.8
    for place in range(0, columns, int(noise.integers(20, 80))):
        plane[int(base) - 3 : int(base) + 4, place] = 0.9
    return plane


def m_mode(noise: Noise) -> Plane:
    """Layers that move with the heart, and depth marks."""
    rows, columns = 500, 800
    y, x = grid(rows, columns)
    plane = plane_of(rows, columns)
    for _ in range(int(noise.integers(5, 14))):
        depth = noise.uniform(40, 460) + noise.uniform(2, 25) * np.sin(x / noise.uniform(12, 40)) ** int(noise.choice((1, 2, 3)))
        plane += noise.uniform(0.3, 0.9) * np.exp(-(((y - depth) / noise.uniform(2, 14)) ** 2))
    plane *= 0.6 + 0.25 * texture(noise, rows, columns, 1, 5)
    for place in range(20, rows, int(noise.integers(20, 60))):
        cv2.circle(plane, (columns - 12, place), 2, 1.0, -1)
    return plane


def trabecular_bone(noise: Noise) -> Plane:
    rows, columns = int(noise.integers(400, 1000)), int(noise.integers(400, 1000))
    fine = noise.uniform(1, 2.5)
    return np.clip(
        0.3 + 0.3 * blobs(noise, rows, columns, 120) + noise.uniform(0.05, 0.15) * texture(noise, rows, columns, fine, 3 * fine), 0, 1
    )


def teeth(noise: Noise) -> Plane:
    """Crowns, roots, fillings, posts and brackets."""
    plane = tissue(noise, 600, 1000) * 0.7
    for number in range(int(noise.integers(8, 14))):
        x, y, wide = 80 + number * 65 + noise.uniform(-5, 5), noise.uniform(230, 320), noise.uniform(18, 28)
        cv2.ellipse(plane, at(x, y), at(wide, 70), float(noise.uniform(-10, 10)), 0, 360, 0.65, -1)
        kind = noise.integers(4)
        if kind == 0:
            outline = np.array((x, y - 50)) + noise.uniform(-14, 14, (7, 2))
            cv2.fillPoly(plane, [np.rint(outline).astype(np.int32)], 1.0)
        elif kind == 1:
            curve(plane, np.array([(x, y - 40), (x + noise.uniform(-5, 5), y + 50)]), 0.95, int(noise.integers(2, 6)))
        elif kind == 2:
            cv2.rectangle(plane, at(x - 9, y - 45), at(x + 9, y - 30), 1.0, 2)
    if noise.random() < 0.5:
        curve(plane, [(80 + 65 * number, 225 + noise.uniform(-12, 12)) for number in range(12)], 1.0, 2)
    return cv2.GaussianBlur(plane, (0, 0), 1.0)


def mammogram(noise: Noise) -> Plane:
    """Calcifications in groups, and folds of skin."""
    rows, columns = 1400, 1000
    y, x = grid(rows, columns)
    inside = np.clip((0.85 - np.hypot(x / columns, (y - rows / 2) / rows * 1.7)) * 8, 0, 1)
    plane = inside * (0.25 + 0.3 * blobs(noise, rows, columns, 70) + 0.04 * texture(noise, rows, columns, 1.5, 12))
    for _ in range(int(noise.integers(1, 6))):
        centre = noise.uniform((60, 300), (500, 1100))
        for place in centre + noise.normal(0, noise.uniform(8, 40), (int(noise.integers(5, 40)), 2)):
            cv2.ellipse(
                plane, at(*place), (int(noise.integers(1, 4)), int(noise.integers(1, 3))), float(noise.uniform(0, 180)), 0, 360, 0.95, -1
            )
    for _ in range(int(noise.integers(0, 4))):
        start = noise.uniform((0, 200), (400, 1200))
        curve(plane, start + walk(noise, 150, 0.03, (2, 0.5)), 0.75, int(noise.integers(1, 4)))
    return plane


def speckle(noise: Noise) -> Plane:
    """Multiplicative grain, as of radar or ultrasound, over smooth areas and bright points."""
    rows, columns = int(noise.integers(256, 700)), int(noise.integers(256, 700))
    grain = cv2.GaussianBlur(noise.exponential(1, (rows, columns)).astype(np.float32), (0, 0), float(noise.uniform(0.5, 2)))
    return np.clip(0.35 * grain * (0.2 + blobs(noise, rows, columns, 80)), 0, 1)


def cells(noise: Noise) -> Plane:
    """Stained nuclei or fluorescent ones."""
    plane = np.zeros((600, 800, 3), np.float32) + (noise.uniform(0.75, 0.95, 3) if noise.random() < 0.5 else noise.uniform(0, 0.1, 3))
    colour = noise.uniform(0, 1, 3)
    for _ in range(int(noise.integers(60, 500))):
        place, size = noise.uniform((0, 0), (800, 600)), noise.uniform(2, 16, 2)
        cv2.ellipse(
            plane, at(*place), at(*size), float(noise.uniform(0, 180)), 0, 360, tuple(colour * noise.uniform(0.6, 1)), -1, cv2.LINE_AA
        )
        if noise.random() < 0.3:
            cv2.circle(plane, at(*place), 1, tuple(1 - colour), -1)
    return cv2.GaussianBlur(plane, (0, 0), float(noise.uniform(0.5, 1.5)))


def fundus(noise: Noise) -> Plane:
    """Vessels that branch from the disc of the optic nerve."""
    plane = np.zeros((640, 640, 3), np.float32)
    cv2.circle(plane, (320, 320), 300, (0.75, 0.35, 0.15), -1)
    cv2.circle(plane, (220, 310), 36, (0.95, 0.75, 0.45), -1)
    plane = cv2.GaussianBlur(plane, (0, 0), 6)
    ends = [(np.array((220.0, 310.0)), angle, 6.0) for angle in noise.uniform(0, 2 * np.pi, 7)]
    while ends:
        place, angle, wide = ends.pop()
        bend = angle + np.cumsum(noise.normal(0, 0.09, 40))
        line = place + np.cumsum(3 * np.stack((np.cos(bend), np.sin(bend)), 1), 0)
        curve(plane, line, (0.5, 0.12, 0.08), max(round(wide), 1))
        if wide > 1.6:
            ends += [(line[-1], bend[-1] + turn, wide * 0.7) for turn in (0.4, -0.4)]
    y, x = grid(640, 640)
    return plane * (np.hypot(x - 320, y - 320) < 300)[..., None]


def retina_layers(noise: Noise) -> Plane:
    """Optical coherence tomography."""
    rows, columns = 500, 800
    y, x = grid(rows, columns)
    plane = plane_of(rows, columns, 0.1)
    surface = 180 + 40 * np.sin(x / 260 + noise.uniform(0, 6)) - 30 * np.exp(-(((x - 400) / 60) ** 2))
    for number in range(int(noise.integers(5, 10))):
        plane += noise.uniform(0.1, 0.5) * np.exp(-(((y - surface - number * noise.uniform(14, 22)) / noise.uniform(2, 7)) ** 2))
    return np.clip(plane * (1 + 0.35 * texture(noise, rows, columns, 0.6, 3)), 0, 1)


def endoscopy(noise: Noise) -> Plane:
    """Folds with bright reflections in a cut-out frame."""
    rows, columns = 520, 640
    y, x = grid(rows, columns)
    depth = np.hypot(x - 320 + 40 * noise.normal(), y - 260)
    folds = 0.5 + 0.15 * np.sin(depth / noise.uniform(14, 40) + 3 * blobs(noise, rows, columns, 90))
    plane = folds[..., None] * np.array((0.95, 0.5, 0.4), np.float32)
    for _ in range(int(noise.integers(5, 40))):
        cv2.ellipse(
            plane,
            at(*noise.uniform((80, 60), (560, 460))),
            at(*noise.uniform(1, 12, 2)),
            float(noise.uniform(0, 180)),
            0,
            360,
            (1, 1, 1),
            -1,
        )
    corner = abs(x - 320) + abs(y - 260)
    return cv2.GaussianBlur(plane, (0, 0), 1) * ((corner < 420) & (abs(x - 320) < 290) & (abs(y - 260) < 240))[..., None]


def broken_lines(noise: Noise) -> Plane:
    """Lines of a scatter grid or of a bad detector over a radiograph: rows and columns that fail, bands."""
    plane = tissue(noise, 700, 600)
    plane += 0.03 * np.sin(2 * np.pi * np.arange(600) / noise.uniform(2.2, 7)).astype(np.float32)
    for _ in range(int(noise.integers(1, 12))):
        row = int(noise.integers(0, 700))
        plane[row : row + int(noise.integers(1, 4)), int(noise.integers(0, 500)) :] = float(noise.uniform(0, 1))
    for column in noise.integers(0, 600, int(noise.integers(0, 6))):
        plane[:, column] = float(noise.uniform(0, 1))
    return plane


def angiogram(noise: Noise) -> Plane:
    """A projection of vessels, bright or dark, with catheters."""
    rows = columns = 640
    plane = 0.3 + 0.2 * blobs(noise, rows, columns, 160)
    ends = [(np.array((320.0, 620.0)), -np.pi / 2 + turn, 9.0) for turn in noise.normal(0, 0.3, 3)]
    while ends:
        place, angle, wide = ends.pop()
        bend = angle + np.cumsum(noise.normal(0, 0.12, 30))
        line = place + np.cumsum(4 * np.stack((np.cos(bend), np.sin(bend)), 1), 0)
        curve(plane, line, float(min(0.6 + wide / 20, 1)), max(round(wide), 1))
        if wide > 1.2:
            ends += [(line[-1], bend[-1] + turn, wide * noise.uniform(0.6, 0.85)) for turn in noise.normal(0, 0.7, 2)]
    return cv2.GaussianBlur(plane, (0, 0), 0.8)
