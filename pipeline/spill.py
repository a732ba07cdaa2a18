"""A shuffle through files, for Beam's local runner: what is grouped there is held in memory, several times over.

Elements are written as lines of JSON, some thousands to a file, and Beam is given where they are. The files lie beside the work list,
in the restricted folder, since they hold names; they go when it goes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import uuid4

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.manifest import SHARD_LINES
from pipeline.storage import Store
from transforms.errors import Code, DeidError
from transforms.series.aggregate import series_key
from transforms.types import Chunk, Evaluation, Header, SeriesDecision

FILE_BYTES = 8 * 1024**2
"""What a worker holds of elements until it writes them."""
HEADERS_PER_GROUP = 20_000
"""What is sorted into series in memory at a time: some 30 MiB."""
INSTANCE_WEIGHT = 100_000
"""What an instance costs beside its pixels, in bytes of pixels."""

Place = tuple[str, int, int]
"""URI of a file, first byte, byte behind the last."""


class GroupBySeries(beam.PTransform):
    """PCollections of (series key, header) -> (series key, headers), each series whole.

    They are joined after they are written: Beam would hold in memory what it joins.

    Args:
        store: where the work list is.
        shards: of the work list: their folder is taken, and their number for how much there is.
    """

    def __init__(self, store: Store, shards: Sequence[str]) -> None:
        super().__init__()
        self._store, self._shards = store, shards

    def expand(self, parts: tuple[beam.PCollection, ...]) -> beam.PCollection:
        """Write, group places, read."""
        groups = len(self._shards) * SHARD_LINES // HEADERS_PER_GROUP + 1
        spill = _SpillHeaders(self._store, _folder(self._shards), groups)
        spilled = tuple(part | f"Spill{number}" >> beam.ParDo(spill) for number, part in enumerate(parts))
        return (
            spilled | "JoinPlaces" >> beam.Flatten() | "GroupPlaces" >> beam.GroupByKey() | "SortSeries" >> beam.ParDo(_Sort(self._store))
        )


class SpreadChunks(beam.PTransform):
    """Chunks -> the same, each in the worker that is free for it, the largest first, so that workers end together.

    Beam would give each of its local workers as many chunks as the others before they begin, and wait for who got the long ones.

    Args:
        store: where the work list is.
        shards: of the work list; their folder is taken.
        workers: how many processes.
        turns: a local file that they share, to be made; None: each takes the same number of chunks.
    """

    def __init__(self, store: Store, shards: Sequence[str], workers: int, turns: Path | None = None) -> None:
        super().__init__()
        self._store, self._folder, self._workers, self._turns = store, _folder(shards), workers, turns

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Write, give all places to every worker, read."""
        spilled = chunks | "Spill" >> beam.ParDo(_SpillChunks(self._store, self._folder, self._workers))
        take = _TakeChunks(self._store, self._workers, self._turns)
        return spilled | "GroupPlaces" >> beam.GroupByKey() | "TakeTurns" >> beam.ParDo(take)


def _folder(shards: Sequence[str]) -> str:
    return shards[0].rpartition("/")[0]


