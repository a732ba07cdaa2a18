"""Progress: counts of several processes, a bar on a terminal and lines elsewhere; and the work list's shards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline import manifest, progress
from pipeline.storage import Store
from transforms.types import Header, Source


def test_counts_of_all_processes_add_up(tmp_path: Path) -> None:
    (tmp_path / "77.json").write_text('{"saved": 2, "header": 3}')
    ticker = progress.Ticker(str(tmp_path))
    ticker.tick("saved")
    assert progress.total(str(tmp_path)) == Counter(saved=3, header=3)


def test_a_ticker_writes_at_most_twice_a_second(tmp_path: Path) -> None:
    now = [10.0]
    ticker = progress.Ticker(str(tmp_path), clock=lambda: now[0])
    for _ in range(5):
        ticker.tick("saved")
    assert progress.total(str(tmp_path)) == Counter(saved=1)
    now[0] = 11.0
    ticker.tick("saved")
    assert progress.total(str(tmp_path)) == Counter(saved=6)


@pytest.mark.parametrize(
    ("counts", "bar", "line"),
    [
        (Counter(header=7), False, "reading headers 7/100"),
        (
            Counter(header=100, saved=40, quarantined=10),
            False,
            "50/100 files, 5.0 files/s, 0:10 left; saved 40, filtered 0, quarantined 10",
        ),
        (
            Counter(saved=50),
            True,
            "[############............] 50/100 files, 5.0 files/s, 0:10 left; saved 50, filtered 0, quarantined 0",
        ),
    ],
)
def test_the_line(counts: Counter[str], bar: bool, line: str) -> None:
    assert progress.render(counts, 100, 10.0, bar=bar) == line


def test_shards_come_back_as_they_went(tmp_path: Path) -> None:
    items = [Source(f"file:///näme {number}", number) for number in range(manifest.SHARD_LINES + 1)]
    items += [Source('/a line\u2028or\u0085two\nin a "name"', 1)]
    done = Header("id", "file:///done", 0, "1", "2", "3", "P\u0085\u2029", save=False, finished="filtered")
    shards = manifest.write_shards(Store(), str(tmp_path), [*items, done])
    assert (len(shards.shards), shards.items) == (2, len(items) + 1)
    assert [item for shard in shards.shards for item in manifest.read_shard(Store(), shard)] == [*items, done]
