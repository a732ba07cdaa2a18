"""The log: one line per event, as JSON or text, with fields that cannot carry a value."""

from __future__ import annotations

import inspect
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import log

NOW = datetime(2026, 5, 4, 3, 2, 1, 987654, UTC)


@pytest.fixture(autouse=True)
def _detached() -> Iterator[None]:
    log.detach()
    yield
    log.detach()


def events(stream: io.StringIO, **settings: str) -> log.EventLog:
    chosen = log.LogSettings(**settings)
    log.attach(chosen, stream=stream)
    return log.EventLog(chosen, "run-1", "abcd", clock=lambda: NOW)


def test_a_line_of_json_is_one_object() -> None:
    out = io.StringIO()
    found = events(out, format="json", level="info")
    found.event(logging.INFO, "instance.ended", instance_id="00ff", status="saved", seconds=0.123456)
    found.event(logging.WARNING, "instance.ended", instance_id="00aa", status="quarantined", code="leak_found", stage="verify")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first == {
        "time": "2026-05-04T03:02:01.987+00:00",
        "level": "INFO",
        "event": "instance.ended",
        "run_id": "run-1",
        "worker": "abcd",
        "instance_id": "00ff",
        "status": "saved",
        "seconds": 0.1235,
    }
    assert (second["level"], second["code"], second["stage"]) == ("WARNING", "leak_found", "verify")


def test_text_has_the_same_fields_and_the_level_counts() -> None:
    out = io.StringIO()
    found = events(out, level="warning")
    found.event(logging.INFO, "instance.ended", instance_id="00ff")
    found.event(logging.WARNING, "instance.ended", instance_id="00aa", code="internal")
    assert (
        out.getvalue() == "2026-05-04T03:02:01.987+00:00 WARNING instance.ended run_id=run-1 worker=abcd instance_id=00aa code=internal\n"
    )


def test_there_is_no_field_for_text() -> None:
    fields = set(inspect.signature(log.EventLog.event).parameters) - {"self", "level", "name"}
    assert fields == {"instance_id", "status", "code", "stage", "seconds", "numbers"}


def test_an_engine_of_a_cluster_gets_the_lines_through_the_root_logger() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    try:
        settings = log.LogSettings("json", "info", engine=True)
        log.attach(settings)
        log.EventLog(settings, "run-1").event(logging.INFO, "worker.opened")
    finally:
        logging.getLogger().removeHandler(handler)
    assert json.loads(out.getvalue())["event"] == "worker.opened"


def test_the_lines_of_all_processes_are_handed_on_once_and_whole(tmp_path: Path) -> None:
    drain = log.Drain(str(tmp_path))
    assert drain.lines() == ""
    (tmp_path / "1.log").write_text("one\ntw")
    (tmp_path / "2.log").write_text("other\n")
    assert drain.lines() == "one\nother\n"
    with (tmp_path / "1.log").open("a") as file:
        file.write("o\n")
    assert drain.lines() == "two\n"
    assert drain.lines() == ""
