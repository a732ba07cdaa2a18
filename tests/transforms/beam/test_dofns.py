"""Wiring of each DoFn: what it calls, and which output gets what. A fake worker, a real runner."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from transforms.beam.base import OUTCOMES, tally
from transforms.beam.coders import TransientCoder
from transforms.beam.decide_series import DecideSeriesDoFn
from transforms.beam.deidentify_tags import DeidentifyTagsDoFn
from transforms.beam.mask_text import MaskTextDoFn
from transforms.beam.read_header import ReadHeaderDoFn
from transforms.beam.save_conditions import SaveConditionsDoFn
from transforms.beam.verify import VerifyDoFn
from transforms.beam.write import WriteDoFn
from transforms.beam.write_audit import WriteAuditDoFn
from transforms.buffer import FLUSH_ROWS
from transforms.deidentify import OpenedHeader
from transforms.overlap import Answer, Calls, Overlap
from transforms.read.header import HeaderFields
from transforms.types import Chunk, Header, Outcome, SeriesDecision, Source, Status, Work

T = TypeVar("T")
GOOD = Header("id-1", "mem://1", 10, "1.2", "1.2.3", "1.2.3.4", "P")
DECISION = SeriesDecision(True)
FIELDS = HeaderFields("P", "1.2", "1.2.3", "1.2.3.4", "", "CT", "", 1, 0, None)
OPENED = OpenedHeader(Source("good"), "id-1", FIELDS, (("bytes.header", 7),))


def outcome(name: str, status: Status = Status.SAVED) -> Outcome:
    return Outcome(name, status, {}, (), {})


class FakeWorker:
    """The methods of a Deidentifier, each marking what it was given."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2)  # what is asked of them is late, so elements leave a stage when the bundle ends, too

    def headers(self) -> Overlap[Source, object, object]:
        def ask(source: Source) -> Calls[object]:
            return Calls([lambda: late(outcome(source.uri, Status.FILTERED) if source.uri == "bad" else OPENED)], waits=True)

        return Overlap(self._threads, ask, lambda _, found: [found[0].result()], most=2)

    def evaluate(self, opened: object) -> Header | Outcome:
        return outcome("odd", Status.QUARANTINED) if opened == "odd" else GOOD

    def decide_series(self, headers: Iterable[Header]) -> Iterator[Chunk | Outcome]:
        yield Chunk("key", tuple(headers), DECISION)
        yield outcome("filtered", Status.FILTERED)

    def masking(self) -> Overlap[Chunk, str, Work]:
        def ask(chunk: Chunk) -> Calls[str]:
            return Calls([lambda: late("masked")] * len(chunk.headers), waits=True)

        def finish(chunk: Chunk, found: Sequence[Answer[str]]) -> Iterator[Work]:
            return (Work(header, chunk.decision, stage=stage.result()) for header, stage in zip(chunk.headers, found, strict=True))

        return Overlap(self._threads, ask, finish, most=2)

    def deidentify_tags(self, work: Work) -> Work:
        work.stage += " tagged"
        return work

    def verify(self, work: Work) -> Work:
        work.stage += " verified"
        return work

    def writing(self) -> Overlap[Work, Outcome, Outcome]:
        def ask(work: Work) -> Calls[Outcome]:
            return Calls([lambda: late(outcome(f"{work.stage} written"))], waits=True)

        return Overlap(self._threads, ask, lambda _, ended: [ended[0].result()], most=2)


def late(value: T) -> T:
    time.sleep(0.01)
    return value


@pytest.fixture
def pipeline() -> Iterator[beam.Pipeline]:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as test_pipeline:
        yield test_pipeline


def test_read_header(pipeline: beam.Pipeline) -> None:
    found = (
        pipeline | beam.Create([Source("good"), Source("bad")]) | beam.ParDo(ReadHeaderDoFn(FakeWorker)).with_outputs(OUTCOMES, main="main")
    )
    assert_that(found.main | beam.Map(lambda item: item.instance_id), equal_to(["id-1"]), label="OpenedHeaders")
    assert_that(found[OUTCOMES] | beam.Map(lambda item: item.instance_id), equal_to(["bad"]), label="Unreadable")


def test_save_conditions_key_headers_by_series(pipeline: beam.Pipeline) -> None:
    opened = pipeline | beam.Create(["opened", "odd"])
    found = opened | beam.ParDo(SaveConditionsDoFn(FakeWorker)).with_outputs(OUTCOMES, main="main")
    assert_that(found.main | beam.Values(), equal_to([GOOD]), label="Headers")
    assert_that(found[OUTCOMES] | beam.Map(lambda item: item.instance_id), equal_to(["odd"]), label="Unreadable")


def test_decide_series(pipeline: beam.Pipeline) -> None:
    found = pipeline | beam.Create([("key", [GOOD])]) | beam.ParDo(DecideSeriesDoFn(FakeWorker)).with_outputs(OUTCOMES, main="main")
    assert_that(found.main, equal_to([Chunk("key", (GOOD,), DECISION)]), label="Chunks")
    assert_that(found[OUTCOMES] | beam.Map(lambda item: item.instance_id), equal_to(["filtered"]), label="Filtered")


def test_stages_follow_each_other(pipeline: beam.Pipeline) -> None:
    found = (
        pipeline
        | beam.Create([Chunk("key", (GOOD,), DECISION)])
        | beam.ParDo(MaskTextDoFn(FakeWorker))
        | beam.ParDo(DeidentifyTagsDoFn(FakeWorker))
        | beam.ParDo(VerifyDoFn(FakeWorker))
        | beam.ParDo(WriteDoFn(FakeWorker))
        | beam.Map(lambda item: item.instance_id)
    )
    assert_that(found, equal_to(["masked tagged verified written"]), label="Outcomes")


def test_outcomes_are_counted_by_status() -> None:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        works = pipeline | beam.Create([Chunk("key", (GOOD, GOOD, GOOD), DECISION)]) | beam.ParDo(MaskTextDoFn(FakeWorker))
        works | beam.ParDo(WriteDoFn(FakeWorker))
    counters = {item.key.metric.name: item.committed for item in pipeline.result.metrics().query()["counters"]}
    assert {name: count for name, count in counters.items() if count} == {"saved": 3}


def test_measures_add_up_over_all_steps() -> None:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        sources = pipeline | beam.Create([Source("good"), Source("good"), Source("bad")])
        sources | beam.ParDo(ReadHeaderDoFn(FakeWorker)).with_outputs(OUTCOMES, main="main")
    assert tally(pipeline.result).as_record() == {
        "instances.filtered": 1,
        "bytes.header": {"count": 2, "sum": 14, "min": 7, "max": 7},
    }


def test_a_work_is_never_encoded() -> None:
    with pytest.raises(TypeError, match="never leaves its worker"):
        TransientCoder().encode(Work(GOOD, DECISION))
    assert TransientCoder().estimate_size(Work(GOOD, DECISION)) == GOOD.size


def test_audit_is_flushed_by_number_by_age_and_at_the_end() -> None:
    batches: list[int] = []
    now = [0.0]
    dofn = WriteAuditDoFn(lambda outcomes: batches.append(len(outcomes)), clock=lambda: now[0])
    dofn.start_bundle()
    for _ in range(FLUSH_ROWS + 1):
        dofn.process(outcome("a"))
    assert batches == [FLUSH_ROWS]
    now[0] = 60.0
    dofn.process(outcome("b"))
    dofn.process(outcome("c"))
    dofn.finish_bundle()
    assert batches == [FLUSH_ROWS, 2, 1]
