"""Encapsulated pixel data (PS3.5 A.4): which bytes belong to which frame, and frames put together again."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from io import BytesIO

from transforms.errors import Code, DeidError
from transforms.spool import Bytes, Spool, blank

Span = tuple[int, int]
"""Offset and length of a fragment's bytes in the value of the pixel data element."""

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0"
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
"""How a JPEG, JPEG-LS, JPEG 2000 or JPEG XL codestream begins."""
_BASIC_TABLE_LIMIT = 2**32 - 1
_LONGEST_START = max(map(len, _STARTS))


def assign(data: Bytes, frames: int | None, extended: tuple[bytes, bytes] | None = None) -> list[list[Span]]:
    """For each frame, its fragments in order.

    The offset tables are believed only where they agree with the fragments; else the number of fragments and the beginnings of codestreams
    decide. More fragments than frames belong to nobody: what `transforms.pixels` cannot look at must not be written.

    Args:
        data: value of the pixel data element.
        frames: number of frames, None to infer it.
        extended: Extended Offset Table and Extended Offset Table Lengths (PS3.3 C.7.6.3.1.8).

    Raises:
        DeidError: PIXELS_INCONSISTENT when the fragments cannot be shared out among the frames.
    """
    table, fragments = _items(data)
    if not fragments:
        raise DeidError(Code.PIXELS_INCONSISTENT, "no fragment in encapsulated pixel data")
    base = fragments[0][0] - 8
    if extended is not None:
        spans = _by_lengths(fragments, base, extended)
        if spans is not None and frames in (None, len(spans)):
            return spans
    offsets = list(struct.unpack(f"<{table[1] // 4}L", data[table[0] : table[0] + table[1] // 4 * 4]))
    if offsets and frames in (None, len(offsets)):
        groups = _by_offsets(fragments, base, offsets)
        if groups is not None:
            return groups
    if frames == 1:
        return [fragments]
    if frames is not None and len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    groups = _by_beginnings(data, fragments)
    if frames is None:
        return groups or [fragments]
    if len(groups) != frames:
        raise DeidError(Code.PIXELS_INCONSISTENT, f"{len(fragments)} fragments for {frames} frames")
    return groups


def has_spare(data: Bytes, frames: int) -> bool:
    """Whether there is more than a table and fragments: a table that cannot be one of ``frames`` frames, or bytes behind the last item."""
    (start, length), fragments = _items(data)
    table = struct.unpack(f"<{length // 4}L", data[start : start + length // 4 * 4])
    wrong = length % 4 or len(table) not in (0, frames) or max(table, default=0) >= len(data)
    end = sum(fragments[-1])
    return bool(wrong or not blank(data, end + 4 if data[end : end + 4] == _DELIMITER else end))


def replace(data: bytearray | Spool, spans: Sequence[Span], frame: bytes) -> None:
    """Write a frame of the same length over its fragments."""
    position = 0
    for offset, length in spans:
        data[offset : offset + length] = frame[position : position + length]
        position += length


def join(data: Bytes, spans: Sequence[Span]) -> bytes:
    """The encoded bytes of one frame."""
    if len(spans) == 1:
        offset, length = spans[0]
        return data[offset : offset + length]
    return b"".join(data[offset : offset + length] for offset, length in spans)


def build(
    frames: Iterable[bytes], count: int, sink: BytesIO | Spool, *, extended: bool
) -> tuple[int, tuple[bytes, bytes] | None, list[bytes]]:
    """Encapsulate frames, one fragment each, with a Basic Offset Table, as they come.

    Args:
        frames: encoded frames.
        count: how many they are.
        sink: an empty file that the value of the pixel data element is written to.
        extended: with an Extended Offset Table instead, which has no limit of 4 GiB. So it is, too, when the frames exceed that.

    Returns:
        Where in ``sink`` the value begins; the two elements of the Extended Offset Table, if there is one; the SHA-256 of each frame as it
        was written.
    """
    first = 8 + 4 * count
    sink.write(bytes(first))
    offsets, lengths, digests, position = [], [], [], 0
    for frame in frames:
        padded = frame + b"\0" * (len(frame) % 2)
        offsets.append(position)
        lengths.append(len(frame))
        digests.append(hashlib.sha256(padded).digest())
        sink.write(_ITEM + struct.pack("<L", len(padded)))
        sink.write(padded)
        position += 8 + len(padded)
    extended = extended or offsets[-1] > _BASIC_TABLE_LIMIT
    start = first - 8 if extended else 0
    sink.seek(start)
    sink.write(_ITEM + (bytes(4) if extended else struct.pack(f"<L{count}L", 4 * count, *offsets)))
    tables = (struct.pack(f"<{count}Q", *offsets), struct.pack(f"<{count}Q", *lengths)) if extended else None
    return start, tables, digests


def _items(data: Bytes) -> tuple[Span, list[Span]]:
    """The Basic Offset Table and the fragments. A last item that runs over the end is cut there: some writers state a wrong length."""
    spans: list[Span] = []
    position = 0
    while data[position : position + 4] == _ITEM:
        (length,) = struct.unpack("<L", data[position + 4 : position + 8])
        start = position + 8
        length = min(length, len(data) - start)
        spans.append((start, length))
        position = start + length
    rest = data[position : position + 4]
    if not spans or (rest and rest != _DELIMITER and not blank(data, position)):
        raise DeidError(Code.PIXELS_INCONSISTENT, f"expected an item at byte {position} of {len(data)} of encapsulated pixel data")
    return spans[0], [span for span in spans[1:] if span[1]]


def _by_lengths(fragments: Sequence[Span], base: int, extended: tuple[bytes, bytes]) -> list[list[Span]] | None:
    """One fragment for each frame, at the stated offsets and with the stated lengths (padding excluded)."""
    offsets, lengths = (struct.unpack(f"<{len(item) // 8}Q", item[: len(item) // 8 * 8]) for item in extended)
    starts = {start - 8 - base: (start, length) for start, length in fragments}
    spans = []
    for offset, length in zip(offsets, lengths, strict=False):
        start, whole = starts.get(offset, (0, 0))
        if not whole - 1 <= length <= whole:
            return None
        spans.append([(start, length)])
    return spans if spans and len(spans) == len(fragments) else None


def _by_offsets(fragments: Sequence[Span], base: int, offsets: Sequence[int]) -> list[list[Span]] | None:
    """Fragments cut at the offsets of the Basic Offset Table; None when one of them is not where a fragment begins."""
    starts = {start - 8 - base for start, _ in fragments}
    if offsets[0] != 0 or list(offsets) != sorted(set(offsets)) or not set(offsets) <= starts:
        return None
    wanted = set(offsets)
    groups: list[list[Span]] = []
    for fragment in fragments:
        if fragment[0] - 8 - base in wanted:
            groups.append([])
        groups[-1].append(fragment)
    return groups


def _by_beginnings(data: Bytes, fragments: Sequence[Span]) -> list[list[Span]]:
    """A new frame wherever a fragment begins as a codestream does; empty when the first does not."""
    groups: list[list[Span]] = []
    for fragment in fragments:
        if data[fragment[0] : fragment[0] + _LONGEST_START].startswith(_STARTS):
            groups.append([])
        if not groups:
            return []
        groups[-1].append(fragment)
    return groups
