"""What the user names as input, expanded to files: folders, globs, single files, lists and manifests, in any fsspec scheme."""

from __future__ import annotations

import csv
import fnmatch
import heapq
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from pipeline.ranged import RangedFile
from pipeline.sorting import by_uri, in_order
from pipeline.storage import Store, canonical, local_path
from transforms.errors import ConfigError, DeidError
from transforms.types import Source

READ_BYTES = 8 * 1024**2
RUN = 250_000
"""Sources that are sorted in memory: about 60 MB."""
_GLOB = re.compile(r"[*?\[]")
_COLUMNS = ("uri", "url")


def expand(inputs: Sequence[str], store: Store, output: str | None = None) -> Iterator[Source]:
    """All files that the inputs name, sorted by URI and each once, as a stream: folders are not held in memory.

    Args:
        inputs: folders (recursive), globs (``**`` over folders), files, ``@list.txt`` (a URI per line, ``#`` comments), or manifests
            ``.csv`` and ``.parquet`` with a column ``uri`` or ``url`` and optionally ``size``.
        store: where they are.
        output: must not lie inside an input folder: a run would eat what it wrote.

    Raises:
        ConfigError: an input is missing or empty, or the output lies inside one.
    """
    if not inputs:
        raise ConfigError("no input: give at least one folder, glob, file, @list or manifest")
    for name in inputs:
        if output is not None:
            check_apart(name, output)
    streams = [_expand_one(name, store) for name in inputs]
    previous: str | None = None
    forbidden = canonical(output).rstrip("/") + "/" if output is not None else None
    for source in heapq.merge(*streams, key=by_uri):
        if source.uri == previous:
            continue
        if forbidden is not None and source.uri.startswith(forbidden):
            raise ConfigError("an input lies inside the output folder; choose another output")
        previous = source.uri
        yield source


def check_apart(name: str, output: str) -> None:
    """See that a run would not write into what it reads, and that both have a name: '' would be the folder that the command is run in.

    Raises:
        ConfigError: the output lies inside the input, or one of them is empty.
    """
    if not name or not output:
        raise ConfigError(f"the {'output' if name else 'input'} is empty; is a variable not set?")
    folder, written = (os.path.realpath(_path(uri)) if local_path(uri) else canonical(uri) for uri in (name, output))
    folder, written = folder.rstrip("/") + "/", written.rstrip("/") + "/"
    if written.startswith(folder):
        raise ConfigError(f"the output {output} lies inside the input {name}; choose an output outside it")


def _expand_one(name: str, store: Store) -> Iterator[Source]:
    """The files of one input, sorted; an input that names nothing is an error."""
    try:
        stream = iter(_open(name, store))
        first = next(stream, None)
    except DeidError as exc:
        if isinstance(exc, ConfigError):
            raise
        raise ConfigError(f"the input {name} cannot be read: {exc.detail}") from None
    if first is None:
        raise ConfigError(f"the input {name} names no file")
    yield first
    yield from stream


def _open(name: str, store: Store) -> Iterable[Source]:
    if name.startswith("@"):
        return in_order((Source(_named(name, uri)) for uri in _lines(_text(name[1:], store))), RUN)
    if store.is_folder(name):
        return store.list_files(name)
    if store.exists(name):
        lower = name.lower()
        if lower.endswith(".csv"):
            return in_order(_csv_rows(name, store), RUN)
        if lower.endswith(".parquet"):
            return in_order(_parquet_rows(name, store), RUN)
        return [Source(canonical(name), store.size(name))]
    if _GLOB.search(name):
        return _glob(name, store)
    raise ConfigError(f"the input {name} does not exist")


def _glob(pattern: str, store: Store) -> Iterator[Source]:
    """Walk the fixed part of a pattern; ``*`` and ``?`` stay within a name, ``**`` crosses folders.

    Local files are compared by their paths: the URI of one whose name is not UTF-8 has another form than the pattern.
    """
    whole = _path(pattern)
    fixed = whole[: _GLOB.search(whole).start()].rpartition("/")[0]  # type: ignore[union-attr]  # the caller found one
    matches = re.compile(_regex(whole)).fullmatch
    if not store.is_folder(fixed or "/"):
        raise ConfigError(f"the input {pattern} names no file")
    return (source for source in store.list_files(fixed or "/") if matches(_path(source.uri)))


def _path(name: str) -> str:
    path = local_path(name)
    return canonical(name) if path is None else path


def _regex(pattern: str) -> str:
    parts = []
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", pattern):
        if piece in ("**/", "**", "*", "?"):
            parts.append({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}[piece])
        elif piece.startswith("[") and piece.endswith("]"):
            parts.append(fnmatch.translate(piece).removeprefix("(?s:").removesuffix(r")\Z"))
        else:
            parts.append(re.escape(piece))
    return "".join(parts)


def _text(name: str, store: Store, newline: str | None = None) -> io.TextIOWrapper:
    """A text file, line by line."""
    buffered = io.BufferedReader(RangedFile(name, store), READ_BYTES)
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _lines(text: Iterable[str]) -> Iterator[str]:
    for line in text:
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def _csv_rows(name: str, store: Store) -> Iterator[Source]:
    reader = csv.DictReader(_text(name, store, newline=""))
    try:
        column = _column(name, reader.fieldnames or ())
        for row in reader:
            if row[column]:
                size = (row.get("size") or "").strip()
                yield Source(_named(name, row[column].strip()), _size(int(size) if size.isdecimal() else None))
    except csv.Error:
        raise ConfigError(f"the manifest {name} is no CSV behind line {reader.line_num}: is a quote left open?") from None


def _parquet_rows(name: str, store: Store) -> Iterator[Source]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = local_path(name)
    try:
        file = pq.ParquetFile(path if path is not None else io.BufferedReader(RangedFile(name, store), READ_BYTES))
    except pa.ArrowException as exc:
        raise ConfigError(f"the manifest {name} is no Parquet file ({type(exc).__name__})") from None
    column = _column(name, file.schema_arrow.names)
    wanted = [column] + [other for other in file.schema_arrow.names if other == "size"]
    for batch in file.iter_batches(columns=wanted):
        sizes = batch.column("size").to_pylist() if "size" in wanted else [None] * batch.num_rows
        for uri, size in zip(batch.column(column).to_pylist(), sizes, strict=True):
            if uri:
                yield Source(canonical(str(uri)), _size(size))


def _named(name: str, uri: str) -> str:
    """A URI of the list or manifest ``name``: objects have names that are text; files of a disk need not."""
    found = canonical(uri)
    try:
        found.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} names an object of a store in another encoding than UTF-8") from None
    return found


def _size(given: object) -> int | None:
    """A size that a manifest gives. 0 may stand for one that was not known: to believe it would pass over the file for good."""
    return given if isinstance(given, int) and given > 0 else None


def _column(name: str, columns: Iterable[str]) -> str:
    found = list(columns)
    for wanted in _COLUMNS:
        if wanted in found:
            return wanted
    raise ConfigError(f"the manifest {name} needs a column 'uri' or 'url', found {', '.join(found) or 'none'}")
