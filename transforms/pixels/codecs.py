"""Encoded frames to arrays and back, by the codec libraries themselves: one frame, no colour conversion, no rescaling.

An array here holds what the codec gives ("coded values"): JPEG 2000 with a component transform comes as RGB, because the codec undoes its
own transform (PS3.5 8.2.4); JPEG comes in the colours that it was coded in, YCbCr not converted; JPEG-LS is unsigned whatever the header
says. `transforms.pixels.frames` turns coded values into stored values, and back.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import Any

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
from libjpeg.utils import decode_pixel_data as libjpeg_decode
from numpy.typing import NDArray
from openjpeg.utils import decode_pixel_data as openjpeg_decode
from openjpeg.utils import encode_array as openjpeg_encode
from PIL import Image
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
)
from rle.utils import decode_pixel_data as rle_decode
from rle.utils import encode_pixel_data as rle_encode

from transforms.pixels import jpeg_lossless, native
from transforms.pixels.codestream import StreamInfo, repaired
from transforms.pixels.info import PixelInfo

Array = NDArray[Any]

DeflatedImageFrame = UID("1.2.840.10008.1.2.8.1")
"""Deflated Image Frame Compression (PS3.5 A.4.13), which pydicom 3.0 does not know."""
EncapsulatedUncompressed = UID("1.2.840.10008.1.2.1.98")
RAW_FRAMES = frozenset({DeflatedImageFrame, EncapsulatedUncompressed})
"""Syntaxes whose frames are laid out as native ones, each beginning with a byte of its own (PS3.5 8.2.16, A.4.11)."""
LOSSLESS_ENCODERS = RAW_FRAMES | {
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
}
"""Syntaxes into which a frame can be written without loss. For HTJ2K there is no encoder that Python could use; JPEG baseline and extended
always lose. The lossy syntaxes of JPEG-LS and JPEG 2000 may hold frames without loss (PS3.5 A.4.3, A.4.4)."""
CONTAINERS = RAW_FRAMES | {RLELossless, JPEGLossless, JPEGLosslessSV1}
"""Syntaxes in which frames keep the bits of Bits Allocated beyond Bits Stored."""
DECODABLE = LOSSLESS_ENCODERS | {JPEGBaseline8Bit, JPEGExtended12Bit, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL}


def decode(data: bytes, info: PixelInfo, stream: StreamInfo | None) -> Array:
    """Coded values, (rows, columns) or (rows, columns, samples), little-endian.

    Args:
        data: one encoded frame.
        info: of the data set; ``stream`` must agree with it (see `transforms.pixels.frames`).
        stream: header of the frame, for syntaxes that have one.

    Raises:
        Exception: whatever the codec raises, or ValueError when it gives another amount of data than the header says.
    """
    syntax = info.transfer_syntax
    if syntax in RAW_FRAMES:
        return native.decode(_raw(data, info), replace(info, frames=1), 0, word_swapped=False)
    if stream is None:
        return _run_lengths(data, info)
    dtype = np.dtype(f"{'i' if stream.signed else 'u'}{1 if stream.precision <= 8 else 2 if stream.precision <= 16 else 4}")
    if syntax in JPEG2000TransferSyntaxes:
        decoded: Any = openjpeg_decode(data, version=2)
    else:
        decoded = libjpeg_decode(repaired(data, stream), version=2)  # JPEG-LS too: CharLS is faster, and hangs on damaged streams
    return _shaped(np.frombuffer(decoded, dtype), info, planar=False)


def quick_rgb(data: bytes, info: PixelInfo, stream: StreamInfo | None) -> NDArray[np.uint8] | None:
    """An 8-bit colour frame of JPEG baseline as RGB, five times faster than `decode`; None where that does not apply.

    Its rounding differs from `decode` by a few levels where chrominance is subsampled: good for looking, not for writing.
    """
    if stream is None or info.transfer_syntax != JPEGBaseline8Bit or stream.components != 3 or stream.scan_end or stream.costly:
        return None
    if not stream.jfif and stream.adobe is None and stream.component_ids != (1, 2, 3):
        return None
    if info.photometric == "RGB" and not stream.jfif and stream.adobe != 1:
        return None
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def encode(coded: Array, info: PixelInfo, stream: StreamInfo | None, syntax: str) -> bytes:
    """One frame without loss in ``syntax``; even length.

    Args:
        coded: coded values as `decode` gives them.
        info: of the data set.
        stream: header of the frame that is replaced; its precision and component transform are kept. None to derive them from ``info``.
        syntax: one of `LOSSLESS_ENCODERS`.
    """
    coded = np.ascontiguousarray(coded)
    if syntax in RAW_FRAMES:
        raw = bytearray((info.native_bits + 7) // 8)
        native.write(raw, replace(info, frames=1), 0, coded, word_swapped=False)
        return _even(_deflated(bytes(raw)) if syntax == DeflatedImageFrame else bytes(raw))
    precision = stream.precision if stream is not None else info.bits_stored
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        data = jpeg_lossless.encode(coded, precision)
    elif syntax in JPEG2000TransferSyntaxes:
        mct = stream.mct if stream is not None else info.photometric == "RGB"
        data = openjpeg_encode(coded, bits_stored=precision, photometric_interpretation=1 if mct else 0, use_mct=mct)
    elif syntax in JPEGLSTransferSyntaxes:
        data = bytes(
            jpeg_ls.encode_pixel_data(
                coded.tobytes(),
                lossy_error=0,
                rows=info.rows,
                columns=info.columns,
                samples_per_pixel=info.samples,
                bits_stored=precision,
                planar_configuration=0,
            )
        )
    else:
        data = _run_lengths_of(coded, info)
    return _even(data)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def inflated(data: bytes, info: PixelInfo) -> tuple[bytes, int]:
    """A deflated frame as native pixel data has it, and how many bytes of ``data`` it took; no more is inflated than the header promises.

    Raises:
        ValueError, zlib.error: it is not deflated, cut short, or of another size.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    raw = inflater.decompress(data, (info.native_bits + 7) // 8 + 2)
    if not inflater.eof:
        raise ValueError("expected the end of the deflated data")
    return raw, len(data) - len(inflater.unused_data)


def _raw(data: bytes, info: PixelInfo) -> bytes:
    """The bytes of a frame as native pixel data has them."""
    size = (info.native_bits + 7) // 8
    if info.transfer_syntax == DeflatedImageFrame:
        data, _ = inflated(data, info)
    if not size <= len(data) <= size + 1:
        raise ValueError(f"expected {size} bytes, found {len(data)}")
    return data[:size]


def _deflated(raw: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(raw) + compressor.flush()


def _run_lengths(data: bytes, info: PixelInfo) -> Array:
    """PS3.5 annex G. Single-bit pixels come packed, eight to a byte, as native ones do."""
    if info.bits_allocated == 1:
        size = (info.rows * info.columns + 7) // 8
        packed = _rle_decode(data, 1, size, 8)
        return np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[: info.rows * info.columns].reshape(info.shape)
    decoded = _rle_decode(data, info.rows, info.columns, info.bits_allocated)
    return _shaped(np.frombuffer(decoded, np.dtype(f"u{info.bits_allocated // 8}")), info, planar=True)


def _rle_decode(data: bytes, rows: int, columns: int, bits: int) -> bytearray:
    """A damaged frame makes the decoder panic, and a panic of Rust is no Exception of Python: it would pass every handler of a worker."""
    try:
        return bytearray(rle_decode(data, version=2, rows=rows, columns=columns, bits_allocated=bits, byteorder="<"))
    except BaseException as exc:
        if type(exc).__name__ == "PanicException":
            raise ValueError("a run beyond the end of its segment") from None
        raise


def _shaped(values: Array, info: PixelInfo, planar: bool) -> Array:
    """Colour by pixel, whatever order the samples came in. Odd bytes at the end are padding."""
    count = info.rows * info.columns * info.samples
    if not count <= values.size <= count + 1:
        raise ValueError(f"expected {count} samples, found {values.size}")
    values = values[:count]
    if info.samples == 1:
        return values.reshape(info.shape)
    if planar:
        return np.moveaxis(values.reshape(info.samples, info.rows, info.columns), 0, -1)
    return values.reshape(info.rows, info.columns, info.samples)


def _run_lengths_of(coded: Array, info: PixelInfo) -> bytes:
    raw, rows, columns = coded.tobytes(), info.rows, info.columns
    if info.bits_allocated == 1:
        raw = np.packbits(coded.reshape(-1), bitorder="little").tobytes()
        rows, columns = 1, len(raw)
    bits = coded.itemsize * 8
    data = rle_encode(raw, rows=rows, columns=columns, samples_per_pixel=info.samples, bits_allocated=bits, byteorder="<")
    return bytes(data)
