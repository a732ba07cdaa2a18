"""Frames: the pixels of an instance one frame at a time, in stored representation, with bounds checked before anything is allocated."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from transforms.errors import Code, DeidError
from transforms.pixels import codecs, encapsulation, native
from transforms.pixels.codestream import MalformedError, StreamInfo, inspect
from transforms.pixels.info import PixelInfo, extended_offsets, pixel_info
from transforms.pixels.isolate import decode_apart
from transforms.pixels.values import Array, unpack, without_spare_bits
from transforms.policy import LimitsPolicy
from transforms.spool import Bytes, Spool
from transforms.types import Dataset


class FrameReader:
    """Decodes the frames of one instance on demand, and holds the last one. Reads the data set; never changes it.

    Args:
        ds: a whole data set with file meta information.
        limits: bounds of a frame and of a decoder.
        info: what `pixel_info` says about the data set, where that is known.

    Raises:
        DeidError: PIXELS_INCONSISTENT, the header makes no sense, or the pixel data is shorter than it promises; TOO_LARGE, one decoded
            frame would exceed the bound; PIXELS_UNSUPPORTED, no decoder for the transfer syntax. Nothing has been decoded by then.
        ValueError: the instance has no pixels.
    """

    def __init__(self, ds: Dataset, limits: LimitsPolicy, info: PixelInfo | None = None) -> None:
        info = info or pixel_info(ds)
        if info is None:
            raise ValueError("an instance without pixels has no frames")
        self.info: PixelInfo = info
        self.limits = limits
        self._data: Bytes = ds[info.keyword].value
        self.word_swapped = info.transfer_syntax == ExplicitVRBigEndian and info.bits_allocated <= 8 and ds[info.keyword].VR == "OW"
        self._spans: list[list[encapsulation.Span]] = []
        self._streams: dict[int, StreamInfo | None] = {}
        self._malformed: set[int] = set()
        self._cleared: set[int] = set()
        self._last: tuple[int, Array] | None = None
        if info.encapsulated:
            if info.is_float or info.transfer_syntax not in codecs.DECODABLE:
                raise DeidError(Code.PIXELS_UNSUPPORTED, f"no decoder for transfer syntax {info.transfer_syntax}")
            self._spans = encapsulation.assign(self._data, info.frames, extended_offsets(ds))
        else:
            expected = (info.native_bits * info.frames + 7) // 8
            if len(self._data) < expected:
                raise DeidError(Code.PIXELS_INCONSISTENT, f"expected {expected} bytes of pixels, found {len(self._data)}")
        size = max(info.frame_bytes, 2 * info.rows * info.columns)
        if size > limits.max_frame_bytes:
            raise DeidError(Code.TOO_LARGE, f"a frame that counts {size} bytes, limits.max_frame_bytes is {limits.max_frame_bytes}")

    def __len__(self) -> int:
        return self.info.frames

    def sink(self) -> io.BytesIO | Spool:
        """An empty file for new frames: on the disk when those of this instance are."""
        return Spool() if isinstance(self._data, Spool) else io.BytesIO()

    def stored(self, index: int) -> Array:
        """Stored values of a frame: (rows, columns), or (rows, columns, samples) with colour by pixel. Not to be written to.

        No colour conversion, no palette, no rescaling; unused bits dropped and signs extended. JPEG 2000 with a component transform gives
        RGB, because its decoder undoes its own transform. Native YBR_FULL_422 has its chrominance repeated for each pixel.

        Raises:
            DeidError: PIXELS_UNDECODABLE, PIXELS_TIMEOUT; PIXELS_INCONSISTENT when the codestream is of another image than the header.
        """
        return unpack(self.coded(index), self.info, self.stream(index))

    def rgb(self, index: int) -> NDArray[np.uint8]:
        """A frame as (rows, columns, 3) of 8 bits to look at: palette applied, YCbCr converted, deeper samples scaled, grey repeated.

        Raises:
            DeidError: as `stored`.
        """
        info = self.info
        if info.encapsulated and (self._last is None or self._last[0] != index):
            stream = self.stream(index)
            try:
                quick = codecs.quick_rgb(self.encoded(index), info, stream)
            except Exception:  # what one decoder refuses another may read: the ordinary way decides
                quick = None
            if quick is not None and quick.shape == (*info.shape, 3):
                return quick
        frame = self.stored(index)
        if info.palette is not None:
            position = np.clip(frame.astype(np.int64) - info.palette_first, 0, len(info.palette) - 1)
            return info.palette[position]
        frame = _eight_bits(frame, info, self.stream(index))
        if frame.ndim == 2:
            return np.repeat(frame[..., None], 3, axis=2)
        if info.samples == 4:
            frame = frame[..., 1:] if info.photometric == "ARGB" else 255 - np.maximum(frame[..., :3], frame[..., 3:])
        if self.colour_space(index) == "YBR":
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame[..., (0, 2, 1)]), cv2.COLOR_YCrCb2RGB), np.uint8)
        return np.ascontiguousarray(frame)

    def colour_space(self, index: int) -> str:
        """What the samples of `stored` mean: ``MONOCHROME1``, ``MONOCHROME2``, ``PALETTE COLOR``, ``RGB`` or ``YBR``.

        The codestream's own marks count more than the header: every viewer follows them.
        """
        info, stream = self.info, self.stream(index)
        if info.samples == 1:
            return info.photometric
        if stream is not None:
            if stream.mct or stream.adobe == 0 or bytes(stream.component_ids) in (b"RGB", b"rgb"):
                return "RGB"
            if stream.jfif or stream.adobe:
                return "YBR"
        return "YBR" if info.photometric.startswith(("YBR_FULL", "YBR_PARTIAL")) else "RGB"

    def frame_digest(self, index: int) -> bytes:
        """32 bytes that are equal for frames with equal encoded bytes; costs no decoding (0.3 ms for 512 KiB)."""
        return hashlib.sha256(self.encoded(index)).digest()

    def encoded(self, index: int) -> Any:
        """The bytes of a frame as they are stored; for single-bit native frames, the bytes in which its bits lie, others masked out."""
        if self.info.encapsulated:
            return encapsulation.join(self._data, self._spans[index])
        return native.frame_bytes(self._data, self.info, index)

    def stream(self, index: int) -> StreamInfo | None:
        """The header of an encoded frame, checked against the data set; None for syntaxes without, and when it is malformed.

        Raises:
            DeidError: PIXELS_INCONSISTENT, it is of another image.
        """
        if not self.info.encapsulated:
            return None
        if index not in self._streams:
            try:
                self._streams[index] = inspect(self.encoded(index), self.info.transfer_syntax)
            except MalformedError:
                self._streams[index] = None
                self._malformed.add(index)
            else:
                self._check(index, self._streams[index])
        return self._streams[index]

    def coded(self, index: int) -> Array:
        """A frame as its codec gives it, every bit kept (see `transforms.pixels.values`); colour by pixel. Not to be written to.

        Raises:
            DeidError: as `stored`.
        """
        if not 0 <= index < self.info.frames:
            raise IndexError(index)
        if self._last is None or self._last[0] != index:
            self._last = (index, self._decode(index))
        return self._last[1]

    def spare_bits(self, index: int) -> bool:
        """Whether an encoded frame has something in bits that belong to no sample; `coded` gives it without."""
        if self._may_have_spare_bits():
            self.coded(index)
        return index in self._cleared

    def fragments(self, index: int) -> list[encapsulation.Span]:
        """Where in the value of the pixel data element the bytes of an encapsulated frame lie."""
        return self._spans[index]

    def _decode(self, index: int) -> Array:
        coded = self._decoded(index)
        cleared = without_spare_bits(coded, self.info, self.stream(index)) if self._may_have_spare_bits() else None
        if cleared is None:
            return coded
        self._cleared.add(index)
        return cleared

    def _may_have_spare_bits(self) -> bool:
        return self.info.transfer_syntax in codecs.CONTAINERS and self.info.bits_stored < self.info.bits_allocated

    def _decoded(self, index: int) -> Array:
        if not self.info.encapsulated:
            return native.decode(self._data, self.info, index, word_swapped=self.word_swapped)
        stream = self.stream(index)
        if index not in self._malformed and not (stream is not None and stream.costly):
            try:
                return codecs.decode(self.encoded(index), self.info, stream)
            except Exception:  # each codec has errors of its own; another may still read the frame
                self._streams[index] = None
        return decode_apart(self.encoded(index), self.info, self.limits)

    def _check(self, index: int, stream: StreamInfo | None) -> None:
        if stream is None:
            return
        found = (stream.rows, stream.columns, stream.components)
        expected = (self.info.rows, self.info.columns, self.info.samples)
        if found != expected:
            raise DeidError(Code.PIXELS_INCONSISTENT, f"frame {index}: expected rows, columns, samples {expected}, found {found}")
        if not 1 <= stream.precision <= 32:
            raise DeidError(Code.PIXELS_UNSUPPORTED, f"frame {index}: samples of {stream.precision} bits")


def _eight_bits(frame: Array, info: PixelInfo, stream: StreamInfo | None) -> NDArray[np.uint8]:
    if frame.dtype == np.uint8 and info.bits_stored == 8:
        return frame
    bits = stream.precision if stream is not None else info.bits_stored
    low = float(info.value_range[0]) if info.signed else 0.0
    return np.asarray(((frame.astype(np.float32) - low) * (255.0 / ((1 << bits) - 1))).clip(0, 255), np.uint8)
