"""The audit: one Arrow schema for its three tables, their writer and their readers.

Workers write small parts as they go, so that a run that dies loses little; the driver compacts them at the end into a bounded number of
files and drops the second row of an instance that a retried bundle wrote twice.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ranged import RangedFile
from pipeline.storage import Store, local_path
from transforms.types import ENTITY_COLUMNS, Outcome

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 4 * 1024**3
_FOOTER_BYTES = 64 * 1024
READ_AHEAD = 16
"""Parts, of some 50 KB each."""
CODED = ("run_id", "status", "code")
"""Columns of few values, which `scan` gives as the dictionaries that they are stored as: Arrow's module that makes some loads slowly."""

_RUN = [("run_id", pa.string()), ("schema_version", pa.int32())]
_NEW_IDS = [(name, pa.string()) for name in ("PatientID_deid", "StudyInstanceUID_deid", "SeriesInstanceUID_deid", "SOPInstanceUID_deid")]

INSTANCES = pa.schema(
    [
        ("instance_id", pa.string()),
        ("status", pa.string()),
        ("code", pa.string()),
        ("stage", pa.string()),
        ("detail", pa.string()),
        ("modality", pa.string()),
        ("sop_class", pa.string()),
        ("transfer_syntax", pa.string()),
        ("frames", pa.int32()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("bytes_in", pa.int64()),
        ("bytes_out", pa.int64()),
        ("save_condition", pa.bool_()),
        ("save_condition_series_agg", pa.bool_()),
        ("url_deid", pa.string()),
        *_NEW_IDS,
        ("pixels_cleaned", pa.bool_()),
        ("frames_masked", pa.int32()),
        ("boxes_masked", pa.int32()),
        ("entities", pa.int32()),
        (
            "frame_decisions",
            pa.list_(pa.struct([("first", pa.int32()), ("count", pa.int32()), ("method", pa.string()), ("masked", pa.int32())])),
        ),
        *[(f"seconds_{stage}", pa.float32()) for stage in ("read", "mask", "tags", "verify", "write")],
        *_RUN,
    ]
)
ENTITIES = pa.schema(
    [
        ("instance_id", pa.string()),
        ("tag_path", pa.string()),
        ("vr", pa.string()),
        ("frame", pa.int32()),
        *[(name, pa.int32()) for name in "xywh"],
        ("entity_type", pa.string()),
        ("score", pa.float32()),
        ("detector", pa.string()),
        ("rule", pa.string()),
        ("action", pa.string()),
        ("text_hash", pa.string()),
        *_RUN,
    ]
)
_CONDITION = pa.struct([("value", pa.string()), ("condition_type", pa.string()), ("dicom_tag", pa.string())])
CROSSWALK = pa.schema(
    [
        ("instance_id", pa.string()),
        ("url", pa.string()),
        ("url_deid", pa.string()),
        ("status", pa.string()),
        ("code", pa.string()),
        *[(name, pa.string()) for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")],
        *_NEW_IDS,
        (
            "save_conditions_evaluations",
            pa.list_(pa.struct([("condition", _CONDITION), ("tag_value", pa.string()), ("evaluated_value", pa.bool_())])),
        ),
        ("save_condition", pa.bool_()),
        ("save_condition_series_agg", pa.bool_()),
        ("save_disabling_urls_series_agg", pa.list_(pa.string())),
        *_RUN,
    ]
)
TABLES: dict[str, pa.Schema] = {"audit/instances": INSTANCES, "audit/entities": ENTITIES, "restricted/crosswalk": CROSSWALK}
_TOTALLED_ROWS = 50_000
TOTALS = ("frames", "bytes_in", "bytes_out", "frames_masked", "boxes_masked", "entities")


class AuditWriter:
    """Writes the rows of outcomes as parts of the three tables.

    A part is named by the instances in it, so that a bundle that is run again writes the same object again. The crosswalk goes last: an
    instance counts as finished when its crosswalk row is there.
    """

    def __init__(self, store: Store, output: str, run_id: str) -> None:
        self._store, self._output, self._run_id = store, output, run_id

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write one part of each table; nothing for no outcomes."""
        if not outcomes:
            return
        ids = sorted(outcome.instance_id for outcome in outcomes)
        name = f"{self._run_id}.part-{hashlib.sha256(''.join(ids).encode()).hexdigest()[:24]}.parquet"
        entities = [row for outcome in outcomes for row in outcome.entities]
        tables: dict[str, Mapping[str, Sequence[Any]]] = {
            "audit/entities": {name: [row[at] for row in entities] for at, name in enumerate(ENTITY_COLUMNS)} if entities else {},
            "audit/instances": columns_of([outcome.instance for outcome in outcomes]),
            "restricted/crosswalk": columns_of([outcome.crosswalk for outcome in outcomes]),
        }
        for table, columns in tables.items():
            if columns:
                data = encode(columns, TABLES[table], run_id=self._run_id, schema_version=SCHEMA_VERSION)
                self._store.write_atomic(self._store.join(self._output, *table.split("/"), name), data)


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; a key that a row lacks is null in it."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def encode(columns: Mapping[str, Sequence[Any]], schema: pa.Schema, **common: Any) -> bytes:
    """Columns as one Parquet file in memory.

    Args:
        columns: of equal length; one that is missing is null.
        schema: of the table.
        common: columns with one value.

    Raises:
        KeyError: the schema lacks a column, which is an error of the program.
    """
    unknown = columns.keys() - set(schema.names)
    if unknown:
        raise KeyError(f"columns {sorted(unknown)} are not in the audit schema")
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[name], kind) if name in columns else pa.repeat(pa.scalar(common.get(name), kind), rows)
        for name, kind in zip(schema.names, schema.types, strict=True)  # names of Arrow's are made anew each time they are asked for
    ]
    return _to_bytes(pa.table(arrays, schema=schema))


def files(store: Store, output: str, table: str) -> list[str]:
    """URIs of the Parquet files of one table, sorted; empty when there are none."""
    folder = store.join(output, *table.split("/"))
    if not store.is_folder(folder):
        return []
    return sorted(source.uri for source in store.list_files(folder) if source.uri.endswith(".parquet"))


def read(store: Store, output: str, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """One Arrow table per file of ``table``, with the columns asked for."""
    for uri in files(store, output, table):
        yield _open(store, uri).read(columns=list(columns) if columns else None)


def scan(store: Store, uris: Iterable[str], columns: Sequence[str] | None, rows: int) -> Iterator[tuple[str, Iterator[pa.Table]]]:
    """Each file with its rows, at most ``rows`` at a time, with the columns asked for.

    Parts in an object store are read ahead of their turn: a run over a million instances leaves ten thousand of them, and a request takes
    longer than what is in one.
    """
    remaining = iter(uris)
    ahead: deque[tuple[str, Future[pq.ParquetFile] | None]] = deque()
    open_file = partial(_open, coded=[name for name in CODED if name in (columns or ())])
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        while True:
            for uri in islice(remaining, READ_AHEAD - len(ahead)):
                small = is_part(uri) and local_path(uri) is None
                ahead.append((uri, pool.submit(open_file, store, uri) if small else None))
            if not ahead:
                return
            uri, opened = ahead.popleft()
            file = opened.result() if opened is not None else open_file(store, uri)
            found = file.iter_batches(rows, columns=list(columns) if columns else None)
            yield uri, (pa.Table.from_batches([batch]) for batch in found)


def is_part(uri: str) -> bool:
    """Whether a worker wrote the file, rather than a compaction."""
    return ".part-" in uri.rpartition("/")[2]


def schema(store: Store, uri: str) -> pa.Schema:
    """The columns of a file, of which no more is read than its end."""
    path = local_path(uri)
    return pq.read_schema(path if path is not None else io.BufferedReader(RangedFile(uri, store), _FOOTER_BYTES))


def _open(store: Store, uri: str, coded: Sequence[str] = ()) -> pq.ParquetFile:
    path = local_path(uri)
    source = path if path is not None else io.BytesIO(store.read_range(uri, 0, MAX_FILE_BYTES))
    return pq.ParquetFile(source, read_dictionary=coded)


def _to_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def totals(store: Store, output: str, run_id: str) -> dict[str, float]:
    """What a run did, added up over its rows: frames, bytes, and seconds of all workers by stage; retries add nothing."""
    import pyarrow.compute as pc  # imported late: a run that finds nothing to do has no use for it

    columns = [name for name in INSTANCES.names if name in TOTALS or name.startswith("seconds_")]
    sums = dict.fromkeys(columns, 0.0)
    for _, batches in scan(store, files(store, output, "audit/instances"), [*columns, "run_id"], _TOTALLED_ROWS):
        for table in batches:
            mine = table.filter(pc.equal(table["run_id"], run_id))
            for name in columns:
                sums[name] += pc.sum(mine[name]).as_py() or 0
    return {name: round(value, 3) if name.startswith("seconds_") else int(value) for name, value in sums.items()}
