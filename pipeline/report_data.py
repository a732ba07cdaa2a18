"""What the report shows, counted from the shareable tables and run.json; nothing restricted is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline import database
from transforms.types import Status

Row = dict[str, Any]
LISTED = 500
"""Rows of the quarantine list; the audit has them all."""

REASONS = {
    "save_condition": "the series did not meet the save conditions",
    "duplicate": "the same instance, with the same content, was saved from another input",
    "dicomdir": "a directory of files, not an instance",
    "not_dicom": "no DICOM file",
    "empty": "a file without content",
    "read_failed": "the input could not be read from storage; a rerun tries again",
    "header_unreadable": "the header could not be understood",
    "dataset_unreadable": "the file is truncated or malformed",
    "too_large": "larger than the limits allow",
    "missing_identity": "an identifier that every instance needs is missing",
    "conflicting_duplicate": "another input has the same identifier and different content",
    "changed_during_run": "the input changed while it was read; a rerun tries again",
    "pixels_undecodable": "the pixels could not be decoded, so nobody can say what they show",
    "pixels_inconsistent": "the pixels do not fit what the header says about them",
    "pixels_unencodable": "the masked pixels could not be written back in their encoding",
    "pixels_unsupported": "an encoding of pixels that is not supported",
    "pixels_timeout": "decoding took too long or ended its process",
    "ocr_failed": "the search for text in the pixels failed",
    "document_unsupported": "an embedded document, which the policy does not let through",
    "tags_failed": "the data elements could not be de-identified",
    "leak_found": "an identifier was still there after de-identification",
    "verify_failed": "the result did not read back as it should",
    "output_conflict": "the output already holds another file of this name",
    "write_failed": "the result could not be written; a rerun tries again",
    "worker_killed": "its process died of it, together with others and alone: out of memory, or ended by a decoder; not tried again",
    "internal": "an unexpected failure; a rerun tries again",
}
"""Each code of `transforms.errors.Code` in plain words."""

_STAGES = ("read", "mask", "tags", "verify", "write")
_STATUS = "select status, count(*) as instances, sum(bytes_in) as bytes_in, sum(bytes_out) as bytes_out from instances group by 1"
_REASONS = """select status, code, stage, count(*) as instances from instances where status <> 'saved'
    group by all order by status desc, instances desc, code, stage"""
_MODALITIES = """select coalesce(nullif(modality, ''), '(none)') as modality, count(*) as instances,
    count(*) filter (status = 'saved') as saved, count(*) filter (status = 'filtered') as filtered,
    count(*) filter (status = 'quarantined') as quarantined, count(*) filter (boxes_masked > 0) as with_text,
    coalesce(sum(frames) filter (status = 'saved'), 0) as frames, coalesce(sum(frames_masked), 0) as frames_masked,
    coalesce(sum(boxes_masked), 0) as boxes from instances group by 1 order by instances desc, modality"""
_ENTITIES = """select coalesce(entity_type, '(whole element)') as entity_type, action, count(*) as findings from entities
    group by all order by findings desc"""
_TAGS = """select regexp_replace(tag_path, '\\[[0-9]+\\]', '[]', 'g') as path, action, count(*) as findings,
    count(distinct instance_id) as instances from entities where tag_path is not null group by all order by findings desc, path limit 25"""
_METHODS = """with runs as (select unnest(frame_decisions) as run from instances where status = 'saved')
    select run.method as method, sum(run.count) as frames, sum(run.count) filter (run.masked > 0) as masked
    from runs group by 1 order by frames desc, method"""
_QUARANTINED = """select instance_id, code, stage, coalesce(modality, '') as modality, coalesce(detail, '') as detail
    from instances where status = 'quarantined' order by code, stage, instance_id limit ?"""


@dataclass(frozen=True)
class ReportData:
    """Everything in the report but pictures.

    Attributes:
        run: run.json.
        statuses: a row for each status, in the order of `Status`, with ``instances``, ``bytes_in``, ``bytes_out`` and ``share`` (0 to 1).
        entity_actions: names of the columns of ``entities``.
        entities: entity type and a count per action.
        stages: seconds per stage: sum, median and 95th percentile over the instances that went through it.
    """

    run: Mapping[str, Any]
    total: int
    statuses: list[Row]
    reasons: list[Row]
    modalities: list[Row]
    entity_actions: list[str]
    entities: list[Row]
    tags: list[Row]
    methods: list[Row]
    stages: list[Row]
    quarantined: list[Row]

    @property
    def reconciled(self) -> bool:
        """The last run ended and left no input without exactly one row."""
        return self.run.get("state") == "finished" and self.run.get("unaccounted") == 0

    def count(self, status: str) -> int:
        """Instances of a status."""
        return int(next(row["instances"] for row in self.statuses if row["status"] == status))


def collect(connection: duckdb.DuckDBPyConnection, run: Mapping[str, Any]) -> ReportData:
    """Count everything; ``connection`` has the views ``instances`` and ``entities``."""
    found = {row["status"]: row for row in database.rows(connection, _STATUS)}
    total = sum(row["instances"] for row in found.values())
    empty = {"instances": 0, "bytes_in": 0, "bytes_out": 0}
    statuses = [{**empty, **found.get(status, {}), "status": str(status)} for status in Status]
    for row in statuses:
        row["share"] = row["instances"] / total if total else 0.0
    actions, entities = _crossed(database.rows(connection, _ENTITIES))
    return ReportData(
        run=run,
        total=total,
        statuses=statuses,
        reasons=[row | {"meaning": REASONS.get(row["code"], "")} for row in database.rows(connection, _REASONS)],
        modalities=database.rows(connection, _MODALITIES),
        entity_actions=actions,
        entities=entities,
        tags=database.rows(connection, _TAGS),
        methods=database.rows(connection, _METHODS),
        stages=[row for stage in _STAGES if (row := _stage(connection, stage))["instances"]],
        quarantined=database.rows(connection, _QUARANTINED, LISTED),
    )


def _crossed(counts: list[Row]) -> tuple[list[str], list[Row]]:
    """Rows of (entity type, action, findings) as a table with a column for each action; both by size."""
    actions: dict[str, int] = {}
    table: dict[str, dict[str, int]] = {}
    for row in counts:
        actions[row["action"]] = actions.get(row["action"], 0) + row["findings"]
        table.setdefault(row["entity_type"], {})[row["action"]] = row["findings"]
    columns = sorted(actions, key=lambda action: (-actions[action], action))
    rows = [{"entity_type": name, "counts": [line.get(a, 0) for a in columns], "total": sum(line.values())} for name, line in table.items()]
    return columns, sorted(rows, key=lambda row: (-row["total"], row["entity_type"]))


def _stage(connection: duckdb.DuckDBPyConnection, stage: str) -> Row:
    column = f"seconds_{stage}"
    query = f"""select count({column}) as instances, coalesce(sum({column}), 0) as seconds,
        median({column}) as median, quantile_cont({column}, 0.95) as p95 from instances"""  # noqa: S608  # one of our own column names
    [row] = database.rows(connection, query)
    return row | {"stage": stage}
