"""What goes through files comes back as it was: series whole, chunks each once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from pipeline import spill
from pipeline.storage import Store
from transforms.policy import LimitsPolicy
from transforms.series.aggregate import chunks, decide, series_key
from transforms.types import Chunk, Evaluation, Header

LOCAL = PipelineOptions(["--runner=FnApiRunner"])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files and many groups of what is little."""
    monkeypatch.setattr(spill, "FILE_BYTES", 5000)
    monkeypatch.setattr(spill, "HEADERS_PER_GROUP", 100)


def header(number: int, finished: str | None = None) -> Header:
    evaluations = (Evaluation('["IN", "ct"]', f"caf\u00e9 \udcff {number}\n", number % 2 == 0),)
    series = f"1.2.{number % 7}"
    return Header(
        f"{number:032x}",
        f"/in/\udce9\u2028{number}",
        9,
        "1.2",
        series,
        f"1.2.3.{number}",
        "P",
        evaluations=evaluations,
        finished=finished,
        version="v",
    )


def shards(folder: Path) -> list[str]:
    return [str(folder / "work" / "part-0.jsonl")]


def test_series_are_whole_whatever_they_are_joined_of(tmp_path: Path) -> None:
    new, old = [header(number) for number in range(200)], [header(number, "saved") for number in range(200, 250)]
    wanted: dict[str, set[Header]] = {}
    for each in (*new, *old):
        wanted.setdefault(series_key(each), set()).add(each)

    def members(found: Iterable[tuple[str, list[Header]]]) -> None:
        listed = list(found)
        assert len(listed) == len(wanted)
        assert {key: set(headers) for key, headers in listed} == wanted
        assert sum(len(headers) for _, headers in listed) == 250

    with beam.Pipeline(options=LOCAL) as pipeline:
        parts = tuple(
            pipeline | f"Make{number}" >> beam.Create([(series_key(each), each) for each in part], reshuffle=False)
            for number, part in enumerate((new, old))
        )
        assert_that(parts | spill.GroupBySeries(Store(), shards(tmp_path)), members)
    assert len(list((tmp_path / "work").glob("spilled-*.jsonl"))) > 5


@pytest.mark.parametrize(("workers", "turns"), [(1, None), (3, None), (3, "turns")])
def test_chunks_come_back_as_they_were(tmp_path: Path, workers: int, turns: str | None) -> None:
    of_one = [header(7 * number, None if number else "saved") for number in range(90)]
    made = [
        *chunks(of_one, decide(of_one, "any"), LimitsPolicy()),
        Chunk("key", (header(1),), decide([], "all"), frozenset({"1.2", "1.3"})),
    ]
    with beam.Pipeline(options=LOCAL) as pipeline:
        spread = spill.SpreadChunks(Store(), shards(tmp_path), workers, tmp_path / turns if turns else None)
        assert_that(pipeline | beam.Create(made, reshuffle=False) | spread, equal_to(made))
    assert not turns or (tmp_path / turns).stat().st_size == len(made)


def test_a_worker_that_is_slow_leaves_chunks_to_the_others_and_has_begun_with_the_largest(tmp_path: Path) -> None:
    made = [Chunk(str(number), (replace(header(1), pixel_bytes=number % 7),), decide([], "all"), frozenset()) for number in range(20)]
    spill_chunks = spill._SpillChunks(Store(), str(tmp_path), 2)
    spill_chunks.start_bundle()
    told = [found for chunk in made for found in spill_chunks.process(chunk)] + [found.value for found in spill_chunks.finish_bundle()]
    slow, quick = (
        spill._TakeChunks(Store(), 2, tmp_path / "turns").process((worker, [files for to, files in told if to == worker]))
        for worker in range(2)
    )
    begun = [next(slow), next(quick), *quick]
    assert sorted(int(chunk.key) for chunk in begun) == list(range(20))
    assert [chunk.headers[0].pixel_bytes for chunk in begun] == sorted((number % 7 for number in range(20)), reverse=True)
    assert not list(slow)


def test_a_file_that_was_cut_stops_the_job(tmp_path: Path) -> None:
    class Cut(Store):
        def read_range(self, uri: str, start: int, end: int) -> bytes:
            return super().read_range(uri, start, end)[:-200]

    with pytest.raises(Exception, match="a spilled file was cut"), beam.Pipeline(options=LOCAL) as pipeline:  # noqa: PT012
        keyed = pipeline | beam.Create([(series_key(header(1)), header(1))])
        (keyed,) | spill.GroupBySeries(Cut(), shards(tmp_path))
