"""Bytes on the local disk instead of in memory, for what is too large to be held: an input, its pixels, the file that is made of them."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator

from transforms.errors import Code, DeidError

PIECE_BYTES = 8 * 1024**2
"""What is read or written at once."""


class _File:
    """A file without a name, in the folder for temporary files: it vanishes with its last window, or with the process."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile(buffering=0) as file:
            self.number = os.dup(file.fileno())

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Spool(io.BufferedIOBase):
    """A run of bytes of a nameless file: a slice is read when it is asked for, and never kept.

    It is a file too, so that pydicom reads a data set from it, writes one to it, and takes it for the value of an element.
    """

    def __init__(self) -> None:
        self._file = _File()
        self._start = 0
        self._size = 0
        self._position = 0

    @property
    def path(self) -> str:
        """A name under which this process can open the whole file."""
        return f"/proc/self/fd/{self._file.number}"

    def window(self, start: int, end: int) -> Spool:
        """Bytes ``start`` to ``end`` without a copy: what is written there is written here."""
        if not 0 <= start <= end <= self._size:
            raise IndexError(f"bytes {start} to {end} of {self._size}")
        other = Spool.__new__(Spool)
        other._file, other._start, other._size, other._position = self._file, self._start + start, end - start, 0
        return other

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """All bytes from ``start`` on, in order."""
        for position in range(start, self._size, PIECE_BYTES):
            yield self[position : position + PIECE_BYTES]

    def find(self, needle: bytes, start: int = 0) -> int:
        """Where ``needle`` begins, at ``start`` or behind it; -1 when it does not."""
        for position in range(start, self._size, PIECE_BYTES):
            found = self[position : position + PIECE_BYTES + len(needle) - 1].find(needle)
            if found >= 0:
                return position + found
        return -1

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._size)
        return self._read(start, end)

    def __setitem__(self, part: slice, data: bytes) -> None:
        start, end, _ = part.indices(self._size)
        if len(data) != end - start:
            raise ValueError(f"{len(data)} bytes in the place of {end - start}")
        self._write(start, data)

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Position of the next read or write."""
        return self._position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes, fewer at the end."""
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        data = self._read(self._position, end)
        self._position += len(data)
        return data

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # bytes alone are written here
        """Write at the position; the file grows as needed.

        Raises:
            DeidError: WRITE_FAILED.
        """
        self._write(self._position, data)
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def _read(self, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        data = os.pread(self._file.number, end - start, self._start + start)
        while len(data) < end - start:  # one call gives at most 2 GiB
            more = os.pread(self._file.number, end - start - len(data), self._start + start + len(data))
            if not more:
                raise EOFError(f"{len(data)} bytes of {end - start}")
            data += more
        return data

    def _write(self, start: int, data: bytes) -> None:
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += os.pwrite(self._file.number, view[done:], self._start + start + done)
        except OSError as exc:
            raise DeidError(Code.WRITE_FAILED, f"the folder for temporary files takes no more ({type(exc).__name__} {exc.errno})") from None


Bytes = bytes | Spool
"""Bytes, wherever they are: both have a length and slices."""


def writable(data: Bytes) -> bytearray | Spool:
    """A copy in which slices can be assigned; what is on the disk is changed in its place."""
    return data if isinstance(data, Spool) else bytearray(data)


def settled(data: bytearray | Spool) -> Bytes:
    """What was `writable`, as the value of an element."""
    return data if isinstance(data, Spool) else bytes(data)


def pieces(data: Bytes, start: int = 0) -> Iterator[bytes]:
    """Bytes from ``start`` on, in order, in pieces that can be held."""
    if isinstance(data, Spool):
        yield from data.pieces(start)
    elif start < len(data):
        yield data[start:] if start else data


def part(data: Bytes, start: int, end: int) -> Bytes:
    """A part of what is in memory in memory, of what is on the disk on the disk."""
    return data.window(start, end) if isinstance(data, Spool) else data[start:end]


def blank(data: Bytes, start: int, padding: bytes = b"\0") -> bool:
    """Whether nothing but ``padding`` stands from ``start`` on."""
    return not any(piece.strip(padding) for piece in pieces(data, start))
