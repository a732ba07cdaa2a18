"""A JPEG Lossless encoder (ITU-T T.81 annex H, process 14, selection value 1), which no library for Python has.

It lets a masked image stay in the transfer syntax that it came in. Each sample is predicted by its left neighbour; the category of the
difference is Huffman coded, its bits follow. All samples of a band of rows are coded at once, without a loop over pixels.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

CATEGORIES = 17
LENGTHS = (2, 2, 2, *range(3, 17))
"""Code lengths by rank of frequency. With 17 categories they leave exactly the code of 16 ones unused, which T.81 forbids."""
BAND_SAMPLES = 1 << 20


def encode(samples: NDArray[Any], precision: int) -> bytes:
    """One frame as a JPEG stream.

    Args:
        samples: (rows, columns) or (rows, columns, components), unsigned, below 2**precision.
        precision: 2 to 16 bits.
    """
    planes = samples.reshape(samples.shape[0], samples.shape[1], -1)
    rows, columns, components = planes.shape
    differences = _differences(planes.astype(np.uint16, copy=False), precision).reshape(rows, -1)
    band = max(1, BAND_SAMPLES // (columns * components))
    histogram = np.zeros(CATEGORIES, np.int64)
    for top in range(0, rows, band):
        histogram += np.bincount(_categories(differences[top : top + band]).reshape(-1), minlength=CATEGORIES)
    order = np.argsort(-histogram, kind="stable").astype(np.uint8)
    codes, lengths = _codes(order)
    scan = _Bits()
    for top in range(0, rows, band):
        part = differences[top : top + band].reshape(-1)
        category = _categories(part)
        extra = np.where(part < 0, part - 1, part).astype(np.int64) & ((1 << category.astype(np.int64)) - 1)
        bits = np.where(category == CATEGORIES - 1, 0, category).astype(np.int64)
        scan.add((codes[category] << bits) | np.where(bits > 0, extra, 0), lengths[category] + bits)
    return _header(rows, columns, components, precision, order) + scan.finished() + b"\xff\xd9"


def _differences(planes: NDArray[np.uint16], precision: int) -> NDArray[np.int32]:
    """To the left neighbour, in a row's first sample to the one above, in the first of all to half the range; modulo 2**16."""
    wide = planes.astype(np.int32)
    prediction = np.empty_like(wide)
    prediction[:, 1:] = wide[:, :-1]
    prediction[1:, 0] = wide[:-1, 0]
    prediction[0, 0] = 1 << (precision - 1)
    difference = wide - prediction
    return np.where(difference > 32768, difference - 65536, np.where(difference <= -32768, difference + 65536, difference))


def _categories(differences: NDArray[np.int32]) -> NDArray[np.int32]:
    """Bits of the magnitude: 0 for 0, 16 for 32768."""
    return np.frexp(np.abs(differences).astype(np.float32))[1].astype(np.int32)


def _codes(order: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Canonical code and length of each category (T.81 annex C)."""
    codes, lengths = np.zeros(CATEGORIES, np.int64), np.zeros(CATEGORIES, np.int64)
    code, previous = 0, LENGTHS[0]
    for category, length in zip(order, LENGTHS, strict=True):
        code <<= length - previous
        codes[category], lengths[category] = code, length
        code, previous = code + 1, length
    return codes, lengths


def _header(rows: int, columns: int, components: int, precision: int, order: NDArray[np.uint8]) -> bytes:
    counts = bytes(LENGTHS.count(length) for length in range(1, 17))
    table = b"\x00" + counts + order.tobytes()
    ids = range(1, components + 1)
    frame = struct.pack(">BHHB", precision, rows, columns, components) + b"".join(bytes((item, 0x11, 0)) for item in ids)
    scan = bytes((components,)) + b"".join(bytes((item, 0)) for item in ids) + b"\x01\x00\x00"
    segments = ((0xC3, frame), (0xC4, table), (0xDA, scan))
    return b"\xff\xd8" + b"".join(bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)


class _Bits:
    """Gathers codes of up to 32 bits, most significant bit first; a zero byte follows each byte of ones (T.81 F.1.2.3)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._rest = (0, 0)

    def add(self, codes: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Append ``codes[i]`` with ``lengths[i]`` bits each."""
        value, held = self._rest
        codes = np.concatenate(([value], codes)).astype(np.uint64)
        lengths = np.concatenate(([held], lengths)).astype(np.int64)
        ends = np.cumsum(lengths)
        starts = ends - lengths
        total = int(ends[-1])
        words = np.zeros(total // 32 + 2, np.float64)
        word, shift = starts >> 5, (64 - (starts & 31) - lengths).astype(np.uint64)
        placed = codes << shift
        # The bits of different codes never meet, so that adding is joining; sums below 2**32 are exact in a float64.
        words[: len(words)] += np.bincount(word, (placed >> np.uint64(32)).astype(np.float64), len(words))
        words[: len(words)] += np.bincount(word + 1, (placed & np.uint64(0xFFFFFFFF)).astype(np.float64), len(words))
        packed = words.astype(np.uint32).astype(">u4").tobytes()
        whole, held = divmod(total, 8)
        self._rest = (packed[whole] >> (8 - held), held)
        self._parts.append(_stuffed(packed[:whole]))

    def finished(self) -> bytes:
        """All bytes; the last one is filled with ones."""
        value, held = self._rest
        if held:
            self._parts.append(_stuffed(bytes(((value << (8 - held)) | ((1 << (8 - held)) - 1),))))
        return b"".join(self._parts)


def _stuffed(data: bytes) -> bytes:
    return data.replace(b"\xff", b"\xff\x00")
