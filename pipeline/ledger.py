"""What the driver must remember of millions of inputs, on disk: which were given, which are finished, which row of an instance counts.

A DuckDB database in a temporary folder, with a memory limit beyond which DuckDB spills, and about 110 bytes of disk for each input. It
holds digests only, no name of a file.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import audit
from pipeline.storage import Store
from transforms.errors import Code
from transforms.types import Source, Status

MEMORY = "128MB"
BATCH = 50_000
RANKS = {Status.SAVED: 3, Status.FILTERED: 2, Status.QUARANTINED: 1}
"""Of two rows of an instance within one run, written by a task that ran twice, the one that says more counts: its file is there."""
PASSING = {Code.READ_FAILED, Code.WRITE_FAILED, Code.CHANGED_DURING_RUN, Code.INTERNAL}
"""Reasons that may be gone the next time: inputs that ended so are done again by a rerun."""

_CROSSWALK = "number bigint, u0 ubigint, u1 ubigint, i0 ubigint, i1 ubigint, run integer, rank utinyint, passing boolean, part integer"
_INPUTS = "number bigint, u0 ubigint, u1 ubigint"
_WINNER = """
    insert into winner by name
    select u0, u1, arg_max(number, p) as number, arg_max(i0, p) as i0, arg_max(i1, p) as i1, arg_max(run, p) as run,
        arg_max(rank, p) as rank, arg_max(passing, p) as passing, arg_max(part, p) as part, (max(p) >> 42) >= ? as fresh
    from (
        select crosswalk.*, (age::ubigint << 42) | (rank::ubigint << 40) | (1099511627775 - number) as p
        from crosswalk join runs using (run) where u0 % ? = ?
    ) group by u0, u1
"""
_COUNTS = """
    select rank, count(*) from (
        select if(count(found.rank) = 1, max(found.rank), 0) as rank
        from (from inputs where u0 % ? = ?) as given left join (from rows where i0 % ? = ?) as found on u0 = i0 and u1 = i1 group by u0, u1
    ) group by rank
"""
_DONE = """
    insert into done select number
    from (from {} where u0 % ? = ?) semi join (from winner where not passing and fresh and u0 % ? = ?) using (u0, u1)
"""
_KEPT = """
    insert into kept select number
    from (from winner where not passing and not fresh and u0 % ? = ?) anti join (from inputs where u0 % ? = ?) using (u0, u1)
