"""The pictures of the report, from saved files only: where text was masked, and thumbnails of images that had text.

Originals are never opened, so no picture can show what the output does not.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import cv2
import duckdb
import numpy as np
import pydicom
from numpy.typing import NDArray

import transforms.read.quiet  # noqa: F401  # pydicom would log values
from pipeline import database
from pipeline.storage import Store
from transforms.pixels.frames import FrameReader
from transforms.pixels.views import Window
from transforms.policy import LimitsPolicy
from transforms.types import Box

GRID = 24
"""Cells of a heat map in each direction."""
SAMPLED = 200
"""Instances of one modality whose boxes are drawn in its heat map."""
THUMBNAIL = 360
"""Pixels of the longer side of a thumbnail."""

_BOXED = """with chosen as (
        select instance_id, coalesce(nullif(modality, ''), '(none)') as modality, PatientID_deid,
            StudyInstanceUID_deid, SeriesInstanceUID_deid,
            SOPInstanceUID_deid, "rows", "columns", row_number() over (partition by modality order by instance_id) as turn
        from instances where status = 'saved' and boxes_masked > 0)
    select c.*, list({'frame': e.frame, 'x': e.x, 'y': e.y, 'w': e.w, 'h': e.h} order by e.frame, e.y, e.x) as boxes
    from chosen c join entities e using (instance_id) where c.turn <= ? and e.action = 'masked' and e.x is not null
    group by all"""


@dataclass(frozen=True)
class HeatMap:
    """Where text was masked in one modality.

    Attributes:
        cells: (column, row, share) of cells that were ever masked; share 0 to 1 of the instances.
    """

    modality: str
    instances: int
    boxes: int
    cells: list[tuple[int, int, float]]


@dataclass(frozen=True)
class Thumbnail:
    """A saved frame with the boxes that were masked in it, in the frame's own pixel coordinates."""

    instance_id: str
    modality: str
    frame: int
    frames: int
    columns: int
    rows: int
    data: str
    boxes: list[Box]


def heat_maps(connection: duckdb.DuckDBPyConnection) -> list[HeatMap]:
    """One map per modality that had text masked, over at most `SAMPLED` instances of it."""
    maps = []
    chosen = database.rows(connection, _BOXED + " order by modality, turn", SAMPLED)
    for modality, group in groupby(chosen, key=lambda row: str(row["modality"])):
        heat, instances, boxes = np.zeros((GRID, GRID)), 0, 0
        for row in group:
            if row["rows"] and row["columns"]:
                heat += _touched(row["boxes"], row["columns"], row["rows"])
                instances, boxes = instances + 1, boxes + len(row["boxes"])
        if instances:
            cells = [(int(x), int(y), float(heat[y, x] / instances)) for y, x in np.argwhere(heat > 0)]
            maps.append(HeatMap(modality, instances, boxes, cells))
    return maps


def thumbnails(connection: duckdb.DuckDBPyConnection, store: Store, output: str, count: int) -> Iterator[Thumbnail]:
    """Up to ``count`` saved images that had text masked, modalities in turn; a file that cannot be shown is passed over."""
    found = 0
    for row in database.rows(connection, _BOXED + " order by turn, modality", max(count, 1)):
        if found == count:
            return
        try:
            yield _thumbnail(store, output, row)
        except Exception:  # noqa: S112  # a picture less; `dicom-deid verify` is what says that a file cannot be read
            continue
        found += 1


def _thumbnail(store: Store, output: str, row: dict[str, Any]) -> Thumbnail:
    dataset = pydicom.dcmread(io.BytesIO(store.read_all(_uri(store, output, row))))
    reader = FrameReader(dataset, LimitsPolicy())
    per_frame: dict[int, list[Box]] = {}
    for box in row["boxes"]:
        per_frame.setdefault(int(box["frame"] or 0), []).append(Box(box["x"], box["y"], box["w"], box["h"]))
    frame = max(sorted(per_frame), key=lambda number: len(per_frame[number]))
    image = _picture(reader, frame, per_frame[frame])
    rows, columns = image.shape[:2]
    return Thumbnail(
        row["instance_id"], row["modality"], frame, reader.info.frames, columns, rows, _jpeg(image), per_frame[frame]
    )  # fmt: skip


def _picture(reader: FrameReader, frame: int, boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A frame for people, 8-bit RGB: colour as it is, grey through the range of what lies outside the boxes.

    A mask is often far below the anatomy, and would take all of the range for itself.
    """
    if reader.info.colour:
        return reader.rgb(frame)
    stored = reader.stored(frame)
    outside = np.ones(stored.shape, bool)
    for box in boxes:
        outside[max(box.y, 0) : box.y + box.h, max(box.x, 0) : box.x + box.w] = False
    low, high = np.percentile(stored[outside] if outside.any() else stored, (0.5, 99.5))
    grey = Window("outside", low, max(high, low + 1)).apply(stored)
    if reader.info.photometric == "MONOCHROME1":
        grey = 255 - grey
    return np.repeat(grey[:, :, None], 3, axis=2)


def _jpeg(image: NDArray[np.uint8]) -> str:
    """A ``data:`` URI of the image, made small."""
    scale = min(1.0, THUMBNAIL / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _touched(boxes: Sequence[dict[str, int]], columns: int, rows: int) -> NDArray[np.float64]:
    """1 in each cell of the grid that a box touches."""
    touched = np.zeros((GRID, GRID))
    for box in boxes:
        left, right = box["x"] * GRID // columns, -(-(box["x"] + box["w"]) * GRID // columns)
        top, bottom = box["y"] * GRID // rows, -(-(box["y"] + box["h"]) * GRID // rows)
        touched[max(top, 0) : bottom, max(left, 0) : right] = 1
    return touched


def _uri(store: Store, output: str, row: dict[str, Any]) -> str:
    ids = [row[name] for name in ("PatientID_deid", "StudyInstanceUID_deid", "SeriesInstanceUID_deid", "SOPInstanceUID_deid")]
    return store.join(output, "instances", *ids[:-1], f"{ids[-1]}.dcm")
