"""What the header says about the pixels: shape, type and colour, checked against itself before anything is allocated."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.errors import Code, DeidError
from transforms.pixels.encapsulation import assign
from transforms.types import Dataset

KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
NATIVE = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian})
_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_BITS = (1, 8, 16, 32, 64)
_tag = functools.cache(Tag)
"""pydicom looks a keyword up anew each time, which would be most of the work here."""
_DIGITS = re.compile(rb"[^0-9]*([0-9]{1,9})")


@dataclass(frozen=True)
class PixelInfo:
    """The Image Pixel module (PS3.3 C.7.6.3) of one instance, normalised.

    Attributes:
        keyword: ``PixelData``, ``FloatPixelData`` or ``DoubleFloatPixelData``.
        samples: per pixel; 3 for colour, 1 otherwise.
        frames: at least 1.
        signed: two's complement (Pixel Representation 1).
        photometric: as the header has it; MONOCHROME2 or RGB by the number of samples where it has none.
        planar: 0 colour by pixel, 1 colour by plane, as stored; what `FrameReader` returns is always colour by pixel.
        transfer_syntax: UID of the transfer syntax that the pixels are in.
        palette: entries x 3, 8 bits, of a PALETTE COLOR image; the first entry belongs to the stored value ``palette_first``.
    """

    keyword: str
    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: int
    transfer_syntax: str
    palette: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    palette_first: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    @property
    def colour(self) -> bool:
        """Whether a frame is shown in colour: three samples, or a palette."""
        return self.samples > 1 or self.photometric == PALETTE

    @property
    def is_float(self) -> bool:
        """Whether the values are floating point (PS3.3 C.7.6.24, C.7.6.25)."""
        return self.keyword != "PixelData"

    @property
    def encapsulated(self) -> bool:
        """Whether frames are fragments rather than one run of bytes."""
        return self.transfer_syntax not in NATIVE

    @property
    def subsampled(self) -> bool:
        """Whether native pixels share their chrominance in pairs (PS3.3 C.7.6.3.1.2, YBR_FULL_422)."""
        return self.samples == 3 and self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and not self.encapsulated

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of stored values, in the machine's byte order."""
        if self.is_float:
            return np.dtype(f"f{_FLOAT_BITS[self.keyword] // 8}")
        return np.dtype(f"{'i' if self.signed else 'u'}{max(self.bits_allocated // 8, 1)}")

    @property
    def value_range(self) -> tuple[int, int]:
        """The least and the greatest value that ``bits_stored`` bits can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * self.dtype.itemsize

    @property
    def native_bits(self) -> int:
        """Bits of one frame in a native transfer syntax; single-bit frames follow each other without padding (PS3.5 8.1.1)."""
        samples = 2 if self.subsampled else self.samples
        return self.rows * self.columns * samples * self.bits_allocated


def pixel_info(ds: Dataset) -> PixelInfo | None:
    """Read and check what the header says about the pixels; None when there are none (or the element is empty).

    Raises:
        DeidError: PIXELS_INCONSISTENT when the header contradicts itself or leaves out what cannot be inferred; PIXELS_UNSUPPORTED for
            layouts that no current standard defines.
    """
    present = [keyword for keyword in KEYWORDS if _tag(keyword) in ds and ds[_tag(keyword)].value]
    if not present:
        return None
    if len(present) > 1:
        raise DeidError(Code.PIXELS_INCONSISTENT, f"expected one of {', '.join(KEYWORDS)}, found {len(present)}")
    keyword = present[0]
    rows, columns = _required(ds, "Rows"), _required(ds, "Columns")
    samples = number(ds, "SamplesPerPixel") or 1
    photometric = str(_value(ds, "PhotometricInterpretation") or "").strip().upper() or ("RGB" if samples == 3 else "MONOCHROME2")
    allocated = _FLOAT_BITS.get(keyword) or _required(ds, "BitsAllocated")
    stored = allocated if keyword in _FLOAT_BITS else number(ds, "BitsStored") or allocated
    high = number(ds, "HighBit")
    high = stored - 1 if high is None or keyword in _FLOAT_BITS else high
    if allocated not in _BITS:
        raise DeidError(Code.PIXELS_UNSUPPORTED, f"BitsAllocated {allocated}")
    if not stored - 1 <= high < allocated:
        if stored > allocated:
            raise DeidError(Code.PIXELS_INCONSISTENT, f"BitsStored {stored} of BitsAllocated {allocated}")
        high = stored - 1
    if not 1 <= samples <= 4 or samples == 2:
        raise DeidError(Code.PIXELS_INCONSISTENT, f"SamplesPerPixel {samples}")
    if photometric.endswith("422") and samples == 3 and columns % 2 and str(ds.file_meta.TransferSyntaxUID) in NATIVE:
        raise DeidError(Code.PIXELS_INCONSISTENT, f"4:2:2 with {columns} columns")
    if samples > 1 and photometric in (*MONOCHROME, PALETTE):
        raise DeidError(Code.PIXELS_INCONSISTENT, f"{photometric} with SamplesPerPixel {samples}")
    if samples == 1 and photometric not in (*MONOCHROME, PALETTE):
        photometric = "MONOCHROME2"
    palette, first = _palette(ds) if photometric == PALETTE else (None, 0)
    info = PixelInfo(
        keyword=keyword,
        rows=rows,
        columns=columns,
        samples=samples,
        frames=1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=bool(number(ds, "PixelRepresentation")) and keyword == "PixelData",
        photometric=photometric,
        planar=number(ds, "PlanarConfiguration") or 0,
        transfer_syntax=str(ds.file_meta.TransferSyntaxUID),
        palette=palette,
        palette_first=first,
    )
    return replace(info, frames=_frames(ds, info))


def number(ds: Dataset, keyword: str | int) -> int | None:
    """The first whole number in an element; None when it is absent, empty, or holds none. Reads ``1A`` as 1, as viewers do."""
    value = _value(ds, keyword)
    if isinstance(value, (list, tuple, MultiValue)):
        value = value[0] if len(value) else None
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        digits = _DIGITS.match(value if isinstance(value, bytes) else str(value).encode())
        return int(digits.group(1)) if digits else None


def extended_offsets(ds: Dataset) -> tuple[bytes, bytes] | None:
    """Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8), where both are present."""
    offsets, lengths = _value(ds, "ExtendedOffsetTable"), _value(ds, "ExtendedOffsetTableLengths")
    return (bytes(offsets), bytes(lengths)) if offsets and lengths else None


def _required(ds: Dataset, keyword: str) -> int:
    value = number(ds, keyword)
    if value is None or value <= 0:
        raise DeidError(Code.PIXELS_INCONSISTENT, f"expected a positive {keyword}, found {'none' if value is None else value}")
    return value


def _value(ds: Dataset, keyword: str | int) -> Any:
    """The value of an element, or its bytes when they do not convert to its VR."""
    tag = _tag(keyword)
    if tag not in ds:
        return None
    try:
        return ds[tag].value
    except Exception:  # pydicom raises what the malformed value makes it stumble over
        return getattr(ds.get_item(tag), "value", None)


def _frames(ds: Dataset, info: PixelInfo) -> int:
    """Number of Frames; where it is absent or no number, what the pixel data holds (a single frame in nearly all cases)."""
    try:
        stated = int(_value(ds, "NumberOfFrames") or 0)
    except (TypeError, ValueError):
        stated = 0
    if stated > 0:
        return stated
    if info.encapsulated:
        return len(assign(ds[info.keyword].value, None, extended_offsets(ds)))
    return max(1, len(ds[info.keyword].value) * 8 // info.native_bits)


def _palette(ds: Dataset) -> tuple[NDArray[np.uint8], int]:
    """The Palette Color Lookup Tables (PS3.3 C.7.6.3.1.5) as entries x 3 in 8 bits, segments expanded; and the first value mapped."""
    try:
        entries, first, _ = (int(item) for item in ds["RedPaletteColorLookupTableDescriptor"].value)
        entries = entries or 1 << 16
        table = apply_color_lut(np.arange(first, first + entries), ds)[:, :3]
    except Exception as exc:  # missing, short or malformed tables: pydicom raises many kinds
        raise DeidError(Code.PIXELS_INCONSISTENT, f"PALETTE COLOR without usable lookup tables: {type(exc).__name__}") from None
    if table.dtype.itemsize > 1 and int(table.max(initial=0)) > 255:
        table = table >> 8
    return np.ascontiguousarray(table, dtype=np.uint8), first
