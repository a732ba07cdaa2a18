"""Reading, listing and writing files in any fsspec scheme, without a path in any error.

A `Store` is a frozen value that travels to workers. File systems are opened where they are used: fsspec keeps one per process and options.
Local paths take the operating system's calls directly: atomic writes need them, and ranged reads are faster without a layer.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pipeline import local_disk
from pipeline.filesystems import look_up_again, open_filesystem
from pipeline.listing import walk_objects
from pipeline.retry import call_with_retries, is_expired, is_refused, reason
from pipeline.uri import canonical as canonical
from pipeline.uri import join as join
from pipeline.uri import local_path as local_path
from pipeline.uri import version_of
from transforms.errors import Code, ConfigError, DeidError, RefusedError
from transforms.spool import Bytes, Spool
from transforms.types import Source

T = TypeVar("T")

_REFUSALS = 20
"""Of so many calls one after the other a store must say that it does not know the caller before a run ends: it may be but one object."""
_refusals: dict[str, int] = {}
_REFUSED = "; the store refuses the credentials or the right to this: renew them, and run the same command again"
_ANOTHER = "the object is not the one that was listed, though as large"
_RETRYING = frozenset({"gs"})  # its library retries with growing pauses, which cannot be turned off; two loops would multiply
_DELETING_THREADS = 16
_RANGE_BYTES = 16 * 1024**2
_IN_PARTS: dict[str, dict[str, Any]] = {
    "s3": {"chunksize": 16 * 1024**2, "max_concurrency": 2},
    "gs": {"chunksize": 16 * 1024**2},
    "abfs": {"max_concurrency": 2},
}


@dataclass(frozen=True)
class Store:
    """Access to files.

    Attributes:
        options: storage options by canonical scheme, such as ``{"s3": {"requester_pays": True}}``; they may hold credentials.
        attempts: how often a call is tried when the fault may pass, where the file system does not retry by itself.
        sleep: waits between tries; a test hands in its own.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, hash=False)
    attempts: int = 7
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @staticmethod
    def join(uri: str, *parts: str) -> str:
        """See `join`."""
        return join(uri, *parts)

    def filesystem(self, uri: str) -> Any:
        """The fsspec file system of a URI; listings are never cached, since other workers write.

        Raises:
            ConfigError: the scheme is unknown or its library is not installed.
        """
        return open_filesystem(uri, self.options)

    @staticmethod
    def waits(uri: str) -> bool:
        """Whether an answer takes long enough to ask for others meanwhile: an object store's, not a disk's."""
        return local_path(uri) is None

    def size(self, uri: str) -> int:
        """Bytes of a file.

        Raises:
            DeidError: READ_FAILED.
        """
        return self._state(uri)[0]

    def version(self, uri: str) -> str:
        """What changes when a file does, as `list_files` gives it: generation or ETag, on a local disk the time of change; '' if unknown.

        Raises:
            DeidError: READ_FAILED.
        """
        return self._state(uri)[1]

    def exists(self, uri: str) -> bool:
        """Whether a file or folder is there; a fault is an error, not a no.

        Raises:
            DeidError: READ_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            return os.path.lexists(path)

        def look() -> bool:
            try:
                self.filesystem(uri).info(canonical(uri))
            except FileNotFoundError:
                return False
            return True

        return self._read(uri, look)

    def read_range(self, uri: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (exclusive); fewer when the file ends before.

        Raises:
            DeidError: READ_FAILED.
        """
        if end <= start:
            return b""
        path = local_path(uri)
        if path is None:
            return bytes(self._read(uri, lambda: self.filesystem(uri).cat_file(canonical(uri), start=start, end=end)))
        return self._read(uri, lambda: local_disk.read(path, start, end))

    def read_all(self, uri: str, max_bytes: int | None = None, size: int | None = None, version: str = "") -> bytes:
        """A whole file of at most ``max_bytes``; ``size`` and ``version`` are what a listing said, if it did.

        Raises:
            DeidError: READ_FAILED; TOO_LARGE; CHANGED_DURING_RUN when the file is not the one that it was said to be.
        """
        expected = self.size(uri) if size is None else size
        if max_bytes is not None and expected > max_bytes:
            raise DeidError(Code.TOO_LARGE, f"{expected} bytes, the limit is {max_bytes}")
        if version and expected and local_path(uri) is None:
            from pipeline import versioned

            data, found = self._read(uri, lambda: versioned.read(self.filesystem(uri), canonical(uri), expected + 1))
        else:
            data = self.read_range(uri, 0, expected + 1) if expected else b""
            found = self.version(uri) if version else ""
        if len(data) != expected:
            raise DeidError(Code.CHANGED_DURING_RUN, f"expected {expected} bytes, found {'more' if len(data) > expected else len(data)}")
        if found != version:
            raise DeidError(Code.CHANGED_DURING_RUN, _ANOTHER)
        return data

    def read_spooled(self, uri: str, max_bytes: int, size: int | None = None, version: str = "") -> Spool:
        """`read_all` to the local disk, by ranges, so that memory holds but one of them.

        Raises:
            DeidError: as `read_all`; CHANGED_DURING_RUN too when the file is another one at the end than it was at the beginning;
                WRITE_FAILED when the folder for temporary files is full.
        """
        before = self._state(uri)
        expected = before[0] if size is None else size
        if expected > max_bytes:
            raise DeidError(Code.TOO_LARGE, f"{expected} bytes, the limit is {max_bytes}")
        spool = Spool()
        for start in range(0, expected, _RANGE_BYTES):
            spool.write(self.read_range(uri, start, min(start + _RANGE_BYTES, expected)))
        if len(spool) != expected or before[0] != expected:
            raise DeidError(Code.CHANGED_DURING_RUN, f"expected {expected} bytes, found {len(spool)} of {before[0]}")
        if (version and before[1] != version) or self._state(uri) != before:
            raise DeidError(Code.CHANGED_DURING_RUN, _ANOTHER)
        return spool

    def _state(self, uri: str) -> tuple[int, str]:
        """Size and version of a file."""
        path = local_path(uri)
        if path is not None:
            status = self._read(uri, lambda: os.stat(path))  # noqa: PTH116
            return status.st_size, str(status.st_mtime_ns)
        info = self._read(uri, lambda: self.filesystem(uri).info(canonical(uri)))
        return int(info["size"]), version_of(info)

    def write_atomic(self, uri: str, data: Bytes) -> None:
        """Write a file so that it is never visible in part: rename on a local file system, one upload in an object store.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            self._write(uri, lambda: local_disk.replace(path, data))
        else:
            self._write(uri, lambda: self._upload(uri, data, "overwrite"))

    def write_if_absent(self, uri: str, data: Bytes) -> bool:
        """Write a file whole unless there is one of that name; True when it was written now.

        False may also mean that an earlier try of this very call wrote it and the answer was lost: compare the content.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            return self._write(uri, lambda: local_disk.create(path, data))

        def create() -> bool:
            try:
                self._upload(uri, data, "create")
            except FileExistsError:
                return False
            return True

        return self._write(uri, create)

    def _upload(self, uri: str, data: Bytes, mode: str) -> None:
        """One upload, which becomes visible as a whole; of a `Spool` in parts that memory holds a few of."""
        filesystem, name = self.filesystem(uri), canonical(uri)
        if isinstance(data, Spool):
            filesystem.put_file(data.path, name, mode=mode, **_IN_PARTS.get(name.partition("://")[0], {}))
        else:
            filesystem.pipe_file(name, data, mode=mode)

    def delete(self, uri: str) -> None:
        """Remove a file; it is no error when there is none.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            self._write(uri, lambda: Path(path).unlink(missing_ok=True))
            return

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.filesystem(uri).rm_file(canonical(uri))

        self._write(uri, remove)

    def delete_all(self, uris: Iterable[str]) -> None:
        """`delete` files, several at a time: a store takes as long for the request as for the file.

        Raises:
            DeidError: WRITE_FAILED.
        """
        with ThreadPoolExecutor(_DELETING_THREADS) as pool:
            for _ in pool.map(self.delete, uris):
                pass

    def probe_writable(self, uri: str) -> None:
        """Write and remove a small file below ``uri``.

        Raises:
            ConfigError: that does not work; the message names the URI.
        """
        probe = join(uri, f".probe-{uuid4().hex}")
        try:
            self.write_atomic(probe, b"probe")
            self.delete(probe)
        except DeidError as exc:
            wanted = "; expected a folder that may be made or written to" if local_path(uri) and exc.detail.endswith("Error") else ""
            raise ConfigError(f"cannot write to {uri}: {exc.detail}{wanted}") from None

    def is_folder(self, uri: str) -> bool:
        """Whether there are files below ``uri``, or ``uri`` is a local directory.

        Raises:
            DeidError: READ_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            return os.path.isdir(path)  # noqa: PTH112

        def look() -> bool:
            try:
                return bool(self.filesystem(uri).info(canonical(uri))["type"] == "directory")
            except FileNotFoundError:
                return False

        return self._read(uri, look)

    def list_files(self, uri: str) -> Iterator[Source]:
        """All files below a folder, recursively, sorted by URI; a loop of symbolic links is walked once.

        Raises:
            DeidError: READ_FAILED, a folder cannot be listed.
        """
        path = local_path(uri)
        if path is not None:
            try:
                yield from local_disk.walk(path)
            except OSError as exc:
                raise DeidError(Code.READ_FAILED, f"a folder cannot be listed: {reason(exc)}") from None
            return
        from pipeline.pages import Page, page  # imported late: fsspec

        root = canonical(uri).rstrip("/")
        scheme = root.partition("://")[0]

        def list_page(folder: str, token: str | None) -> Page:
            return self._read(uri, lambda: page(self.filesystem(uri), scheme, folder, token))

        yield from walk_objects(list_page, root, self.filesystem(uri)._strip_protocol(root).rstrip("/"))

    def _read(self, uri: str, call: Callable[[], T]) -> T:
        return self._call(Code.READ_FAILED, uri, call)

    def _write(self, uri: str, call: Callable[[], T]) -> T:
        return self._call(Code.WRITE_FAILED, uri, call)

    def _call(self, code: Code, uri: str, call: Callable[[], T]) -> T:
        """Call, again where the fault may pass and the library does not try again by itself; a failure says no path.

        Credentials that have expired may have been renewed where they come from: they are looked up once more.

        Raises:
            RefusedError: the store does not know the caller, again and again.
            DeidError: ``code``.
        """
        scheme, _, rest = canonical(uri).partition("://")
        bucket = f"{scheme}://{rest.partition('/')[0]}"
        attempts = 1 if scheme in _RETRYING else self.attempts
        for last in (False, True):
            asked = time.monotonic()
            try:
                found = call_with_retries(call, attempts, self.sleep)
            except DeidError:
                raise
            except Exception as exc:
                if local_path(uri) is not None:
                    raise DeidError(code, reason(exc)) from None  # the text of a storage error holds the path
                expired = is_expired(exc)
                if expired and not last and look_up_again(scheme, asked):
                    continue
                _refusals[bucket] = _refusals.get(bucket, 0) + 1 if expired else 0
                error = RefusedError if _refusals[bucket] >= _REFUSALS else DeidError
                raise error(code, reason(exc) + (_REFUSED if is_refused(exc) else "")) from None
            if _refusals:
                _refusals.pop(bucket, None)
            return found
        raise AssertionError("unreachable")
