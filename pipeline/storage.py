"""Reading, listing and writing files in any fsspec scheme, without a path in any error.

A `Store` is a frozen value that travels to workers. File systems are opened where they are used: fsspec keeps one per process and options.
Local paths take the operating system's calls directly: atomic writes need them, and ranged reads are faster without a layer.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

import fsspec

from pipeline.retry import call_with_retries, reason
from transforms.errors import Code, ConfigError, DeidError
from transforms.types import Source

T = TypeVar("T")

_ALIASES = {"gcs": "gs", "s3a": "s3", "s3n": "s3", "abfss": "abfs", "az": "abfs"}
_MAX_PART_BYTES = 255


def canonical(uri: str) -> str:
    """One spelling per file: absolute plain path for local files, scheme aliases resolved.

    ``file:`` URIs are percent-decoded (RFC 8089). A local name that is not UTF-8 keeps that form, so that a URI is always valid text.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or not scheme.isalnum():
        return _local_uri(os.path.abspath(uri))  # noqa: PTH100  # Path would keep '..'
    if scheme.lower() in ("file", "local"):
        return _local_uri(os.path.abspath(os.fsdecode(unquote_to_bytes(rest))))  # noqa: PTH100
    return f"{_ALIASES.get(scheme.lower(), scheme.lower())}://{rest}"


