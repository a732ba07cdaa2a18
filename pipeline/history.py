"""What earlier runs left in an output: the settings they ran with, and the inputs that they finished."""

from __future__ import annotations

import json
from typing import Any

from pipeline import audit
from pipeline.storage import Store, join
from transforms.errors import Code, ConfigError
from transforms.types import Header

PASSING = {Code.READ_FAILED, Code.WRITE_FAILED, Code.CHANGED_DURING_RUN, Code.INTERNAL}
"""Reasons that may be gone the next time: inputs that ended so are done again by a rerun."""
MAX_RUN_JSON_BYTES = 16 * 1024**2


def load_run(store: Store, output: str) -> dict[str, Any] | None:
    """``run.json`` of an output, or None."""
    uri = join(output, "run.json")
    if not store.exists(uri):
        return None
    record: dict[str, Any] = json.loads(store.read_all(uri, MAX_RUN_JSON_BYTES))
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


def check_all_given(store: Store, output: str, given: set[str], earlier: dict[str, Any] | None, settings: dict[str, str]) -> None:
    """Refuse to redo a part of an output under other settings: the rest would stay as the old settings made it.

    Raises:
        ConfigError: inputs of the output are missing from those given.
    """
    if earlier is None or earlier.get("settings") == settings:
        return
    missing = finished(store, output).keys() - given
    if missing:
        raise ConfigError(f"--redo with other settings needs all inputs of the output; {len(missing)} of them are not given")


def redo_since(earlier: dict[str, Any] | None, run_id: str, *, redo: bool) -> str:
    """The run with which the present run began to do all again: itself, or one that did not come to its end; '' when there is none."""
    if redo:
        return run_id
    return str(earlier.get("redo_since") or "") if earlier is not None and earlier.get("state") != "finished" else ""


def finished(store: Store, output: str, since: str = "") -> dict[str, Header]:
    """Headers of the inputs that earlier runs finished, by URI; the latest run counts, and none before the run ``since``."""
    columns = ["instance_id", "url", "status", "code", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    found: dict[str, tuple[str, Header]] = {}
    for table in audit.read(store, output, "restricted/crosswalk", [*columns, "save_condition", "run_id"]):
        for row in table.to_pylist():
            if row["run_id"] < since or found.get(row["url"], ("",))[0] > row["run_id"]:
                continue
            if row["code"] in PASSING:
                found.pop(row["url"], None)
                continue
            header = Header(
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
            found[row["url"]] = (row["run_id"], header)
    return {url: header for url, (_, header) in found.items()}


def superseded_urls(store: Store, output: str) -> set[str]:
    """URIs of saved files whose input a later run did again, with another end or under another name. Known until the audit is compacted."""
    latest: dict[str, str] = {}
    saved: list[tuple[str, str, str]] = []
    for table in audit.read(store, output, "restricted/crosswalk", ["url", "run_id", "url_deid"]):
        for url, run_id, url_deid in zip(*(table[name].to_pylist() for name in ("url", "run_id", "url_deid")), strict=True):
            latest[url] = max(latest.get(url, ""), run_id)
            if url_deid:
                saved.append((url, run_id, url_deid))
    return {name for _, _, name in saved} - {name for url, run_id, name in saved if latest[url] == run_id}
