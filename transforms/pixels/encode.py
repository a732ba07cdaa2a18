"""Boxes hidden in the pixel data of an instance: masked, encoded, written in place and proven, one frame at a time.

What becomes of the transfer syntax:

* native: the same bytes, only those of the boxes change.
* lossless, and the lossy syntaxes that may hold frames without loss (JPEG-LS near-lossless, JPEG 2000): changed frames are encoded without
  loss into the same syntax; all others keep their bytes.
* JPEG baseline: the blocks under the boxes are blanked in the coded coefficients, where `transforms.pixels.jpeg_blocks` can.
* what is left has no lossless form in its syntax and no encoder: all frames are decoded and written as JPEG-LS lossless (HTJ2K: as JPEG
  2000 lossless), so that nothing outside the boxes is lost a second time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL, JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless

from transforms.errors import Code, DeidError
from transforms.pixels import codecs, encapsulation, jpeg_blocks, native
from transforms.pixels.codestream import inspect
from transforms.pixels.frames import FrameReader
from transforms.pixels.mask import Fill, mask_frame, region, slices, snapped
from transforms.pixels.values import Array, pack
from transforms.spool import settled, writable
from transforms.types import Box, Dataset

ALWAYS_LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})
_JPEG_2000_FAMILY = frozenset({HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL})
_METHODS = {JPEGBaseline8Bit: "ISO_10918_1", JPEGExtended12Bit: "ISO_10918_1", HTJ2K: "ISO_15444_15"}


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What was written.

    Attributes:
        frames: indices of changed frames.
        method: ``none``, ``native``, ``lossless``, ``blocks`` or ``transcoded``.
        transfer_syntax: UID of the pixel data as it is now.
    """

    frames: tuple[int, ...]
    method: str
    transfer_syntax: str


def hide_boxes(
    ds: Dataset, reader: FrameReader, boxes: Mapping[int, Sequence[Box]], fill: Fill, spoiled: Collection[int] = ()
) -> EncodeReport:
    """Fill boxes in the frames of ``ds``, in place, and prove that nothing else changed.

    ``reader`` shows the instance as it was, and must not be used afterwards for frames that it has not been asked for.

    Args:
        ds: the data set that ``reader`` reads.
        reader: of the instance as it is.
        boxes: for each frame to be changed, what is to be hidden, in stored pixel coordinates.
        fill: see `transforms.pixels.mask.mask_frame`.
        spoiled: frames that are to be written without their spare bits (see `FrameReader.spare_bits`).

    Raises:
        DeidError: PIXELS_UNENCODABLE, the result could not be encoded or is not what it should be; PIXELS_UNDECODABLE. The data set must
            then not be used any more.
    """
    hidden = {frame: tuple(items) for frame, items in boxes.items() if region(items, reader.info.shape).any()}
    wanted = {frame: hidden.get(frame, ()) for frame in sorted({*hidden, *spoiled})}
    if not wanted:
        return EncodeReport((), "none", reader.info.transfer_syntax)
    try:
        if not reader.info.encapsulated:
            method = _native(ds, reader, wanted, fill)
        elif reader.info.transfer_syntax in codecs.LOSSLESS_ENCODERS:
            method = _lossless(ds, reader, wanted, fill)
        else:
            method = _blocks(ds, reader, wanted, fill) or _transcoded(ds, reader, wanted, fill)
    except DeidError:
        raise
    except Exception as exc:  # each encoder has errors of its own
        raise DeidError(Code.PIXELS_UNENCODABLE, f"transfer syntax {reader.info.transfer_syntax}: {type(exc).__name__}") from None
    return EncodeReport(tuple(wanted), method, str(ds.file_meta.TransferSyntaxUID))


def _masked(reader: FrameReader, index: int, boxes: Sequence[Box], fill: Fill) -> Array:
    """Coded values of a frame with its boxes filled; those outside the boxes are copied from the original, every bit."""
    info = reader.info
    grid = (1, 2) if info.subsampled else (1, 1)
    boxes = [snapped(box, grid, info.shape) for box in boxes]
    original = reader.coded(index)
    masked = mask_frame(reader.stored(index), boxes, info, fill, reader.colour_space(index))
    coded = np.array(original, copy=True)
    for box in boxes:
        inside = slices(box, info.shape)
        coded[inside] = pack(masked[inside], info, reader.stream(index), coded.dtype)
    return coded


def _native(ds: Dataset, reader: FrameReader, boxes: Mapping[int, Sequence[Box]], fill: Fill) -> str:
    """Write into a copy of the pixel data, element by element the same outside the changed frames."""
    info, element = reader.info, ds[reader.info.keyword]
    data = writable(element.value)
    for index, items in boxes.items():
        coded = _masked(reader, index, items, fill)
        native.write(data, info, index, coded, word_swapped=reader.word_swapped)
        written = native.decode(data, info, index, word_swapped=reader.word_swapped)
        _must_equal(written, coded, index)
    element.value = settled(data)
    return "native"