def _local_uri(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def local_path(uri: str) -> str | None:
    """The path of a local URI, or None when the URI is that of an object store."""
    scheme, separator, rest = canonical(uri).partition("://")
    if separator and scheme == "file":
        return os.fsdecode(unquote_to_bytes(rest))
    return None if separator and scheme.isalnum() else scheme + separator + rest


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` below it, each a single plain name.

    Raises:
        DeidError: WRITE_FAILED, a part is empty, too long, '.' or '..', or holds a separator or a control character.
    """
    for part in parts:
        plain = part.isprintable() and not set(part) & set("/\\") and part not in ("", ".", "..") and len(part.encode()) <= _MAX_PART_BYTES
        if not plain:
            raise DeidError(Code.WRITE_FAILED, "a part of an output name is not a plain name")
    return "/".join((uri.rstrip("/"), *parts))


@dataclass(frozen=True)
class Store:
    """Access to files.

    Attributes:
        options: storage options by canonical scheme, such as ``{"s3": {"requester_pays": True}}``; they may hold credentials.
        attempts: how often a call is tried when the fault may pass.
        sleep: waits between tries; a test hands in its own.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, hash=False)
    attempts: int = 4
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
        scheme = canonical(uri).partition("://")[0]
        try:
            from_url = fsspec.get_filesystem_class(scheme)._get_kwargs_from_urls(uri)
            return fsspec.filesystem(scheme, **{"use_listings_cache": False, **from_url, **self.options.get(scheme, {})})
        except (ImportError, ValueError) as exc:
            raise ConfigError(f"{scheme}:// cannot be used here: {exc}") from None

    def size(self, uri: str) -> int:
        """Bytes of a file.

        Raises:
            DeidError: READ_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            return self._read(lambda: Path(path).stat().st_size)
        return int(self._read(lambda: self.filesystem(uri).info(canonical(uri))["size"]))

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

        return self._read(look)

    def read_range(self, uri: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (exclusive); fewer when the file ends before.

        Raises:
            DeidError: READ_FAILED.
        """
        if end <= start:
            return b""
        path = local_path(uri)
        if path is None:
            return bytes(self._read(lambda: self.filesystem(uri).cat_file(canonical(uri), start=start, end=end)))

        return self._read(lambda: _read_local(path, start, end))

    def read_all(self, uri: str, max_bytes: int | None = None, size: int | None = None) -> bytes:
        """A whole file of at most ``max_bytes``; ``size`` is what a listing said, if it did.

        Raises:
            DeidError: READ_FAILED; TOO_LARGE; CHANGED_DURING_RUN when the file is not as large as it was said to be.
        """
        expected = self.size(uri) if size is None else size
        if max_bytes is not None and expected > max_bytes:
            raise DeidError(Code.TOO_LARGE, f"{expected} bytes, the limit is {max_bytes}")
        data = self.read_range(uri, 0, expected + 1) if expected else b""
        if len(data) != expected:
            raise DeidError(Code.CHANGED_DURING_RUN, f"expected {expected} bytes, found {'more' if len(data) > expected else len(data)}")
        return data

    def write_atomic(self, uri: str, data: bytes) -> None:
        """Write a file so that it is never visible in part: rename on a local file system, one upload in an object store.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is None:
            self._write(lambda: self.filesystem(uri).pipe_file(canonical(uri), data))
            return
        self._write(lambda: _replace(path, data))

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        """Write a file whole unless there is one of that name; True when it was written now.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            return self._write(lambda: _link(path, data))
        tries = 0

        def create() -> bool:
            nonlocal tries
            tries += 1
            try:
                self.filesystem(uri).pipe_file(canonical(uri), data, mode="create")
            except FileExistsError:
                # An answer lost on the way makes the second try find the first one's file.
                return tries > 1 and bytes(self.filesystem(uri).cat_file(canonical(uri))) == data
            return True

        return self._write(create)

    def delete(self, uri: str) -> None:
        """Remove a file; it is no error when there is none.

        Raises:
            DeidError: WRITE_FAILED.
        """
        path = local_path(uri)
        if path is not None:
            self._write(lambda: Path(path).unlink(missing_ok=True))
            return

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.filesystem(uri).rm_file(canonical(uri))

        self._write(remove)

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
            raise ConfigError(f"cannot write to {uri}: {exc.detail}") from None

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

        return self._read(look)

    def list_files(self, uri: str) -> Iterator[Source]:
        """All files below a folder, recursively, sorted by URI; a loop of symbolic links is walked once.

        Raises:
            DeidError: READ_FAILED, a folder cannot be listed.
        """
        path = local_path(uri)
        if path is None:
            root = canonical(uri).rstrip("/")
            yield from self._walk_objects(root, self.filesystem(uri)._strip_protocol(root).rstrip("/"))
            return
        odd: list[Source] = []
        for source in self._walk_local(path.rstrip("/") or "/", set()):
            if source.uri.startswith("file://"):
                odd.append(source)
            else:
                yield source
        yield from sorted(odd, key=lambda source: source.uri)  # 'file:' sorts behind every '/…'

    def _walk_local(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[Source]:
        """Files below a directory, in the order of their full names: a directory sorts as if its name ended in '/'."""

        def scan() -> list[tuple[str, os.DirEntry[str]]]:
            with os.scandir(folder) as entries:
                return sorted(((entry.name + "/" * entry.is_dir(), entry) for entry in entries), key=lambda pair: pair[0])

        status = self._read(lambda: os.stat(folder))  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        for name, entry in self._read(scan):
            if name.endswith("/"):
                yield from self._walk_local(os.path.join(folder, entry.name), seen)  # noqa: PTH118
                continue
            try:
                size = entry.stat().st_size if entry.is_file() else None
            except OSError:
                size = None
            if size is not None or entry.is_symlink():  # a dangling link gets its row; a pipe or a device is no file
                yield Source(_local_uri(os.path.join(folder, entry.name)), size)  # noqa: PTH118

    def _walk_objects(self, root: str, stripped: str) -> Iterator[Source]:
        """Objects below a prefix; the authority of the URI (an Azure account) is kept as it was given."""
        entries = self._read(lambda: self.filesystem(root).ls(stripped, detail=True))
        below = stripped + "/"
        named = [(entry["name"].rstrip("/") + "/" * (entry["type"] == "directory"), entry) for entry in entries]
        for name, entry in sorted(named, key=lambda pair: str(pair[0])):
            if not name.startswith(below) or name == below:  # the marker object of the folder itself
                continue
            if entry["type"] == "directory":
                yield from self._walk_objects(root + name[len(stripped) : -1], name[:-1])
            else:
                yield Source(root + name[len(stripped) :], entry.get("size"))

    def _read(self, call: Callable[[], T]) -> T:
        return self._call(Code.READ_FAILED, call)

    def _write(self, call: Callable[[], T]) -> T:
        return self._call(Code.WRITE_FAILED, call)

    def _call(self, code: Code, call: Callable[[], T]) -> T:
        try:
            return call_with_retries(call, self.attempts, self.sleep)
        except DeidError:
            raise
        except Exception as exc:
            raise DeidError(code, reason(exc)) from None  # the text of a storage error holds the path


def _read_local(path: str, start: int, end: int) -> bytes:
    """Bytes of a regular file; a pipe or a device would block the worker and is refused."""
    with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IsADirectoryError
        file.seek(start)
        data = file.read(end - start)
        if len(data) in (0, end - start):
            return data
        pieces = [data]  # one call gives at most 2 GiB, and less on some network file systems
        while data and sum(map(len, pieces)) < end - start:
            data = file.read(end - start - sum(map(len, pieces)))
            pieces.append(data)
        return b"".join(pieces)


def _temporary(path: str, data: bytes) -> str:
    """Write ``data`` to a new file beside ``path``, down to the disk."""
    folder = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    handle, temporary = tempfile.mkstemp(prefix=".part-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)  # noqa: PTH101  # mkstemp makes files that only their owner reads
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
    return temporary


def _replace(path: str, data: bytes) -> None:
    temporary = _temporary(path, data)
    try:
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def _link(path: str, data: bytes) -> bool:
    """Give the whole file its name only if the name is free: a hard link, which the file system makes atomically."""
    if os.path.lexists(path):
        return False
    temporary = _temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)  # noqa: PTH108
    return True


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _umask()
