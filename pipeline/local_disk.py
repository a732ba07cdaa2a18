"""Local files by the operating system's own calls: atomic writes need them, and ranged reads are faster without a layer."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pipeline.uri import local_uri
from transforms.spool import Bytes, pieces
from transforms.types import Source

_UNSUPPORTED = frozenset({errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV})


def read(path: str, start: int, end: int) -> bytes:
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


def replace(path: str, data: Bytes) -> None:
    """Write a file so that its name stands for the old content or the new, never for a part.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    with _written(path, data) as (source, follow):
        part = source
        if follow:
            part = _part_name(path)
            _link(source, part, follow=True)
        try:
            os.replace(part, path)  # noqa: PTH105
        except BaseException:
            os.unlink(part)  # noqa: PTH108
            raise


def create(path: str, data: Bytes) -> bool:
    """Write a file only if its name is free, which the file system decides; False when it is not.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    if os.path.lexists(path):
        return False
    with _written(path, data) as (source, follow):
        try:
            _link(source, path, follow=follow)
        except FileExistsError:
            return False
        except OSError as exc:
            if follow or exc.errno not in _UNSUPPORTED:
                raise
            os.replace(source, path)  # noqa: PTH105  # a file system without hard links: two writers at once could both win
    return True


@contextmanager
def _written(path: str, data: Bytes) -> Iterator[tuple[str, bool]]:
    """A whole file in the folder of ``path``, on the disk, and whether it has no name but a link in /proc to be followed.

    A file without a name vanishes with its process: a killed worker leaves nothing. Systems that have none get a ``.part-`` file.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    handle = _nameless(folder)
    part = "" if handle is not None else _part_name(path)
    if handle is None:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces(data):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            yield part or f"/proc/self/fd/{file.fileno()}", not part
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def _nameless(folder: str) -> int | None:
    if not (hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")):  # noqa: PTH112
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as exc:
        if exc.errno in _UNSUPPORTED:
            return None
        raise


def _link(source: str, target: str, *, follow: bool) -> None:
    folder = os.open(os.path.dirname(target), os.O_RDONLY)  # noqa: PTH120  # with a folder given, the system call is one that follows links
    try:
        os.link(source, os.path.basename(target), dst_dir_fd=folder, follow_symlinks=follow)  # noqa: PTH119
    finally:
        os.close(folder)


def _part_name(path: str) -> str:
    return f"{os.path.dirname(path)}/.part-{uuid4().hex}"  # noqa: PTH120


def walk(folder: str) -> Iterator[Source]:
    """Files below a directory, sorted by URI; a directory that links lead to twice is walked once.

    A link to nowhere is a file, so that it gets its row; a pipe or a device is none.

    Raises:
        OSError: a directory cannot be read.
    """
    odd: list[Source] = []
    for path, size, version in _walk(folder.rstrip("/") or "/", set()):
        source = Source(local_uri(path), size, version)
        if source.uri == path:
            yield source
        else:
            odd.append(source)
    yield from sorted(odd, key=lambda source: source.uri)  # 'file:' sorts behind every '/…'


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int | None, str]]:
    """Paths, sizes and times of change in the order of the paths: a directory sorts as if its name ended in '/'."""
    status = os.stat(folder)  # noqa: PTH116
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as found:
        entries = sorted(((entry.name + "/" * entry.is_dir(), entry) for entry in found), key=lambda pair: pair[0])
    for name, entry in entries:
        path = f"{folder.rstrip('/')}/{entry.name}"
        if name.endswith("/"):
            yield from _walk(path, seen)
        elif entry.is_file() or (entry.is_symlink() and not os.path.exists(path)):  # noqa: PTH110
            yield path, *_state(entry)


def _state(entry: os.DirEntry[str]) -> tuple[int | None, str]:
    """Bytes and time of change, or nothing when the file is gone by now: reading it will say so."""
    try:
        status = entry.stat()
    except OSError:
        return None, ""
    return status.st_size, str(status.st_mtime_ns)
