"""What earlier runs left in an output: the settings they ran with, and the inputs that they finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import audit
from pipeline.ledger import BATCH, Ledger, ordered
from pipeline.storage import Store, join
from transforms.errors import ConfigError
from transforms.types import Header

RUN_ID = "%Y%m%dT%H%M%S.%fZ"
"""A run is named by its start in UTC; names sort by time, and of two rows that of the later run counts."""
MAX_RUN_JSON_BYTES = 16 * 1024**2
_NAME_PARTS = 4
"""Of the name of a saved file below ``instances/``: patient, study, series, instance."""


def new_run_id(store: Store, output: str, now: datetime) -> str:
    """A name that sorts behind that of the last run of an output, which a machine whose clock is ahead may have made."""
    last = str((load_run(store, output) or {}).get("run_id", ""))
    name = now.strftime(RUN_ID)
    return name if name > last else (datetime.strptime(last, RUN_ID) + timedelta(microseconds=1)).strftime(RUN_ID)


def load_run(store: Store, output: str) -> dict[str, Any] | None:
    """``run.json`` of an output, or None.

    Raises:
        ConfigError: there is another file of this name.
    """
    uri = join(output, "run.json")
    if not store.exists(uri):
        return None
    try:
        record = json.loads(store.read_all(uri, MAX_RUN_JSON_BYTES))
    except ValueError:
        record = None
    if not isinstance(record, dict) or "state" not in record:
        raise ConfigError(f"{uri} was not written by 'dicom-deid run'; choose another output")
    return record


def save_run(store: Store, output: str, record: dict[str, Any]) -> None:
    """Replace ``run.json``."""
    store.write_atomic(join(output, "run.json"), json.dumps(record, indent=2).encode() + b"\n")


def check_same(earlier: dict[str, Any] | None, settings: dict[str, str]) -> None:
    """Refuse to continue an output under other settings: half of it would follow another policy or be linked by another secret.

    Raises:
        ConfigError: names what differs.
    """
    if earlier is None:
        return
    differing = [key for key, value in settings.items() if earlier.get("settings", {}).get(key) != value]
    if differing:
        raise ConfigError(f"the output was made with another {', '.join(differing)}; use another output, or --redo to do all again")


def replaces(earlier: dict[str, Any] | None, settings: dict[str, str]) -> bool:
    """Whether the output may hold rows of other settings: those of the last run, or those that an unfinished redo was to replace."""
    return earlier is not None and (earlier.get("settings") != settings or (unfinished(earlier) and bool(earlier.get("replaces_settings"))))


def check_all_given(ledger: Ledger) -> None:
    """Refuse to redo a part of an output under other settings: the rest would stay as the old settings made it.

    Args:
        ledger: with the crosswalk since the redo began, and the inputs.

    Raises:
        ConfigError: inputs of the output are missing from those given.
    """
    missing = ledger.kept()
    if missing:
        raise ConfigError(f"--redo with other settings needs all inputs of the output; {missing} of them are not given")


def died(earlier: dict[str, Any] | None) -> bool:
    """Whether the last run did not even come to say why it ended, or an engine that it launched left inputs undone."""
    return earlier is not None and earlier.get("state") in ("running", "launched")


def unfinished(earlier: dict[str, Any] | None) -> bool:
    """Whether the last run did not come to its end: it may have left files without rows."""
    return earlier is not None and earlier.get("state") != "finished"


def redo_since(earlier: dict[str, Any] | None, run_id: str, settings: dict[str, str], *, redo: bool) -> str:
    """The run with which the present run began to do all again: itself, or one that did not come to its end; '' when there is none.

    The same command is run again after a redo that died or was only launched: that goes on, too, and does not begin once more.
    """
    begun = str(earlier.get("redo_since") or "") if earlier is not None and unfinished(earlier) else ""
    same = earlier is not None and earlier.get("settings") == settings
    return run_id if redo and not (begun and same) else begun


def finished(store: Store, output: str, ledger: Ledger) -> Iterator[Header]:
    """Headers of the inputs that earlier runs finished, as far as a series' decision needs them; ``ledger`` has loaded the crosswalk."""
    columns = ["instance_id", "url", "status", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "save_condition"]
    wanted, number = ledger.finished_rows(), 0
    following = next(wanted, -1)
    for _, batches in audit.scan(store, ordered(audit.files(store, output, "restricted/crosswalk")), columns, BATCH):
        for batch in batches:
            chosen = []
            while number <= following < number + batch.num_rows:
                chosen.append(following - number)
                following = next(wanted, -1)
            number += batch.num_rows
            for row in batch.take(chosen).to_pylist() if chosen else ():
                yield Header(
                    instance_id=row["instance_id"],
                    uri=row["url"],
                    size=0,
                    study_uid=row["StudyInstanceUID"] or "",
                    series_uid=row["SeriesInstanceUID"] or "",
                    sop_uid=row["SOPInstanceUID"] or "",
                    patient_id=row["PatientID"] or "",
                    save=bool(row["save_condition"]),
                    finished=row["status"],
                )


def superseded_urls(store: Store, output: str, ledger: Ledger, *, rowless: bool = False) -> Iterator[str]:
    """URIs of saved files whose input a later run did again, with another end or under another name. Known until the audit is compacted.

    An output may have been moved or copied since: what its rows say of folders above ``instances/`` may be another output.

    Args:
        store: where the output is.
        output: of the run.
        ledger: with the crosswalk of all runs.
        rowless: a run died, so there may be files of which no row tells: they are listed, and are superseded, too.
    """
    ledger.connection.execute("create or replace table names (number bigint, name varchar)")
    number = 0
    for _, batches in audit.scan(store, ordered(audit.files(store, output, "restricted/crosswalk")), ["url_deid"], BATCH):
        for batch in batches:
            names = ["/".join(url.split("/")[-_NAME_PARTS:]) if url else None for url in batch["url_deid"].to_pylist()]
            ledger.insert("names", range(number, number + batch.num_rows), pa.array(names, pa.string()))
            number += batch.num_rows
    folder = join(output, "instances")
    listing = store.list_files(folder) if rowless and store.is_folder(folder) else iter(())
    written = (source.uri.split("/")[-_NAME_PARTS:] for source in listing if source.uri.count("/") == folder.count("/") + _NAME_PARTS)
    while some := ["/".join(parts) for parts in islice(written, BATCH)]:
        ledger.insert("names", np.full(len(some), -1), pa.array(some, pa.string()))
    # A name that a row of the latest run of its input holds is in use; two rows of one run hold the same.
    found = ledger.connection.cursor().execute(
        """select distinct name from names where name is not null
            except select name from names join crosswalk using (number) join winner using (u0, u1) where crosswalk.run = winner.run"""
    )
    while rows := found.fetchmany(BATCH):
        yield from (join(folder, *row[0].split("/")) for row in rows)
