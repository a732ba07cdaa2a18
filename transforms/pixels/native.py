"""Native pixel data (PS3.5 8.1, annex A.1 to A.3): frames as runs of samples, read and written in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from transforms.pixels.info import PixelInfo
from transforms.pixels.values import Array
from transforms.spool import Bytes, Spool


def frame_bytes(data: Bytes, info: PixelInfo, index: int) -> Any:
    """The bytes of a frame. A single-bit frame may begin within a byte (PS3.5 8.1.1): it comes repacked from its first bit on."""
    if info.native_bits % 8:
        return np.packbits(_bits(data, info, index), bitorder="little").tobytes()
    size = info.native_bits // 8
    return (memoryview(data) if isinstance(data, bytes) else data)[index * size : (index + 1) * size]


def decode(data: Bytes | bytearray, info: PixelInfo, index: int, *, word_swapped: bool) -> Array:
    """A frame in the machine's byte order, colour by pixel; unsigned unless floating point.

    Args:
        data: value of the pixel data element.
        info: of the data set.
        index: of the frame.
        word_swapped: 8-bit samples lie in big-endian words of 16 bits (PS3.5 A.3, VR OW).
    """
    if info.bits_allocated == 1:
        return _bits(data, info, index).reshape(info.shape)
    size = info.native_bits // 8
    start = index * size
    samples: Array
    if word_swapped:
        first, words = _words(data, start, start + size)
        samples = words[start - first :][:size]
    elif isinstance(data, Spool):
        samples = np.frombuffer(data[start : start + size], _dtype(info))
    else:
        samples = np.frombuffer(data, _dtype(info), info.native_bits // info.bits_allocated, start)
    if samples.dtype.byteorder == ">":
        samples = samples.astype(samples.dtype.newbyteorder("="))
    if info.subsampled:
        pairs = samples.reshape(-1, 4)
        chroma = pairs[:, 2:]
        full = np.stack((np.column_stack((pairs[:, :1], chroma)), np.column_stack((pairs[:, 1:2], chroma))), axis=1)
        return full.reshape(info.rows, info.columns, 3)
    if info.samples == 1:
        return samples.reshape(info.shape)
    if info.planar == 1:
        return np.moveaxis(samples.reshape(info.samples, info.rows, info.columns), 0, -1)
    return samples.reshape(info.rows, info.columns, info.samples)


def write(data: bytearray | Spool, info: PixelInfo, index: int, coded: Array, *, word_swapped: bool) -> None:
    """Put the coded values of a frame, as `decode` gives them, into the value of the pixel data element.

    Subsampled chrominance is that of the first pixel of each pair.
    """
    if info.bits_allocated == 1:
        _write_bits(data, info, index, coded)
        return
    if info.subsampled:
        pairs = coded.reshape(-1, 2, 3)
        coded = np.column_stack((pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 0, 1:]))
    elif info.samples > 1 and info.planar == 1:
        coded = np.moveaxis(coded, -1, 0)
    raw = coded.astype(_dtype(info), copy=False).tobytes()
    start = index * len(raw)
    if word_swapped:
        first, words = _words(data, start, start + len(raw))
        words[start - first :][: len(raw)] = np.frombuffer(raw, np.uint8)
        start, raw = first, _swapped(words).tobytes()
    data[start : start + len(raw)] = raw


def _words(data: Bytes | bytearray, start: int, end: int) -> tuple[int, NDArray[np.uint8]]:
    """Where the words begin that hold bytes ``start`` to ``end``, and their bytes, swapped within each."""
    first = start - start % 2
    return first, _swapped(np.frombuffer(data[first : end + end % 2], np.uint8))


def _swapped(words: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy with the bytes of each pair swapped; a last one without a pair stays."""
    words = words.copy()
    pairs = words[: len(words) // 2 * 2].reshape(-1, 2)
    pairs[:] = pairs[:, ::-1].copy()
    return words


def _dtype(info: PixelInfo) -> np.dtype[Any]:
    order = ">" if info.transfer_syntax == ExplicitVRBigEndian else "<"
    return np.dtype(f"{order}{'f' if info.is_float else 'u'}{info.bits_allocated // 8}")


def _bits(data: Bytes | bytearray, info: PixelInfo, index: int) -> Array:
    first = index * info.native_bits
    part = np.frombuffer(data[first // 8 : (first + info.native_bits + 7) // 8], np.uint8)
    return np.unpackbits(part, bitorder="little")[first % 8 : first % 8 + info.native_bits]


def _write_bits(data: bytearray | Spool, info: PixelInfo, index: int, coded: Array) -> None:
    first = index * info.native_bits
    window = slice(first // 8, (first + info.native_bits + 7) // 8)
    bits = np.unpackbits(np.frombuffer(data[window], np.uint8), bitorder="little")
    bits[first % 8 : first % 8 + info.native_bits] = coded.reshape(-1) & 1
    data[window] = np.packbits(bits, bitorder="little").tobytes()
