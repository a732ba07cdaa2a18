"""Series decisions and chunks: nothing is lost, nothing depends on the order in which headers arrive."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.policy import LimitsPolicy
from transforms.series.aggregate import chunks, decide, series_key
from transforms.types import Header, SeriesDecision


def header(
    number: int, *, sop: str | None = None, size: int = 10, save: bool = True, finished: str | None = None, pixels: int = 0
) -> Header:
    return Header(
        f"id{number}", f"uri{number:04}", size, "1", "2", sop or f"3.{number}", "p", save=save, finished=finished, pixel_bytes=pixels
    )


@pytest.mark.parametrize(
    ("aggregation", "saves", "expected"),
    [
        ("all", [True, True], True),
        ("all", [True, False], False),
        ("any", [True, False], True),
        ("any", [False, False], False),
        ("instance", [True, False], True),
        ("instance", [False, False], False),
    ],
)
def test_aggregation_names_those_that_did_not_pass(aggregation: str, saves: list[bool], expected: bool) -> None:
    decision = decide([header(number, save=save) for number, save in enumerate(saves)], aggregation)
    assert decision.save is expected
    assert decision.disabling_uris == tuple(f"uri{number:04}" for number, save in enumerate(saves) if not save)


def test_a_chunk_knows_which_of_its_instances_are_taken() -> None:
    headers = [header(1, sop="a", finished="saved"), header(2, sop="b", finished="quarantined"), header(3, sop="a"), header(4, sop="b")]
    found = list(chunks(headers, decide(headers, "instance"), LimitsPolicy(chunk_instances=1)))
    assert [(chunk.headers[0].sop_uid, chunk.taken) for chunk in found] == [("a", {"a"}), ("b", frozenset())]


def test_finished_instances_decide_but_are_in_no_chunk() -> None:
    headers = [header(1, finished="saved"), header(2, save=False, finished="filtered"), header(3)]
    decision = decide(headers, "all")
    assert not decision.save
    (chunk,) = chunks(headers, decision, LimitsPolicy())
    assert [entry.instance_id for entry in chunk.headers] == ["id3"]


def test_key_is_of_study_and_series_and_says_neither() -> None:
    one = header(1)
    assert series_key(one) == series_key(header(2))
    assert series_key(one) != series_key(Header("i", "u", 1, "1", "22", "3", ""))
    assert series_key(Header("i", "u", 1, "1.1", "2", "3", "")) != series_key(Header("i", "u", 1, "1", "1.2", "3", ""))


def test_large_pixels_of_a_small_file_count() -> None:
    headers = [header(number, size=10, pixels=40_000_000) for number in range(4)]
    assert len(list(chunks(headers, SeriesDecision(True), LimitsPolicy()))) == 4


headers_of_a_series = st.lists(
    st.builds(
        lambda sop, size, pixels, finished: (f"3.{sop}", size, pixels, finished),
        st.integers(0, 30),
        st.integers(1, 100),
        st.integers(0, 200),
        st.sampled_from([None, None, None, "saved"]),
    ),
    max_size=60,
)


@given(headers_of_a_series, st.integers(1, 8), st.integers(50, 400), st.randoms(use_true_random=False))
def test_chunks(rows: list[tuple[str, int, int, str | None]], count: int, size: int, order: random.Random) -> None:
    headers = [header(n, sop=sop, size=size_, pixels=pixels, finished=finished) for n, (sop, size_, pixels, finished) in enumerate(rows)]
    limits = LimitsPolicy(chunk_instances=count, chunk_bytes=size)
    decision = SeriesDecision(True)
    result = list(chunks(headers, decision, limits))

    flat = [entry for chunk in result for entry in chunk.headers]
    assert sorted(entry.uri for entry in flat) == sorted(entry.uri for entry in headers if entry.finished is None)
    assert [(entry.sop_uid, entry.uri) for entry in flat] == sorted((entry.sop_uid, entry.uri) for entry in flat)
    for sop in {entry.sop_uid for entry in flat}:
        assert sum(any(entry.sop_uid == sop for entry in chunk.headers) for chunk in result) == 1
    for chunk in result:
        alone = len({entry.sop_uid for entry in chunk.headers}) == 1
        assert alone or len(chunk.headers) <= count
        assert alone or sum(max(entry.size, entry.pixel_bytes) for entry in chunk.headers) <= size
    assert len({chunk.key for chunk in result}) == len(result)

    order.shuffle(headers)
    assert list(chunks(headers, decision, limits)) == result
