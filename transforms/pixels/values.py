"""Between coded values, as a codec gives them, and stored values, as the header defines them (PS3.5 8.1.1).

Coded values keep every bit, also those above Bits Stored where old images carry overlays; what is written back outside a mask is coded
values, untouched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from transforms.pixels.codestream import StreamInfo
from transforms.pixels.info import PixelInfo

Array = NDArray[Any]


def unpack(coded: Array, info: PixelInfo, stream: StreamInfo | None) -> Array:
    """Stored values of coded ones: bits beyond the sample dropped, the sign extended.

    The samples of a JPEG-LS or JPEG 2000 stream have the precision that the stream states, whatever Bits Stored says; so have those of a
    DCT, which overshoot Bits Stored. Lossless JPEG carries the bits of the container.
    """
    if info.is_float or info.bits_allocated == 1:
        return coded
    width, shift = _layout(info, stream)
    dtype = info.dtype if coded.itemsize <= info.dtype.itemsize else np.dtype(f"{info.dtype.kind}{coded.itemsize}")
    bits = dtype.itemsize * 8
    if not shift and (width == bits or (coded.dtype.kind == dtype.kind == "i")):
        return coded.astype(dtype, copy=False)
    stored = coded.astype(dtype)
    np.left_shift(stored, bits - width - shift, out=stored)
    np.right_shift(stored, bits - width, out=stored)
    return stored


def pack(stored: Array, info: PixelInfo, stream: StreamInfo | None, dtype: np.dtype[Any]) -> Array:
    """Coded values of ``dtype`` for stored ones; bits that belong to no sample are cleared, or repeat the sign.

    Native samples of signed images repeat the sign up to Bits Allocated, as scanners write them and careless readers expect.
    """
    if info.is_float or info.bits_allocated == 1:
        return stored.astype(dtype)
    width, shift = _layout(info, stream)
    bits = dtype.itemsize * 8
    wide = stored.astype(np.int64)
    if stream is None:
        coded = wide << shift if info.signed and not shift else (wide & ((1 << width) - 1)) << shift
    elif stream.signed:
        coded = ((wide & ((1 << width) - 1)) ^ (1 << (width - 1))) - (1 << (width - 1))
    else:
        coded = wide & ((1 << width) - 1)
    if dtype.kind == "u":
        coded &= (1 << bits) - 1 if bits < 64 else -1
    return coded.astype(dtype)


def without_spare_bits(coded: Array, info: PixelInfo, stream: StreamInfo | None) -> Array | None:
    """Coded values whose bits beyond the sample are cleared, or repeat the sign; None when there is nothing to clear.

    For syntaxes whose samples have the width of their container, see `transforms.pixels.codecs.CONTAINERS`: others have no such bits.
    """
    if info.is_float or info.bits_allocated == 1 or coded.dtype.kind != "u":
        return None
    width, shift = _layout(info, stream)
    bits = stream.precision if stream is not None else info.bits_allocated
    if width >= bits:
        return None
    used = coded.dtype.type(((1 << width) - 1) << shift)
    spare = coded.dtype.type((1 << bits) - 1) ^ used
    if not np.bitwise_or.reduce(coded, axis=None) & spare:
        return None
    cleared = coded & used
    if info.signed and not shift:
        cleared = np.where(cleared & coded.dtype.type(1 << (width - 1)), cleared | spare, cleared)
        if np.array_equal(np.where(coded & spare, coded, cleared), cleared):
            return None
    return np.asarray(cleared)


def _layout(info: PixelInfo, stream: StreamInfo | None) -> tuple[int, int]:
    """Bits of a sample, and how far they are shifted up in its container."""
    if stream is None:
        return info.bits_stored, info.high_bit + 1 - info.bits_stored
    if info.transfer_syntax in (JPEGLossless, JPEGLosslessSV1) or (stream.process in (0xC0, 0xC1) and info.signed):
        return min(info.bits_stored, stream.precision), 0
    return stream.precision, 0
