"""The work list of a run: shards of JSON lines in the restricted folder, so that the job graph carries no input name and stays small."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from pipeline.storage import Store
from transforms.types import Header, Source

SHARD_LINES = 1000
MAX_SHARD_BYTES = 64 * 1024**2


def write_shards(store: Store, folder: str, items: Iterable[Source | Header]) -> list[str]:
    """Write sources to be read, and headers that an earlier run finished, in shards; returns their URIs in order."""
    uris: list[str] = []
    lines: list[str] = []

    def flush() -> None:
        if lines:
            uri = store.join(folder, f"part-{len(uris):06d}.jsonl")
            store.write_atomic(uri, "\n".join(lines).encode())
            uris.append(uri)
            lines.clear()

    for item in items:
        lines.append(json.dumps({"source" if isinstance(item, Source) else "finished": asdict(item)}))
        if len(lines) >= SHARD_LINES:
            flush()
    flush()
    return uris


def read_shard(store: Store, uri: str) -> Iterator[Source | Header]:
    """The items of one shard."""
    for line in store.read_all(uri, MAX_SHARD_BYTES).decode().split("\n"):
        record = json.loads(line)
        if "source" in record:
            yield Source(**record["source"])
        else:
            yield Header(**{**record["finished"], "evaluations": ()})
