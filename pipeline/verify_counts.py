"""Whether an output adds up: run.json, the three tables of the audit and the files agree with each other.

Each rule is one query that returns the instances which break it, so that the rules can be read, and counted over millions of rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa

from pipeline import database
from pipeline.storage import Store
from transforms.tags.identity import Identity
from transforms.types import Source, Status

_LISTED_PER_BATCH = 10_000
_NEW_UIDS = re.compile(r"2\.25\.\d{1,39}\.dcm")
_VIEWS = """
    create table files (name varchar, size bigint);
    create view saved as
        select *,
            PatientID_deid || '/' || StudyInstanceUID_deid || '/' || SeriesInstanceUID_deid || '/' || SOPInstanceUID_deid || '.dcm' as name
        from instances where status = 'saved';
"""
"""The name of a saved file below ``instances/`` follows from its row, so an output may be moved or copied."""

_ALL = "select count(*) from instances"
_SAVED = "select count(*) from saved"
_CROSSWALK = "select count(*) from crosswalk"
RULES: dict[str, tuple[str, str]] = {
    "rows_unique": (_ALL, "select instance_id from instances group by 1 having count(*) > 1"),
    "rows_consistent": (
        _ALL,
        """select instance_id from instances where status is null or status not in ('saved', 'filtered', 'quarantined')
            or (status <> 'saved' and (code is null or stage is null or url_deid is not null or SOPInstanceUID_deid is not null))
            union all
            select instance_id from saved where code is not null or url_deid is null or bytes_out is null or name is null""",
    ),
    "names_unique": (_SAVED, "select unnest(list(instance_id)) from saved group by name having count(*) > 1"),
    "crosswalk_unique": (_CROSSWALK, "select instance_id from crosswalk group by 1 having count(*) > 1"),
    "inputs_unique": (_CROSSWALK, "select unnest(list(instance_id)) from crosswalk group by url having count(*) > 1"),
    "crosswalk_agrees": (
        _ALL,
        """select coalesce(i.instance_id, c.instance_id) from instances i full join crosswalk c using (instance_id)
            where i.status is distinct from c.status or i.code is distinct from c.code or i.url_deid is distinct from c.url_deid
            or i.PatientID_deid is distinct from c.PatientID_deid or i.StudyInstanceUID_deid is distinct from c.StudyInstanceUID_deid
            or i.SeriesInstanceUID_deid is distinct from c.SeriesInstanceUID_deid
            or i.SOPInstanceUID_deid is distinct from c.SOPInstanceUID_deid""",
    ),
    "entities_counted": (
        _ALL,
        """with said as (select instance_id, coalesce(entities, 0) as entities, coalesce(boxes_masked, 0) as boxes from instances),
            found as (select instance_id, count(*) as entities, count(*) filter (action = 'masked') as boxes from entities group by 1)
            select instance_id from said full join found using (instance_id)
            where said.entities is distinct from coalesce(found.entities, 0) or said.boxes is distinct from coalesce(found.boxes, 0)""",
    ),
    "files_present": (_SAVED, "select instance_id from saved anti join files using (name)"),
    "files_whole": (_SAVED, "select instance_id from saved join files using (name) where bytes_out <> size"),
    "files_accounted": (
        "select count(*) from files",
        "select name from files anti join saved using (name) where not starts_with(parse_filename(name), '.part-')",
    ),
}
"""Name to two queries: how much there is to be checked, and what breaks the rule.

A ``.part-`` file is what a killed worker leaves beside its target: a verified file that never got its name, so no error.
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        checked: how many rows or files were looked at.
        failed: how many of them are wrong.
        examples: (instance id, where) of the first failures; where is a tag path or empty.
    """

    name: str
    checked: int
    failed: int
    examples: tuple[tuple[str, str], ...] = ()


def load_files(connection: duckdb.DuckDBPyConnection, store: Store, output: str) -> int:
    """Make the table ``files`` (name below instances/, size) from the listing, and the view ``saved``; returns the number of files."""
    connection.execute(_VIEWS)
    folder = store.join(output, "instances")
    listing: Iterator[Source] = store.list_files(folder) if store.is_folder(folder) else iter(())
    start = len(folder.rstrip("/")) + 1
    while batch := list(islice(listing, _LISTED_PER_BATCH)):
        columns = {"name": [source.uri[start:] for source in batch], "size": [source.size for source in batch]}
        connection.from_arrow(pa.table(columns)).insert_into("files")
    return int(database.value(connection, "select count(*) from files"))


def check_counts(connection: duckdb.DuckDBPyConnection, limit: int) -> Iterator[Check]:
    """Every rule of `RULES`, with at most ``limit`` examples each."""
    for name, (population, failures) in RULES.items():
        connection.execute(f"create or replace temp table broken as select distinct * from ({failures}) broken(id)")  # noqa: S608  # our own
        failed = int(database.value(connection, "select count(*) from broken"))
        found = connection.execute("select id from broken order by id limit ?", [limit]).fetchall()
        examples = tuple((_shown(str(row[0]), name), "") for row in found)
        yield Check(name, int(database.value(connection, population)), failed, examples)


def check_run(connection: duckdb.DuckDBPyConnection, record: Mapping[str, Any] | None) -> Check:
    """Whether run.json says that the last run ended, that its numbers sum up, and no more than the audit shows.

    The last run may have been given a part of the archive only, so the audit may hold more rows, never fewer.
    """
    if record is None or record.get("state") != "finished":
        return Check("run_finished", 1, 1)
    counts = record.get("counts", {})
    rows = dict(connection.execute("select status, count(*) from instances group by 1").fetchall())
    sums = record.get("unaccounted") == 0 and sum(counts.values()) == record.get("inputs")
    covered = all(rows.get(status, 0) >= count for status, count in counts.items())
    return Check("run_finished", 1, 0 if sums and covered else 1)


def check_identity(connection: duckdb.DuckDBPyConnection, identity: Identity, fingerprint: str | None, limit: int) -> Iterator[Check]:
    """With the secret: whether it is the one of the run, and each row's identifiers follow from it (UIDs kept by a policy excepted)."""
    yield Check("secret_same", 1, int(fingerprint != identity.fingerprint()))
    query = """select instance_id, url, status, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID,
        StudyInstanceUID_deid, SeriesInstanceUID_deid, SOPInstanceUID_deid from crosswalk"""
    cursor, checked, failed, examples = connection.execute(query), 0, 0, []
    while batch := cursor.fetchmany(_LISTED_PER_BATCH):
        for instance_id, url, status, *uids in batch:
            checked += 1
            old, new = uids[:3], uids[3:]
            follows = status != Status.SAVED or all(after in (identity.uid(before), before) for before, after in zip(old, new, strict=True))
            if not follows or instance_id != identity.token("instance", url, 32):
                failed += 1
                examples.append((str(instance_id), "")) if failed <= limit else None
    yield Check("identity_follows", checked, failed, tuple(examples))


def _shown(found: str, rule: str) -> str:
    """The name of a stray file is shown only when it is one that this program could have made: others may hold names of people."""
    if rule != "files_accounted":
        return found
    name = found.rpartition("/")[2]
    return name if _NEW_UIDS.fullmatch(name) else "a file of another name"
