"""A file object over ranged reads, so that a parser can skip what it does not need without fetching it."""

from __future__ import annotations

from collections.abc import Callable

from transforms.errors import Code, DeidError

Fetch = Callable[[int, int], bytes]
FIRST_BYTES = 64 * 1024
_MOST_BYTES = 4 * 1024 * 1024


class RangedFile:
    """Reads, seeks and tells over ``fetch(start, end)``; the first fetch is 64 KiB, each further one twice the one before.

    Attributes:
        size: bytes of the file.
        fetched: bytes fetched so far; bounded by ``limit``.
    """

    def __init__(self, fetch: Fetch, size: int, limit: int) -> None:
        self._fetch = fetch
        self.size = size
        self._limit = limit
        self._position = 0
        self._start = 0
        self._buffer = b""
        self._next = FIRST_BYTES
        self._hidden = 0
        self.fetched = 0

    def tell(self) -> int:
        """Position in the file."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; nothing is fetched."""
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def hide(self, length: int) -> None:
        """The next read of ``length`` bytes gives nothing and fetches nothing, but moves on."""
        self._hidden = length
        self._next = FIRST_BYTES  # what follows is a few small elements

    def read(self, length: int = -1) -> bytes:
        """Up to ``length`` bytes, fewer at the end of the file.

        Raises:
            DeidError: TOO_LARGE when more than the limit would be fetched; CHANGED_DURING_RUN when the file became shorter.
        """
        if self._hidden and length == self._hidden:
            self._hidden = 0
            self._position += length
            return b""
        end = self.size if length < 0 else min(self._position + length, self.size)
        if end <= self._position:
            return b""
        offset = self._position - self._start
        if offset < 0 or end > self._start + len(self._buffer):
            self._fill(end)
            offset = self._position - self._start
        self._position = end
        return self._buffer[offset : end - self._start]

    def _fill(self, end: int) -> None:
        """Fetch so that the buffer holds what is between the position and ``end``, and some more; keep what it has of that."""
        buffered = self._start + len(self._buffer)
        keep = self._buffer[self._position - self._start :] if self._start <= self._position < buffered else b""
        start = self._position + len(keep)
        stop = min(self.size, max(end, start + self._next))
        self._next = min(self._next * 2, _MOST_BYTES)
        if self.fetched + stop - start > self._limit:
            stop = max(end, start + self._limit - self.fetched)
        self.fetched += stop - start
        if self.fetched > self._limit:
            raise DeidError(Code.TOO_LARGE, f"the header is larger than {self._limit} bytes")
        data = self._fetch(start, stop)
        if len(data) != stop - start:
            raise DeidError(Code.CHANGED_DURING_RUN, f"expected {stop - start} bytes of the header, found {len(data)}")
        self._start, self._buffer = self._position, keep + data