class _Spill(beam.DoFn):
    """Collects lines under keys and writes them as files, each key's lines together."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder

    def start_bundle(self) -> None:
        self._lines: dict[Hashable, list[bytes]] = {}
        self._held = 0

    def add(self, key: Hashable, line: bytes) -> Iterator[tuple[Any, Any]]:
        """Keep a line; yields where lines are whenever a file was written."""
        self._lines.setdefault(key, []).append(line)
        self._held += len(line)
        if self._held >= FILE_BYTES:
            yield from self._write()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for found in self._write():
            yield WindowedValue(found, window.max_timestamp(), (window,))

    def places(self, uri: str, found: list[tuple[Any, int, int]]) -> Iterator[tuple[Any, Any]]:
        """What is said of a file that was written: the keys in it, and first byte and byte behind the last of each."""
        for key, start, end in found:
            yield key, (uri, start, end)

    def _write(self) -> Iterator[tuple[Any, Any]]:
        if not self._lines:
            return
        uri, pieces, at, found = self._store.join(self._folder, f"spilled-{uuid4().hex}.jsonl"), [], 0, []
        for key, lines in self._lines.items():
            pieces.append(b"".join(lines))
            found.append((key, at, at + len(pieces[-1])))
            at += len(pieces[-1])
        self._store.write_atomic(uri, b"".join(pieces))
        self.start_bundle()
        yield from self.places(uri, found)


class _SpillHeaders(_Spill):
    def __init__(self, store: Store, folder: str, groups: int) -> None:
        super().__init__(store, folder)
        self._groups = groups

    def process(self, element: tuple[str, Header]) -> Iterator[tuple[int, Place]]:
        key, header = element
        yield from self.add(int(key[:8], 16) % self._groups, _line(_values(header)))


class _Sort(beam.DoFn):
    def __init__(self, store: Store) -> None:
        self._store = store

    def process(self, element: tuple[int, Iterable[Place]]) -> Iterator[tuple[str, list[Header]]]:
        series: dict[str, list[Header]] = {}
        for uri, start, end in element[1]:
            for line in _read(self._store, (uri, start, end)).splitlines():
                header = _header(json.loads(line))
                series.setdefault(series_key(header), []).append(header)
        while series:
            yield series.popitem()


class _SpillChunks(_Spill):
    """Every worker is told of all chunks: of each file its URI, and weight, first byte and byte behind the last of each chunk in it."""

    def __init__(self, store: Store, folder: str, workers: int) -> None:
        super().__init__(store, folder)
        self._workers, self._number = workers, 0

    def process(self, element: Chunk) -> Iterator[tuple[int, tuple[str, bytes]]]:
        self._number += 1
        headers, decision = [_values(header) for header in element.headers], element.decision
        weight = sum(INSTANCE_WEIGHT + header.pixel_bytes for header in element.headers)
        line = _line([element.key, headers, decision.save, decision.disabling_uris, sorted(element.taken)])
        yield from self.add((self._number, min(weight, _MOST)), line)

    def places(self, uri: str, found: list[tuple[Any, int, int]]) -> Iterator[tuple[int, tuple[str, bytes]]]:
        table = np.array([(weight, start, end) for (_, weight), start, end in found], np.int64).tobytes()
        for worker in range(self._workers):
            yield worker, (uri, table)


class _TakeChunks(beam.DoFn):
    def __init__(self, store: Store, workers: int, turns: Path | None) -> None:
        self._store, self._workers, self._turns = store, workers, turns

    def process(self, element: tuple[int, Iterable[tuple[str, bytes]]]) -> Iterator[Chunk]:
        worker, files = element[0], sorted(element[1])
        tables = [np.frombuffer(table, np.int64).reshape(-1, 3) for _, table in files]
        places = np.concatenate([np.insert(table, 0, file, axis=1) for file, table in enumerate(tables)])
        places = places[np.argsort(-places[:, 1], kind="stable")]
        turns = range(worker, len(places), self._workers) if self._turns is None else _turns(self._turns, len(places))
        for number in turns:
            file, _, start, end = places[number].tolist()
            key, headers, save, uris, taken = json.loads(_read(self._store, (files[file][0], start, end)))
            yield Chunk(key, tuple(map(_header, headers)), SeriesDecision(save, tuple(uris)), frozenset(taken))


def _turns(path: Path, most: int) -> Iterator[int]:
    """Numbers below ``most``, each in one of the processes that take them from a file: it has a byte for each that was taken."""
    import fcntl  # where there are no forked workers there may be none

    while True:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = file.seek(0, os.SEEK_END)
            if number >= most:
                return
            file.write(b".")
        yield number


def _read(store: Store, place: Place) -> bytes:
    uri, start, end = place
    data = store.read_range(uri, start, end)
    if len(data) != end - start:
        raise DeidError(Code.READ_FAILED, f"a spilled file was cut: expected {end - start} bytes, found {len(data)}; run the same again")
    return data


def _line(values: Any) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


_MOST = 2**62  # a header may promise any number of pixels
_FIELDS = Header.__match_args__
_EVALUATIONS = _FIELDS.index("evaluations")
_get = attrgetter(*_FIELDS)


def _values(header: Header) -> list[Any]:
    values = list(_get(header))
    values[_EVALUATIONS] = [(item.condition, item.tag_value, item.evaluated_value) for item in header.evaluations]
    return values


def _header(values: list[Any]) -> Header:
    values[_EVALUATIONS] = tuple(Evaluation(*item) for item in values[_EVALUATIONS])
    return Header(*values)
