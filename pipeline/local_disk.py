"""Local files by the operating system's own calls: atomic writes need them, and ranged reads are faster without a layer."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator

from pipeline.uri import local_uri
from transforms.types import Source


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


def replace(path: str, data: bytes) -> None:
    """Write a file so that its name stands for the old content or the new, never for a part."""
    temporary = _temporary(path, data)
    try:
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def create(path: str, data: bytes) -> bool:
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


def walk(folder: str) -> Iterator[Source]:
    """Files below a directory, sorted by URI; a directory that links lead to twice is walked once.

    A link to nowhere is a file, so that it gets its row; a pipe or a device is none.

    Raises:
        OSError: a directory cannot be read.
    """
    odd: list[Source] = []
    for path, size in _walk(folder.rstrip("/") or "/", set()):
        source = Source(local_uri(path), size)
        if source.uri == path:
            yield source
        else:
            odd.append(source)
    yield from sorted(odd, key=lambda source: source.uri)  # 'file:' sorts behind every '/…'


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, int | None]]:
    """Paths and sizes in the order of the paths: a directory sorts as if its name ended in '/'."""
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
            yield path, _size(entry)


def _size(entry: os.DirEntry[str]) -> int | None:
    """Bytes, or None when the file is gone by now: reading it will say so."""
    try:
        return entry.stat().st_size
    except OSError:
        return None
