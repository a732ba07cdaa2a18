"""What an encoded frame carries beside its image: comments, application data, thumbnails, bytes behind the end. Blanked in place.

No viewer shows these, and they hold whatever a writer wished to say: names, file paths, Exif and XMP of cameras. They are overwritten with
zeros rather than cut out, so that no length, offset or coded sample changes. What decoders need stays (JFIF, Adobe, SPIFF, the colour
transform of JPEG-LS), and so do the marks that encoders leave of themselves: they name a library, and nearly all of JPEG 2000 has one.
"""

from __future__ import annotations

import os
import re
import struct

from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless
from rle.utils import decode_pixel_data as rle_decode

from transforms.pixels.codecs import DeflatedImageFrame, inflated
from transforms.pixels.codestream import RLE_HEADER, MalformedError, inspect
from transforms.pixels.info import PixelInfo

_VERSION = rb"v?\d{1,3}(\.\d{1,3}){0,3}\.?"
_WRITERS = re.compile(
    rb"(LEAD Technologies Inc\. V1\.01|JPEG Pro|MITRA_DICOM_STANDARD|AppleMark\n?|Lavc\d{1,3}(\.\d{1,3}){2}"
    rb"|Kakadu-VER|(Created by )?(GDCM/)?OpenJPEG version VER|OpenJPH Ver VER|Creator: JasPer Version VER"
    rb"|CREATOR: gd-jpeg VER \(using IJG JPEG VER\)(, (default quality|quality = \d{1,3}))?\n?"
    rb"|Kdu-Layer-Info: log_2\{Delta-D\((squared-error|MSE)\)/\[2\^16\*Delta-L\(bytes\)\]\}, L\(bytes\)\n[-+ .,e\d\n]*)[\0 ]?"
    .replace(b"VER", _VERSION)
)  # fmt: skip
"""Comments by which an encoder names itself and its rate control, and nothing else."""
_JPEG_MARKER, _JPEG_LS_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]"), re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
"""Where the coded data of a scan ends (ITU-T T.81 B.1.1.2, T.87 A.1): a stuffed byte and a restart marker belong to it."""
_JPEG_KEPT = frozenset({*range(0xC0, 0xCC), 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xF7, 0xF8}) - {0xC8}
_JPEG_2000_KEPT = frozenset({0x50, *range(0x51, 0x60), 0x60, 0x61, 0x63, 0x90})
_BOXES = frozenset({b"jP  ", b"ftyp", b"jp2h", b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef", b"rreq", b"res ", b"resc", b"resd"})
_UNFORESEEN = os.urandom(8)
_PADDING = b"\0\xff "
_COMMENT, _APP0, _APP8, _APP14, _EOI, _SOS = 0xFE, 0xE0, 0xE8, 0xEE, 0xD9, 0xDA
_J2K_COMMENT, _SOT, _SOD = 0x64, 0x90, 0x93


def blanked(data: bytes, info: PixelInfo) -> bytes:
    """A frame of the same length without what is not its image; ``data`` itself when there is nothing else in it.

    Args:
        data: one encoded frame.
        info: of the data set.

    Raises:
        MalformedError: it cannot be told what belongs to the image.
    """
    syntax = info.transfer_syntax
    frame = bytearray(data)
    try:
        inspect(data, syntax)
        if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
            _jpeg(frame, _JPEG_LS_MARKER if syntax in JPEGLSTransferSyntaxes else _JPEG_MARKER)
        elif syntax in JPEG2000TransferSyntaxes:
            _jpeg_2000(frame)
        elif syntax == RLELossless:
            _run_lengths(frame, info)
        elif syntax == DeflatedImageFrame:
            _blank(frame, inflated(data, info)[1], len(frame))
    except (struct.error, IndexError):
        raise MalformedError(f"the structure does not end within {len(data)} bytes") from None
    return data if frame == data else bytes(frame)


def _blank(frame: bytearray, start: int, stop: int) -> None:
    """Zeros from ``start`` to ``stop``, unless there is padding only."""
    if frame[start:stop].strip(_PADDING):
        frame[start:stop] = bytes(stop - start)


def _jpeg(frame: bytearray, next_marker: re.Pattern[bytes]) -> None:
    position = 2
    while position + 1 < len(frame):
        if frame[position] != 0xFF:
            raise MalformedError(f"expected a marker at byte {position}")
        marker = frame[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == _EOI:
            _blank(frame, position + 2, len(frame))
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", frame, position + 2)
        start, end = position + 4, position + 2 + length
        if length < 2 or end > len(frame):
            raise MalformedError(f"a segment of {length} bytes at byte {position} of {len(frame)}")
        stay = end if marker in _JPEG_KEPT else start + _kept(marker, bytes(frame[start:end]))
        if frame[stay:end].strip(b"\0"):
            frame[stay:end] = bytes(end - stay)
            if stay == start:
                frame[position + 1] = _COMMENT
        position = end
        if marker == _SOS:
            position = _scan_end(frame, position, next_marker)


def _scan_end(frame: bytearray, start: int, next_marker: re.Pattern[bytes]) -> int:
    """Where the marker behind the coded data of a scan is; the end of the frame without one."""
    end = frame.find(b"\xff\xd9", start)
    if end > 0 and next_marker is _JPEG_MARKER and frame.count(b"\xff", start, end) == frame.count(b"\xff\0", start, end):
        return end  # a search for each marker would take five times as long
    found = next_marker.search(frame, start)
    return found.end() - 2 if found else len(frame)


def _kept(marker: int, segment: bytes) -> int:
    """Bytes of a segment that stay, from its beginning."""
    if marker == _COMMENT:
        return len(segment) if _WRITERS.fullmatch(segment) else 0
    if marker == _APP0 and segment.startswith(b"JFIF\0"):
        return 14  # what follows is a thumbnail, blank from now on
    if marker == _APP0 and segment.startswith(b"LJIF\0"):
        return 13
    if marker == _APP14 and segment.startswith(b"Adobe"):
        return 12
    if marker == _APP8 and segment.startswith((b"SPIFF\0", b"mrfx")):
        return 30 if segment[0] == ord("S") else 5
    return 6 if marker == _APP8 and segment == b"\0\0\0\x01\xff\xd8" else 0


def _jpeg_2000(frame: bytearray) -> None:
    start = 0 if frame[:2] == b"\xff\x4f" else _boxes(frame, 0, len(frame))
    position, part = start + 2, len(frame)
    while position + 1 < len(frame):
        if frame[position] != 0xFF:
            raise MalformedError(f"expected a marker at byte {position}")
        marker = frame[position + 1]
        if marker == _EOI:
            _blank(frame, position + 2, len(frame))
            return
        if marker == _SOD:  # no coded data holds a marker above FF8F (T.800 B.10.1)
            position = part if part > position else frame.find(b"\xff\xd9", position)
            if position < 0:
                return
            continue
        (length,) = struct.unpack_from(">H", frame, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(frame):
            raise MalformedError(f"a segment of {length} bytes at byte {position} of {len(frame)}")
        if marker == _SOT:
            part = position + struct.unpack_from(">L", frame, position + 6)[0]
        elif marker == _J2K_COMMENT:
            if not _WRITERS.fullmatch(frame[position + 6 : end]):
                _blank(frame, position + 6, end)
        elif marker not in _JPEG_2000_KEPT:
            _blank(frame, position + 4, end)
            frame[position + 1] = _J2K_COMMENT
        position = end


def _boxes(frame: bytearray, position: int, stop: int) -> int:
    """Free the boxes of a JP2 file (T.800 annex I) that are not needed to decode it; where the codestream begins, ``stop`` without one."""
    begin = stop
    while position + 8 <= stop:
        length, kind = struct.unpack_from(">L4s", frame, position)
        end = position + length if length else stop
        if length == 1 or end < position + 8 or end > stop:
            raise MalformedError(f"a box of {length} bytes at byte {position} of {stop}")
        if kind == b"jp2c":
            begin = position + 8
        elif kind in (b"jp2h", b"res "):
            _boxes(frame, position + 8, end)
        elif kind not in _BOXES and not (kind == b"colr" and frame[position + 8] == 1 and end - position == 15):
            frame[position + 4 : end] = b"free" + bytes(end - position - 8)
        position = end
    return begin


def _run_lengths(frame: bytearray, info: PixelInfo) -> None:
    """PS3.5 annex G: offsets that are not used, and bytes behind the runs of each segment."""
    count, *offsets = struct.unpack_from("<16L", frame)
    frame[4 + 4 * count : RLE_HEADER] = bytes(RLE_HEADER - 4 - 4 * count)
    size = info.rows * info.columns if info.bits_allocated > 1 else (info.rows * info.columns + 7) // 8
    for start, end in zip(offsets[:count], [*offsets[1:count], len(frame)], strict=True):
        if not _is_exact(bytes(frame[start:end]), size):
            _blank(frame, start + _runs_end(frame[start:end], size), end)


def _is_exact(segment: bytes, size: int) -> bool:
    """Whether runs appended to a segment or to all but its last byte decode right behind its ``size`` bytes: then nothing else is there."""
    head, tail = struct.pack("<16L", 1, RLE_HEADER, *[0] * 14), bytes((len(_UNFORESEEN) - 1,)) + _UNFORESEEN
    for end in (len(segment), len(segment) - 1):
        try:
            decoded = rle_decode(
                head + segment[:end] + tail, version=2, rows=1, columns=size + len(_UNFORESEEN), bits_allocated=8, byteorder="<"
            )
        except BaseException as exc:
            if not isinstance(exc, ValueError) and type(exc).__name__ != "PanicException":
                raise
        else:
            if bytes(decoded[size:]) == _UNFORESEEN:
                return True
    return False


def _runs_end(segment: bytearray, size: int) -> int:
    position = done = 0
    while done < size:
        control = segment[position]
        done += control + 1 if control < 128 else 257 - control if control > 128 else 0
        position += control + 2 if control < 128 else 2 if control > 128 else 1
    return position
