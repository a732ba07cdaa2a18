"""A storage that answers late: reads and writes of several instances are under way at once, and nothing else is different."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage import Store
from tests.conftest import SECRET
from tests.end_to_end import archive
from transforms.deidentify import Deidentifier, OpenedHeader
from transforms.errors import Code, DeidError, RefusedError
from transforms.policy import Policy
from transforms.tags.identity import Identity
from transforms.types import Chunk, Header, Outcome, Source

SECONDS = 20
Call = Callable[..., Any]


class Late(Store):
    """A disk that is told to be as far away as an object store; ``before`` is called before each call of a name."""

    before: dict[str, Call] = {}  # noqa: RUF012  # a test's own

    @staticmethod
    def waits(uri: str) -> bool:
        return True

    def read_range(self, *words: Any) -> bytes:
        self.before.get("header", lambda: None)()
        return super().read_range(*words)

    def read_all(self, *words: Any) -> bytes:
        self.before.get("read", lambda: None)()
        return super().read_all(*words)

    def write_if_absent(self, *words: Any) -> bool:
        self.before.get("write", lambda: None)()
        return super().write_if_absent(*words)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Late]:
    def make(**before: Call) -> Late:
        monkeypatch.setattr(Late, "before", before)
        return Late()

    return make


def deidentifier(store: Store, output: Path) -> Deidentifier:
    return Deidentifier(Policy(), Identity(SECRET.encode()), store, str(output), io_threads=4)


def opened(worker: Deidentifier, paths: list[Path]) -> list[Header]:
    found = worker.headers().through(Source(str(path), path.stat().st_size) for path in paths)
    headers = [worker.evaluate(header) for header in found if isinstance(header, OpenedHeader)]
    return [header for header in headers if isinstance(header, Header)]


def processed(worker: Deidentifier, headers: list[Header]) -> list[Outcome]:
    return list(worker.process(chunk for chunk in worker.decide_series(headers) if isinstance(chunk, Chunk)))


def cleaned(store: Store, paths: list[Path], output: Path) -> list[Outcome]:
    worker = deidentifier(store, output)
    return processed(worker, opened(worker, paths))


def files(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*.dcm")}


def test_headers_and_instances_are_read_together_and_files_written_while_others_are_cleaned(
    tmp_path: Path, late: Callable[..., Late]
) -> None:
    paths = archive.series(tmp_path / "in", 4)
    four, again, two = threading.Barrier(4), threading.Barrier(4), threading.Barrier(2)
    worker = deidentifier(late(header=lambda: four.wait(SECONDS)), tmp_path / "late")
    headers = opened(worker, paths)
    late(read=lambda: again.wait(SECONDS), write=lambda: two.wait(SECONDS))
    outcomes = processed(worker, headers)
    assert [outcome.instance["status"] for outcome in outcomes] == ["saved"] * 4
    near = cleaned(Store(), paths, tmp_path / "near")
    assert files(tmp_path / "late") == files(tmp_path / "near")
    assert [outcome.instance_id for outcome in outcomes] == [outcome.instance_id for outcome in near]


def test_of_one_sop_instance_uid_one_is_saved_however_long_it_takes(tmp_path: Path, late: Callable[..., Late]) -> None:
    paths = archive.series(tmp_path / "in", 2)
    shutil.copy(paths[0], tmp_path / "in" / "0000_Zyxwandt_again")
    paths.insert(1, tmp_path / "in" / "0000_Zyxwandt_again")
    first = threading.Event()

    def slow_at_first() -> None:
        if not first.is_set():
            first.set()
            time.sleep(0.3)

    outcomes = cleaned(late(write=slow_at_first), paths, tmp_path / "out")
    assert sorted(str(outcome.instance["code"]) for outcome in outcomes) == ["None", "None", "duplicate"]


def test_what_cannot_be_read_or_written_is_the_only_one(tmp_path: Path, late: Callable[..., Late]) -> None:
    paths, turns = archive.series(tmp_path / "in", 3), iter(range(100))

    def second_fails() -> None:
        if next(turns) == 1:
            raise DeidError(Code.READ_FAILED, "a test")

    assert sorted(str(outcome.instance["code"]) for outcome in cleaned(late(read=second_fails), paths, tmp_path / "one")) == [
        "None",
        "None",
        "read_failed",
    ]
    assert len(files(tmp_path / "one")) == 2


@pytest.mark.parametrize("name", ["header", "read", "write"])
def test_a_store_that_does_not_know_the_caller_ends_the_work(name: str, tmp_path: Path, late: Callable[..., Late]) -> None:
    paths = archive.series(tmp_path / "in", 3)

    def refuse() -> None:
        raise RefusedError(Code.READ_FAILED, "a test")

    with pytest.raises(RefusedError):
        cleaned(late(**{name: refuse}), paths, tmp_path / "out")
