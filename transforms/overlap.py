"""Calls to a storage that answers after a while, made in threads while the thread that asked goes on with what is there.

An object store takes tens of milliseconds for what a disk does at once; a worker that waited for each answer would do nothing for half of
its time. Work goes through in its order, and no more of it is under way than there is room for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

ROOM_BYTES = 32 * 1024**2

Item = TypeVar("Item")
Found = TypeVar("Found")
Done = TypeVar("Done")
_Found = TypeVar("_Found", covariant=True)


class Answer(Protocol[_Found]):
    """What a call returns: a `concurrent.futures.Future`, or the call itself, still to be made."""

    def result(self) -> _Found:
        """Wait for it; raises what the call raised."""

    def done(self) -> bool:
        """Whether there is nothing to be waited for."""

    def cancel(self) -> bool:
        """Do not make the call if it has not begun."""


@dataclass(frozen=True, slots=True)
class Calls(Generic[Found]):
    """What has to be asked for one item.

    Attributes:
        calls: made at the same time.
        waits: whether they take long enough for a thread; otherwise each is made where its answer is wanted.
        weight: bytes that they hold, or give.
        key: an item waits until none of the same key is under way; None is no key.
    """

    calls: Sequence[Callable[[], Found]]
    waits: bool
    weight: int = 0
    key: Hashable = None


@dataclass(frozen=True, slots=True)
class _Here(Generic[Found]):
    """A call that is made where its answer is wanted."""

    result: Callable[[], Found]

    def done(self) -> bool:
        return True

    def cancel(self) -> bool:
        return False


class Overlap(Generic[Item, Found, Done]):
    """A stage of which the calls of some items are under way while another is worked on.

    Args:
        threads: for the calls; None: all are made where their answers are wanted.
        ask: an item -> its calls.
        finish: an item and the answers to its calls -> what becomes of it; done by the thread that put the item.
        most: items under way at once.
        room: weight of those together; a heavier item is alone.
    """

    def __init__(
        self,
        threads: Executor | None,
        ask: Callable[[Item], Calls[Found]],
        finish: Callable[[Item, Sequence[Answer[Found]]], Iterable[Done]],
        most: int,
        room: int = ROOM_BYTES,
    ) -> None:
        self._threads, self._ask, self._finish, self._most, self._room = threads, ask, finish, most, room
        self._under_way: deque[tuple[Item, Calls[Found], Sequence[Answer[Found]]]] = deque()
        self._weight = 0

    def put(self, item: Item) -> Iterator[Done]:
        """Make the calls of an item as soon as there is room; yields what is finished by then. To be iterated to its end."""
        asked = self._ask(item)
        while self._under_way and not self._fits(asked):
            yield from self._next()
        if self._threads is None or not asked.waits:
            answers: Sequence[Answer[Found]] = [_Here(call) for call in asked.calls]
        else:
            answers = [self._threads.submit(call) for call in asked.calls]
        self._under_way.append((item, asked, answers))
        self._weight += asked.weight
        while self._under_way and all(answer.done() for answer in self._under_way[0][2]):
            yield from self._next()

    def drain(self) -> Iterator[Done]:
        """Wait for all that is under way."""
        while self._under_way:
            yield from self._next()

    def through(self, items: Iterable[Item]) -> Iterator[Done]:
        """`put` each, and `drain`."""
        for item in items:
            yield from self.put(item)
        yield from self.drain()

    def _fits(self, asked: Calls[Found]) -> bool:
        if len(self._under_way) >= self._most or self._weight + asked.weight > self._room:
            return False
        return asked.key is None or all(other.key != asked.key for _, other, _ in self._under_way)

    def _next(self) -> Iterator[Done]:
        item, asked, answers = self._under_way.popleft()
        self._weight -= asked.weight
        try:
            yield from self._finish(item, answers)
        except BaseException:  # the work ends here
            for answer in (*answers, *(later for _, _, others in self._under_way for later in others)):
                answer.cancel()
            raise
