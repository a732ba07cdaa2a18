"""JPEG baseline frames masked in their coded form: blocks under a box become flat, all other coefficients stay, bit for bit.

A decoded and re-encoded JPEG loses everywhere; here only whole blocks of 8 x 8 samples (and what shares their chrominance, up to 16 x 16
pixels) change. Where chrominance is subsampled, decoders interpolate it, so that pixels next to a blanked block may take up a trace of its
colour; their coefficients are unchanged all the same.

`blank` runs in the child process of `transforms.pixels.isolate`: jpeglib works on files, and its C library may end the process.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from transforms.errors import Code, DeidError
from transforms.pixels.codestream import StreamInfo
from transforms.pixels.info import PixelInfo
from transforms.pixels.isolate import blank_apart
from transforms.pixels.mask import Fill, mask_frame, slices, snapped
from transforms.policy import LimitsPolicy
from transforms.types import Box

LIBRARY = "turbo210"
TOLERANCE = 20
"""Levels by which a blanked block may miss its value: half a step of the coarsest usual quantisation of the mean, 128 / 8, and rounding."""
SHADOW = 2
"""Pixels around a blanked area that interpolated chrominance may touch."""
_KEPT = {0xC0, 0xDB, 0xE0, 0xEE}
_DHT, _SOS = 0xC4, 0xDA


def applies(info: PixelInfo, stream: StreamInfo | None) -> bool:
    """Whether a frame can be masked here: 8-bit baseline, in one or three components, with an orderly header."""
    return (
        info.transfer_syntax == JPEGBaseline8Bit
        and stream is not None
        and stream.process == 0xC0
        and stream.precision == 8
        and stream.components in (1, 3)
        and not stream.scan_end
        and all(pair == (1, 1) for pair in stream.sampling[1:])
    )


def grid(stream: StreamInfo) -> tuple[int, int]:
    """Rows and columns of the pixels that share coded blocks."""
    if stream.components == 1:
        return 8, 8
    return 8 * max(v for _, v in stream.sampling), 8 * max(h for h, _ in stream.sampling)


def masked(data: bytes, boxes: Sequence[Box], info: PixelInfo, stream: StreamInfo, fill: Fill, space: str, limits: LimitsPolicy) -> bytes:
    """A frame with its boxes blanked, grown to whole blocks; checked.

    Raises:
        DeidError: PIXELS_UNENCODABLE, the result is not what it should be, or the stream cannot be taken apart.
    """
    boxes = [snapped(box, grid(stream), info.shape) for box in boxes]
    before = _decoded(data)
    wanted = mask_frame(before, boxes, info, "background" if fill == "inpaint" else fill, space)
    areas = []
    for box in boxes:
        rows, columns = slices(box, info.shape)
        if rows.stop > rows.start and columns.stop > columns.start:
            value = np.atleast_1d(wanted[rows.start, columns.start]).tolist()
            areas.append([rows.start, rows.stop, columns.start, columns.stop, value])
    result = blank_apart(data, info, areas, limits)
    after = _decoded(result)
    shadow = SHADOW if max(map(max, stream.sampling)) > 1 else 0
    restored = np.array(after, copy=True)
    for box in boxes:
        near = slices(Box(box.x - shadow, box.y - shadow, box.w + 2 * shadow, box.h + 2 * shadow), info.shape)
        restored[near] = before[near]
        inside = (*slices(box, info.shape), 0) if space == "YBR" else slices(box, info.shape)
        if np.abs(after[inside].astype(int) - wanted[inside]).max(initial=0) > TOLERANCE:
            raise DeidError(Code.PIXELS_UNENCODABLE, "blanked blocks are not flat")
    if not np.array_equal(restored, before):
        raise DeidError(Code.PIXELS_UNENCODABLE, "pixels outside the blanked blocks changed")
    return result + b"\0" * (len(result) % 2)


def blank(data: bytes, areas: Sequence[Sequence[Any]]) -> bytes:
    """The stream with its blocks in ``areas`` flat; to be called in the child process.

    Args:
        data: a baseline JPEG stream.
        areas: top, bottom, left, right of whole blocks, and the value of each component.
    """
    import jpeglib

    jpeglib.version.set(LIBRARY)
    folder = Path("/dev/shm")  # noqa: S108  # memory, not disk: frames may show names
    with tempfile.TemporaryDirectory(dir=folder if os.access(folder, os.W_OK) else None) as place:
        tempfile.tempdir = place
        source, target = Path(place, "source.jpg"), Path(place, "target.jpg")
        source.write_bytes(data)
        jpeg = jpeglib.read_dct(str(source))
        jpeg.load()
        planes = [jpeg.Y, jpeg.Cb, jpeg.Cr][: jpeg.num_components]
        factors = np.asarray(jpeg.samp_factor)
        largest = factors.max(axis=0) if len(planes) > 1 else factors[0]
        for top, bottom, left, right, values in areas:
            for index, plane in enumerate(planes):
                down, across = 8 * largest[0] // factors[index][0], 8 * largest[1] // factors[index][1]
                blocks = (slice(top // down, -(-bottom // down)), slice(left // across, -(-right // across)))
                plane[blocks] = 0
                step = int(np.asarray(jpeg.get_component_qt(index))[0, 0])
                plane[(*blocks, 0, 0)] = _mean(values[index], step)
        jpeg.Y, (jpeg.Cb, jpeg.Cr) = planes[0], planes[1:] if len(planes) > 1 else (None, None)
        jpeg.write_dct(str(target))
        return spliced(data, target.read_bytes())


def spliced(original: bytes, rewritten: bytes) -> bytes:
    """The coded scan of ``rewritten`` behind the header of ``original``: its components and tables; comments and foreign segments go."""
    header = b"".join(segment for marker, segment in _segments(original)[0] if marker in _KEPT)
    scan = next(segment for marker, segment in _segments(original)[0] if marker == _SOS)
    parts, start = _segments(rewritten)
    tables = b"".join(segment for marker, segment in parts if marker in (_DHT, 0xDD))
    new_scan = next(segment for marker, segment in parts if marker == _SOS)
    ids = bytearray(new_scan)
    ids[5 : 5 + 2 * new_scan[4] : 2] = scan[5 : 5 + 2 * scan[4] : 2]
    return b"\xff\xd8" + header + tables + bytes(ids) + rewritten[start:]


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The segments up to the first scan, with their markers, and where the scan's data begins."""
    position, found = 2, []
    while True:
        while data[position + 1] == 0xFF:
            position += 1
        marker = data[position + 1]
        end = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
        found.append((marker, data[position:end]))
        position = end
        if marker == _SOS:
            return found, position


def _mean(value: float, step: int) -> int:
    """The quantised mean of a block of ``value``; black and white are overshot, so that they are exact after clipping."""
    exact = 8 * (value - 128) / step
    if value <= 0:
        return int(np.floor(exact))
    return int(np.ceil(exact)) if value >= 255 else int(np.rint(exact))


def _decoded(data: bytes) -> NDArray[np.uint8]:
    """Components as they are coded, by libjpeg-turbo."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", None)
        return np.asarray(image)
