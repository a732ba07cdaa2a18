"""Compaction of the audit: many small parts become few files, with exactly one row per instance, in memory that does not grow with rows.

Which row counts is decided once, by the crosswalk: that of the latest run, of these the one that says more (`pipeline.ledger.RANKS`), of
these the first. The other tables keep what belongs to that row. Safe to interrupt: merged files are whole before parts are removed, and
what is there twice is dropped by the next compaction. Files of earlier runs are left alone unless a later run did some of their instances
again, or they lack a column: readers take the columns of one file for those of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.audit import TABLES, files, is_part, scan, schema
from pipeline.ledger import BATCH, RANKS, Ledger, coded, halves, ordered, ranks
from pipeline.storage import Store
from transforms.spool import Spool
from transforms.types import Status

ROWS_PER_FILE = 1_000_000
BYTES_PER_FILE = 128 * 1024**2
_KEY_COLUMNS = ("instance_id", "run_id", "status")
_KEYS = "file integer, part integer, i0 ubigint, i1 ubigint, run integer, rank utinyint"
_DROPPED = """
    create or replace table dropped as
    with valid as (
        select keys.* from keys join winner using (i0, i1, run, rank) where keys.part < 0 or winner.part < 0 or keys.part = winner.part
    ), kept as (select i0, i1, run, rank, min(file) as file from valid group by all)
    from keys anti join kept using (file, i0, i1, run, rank)
"""


def compact(store: Store, output: str, ledger: Ledger | None = None) -> None:
    """Merge the parts of each table.

    Args:
        store: where the output is.
        output: of the run.
        ledger: with the crosswalk of all runs as it is now, or None to read it.
    """
    if ledger is None:
        with Ledger() as own:
            own.load(store, output)
            compact(store, output, own)
        return
    for table in TABLES:
        _compact_table(store, output, table, ledger)


def _compact_table(store: Store, output: str, table: str, ledger: Ledger) -> None:
    uris = ordered(files(store, output, table))
    parts = [uri for uri in uris if is_part(uri)]
    superseded = ledger.count("crosswalk") > ledger.count("winner")
    if not parts and not superseded:
        return
    outdated = {uri for uri in uris if not is_part(uri) and not schema(store, uri).equals(TABLES[table])}
    if not superseded:  # then only an interrupted compaction of these very parts can have left rows that are there twice
        oldest = min(_stamp(uri) for uri in parts)
        uris = [uri for uri in uris if is_part(uri) or _stamp(uri) >= oldest or uri in outdated]
    _load_keys(store, table, uris, ledger)
    wrong = dict(ledger.connection.execute("select file, count(*) from dropped group by file").fetchall())
    stale = {uri: number for number, uri in enumerate(uris) if is_part(uri) or number in wrong or uri in outdated}
    writer = _Writer(store, output, table, max(ledger.runs, default="none"), {*files(store, output, table)})
    for uri, batches in scan(store, stale, None, BATCH):
        for batch in batches:
            keep = _first(batch, table)
            if stale[uri] in wrong:
                keep &= ~_dropped(batch, stale[uri], ledger)
            writer.add(_conform(batch if keep.all() else batch.filter(pa.array(keep)), TABLES[table]))
        writer.roll()
    writer.close()
    store.delete_all(stale)


def _load_keys(store: Store, table: str, uris: Iterable[str], ledger: Ledger) -> None:
    """Make ``keys``, one for the rows of an instance in a file, and ``dropped``, those of them that do not count."""
    ledger.connection.execute(f"create or replace table keys ({_KEYS})")
    for number, (uri, batches) in enumerate(scan(store, uris, _key_columns(table), BATCH)):
        for batch in batches:
            key = _keys(batch, ledger)[_firsts(batch)]
            length = len(key)
            columns = [key[name] for name in ("i0", "i1", "run", "rank")]
            ledger.insert("keys", np.full(length, number, np.int32), np.full(length, ledger.part(uri), np.int32), *columns)
    ledger.connection.execute(_DROPPED)


def _key_columns(table: str) -> list[str]:
    return [name for name in _KEY_COLUMNS if name in TABLES[table].names]


def _keys(batch: pa.Table, ledger: Ledger) -> npt.NDArray[Any]:
    """What rows are compared by. Only saved instances have entities."""
    keys = np.empty(batch.num_rows, [("i0", "u8"), ("i1", "u8"), ("run", "i4"), ("rank", "u1")])
    ids, which = coded(batch, "instance_id")
    keys["i0"], keys["i1"] = (half[which] for half in halves(ids))
    runs, which = coded(batch, "run_id")
    keys["run"] = ledger.run_numbers(runs)[which]
    keys["rank"] = RANKS[Status.SAVED]
    if "status" in batch.column_names:
        statuses, which = coded(batch, "status")
        keys["rank"] = ranks(statuses)[which]
    return keys


def _firsts(batch: pa.Table) -> npt.NDArray[np.int64]:
    """The first row of each key: numbers of rows."""
    number = np.zeros(batch.num_rows, np.int64)
    for name in _KEY_COLUMNS:
        if name in batch.column_names:
            values, which = coded(batch, name)
            number = number * len(values) + which
    return np.unique(number, return_index=True)[1]


def _first(batch: pa.Table, table: str) -> npt.NDArray[np.bool_]:
    """All rows, but where a table has one row per instance, only the first of equal ones."""
    if "status" not in TABLES[table].names:
        return np.ones(batch.num_rows, bool)
    first = np.zeros(batch.num_rows, bool)
    first[_firsts(batch)] = True
    return first


def _dropped(batch: pa.Table, number: int, ledger: Ledger) -> npt.NDArray[np.bool_]:
    """Which rows of a file do not count."""
    keys = _keys(batch, ledger)
    names = list(keys.dtype.names or ())
    ledger.connection.register("asked", pa.table([np.arange(len(keys)), *(keys[name] for name in names)], names=["number", *names]))
    query = f"select number from asked semi join (from dropped where file = {number}) using (i0, i1, run, rank)"  # noqa: S608  # our own number
    dropped = np.zeros(len(keys), bool)
    dropped[np.asarray(ledger.connection.execute(query).fetchnumpy()["number"], np.int64)] = True
    return dropped


def _stamp(uri: str) -> str:
    """The run by which a file is named."""
    name = uri.rpartition("/")[2]
    return name.partition(".part-")[0] if is_part(uri) else name.rpartition("-")[0]


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
        if sum(part.num_rows for part in self._waiting) >= BATCH:
            self._flush()

    def roll(self) -> None:
        """Begin another file if this one is large; called between files only, so that the rows of an instance stay in one."""
        if self._rows >= ROWS_PER_FILE or self._sink.tell() >= BYTES_PER_FILE:
            self.close()

    def close(self) -> None:
        """Write the file that was begun, if it has rows."""
        if self._rows:
            self._flush()
            self._parquet.close()
            self._store.write_atomic(next(self._names), self._sink)
        self._start()

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def _start(self) -> None:
        self._sink = Spool()
        self._parquet = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting.clear()
        self._rows = 0


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of today's schema; one that an older version lacked is null."""
    found = set(table.column_names)
    columns: list[Any] = [
        table[field.name].cast(field.type) if field.name in found else pa.nulls(table.num_rows, field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)