def _lossless(ds: Dataset, reader: FrameReader, boxes: Mapping[int, Sequence[Box]], fill: Fill) -> str:
    """Changed frames encoded without loss into the same syntax; the others keep their bytes."""
    info = reader.info

    def frame(index: int) -> bytes:
        if index not in boxes:
            return bytes(reader.encoded(index))
        return _encoded(_masked(reader, index, boxes[index], fill), reader, index, info.transfer_syntax)

    store(ds, map(frame, range(info.frames)), reader)
    if info.photometric == "YBR_ICT" and len(boxes) == info.frames:
        ds.PhotometricInterpretation = "YBR_RCT"
    return "lossless"


def _blocks(ds: Dataset, reader: FrameReader, boxes: Mapping[int, Sequence[Box]], fill: Fill) -> str:
    """Changed frames of JPEG baseline with their blocks blanked; empty when one of them is of a kind that cannot be."""
    info = reader.info

    def frame(index: int) -> bytes:
        data = bytes(reader.encoded(index))
        if index not in boxes:
            return data
        stream = reader.stream(index)
        if stream is None or not jpeg_blocks.applies(info, stream):
            raise _NotInBlocksError
        try:
            return jpeg_blocks.masked(data, boxes[index], info, stream, fill, reader.colour_space(index), reader.limits)
        except (DeidError, OSError):  # OSError: Pillow cannot read the frame, though another decoder may
            raise _NotInBlocksError from None

    try:
        store(ds, map(frame, range(info.frames)), reader)
    except _NotInBlocksError:
        return ""
    return "blocks"


def _transcoded(ds: Dataset, reader: FrameReader, boxes: Mapping[int, Sequence[Box]], fill: Fill) -> str:
    """All frames, decoded, in a lossless syntax. The loss that the old one stood for is stated in its place (PS3.3 C.7.6.1.1.5)."""
    info = reader.info
    syntax = JPEG2000Lossless if info.transfer_syntax in _JPEG_2000_FAMILY else JPEGLSLossless

    def frame(index: int) -> bytes:
        coded = _masked(reader, index, boxes[index], fill) if index in boxes else reader.coded(index)
        return _encoded(coded, reader, index, syntax)

    store(ds, map(frame, range(info.frames)), reader, syntax)
    if info.samples == 3:
        ds.PlanarConfiguration = 0
        if syntax == JPEGLSLossless:
            ds.PhotometricInterpretation = "YBR_FULL" if reader.colour_space(0) == "YBR" else "RGB"
        elif info.photometric == "YBR_ICT":
            ds.PhotometricInterpretation = "YBR_RCT"
    if info.transfer_syntax in _METHODS:
        _state_loss(ds, reader)
    return "transcoded"


def _state_loss(ds: Dataset, reader: FrameReader) -> None:
    """Once lossy, always lossy (PS3.3 C.7.6.1.1.5): what the transfer syntax said is now said by attributes, where they do not already."""
    info = reader.info
    if ds.get("LossyImageCompression") == "01" or (ds.get("LossyImageCompression") and info.transfer_syntax not in ALWAYS_LOSSY):
        return
    encoded = sum(len(reader.encoded(index)) for index in range(info.frames))
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionMethod = _METHODS[info.transfer_syntax]
    ds.LossyImageCompressionRatio = round(info.frames * info.native_bits / 8 / max(encoded, 1), 2)


def _encoded(coded: Array, reader: FrameReader, index: int, syntax: str) -> bytes:
    """A frame encoded without loss, decoded again and compared."""
    info, stream = reader.info, reader.stream(index)
    data = codecs.encode(coded, info, stream, syntax)
    _must_equal(codecs.decode(data, replace(info, transfer_syntax=syntax), inspect(data, syntax)), coded, index)
    return data


def store(ds: Dataset, frames: Iterable[bytes], reader: FrameReader, syntax: str = "") -> None:
    """Encapsulate the frames of ``reader`` into ``ds``, with the kind of offset table that it had, and check that each is found again.

    Args:
        ds: the data set; changed when all frames are there.
        frames: as many as ``reader`` has; taken one by one, and held in memory together only if those of ``reader`` are.
        reader: of the data set as it was.
        syntax: a transfer syntax that the frames are in now, if not that of before.

    Raises:
        DeidError: PIXELS_UNENCODABLE.
    """
    sink = reader.sink()
    start, tables, digests = encapsulation.build(frames, reader.info.frames, sink, extended="ExtendedOffsetTable" in ds)
    ds.PixelData = sink.getvalue()[start:] if isinstance(sink, BytesIO) else sink.window(start, len(sink))
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    if syntax:
        ds.file_meta.TransferSyntaxUID = syntax
    if tables is not None:
        ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = tables
    if "EncapsulatedPixelDataValueTotalLength" in ds:
        del ds.EncapsulatedPixelDataValueTotalLength  # optional, and no longer true
    again = FrameReader(ds, reader.limits)
    for index, digest in enumerate(digests):
        if again.frame_digest(index) != digest:
            raise DeidError(Code.PIXELS_UNENCODABLE, f"frame {index} is not found again")


class _NotInBlocksError(Exception):
    """A frame of JPEG baseline that cannot be blanked in its blocks."""


def _must_equal(written: Array, expected: Array, index: int) -> None:
    if written.shape != expected.shape or not np.array_equal(written, expected, equal_nan=expected.dtype.kind == "f"):
        raise DeidError(Code.PIXELS_UNENCODABLE, f"frame {index} decodes to other values than were encoded")
