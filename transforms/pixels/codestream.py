"""What a codestream says about itself: its header read and checked before a native decoder sees it.

A decoder allocates what the codestream's own header asks for, not what the data set says. So both must agree first; and a codestream whose
markers are out of order is decoded in a process of its own (`transforms.pixels.isolate`), if at all.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_ONE_PASS = {0xC0, 0xC1, 0xC3, 0xF7}
"""Processes that go over each sample once. Each scan of a progressive one goes over the whole image, and an empty scan takes 30 bytes."""
_SOI, _EOI, _SOS, _DNL, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xDC, 0xE0, 0xEE
_MAX_TILES = 65_535
_MIN_PRECINCT = 4
"""Exponent of the sides of JPEG 2000 precincts; writers use 7 or 8. A decoder makes 2 kB for each before it reads what is in it."""
RLE_HEADER = 64
RLE_SEGMENTS = 15


class MalformedError(ValueError):
    """The header of a codestream breaks its standard. The message has numbers and marker names only."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """The header of one encoded frame.

    Attributes:
        process: the second byte of the frame marker of a JPEG or JPEG-LS stream (0xC0 baseline, 0xC3 lossless, 0xF7 JPEG-LS); 0 otherwise.
        precision: bits of a sample; 0 when the stream does not say (RLE).
        signed: JPEG 2000 only.
        sampling: horizontal and vertical factors of each component.
        component_ids: of a JPEG stream.
        jfif: there is a JFIF segment, so three components are YCbCr.
        adobe: the colour transform that an Adobe segment states, None without one.
        mct: JPEG 2000 with a multiple component transform, which the decoder undoes.
        reversible: JPEG 2000 with the 5-3 wavelet.
        costly: decoding may take far more time or memory than its bytes and its size let expect.
        scan_end: position of a wrong Ss/Se pair of a sequential scan that must be repaired, 0 if none (see `repaired`).
    """

    rows: int
    columns: int
    components: int
    precision: int
    process: int = 0
    signed: bool = False
    sampling: tuple[tuple[int, int], ...] = ()
    component_ids: tuple[int, ...] = ()
    jfif: bool = False
    adobe: int | None = None
    mct: bool = False
    reversible: bool = False
    costly: bool = False
    scan_end: int = 0


def inspect(data: bytes, transfer_syntax: str) -> StreamInfo | None:
    """Read the header of an encoded frame; None for a syntax whose frames have none of their own.

    Raises:
        MalformedError: the header is cut short or contradicts its standard.
    """
    try:
        if transfer_syntax in JPEG2000TransferSyntaxes:
            return _jpeg_2000(data)
        if transfer_syntax in JPEGTransferSyntaxes or transfer_syntax in JPEGLSTransferSyntaxes:
            return _jpeg(data)
        if transfer_syntax == RLELossless:
            _rle(data)
    except (struct.error, IndexError):
        raise MalformedError(f"the header does not end within {len(data)} bytes") from None
    return None


def repaired(data: bytes, info: StreamInfo) -> bytes:
    """The stream with the spectral selection that a sequential scan must have (ITU-T T.81 B.2.3: 0 to 63); some old writers left it 0."""
    if not info.scan_end:
        return data
    return data[: info.scan_end] + b"\x00\x3f" + data[info.scan_end + 2 :]


def _jpeg(data: bytes) -> StreamInfo:
    """ITU-T T.81 annex B; JPEG-LS (T.87) shares its markers."""
    if data[:2] != b"\xff\xd8":
        raise MalformedError("no start of image")
    position = 2
    frame: tuple[int, bytes] | None = None
    jfif, adobe = False, None
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1
        if data[position] != 0xFF:
            raise MalformedError(f"expected a marker at byte {position}")
        marker = data[position + 1]
        position += 2
        if marker in _STANDALONE:
            continue
        if marker in (_SOI, _EOI):
            raise MalformedError(f"marker {marker:02X} before the scan")
        (length,) = struct.unpack_from(">H", data, position)
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) != length - 2:
            raise MalformedError(f"a segment of {length} bytes at byte {position} of {len(data)}")
        if marker in _SOF:
            if frame is not None:
                raise MalformedError("two frame headers")
            frame = (marker, segment)
        elif marker == _APP0 and segment.startswith(b"JFIF\0"):
            jfif = True
        elif marker == _APP14 and segment.startswith(b"Adobe") and len(segment) >= 12:
            adobe = segment[11]
        elif marker == _SOS:
            break
        position += length
    if frame is None:
        raise MalformedError("a scan without a frame header")
    process, body = frame
    precision, rows, columns, count = struct.unpack_from(">BHHB", body)
    if not count or len(body) < 6 + 3 * count:
        raise MalformedError(f"{count} components in a frame header of {len(body)} bytes")
    parts = [body[6 + 3 * index : 9 + 3 * index] for index in range(count)]
    sampling = tuple((part[1] >> 4, part[1] & 15) for part in parts)
    if not all(1 <= factor <= 4 for pair in sampling for factor in pair):
        raise MalformedError("sampling factors beyond 1 to 4")
    scan_end = 0
    if process in (0xC0, 0xC1):
        selection = position + 2 + 1 + 2 * segment[0]
        scan_end = selection if data[selection : selection + 2] != b"\x00\x3f" else 0
    return StreamInfo(
        rows=rows,
        columns=columns,
        components=count,
        precision=precision,
        process=process,
        sampling=sampling,
        component_ids=tuple(part[0] for part in parts),
        jfif=jfif,
        adobe=adobe,
        costly=process not in _ONE_PASS,
        scan_end=scan_end,
    )


def _jpeg_2000(data: bytes) -> StreamInfo:
    """ITU-T T.800 annex A; a JP2 file around the codestream is unwrapped, though PS3.5 A.4.4 forbids it."""
    start = 0 if data[:4] == b"\xff\x4f\xff\x51" else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0:
        raise MalformedError("no start of codestream")
    length, _, width, height, left, top, tile_width, tile_height, tile_left, tile_top, count = struct.unpack_from(">HH8LH", data, start + 4)
    if length != 38 + 3 * count or not 1 <= count <= 4:
        raise MalformedError(f"{count} components in a size segment of {length} bytes")
    if not (tile_width and tile_height and left < width and top < height and tile_left <= left and tile_top <= top):
        raise MalformedError("an empty image or tile")
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    if tiles > _MAX_TILES:
        raise MalformedError(f"{tiles} tiles")
    sizes = [data[start + 42 + 3 * index : start + 45 + 3 * index] for index in range(count)]
    if any(size[1] == 0 or size[2] == 0 for size in sizes):
        raise MalformedError("a component without samples")
    mct, reversible, costly = _coding_style(data, start + 4 + length)
    return StreamInfo(
        rows=height - top,
        columns=width - left,
        components=count,
        precision=max((size[0] & 0x7F) + 1 for size in sizes),
        signed=bool(sizes[0][0] & 0x80),
        sampling=tuple((size[1], size[2]) for size in sizes),
        mct=mct,
        reversible=reversible,
        costly=costly,
    )


def _coding_style(data: bytes, position: int) -> tuple[bool, bool, bool]:
    """Component transform, 5-3 wavelet, and whether there are tiny precincts, of the main header's COD segment (T.800 A.6.1)."""
    while data[position] == 0xFF:
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker == 0x52:
            precincts = data[position + 14 : position + 2 + length] if data[position + 4] & 1 else b""
            tiny = any(min(size & 15, size >> 4) < _MIN_PRECINCT for size in precincts)
            return bool(data[position + 8]), data[position + 13] == 1, tiny
        if marker in (0x90, 0x93) or length < 2:
            break
        position += 2 + length
    raise MalformedError("no coding style before the first tile")


def _rle(data: bytes) -> None:
    """PS3.5 annex G.5: number of segments and their offsets, ascending within the frame."""
    count, *offsets = struct.unpack_from("<16L", data)
    used = offsets[:count]
    if not 1 <= count <= RLE_SEGMENTS or used[0] != RLE_HEADER or used != sorted(set(used)) or used[-1] > len(data):
        raise MalformedError(f"{count} segments in a frame of {len(data)} bytes")