"""
SLICE = 2_000_000
"""Rows that are grouped or compared at a time: `MEMORY` is not enough for eight million, though DuckDB may spill."""


class Ledger:
    """The driver's memory of one run; a context manager.

    Args:
        key: what stands for a URL: its instance id under the run's secret. An audit made under another secret has other instance ids, so
            rows are compared by URL.
    """

    def __init__(self, key: Callable[[str], str] = str) -> None:
        self._key = key
        self._folder = tempfile.TemporaryDirectory(prefix="dicom-deid-")
        config: dict[str, Any] = {
            "memory_limit": MEMORY,
            "threads": 2,
            "preserve_insertion_order": False,
            "temp_directory": f"{self._folder.name}/spill",
        }
        self.connection = duckdb.connect(f"{self._folder.name}/ledger", config=config)
        self.runs: dict[str, int] = {}
        self.parts: dict[str, int] = {}
        self.connection.execute(f"create table inputs ({_INPUTS})")
        self._restart()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()
        self._folder.cleanup()

    def load(self, store: Store, output: str, since: str = "") -> None:
        """Read the crosswalk: the latest row of each input counts; one of a run before ``since`` does not say that it is finished."""
        self._restart()
        number = 0
        uris = ordered(audit.files(store, output, "restricted/crosswalk"))
        for uri, batches in audit.scan(store, uris, ["url", "instance_id", "run_id", "status", "code"], BATCH):
            for batch in batches:
                runs, run = coded(batch, "run_id")
                statuses, status = coded(batch, "status")
                codes, code = coded(batch, "code")
                self.insert(
                    "crosswalk",
                    np.arange(number, number + batch.num_rows),
                    *halves(self._key(url) for url in batch["url"].to_pylist()),
                    *halves(batch["instance_id"].to_pylist()),
                    self.run_numbers(runs)[run],
                    ranks(statuses)[status],
                    np.array([value in PASSING for value in codes])[code],
                    np.full(batch.num_rows, self.part(uri), np.int32),
                )
                number += batch.num_rows
        ages = {name: age for age, name in enumerate(sorted(self.runs))}
        self.connection.execute("create or replace table runs (run integer, age integer)")
        self.insert("runs", np.array(list(self.runs.values()), np.int32), np.array([ages[name] for name in self.runs], np.int32))
        slices = number // SLICE + 1
        for part in range(slices):
            self.connection.execute(_WINNER, [sum(name < since for name in ages), slices, part])

    def unfinished(self, sources: Iterable[Source], table: str = "inputs") -> Iterator[Source]:
        """Those of ``sources`` that no earlier run finished, in their order; all of them are kept in ``table``."""
        self.connection.execute(f"create or replace table {table} ({_INPUTS})")
        if not self.count("winner where not passing and fresh"):
            yield from self._counted(sources, table)
            return
        with tempfile.TemporaryFile("w+", encoding="ascii") as spool:  # without a name: it vanishes with this process
            for source in self._counted(sources, table):
                spool.write(json.dumps([source.uri, source.size, source.version]) + "\n")
            spool.seek(0)
            self.connection.execute("create or replace table done (number bigint)")
            slices = self.count(table) // SLICE + 1
            for part in range(slices):
                self.connection.execute(_DONE.format(table), [slices, part, slices, part])
            done = self.numbers("select number from done")
            following = next(done, -1)
            for number, line in enumerate(spool):
                if number == following:
                    following = next(done, -1)
                else:
                    yield Source(*json.loads(line))

    def finished_rows(self) -> Iterator[int]:
        """Numbers of the rows of the crosswalk, in the order of `ordered`, that say how an input was finished; ascending.

        An input that is not given stays as it is, so that its row counts even where others are done again.
        """
        self.kept()
        return self.numbers("select number from (select number from winner where fresh and not passing union all from kept)")

    def kept(self) -> int:
        """How many inputs were finished before ``since`` and are not given now; the numbers of their rows are in the table ``kept``."""
        self.connection.execute("create or replace table kept (number bigint)")
        slices = self.count("winner where not fresh") // SLICE + 1
        for part in range(slices):
            self.connection.execute(_KEPT, [slices, part, slices, part])
        return self.count("kept")

    def numbers(self, query: str) -> Iterator[int]:
        """The column ``number`` of a query, ascending, as a stream."""
        found = self.connection.cursor().execute(f"{query} order by number")
        while rows := found.fetchmany(BATCH):
            yield from (row[0] for row in rows)

    def counts(self, store: Store, output: str) -> tuple[dict[str, int], int]:
        """Rows by status over the inputs, and how many inputs have no row or more than one."""
        self.connection.execute("create or replace table rows (i0 ubigint, i1 ubigint, rank utinyint)")
        for _, batches in audit.scan(store, audit.files(store, output, "audit/instances"), ["instance_id", "status"], BATCH):
            for batch in batches:
                statuses, status = coded(batch, "status")
                self.insert("rows", *halves(batch["instance_id"].to_pylist()), ranks(statuses)[status])
        by_rank: Counter[int] = Counter()
        slices = self.count("inputs") // SLICE + 1
        for part in range(slices):
            by_rank.update(dict(self.connection.execute(_COUNTS, [slices, part, slices, part]).fetchall()))
        return {status.value: by_rank.get(rank, 0) for status, rank in RANKS.items()}, by_rank.get(0, 0)

    def count(self, what: str) -> int:
        """Rows of a table or of one with a condition."""
        return int(self.connection.execute(f"select count(*) from {what}").fetchall()[0][0])  # noqa: S608  # our own

    def insert(self, table: str, *columns: Sequence[Any] | npt.NDArray[Any]) -> None:
        """Append rows, column by column."""
        if len(columns[0]):
            self.connection.from_arrow(pa.table(list(columns), names=[f"c{number}" for number in range(len(columns))])).insert_into(table)

    def run_numbers(self, names: Iterable[str]) -> npt.NDArray[np.int32]:
        """A number for each run's name."""
        return np.array([self.runs.setdefault(name, len(self.runs)) for name in names], np.int32)

    def part(self, uri: str) -> int:
        """A number for the name of a part, the same in all tables; -1 for a merged file."""
        name = uri.rpartition("/")[2]
        return self.parts.setdefault(name, len(self.parts)) if audit.is_part(uri) else -1

    def _restart(self) -> None:
        self.connection.execute(f"create or replace table crosswalk ({_CROSSWALK})")
        self.connection.execute(f"create or replace table winner ({_CROSSWALK}, fresh boolean)")

    def _counted(self, sources: Iterable[Source], table: str) -> Iterator[Source]:
        stream, number = iter(sources), 0
        while batch := list(islice(stream, BATCH)):
            self.insert(table, np.arange(number, number + len(batch)), *halves(self._key(source.uri) for source in batch))
            number += len(batch)
            yield from batch


def ordered(uris: Iterable[str]) -> list[str]:
    """Files of a table: merged ones before parts, by name."""
    return sorted(uris, key=lambda uri: (audit.is_part(uri), uri))


def halves(texts: Iterable[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """A digest of 128 bits of each text, as two columns of integers: a database compares those without going to other memory."""
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    both = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def coded(table: pa.Table, name: str) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """The values of a column that differ, null among them, and for each row which one it has."""
    found = table[name].combine_chunks()
    if not pa.types.is_dictionary(found.type):
        found = found.dictionary_encode()
    values, numbers = found.dictionary.to_pylist(), found.indices.to_numpy(zero_copy_only=False)
    if found.null_count:
        numbers, values = np.nan_to_num(numbers, nan=len(values)), [*values, None]
    return values, numbers.astype(np.int64)


def ranks(statuses: Iterable[str]) -> npt.NDArray[np.uint8]:
    """The ranks of statuses."""
    return np.array([RANKS[Status(status)] for status in statuses], np.uint8)
