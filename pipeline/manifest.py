"""The work list of a run: shards of JSON lines in the restricted folder, so that the job graph carries no input name and stays small."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from pipeline.storage import Store
from transforms.types import Header, Source

SHARD_LINES = 1000
MAX_SHARD_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class WorkList:
    """The shards of a work list.

    Attributes:
        shards: their URIs, in order.
        items: lines in all of them.
    """

    shards: tuple[str, ...]
    items: int


def write_shards(store: Store, folder: str, items: Iterable[Source | Header], name: str = "part") -> WorkList:
    """Write sources to be read, or headers that an earlier run finished, in shards, as they come; ``name`` begins the shards' names."""
    uris: list[str] = []
    count, stream = 0, iter(items)
    while batch := list(islice(stream, SHARD_LINES)):
        lines = [json.dumps({"source" if isinstance(item, Source) else "finished": asdict(item)}) for item in batch]
        uris.append(store.join(folder, f"{name}-{len(uris):06d}.jsonl"))
        store.write_atomic(uris[-1], "\n".join(lines).encode())
        count += len(batch)
    return WorkList(tuple(uris), count)


def slices(shards: Sequence[str], least: int) -> list[tuple[str, int, int]]:
    """At least so many parts of shards: the arguments of `read_shard`."""
    parts = -(-least // max(len(shards), 1))
    return [(shard, number, parts) for shard in shards for number in range(parts)]


def read_shard(store: Store, uri: str, number: int = 0, parts: int = 1) -> Iterator[Source | Header]:
    """The items of one shard, or every ``parts``-th from item ``number``."""
    for line in store.read_all(uri, MAX_SHARD_BYTES).decode().split("\n")[number::parts]:
        record = json.loads(line)
        if "source" in record:
            yield Source(**record["source"])
        else:
            yield Header(**{**record["finished"], "evaluations": ()})
