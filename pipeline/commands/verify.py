"""``dicom-deid verify``: does an output add up, and do its files hold what their rows and claims say and nothing of the originals.

Shows counts, instance ids and tag paths; never a value.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from pipeline import audit, database, history, verify_counts, verify_files
from pipeline import secret as secrets
from pipeline.commands import target as targets
from pipeline.storage import Store, canonical
from pipeline.verify_counts import Check
from transforms.errors import ConfigError
from transforms.policy import Policy
from transforms.tags.identity import Identity

MEANING = {
    "run_finished": "the last run ended, and its counts sum up to its inputs",
    "rows_unique": "an instance has one row",
    "rows_consistent": "a row is saved with a file, or has a code and a stage",
    "names_unique": "no two rows have the same file",
    "crosswalk_unique": "an instance has one crosswalk row",
    "inputs_unique": "an input has one crosswalk row",
    "crosswalk_agrees": "audit and crosswalk say the same",
    "entities_counted": "an instance has as many entities as its row says",
    "files_present": "a saved row has its file",
    "files_whole": "a file is as long as its row says",
    "files_accounted": "a file has its saved row",
    "secret_same": "the secret is the one of the run",
    "identity_follows": "identifiers follow from the secret",
    "file_unreadable": "a file reads as DICOM",
    "file_name": "names of file and folders are the ids in the file",
    "file_claim": "a file claims what was done, and only that",
    "file_uid": "UIDs are new (2.25.…), or kept by option",
    "file_pixels": "pixel data is as long as the header says",
    "file_identifier": "no patient ID or UID of the original is left; with --originals, nothing that identifies in it",
    "file_private": "no private element is left that no option keeps",
    "file_overlay": "no overlay is left that no option keeps",
    "file_curve": "no curve is left that no option keeps",
    "file_preamble": "the preamble is blank",
    "file_original_unreadable": "the original can be read for comparison",
    "file_pixels_changed": "pixels that were not masked are the original's, byte for byte",
}
"""What holds when nothing failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``verify``."""
    parser.add_argument("output", metavar="OUT", help="folder or URI that 'dicom-deid run' wrote")
    parser.add_argument(
        "--originals", action="store_true", help="read the originals too: scan for all that identifies in them, compare pixels"
    )
    parser.add_argument(
        "--secret-file", metavar="FILE", help="secret of the run: check that identifiers follow from it (default: $DICOM_DEID_SECRET)"
    )
    parser.add_argument("--sample", type=float, default=1.0, metavar="FRACTION", help="part of the files to scan, 0 to 1 (default 1: all)")
    parser.add_argument("--since", metavar="TIME", help="scan only files of runs that started at this time (ISO 8601) or later")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that scan files (default 1)")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failures to show of each kind (default 5)")
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON, with up to 10,000 failures of each kind")


def main(options: argparse.Namespace) -> int:
    """Check; 0 when nothing is wrong.

    Raises:
        ConfigError: an option is out of range, or there is no audit.
    """
    if not 0 <= options.sample <= 1:
        raise ConfigError(f"--sample is {options.sample}; expected 0 to 1")
    if options.workers < 1:
        raise ConfigError(f"--workers is {options.workers}; expected 1 or more")
    if options.examples < 0:
        raise ConfigError(f"--examples is {options.examples}; expected 0 or more")
    since = first_run(options.since) if options.since else ""
    started = time.monotonic()
    checks = list(_checks(options, since))
    failed = sum(check.failed for check in checks)
    print(render(checks, options.examples))
    print(f"\n{'not as it should be' if failed else 'all as it should be'}; {time.monotonic() - started:.1f} s")
    if options.json:
        result = {"failed": failed, "checks": [asdict(check) | {"meaning": MEANING[check.name]} for check in checks]}
        targets.write(Store(), "--json", canonical(options.json), (json.dumps(result, indent=2) + "\n").encode())
    return 1 if failed else 0


def _checks(options: argparse.Namespace, since: str) -> Iterator[Check]:
    store, output = Store(), canonical(options.output).rstrip("/")
    limit = 10_000 if options.json else options.examples
    connection = database.connect(store, output, tuple(audit.TABLES))
    record = history.load_run(store, output)
    verify_counts.load_files(connection, store, output)
    yield verify_counts.check_run(connection, record)
    yield from verify_counts.check_counts(connection, limit)
    if options.secret_file or os.environ.get(secrets.ENVIRONMENT_VARIABLE):
        identity = Identity(secrets.resolve(secrets.find(options.secret_file, ephemeral=False)))
        fingerprint = (record or {}).get("settings", {}).get("secret")
        yield from verify_counts.check_identity(connection, identity, fingerprint, limit)
    saved = verify_files.saved_rows(connection, options.sample, since)
    policy = _policy(record or {})
    yield from verify_files.check_files(store, output, saved, policy, originals=options.originals, workers=options.workers, limit=limit)


def first_run(text: str) -> str:
    """The least run id that a run can have which started at a time, given in ISO 8601; without an offset it is UTC.

    Raises:
        ConfigError: it is no time.
    """
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since is {text!r}; expected a time such as 2026-01-31T04:00:00+00:00") from None
    return since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC).strftime(history.RUN_ID)


def _policy(record: Mapping[str, Any]) -> Policy:
    """The policy that an output was made under, without its save conditions."""
    try:
        return Policy.model_validate(_chosen(record.get("configuration", {}), Policy().model_dump(mode="json")))
    except ValidationError:
        made_with = record.get("versions", {}).get("dicom-deid-pipeline", "unknown")
        raise ConfigError(
            f"this version does not know the configuration in run.json; the output was made with version {made_with}"
        ) from None


def _chosen(configuration: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: a policy may refuse a setting that has no effect, and run.json spells out all of them."""
    return {
        key: _chosen(value, defaults[key]) if isinstance(value, dict) and isinstance(defaults.get(key), dict) else value
        for key, value in configuration.items()
        if key not in defaults or value != defaults[key]
    }


def render(checks: Sequence[Check], examples: int) -> str:
    """A table with a line per check, then the first failures of each kind."""
    lines = [f"{'check':<25} {'checked':>9} {'failed':>7}  what holds"]
    for check in checks:
        lines.append(f"{check.name:<25} {check.checked:>9,} {check.failed:>7,}  {MEANING[check.name]}")
    for check in checks:
        lines.extend(f"{check.name}: {instance_id} {path}".rstrip() for instance_id, path in check.examples[:examples])
        if check.failed > examples:
            lines.append(f"{check.name}: … and {check.failed - min(examples, len(check.examples)):,} more")
    return "\n".join(lines)
