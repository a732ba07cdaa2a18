"""A stage that waits: in order, no more at once than there is room for, and everything in its place where nothing waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.overlap import Answer, Calls, Overlap

SECONDS = 10


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def first(_: object, found: Sequence[Answer[object]]) -> list[object]:
    return [found[0].result()]


def test_calls_of_several_items_are_under_way_at_once(threads: ThreadPoolExecutor) -> None:
    together = threading.Barrier(4)
    stage = Overlap(threads, lambda item: Calls([lambda: (together.wait(SECONDS), item)[1]], waits=True), first, most=4)
    assert list(stage.through(range(8))) == list(range(8))


def test_the_calls_of_one_item_are_made_at_once(threads: ThreadPoolExecutor) -> None:
    together = threading.Barrier(4)
    stage = Overlap(
        threads,
        lambda item: Calls([lambda: together.wait(SECONDS)] * 4, waits=True),
        lambda item, found: [sorted(answer.result() for answer in found)],
        most=1,
    )
    assert list(stage.through("ab")) == [[0, 1, 2, 3]] * 2


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.sampled_from([None, "k"])), max_size=30))
def test_all_come_in_order_and_never_more_than_there_is_room_for(items: list[tuple[int, bool, Hashable]]) -> None:
    under_way: list[tuple[int, Hashable]] = []
    lock = threading.Lock()

    def ask(item: tuple[int, bool, Hashable]) -> Calls[object]:
        weight, waits, key = item

        def call() -> object:
            with lock:
                under_way.append((weight, key))
                assert len(under_way) <= 3
                assert len(under_way) == 1 or sum(weight for weight, _ in under_way) <= 10
                assert [key for _, key in under_way].count("k") <= 1
            time.sleep(0.0001)
            with lock:
                under_way.remove((weight, key))
            return item

        return Calls([call], waits, weight, key)

    with ThreadPoolExecutor(8) as pool:
        assert list(Overlap(pool, ask, first, most=3, room=10).through(items)) == items


@pytest.mark.parametrize(("pool", "waits"), [(None, True), (ThreadPoolExecutor(1), False)])
def test_without_threads_or_need_a_call_is_made_where_its_answer_is_wanted(pool: ThreadPoolExecutor | None, waits: bool) -> None:
    said: list[str] = []

    def ask(item: str) -> Calls[object]:
        return Calls([lambda: (said.append(f"call {item}"), threading.get_ident())[1]], waits)

    def finish(item: str, found: Sequence[Answer[object]]) -> Iterator[object]:
        said.append(f"finish {item}")
        yield found[0].result()

    assert list(Overlap(pool, ask, finish, most=4).through("ab")) == [threading.get_ident()] * 2
    assert said == ["finish a", "call a", "finish b", "call b"]


def test_an_error_is_raised_where_its_answer_is_wanted(threads: ThreadPoolExecutor) -> None:
    def failing() -> object:
        raise ValueError

    calls: dict[str, Callable[[], object]] = {"good": lambda: "good", "bad": failing}
    stage = Overlap(threads, lambda item: Calls([calls[item]], waits=True), first, most=4)
    found = stage.through(["good", "bad"])
    assert next(found) == "good"
    with pytest.raises(ValueError):  # noqa: PT011  # it has no text
        next(found)


def test_after_an_error_nothing_more_is_asked() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def call(item: int) -> int:
        begun.append(item)
        if item:
            failed.wait(SECONDS)
        return 1 // item

    with ThreadPoolExecutor(1) as pool:
        stage = Overlap(pool, lambda item: Calls([lambda: call(item)], waits=True), first, most=9)
        with pytest.raises(ZeroDivisionError):
            list(stage.through(range(8)))
        failed.set()
    assert set(begun) <= {0, 1}, "the second may have begun when the first failed"
