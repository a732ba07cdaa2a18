"""The profile: samples by stage and function, kept in parts, merged to a table; names of functions only."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline import profiler
from pipeline.storage import Store


def busy(seconds: float, secret: str) -> int:
    until, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        turns += len(secret)
    return turns


def test_samples_say_stage_function_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiler, "_OURS", (__name__,))
    kept: list[bytes] = []
    sampler = profiler.Sampler(kept.append, period=0.001)
    busy(0.05, "Zyxwandt")
    with sampler.stage("outer"):
        with sampler.stage("inner"):
            busy(0.2, "Zyxwandt")
        busy(0.1, "Zyxwandt")
    sampler.close()
    spent = profiler.unfold(kept[-1])
    stages: Counter[str] = Counter()
    for stack, value in spent.items():
        stages[stack[0]] += value
        assert stack[1].startswith(f"{__name__}:test_samples"), "outside of the project's functions there is nothing"
    assert 0.1e6 < stages["inner"] < 0.4e6
    assert stages["outer"] < stages["inner"]
    assert sum(value for stack, value in spent.items() if stack[-1] == f"{__name__}:busy") > 0.2e6
    assert b"Zyxwandt" not in kept[-1]


def test_every_thread_has_its_stage_and_none_is_nothing() -> None:
    kept: list[bytes] = []
    sampler = profiler.Sampler(kept.append, period=0.001)

    def work(name: str) -> None:
        with sampler.stage(name):
            busy(0.2, "")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sampler.close()
    assert {stack[0] for stack in profiler.unfold(kept[-1])} == {"a", "b"}
    sampler.flush()
    assert len(kept) == 1, "nothing new, nothing written"


def test_parts_of_processes_become_one_profile_and_a_table(tmp_path: Path) -> None:
    store, output = Store(), str(tmp_path)
    store.write_atomic(profiler.part_uri(output, "r1", "aa"), b"mask;m:f;m:g 3000000\nread;m:f 500000\n")
    store.write_atomic(profiler.part_uri(output, "r1", "bb"), b"mask;m:f;m:g 1000000\nmask;m:f 500000\n")
    [table] = profiler.merge(store, output)
    assert table.splitlines()[:4] == [
        "5.0 s in stages, of 2 processes",
        "stage             seconds  share",
        "mask                 4.50  90.0%",
        "read                 0.50  10.0%",
    ]
    assert "    4.00    4.00  m:g" in table
    assert "    1.00    5.00  m:f" in table
    assert {path.name for path in (tmp_path / "profile").iterdir()} == {"r1.folded", "r1.txt"}
    assert (tmp_path / "profile" / "r1.folded").read_text() == "mask;m:f 500000\nmask;m:f;m:g 4000000\nread;m:f 500000\n"
    assert profiler.merge(store, output) == []
