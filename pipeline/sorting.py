"""Sources in order, whatever their number: sorted runs go to files without a name, and are merged."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

from transforms.types import Source


def by_uri(source: Source) -> str:
    """What sources are sorted by."""
    return source.uri


def in_order(sources: Iterable[Source], run: int) -> Iterator[Source]:
    """Sources sorted by URI, in the memory of ``run`` of them, each some 250 bytes.

    Runs that follow each other share a file, so that a stream which is in order needs but one.
    """
    stream = iter(sources)
    runs: list[IO[str]] = []
    last = ""
    while batch := sorted(islice(stream, run), key=by_uri):
        if not runs and len(batch) < run:
            yield from batch
            return
        if not runs or batch[0].uri < last:
            runs.append(tempfile.TemporaryFile("w+", encoding="ascii"))  # noqa: SIM115  # read below, and gone with this process
        last = batch[-1].uri
        runs[-1].writelines(json.dumps([source.uri, source.size, source.version]) + "\n" for source in batch)
    for file in runs:
        file.seek(0)
    yield from heapq.merge(*((Source(*json.loads(line)) for line in file) for file in runs), key=by_uri)
