"""The lease of an output: one run at a time, none for ever."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import lease
from pipeline.storage import Store
from tests.pipeline import emulators
from transforms.errors import BusyError, DeidError
from transforms.spool import Bytes

STORE = Store()


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, str]]:
    if request.param == "local":
        yield STORE, str(tmp_path / "out")
    else:
        with emulators.s3() as emulated:
            yield emulated.store, f"{emulated.root}/out"


def test_a_second_run_is_refused_until_the_first_ends(place: tuple[Store, str]) -> None:
    store, output = place
    with lease.held(store, output) as first:
        for _ in range(2):
            with pytest.raises(BusyError, match="another run writes to this output"), lease.held(store, output):
                pass
        first.renew()
        first.check()
    with lease.held(store, output):
        pass
    assert not list(store.list_files(output)) if store.is_folder(output) else True


def test_of_many_at_once_one_wins(place: tuple[Store, str]) -> None:
    store, output = place
    began: list[int] = []

    def attempt(number: int) -> None:
        with lease.held(store, output):
            began.append(number)
            assert len(began) == 1
            while len(refused) < 7:
                time.sleep(0.01)

    refused: list[BaseException | None] = []
    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(attempt, number) for number in range(8)]
        for task in tasks:
            task.add_done_callback(lambda done: refused.append(done.exception()))
    assert len(began) <= 1
    assert sum(isinstance(error, BusyError) for error in refused) >= 7
    assert all(error is None or isinstance(error, BusyError) for error in refused)


def test_a_lease_of_a_machine_that_is_not_heard_of_ends(tmp_path: Path) -> None:
    now = [1000.0]
    folder = tmp_path / "restricted" / "leases"
    holder = lease.Holder("t", now[0] + lease.SECONDS, "another machine", 1, "1")
    STORE.write_atomic(str(folder / "00000007.json"), lease._encoded(holder))
    with pytest.raises(BusyError, match="run the same again after 00:19:40 UTC"), lease.held(STORE, str(tmp_path), lambda: now[0]):
        pass
    now[0] += lease.SECONDS
    with lease.held(STORE, str(tmp_path), lambda: now[0]):
        assert [path.name for path in folder.iterdir()] == ["00000008.json"]


def test_a_lease_is_renewed_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.01)
    now = [1000.0]
    with lease.held(STORE, str(tmp_path), lambda: now[0]) as held:
        for _ in range(3):
            now[0] += lease.SECONDS * 0.9
            deadline = time.monotonic() + 20
            while held._until < now[0] + lease.SECONDS and time.monotonic() < deadline:
                time.sleep(0.01)
        held.check()
        [found] = lease._others(STORE, f"{tmp_path}/restricted/leases").values()
        assert found is not None
        assert found.until == now[0] + lease.SECONDS, "what others read says so, too"


def test_who_slept_too_long_notices(tmp_path: Path) -> None:
    now = [1000.0]
    with lease.held(STORE, str(tmp_path), lambda: now[0]) as first:
        now[0] += lease.SECONDS
        first.renew()
        with pytest.raises(DeidError, match="not heard of"):
            first.check()
        with lease.held(STORE, str(tmp_path), lambda: now[0]) as second:
            now[0] += 1
            second.check()


def test_a_lease_that_was_written_and_the_answer_lost_is_ones_own(tmp_path: Path) -> None:
    class Lossy(Store):
        def write_if_absent(self, uri: str, data: Bytes) -> bool:
            super().write_if_absent(uri, data)
            return super().write_if_absent(uri, data)  # what a try again finds

    with lease.held(Lossy(), str(tmp_path)) as held:
        held.check()
    assert not list((tmp_path / "restricted" / "leases").iterdir())


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pipeline import lease
from pipeline.storage import Store
with lease.held(Store(), sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode < 0
    assert len(list((tmp_path / "restricted" / "leases").iterdir())) == 1
    with lease.held(STORE, str(tmp_path)):
        pass
