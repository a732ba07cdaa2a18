"""A file of any store as a file object of Python, for libraries that read parts of it."""

from __future__ import annotations

import io
from typing import Any

from pipeline.storage import Store


class RangedFile(io.RawIOBase):
    """A file of any store, read in ranges as they are asked for."""

    def __init__(self, uri: str, store: Store) -> None:
        self._uri, self._store, self._size, self._at = uri, store, store.size(uri), 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; nothing is fetched."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fetch as much as there is room for, fewer bytes at the end."""
        data = self._store.read_range(self._uri, self._at, min(self._at + len(buffer), self._size))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
