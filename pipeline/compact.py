"""Compaction of the audit: many small parts become few files, with one row per instance, in memory that a row costs 40 bytes of.

Safe to interrupt: merged files are whole before parts are removed, and what is there twice is dropped by the next compaction. Files of
earlier runs are left alone unless a later run did some of their instances again: a daily run over a large archive costs a day's rows.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.audit import MAX_FILE_BYTES, TABLES, files
from pipeline.storage import Store

ROWS_PER_FILE = 1_000_000
BYTES_PER_FILE = 128 * 1024**2
BATCH_ROWS = 50_000

Digests = npt.NDArray[np.bytes_]


def compact(store: Store, output: str) -> dict[str, int]:
    """Merge the parts of each table; returns the rows per table.

    An instance that has rows of several runs (done again) keeps those of the latest run.
    """
    latest = Latest.of(store, files(store, output, "restricted/crosswalk"))
    return {table: _compact_table(store, output, table, latest) for table in TABLES}


@dataclass(frozen=True)
class Latest:
    """Which run's rows count, by instance: the latest one that has a crosswalk row for its URL; run ids sort by time.

    By URL, since an instance id depends on the secret: under a new secret the old id of the same input is gone.

    Attributes:
        ids: digests of instance ids, sorted.
        runs: index into ``names`` of the run that counts, by instance.
        names: run ids, sorted.
    """

    ids: Digests
    runs: npt.NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, store: Store, uris: Iterable[str]) -> Latest:
        """From the rows of the crosswalk."""
        urls, ids, runs = [np.empty(0, "S16")], [np.empty(0, "S16")], [np.empty(0, "U40")]
        for uri in uris:
            for batch in _batches(store, uri, ["url", "instance_id", "run_id"]):
                urls.append(_digests(batch["url"].to_pylist()))
                ids.append(_digests(batch["instance_id"].to_pylist()))
                runs.append(np.array(batch["run_id"].to_pylist(), "U40"))
        names, run = np.unique(np.concatenate(runs), return_inverse=True)
        url, instance = np.concatenate(urls), np.concatenate(ids)
        order = np.lexsort((run, url))
        last = np.ones(len(order), bool)
        last[:-1] = url[order][1:] != url[order][:-1]
        chosen = order[last]
        chosen = chosen[np.argsort(instance[chosen], kind="stable")]
        return cls(instance[chosen], run[chosen].astype(np.int32), tuple(map(str, names)))

    def rows(self, batch: pa.Table) -> npt.NDArray[np.int64]:
        """For each row, the position of its instance, or -1 where another run counts."""
        if not len(self.ids):
            return np.full(batch.num_rows, -1)
        ids = _digests(batch["instance_id"].to_pylist())
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        wanted = np.array(self.names)[self.runs[at]] == np.array(batch["run_id"].to_pylist(), "U40")
        return np.where((self.ids[at] == ids) & wanted, at, -1)


def _compact_table(store: Store, output: str, table: str, latest: Latest) -> int:
    uris = files(store, output, table)
    claimed = np.full(len(latest.ids), -1, np.int32)  # the file whose rows of an instance are kept
    rows, stale, writer = 0, [], _Writer(store, output, table, latest.names[-1] if latest.names else "none", {*uris})
    for number, uri in enumerate(uris):
        merged = ".part-" not in uri
        if merged and (kept := _all_kept(store, uri, latest, claimed, number)):
            rows += kept
            continue
        for batch in _batches(store, uri, None):
            keep = _claim(latest.rows(batch), claimed, number)
            rows += int(keep.sum())
            writer.add(_conform(batch.filter(pa.array(keep)), TABLES[table]))
        stale.append(uri)
    writer.close()
    for uri in stale:
        store.delete(uri)
    return rows


def _all_kept(store: Store, uri: str, latest: Latest, claimed: npt.NDArray[np.int32], number: int) -> int:
    """The rows of a merged file if all of them count, which it then claims; else 0."""
    trial, rows = claimed.copy(), 0
    for batch in _batches(store, uri, ["instance_id", "run_id"]):
        keep = _claim(latest.rows(batch), trial, number)
        if not keep.all():
            return 0
        rows += batch.num_rows
    claimed[:] = trial
    return rows


def _claim(at: npt.NDArray[np.int64], claimed: npt.NDArray[np.int32], number: int) -> npt.NDArray[np.bool_]:
    """Which rows are kept: those whose instance no earlier file has, which is then this file's."""
    keep: npt.NDArray[np.bool_] = (at >= 0) & np.isin(claimed[at] if len(claimed) else at, (-1, number))
    claimed[at[keep]] = number
    return keep


class _Writer:
    """Writes tables as files of bounded rows and bytes, under names that are not taken."""

    def __init__(self, store: Store, output: str, table: str, stamp: str, taken: set[str]) -> None:
        self._store = store
        self._schema = TABLES[table]
        names = (store.join(output, *table.split("/"), f"{stamp}-{number:05d}.parquet") for number in count())
        self._names = (name for name in names if name not in taken)
        self._waiting: list[pa.Table] = []
        self._start()

    def add(self, table: pa.Table) -> None:
        """Append the rows of ``table``."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if sum(part.num_rows for part in self._waiting) >= BATCH_ROWS:
            self._flush()
        if self._rows >= ROWS_PER_FILE or self._sink.tell() >= BYTES_PER_FILE:
            self.close()

    def close(self) -> None:
        """Write the file that was begun, if it has rows."""
        if self._rows:
            self._flush()
            self._parquet.close()
            self._store.write_atomic(next(self._names), self._sink.getvalue())
        self._start()

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def _start(self) -> None:
        self._sink = io.BytesIO()
        self._parquet = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting.clear()
        self._rows = 0


def _batches(store: Store, uri: str, columns: list[str] | None) -> Iterator[pa.Table]:
    file = pq.ParquetFile(io.BytesIO(store.read_all(uri, MAX_FILE_BYTES)))
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        yield pa.Table.from_batches([batch])


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of today's schema; one that an older version lacked is null."""
    found = set(table.column_names)
    columns: list[Any] = [
        table[field.name].cast(field.type) if field.name in found else pa.nulls(table.num_rows, field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)


def _digests(values: list[str]) -> Digests:
    return np.array([hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).digest() for value in values], "S16")
