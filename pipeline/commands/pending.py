"""``dicom-deid pending``: the inputs that no earlier run finished, as a manifest for ``dicom-deid run``. Needs no secret.

What is new is what the output does not know, whatever its date: copies keep old dates, clocks differ, and an upload that took long is dated
by its start. The manifest names originals and is written below ``restricted/``; only numbers are shown.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import history
from pipeline.commands import target as targets
from pipeline.inputs import expand
from pipeline.ledger import Ledger
from pipeline.storage import Store, canonical, local_path
from transforms.errors import ConfigError
from transforms.types import Source

SCHEMA = pa.schema([("uri", pa.string()), ("size", pa.int64())])
BATCH_ROWS = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``pending``."""
    parser.add_argument("--input", required=True, nargs="+", action="extend", metavar="URI", help="what 'run' takes as --input")
    parser.add_argument("--output", required=True, metavar="OUT", help="the output of 'run'; it may not be there yet")
    parser.add_argument("--to", metavar="URI", help="where to write the manifest (default: restricted/pending.parquet in the output)")
    parser.add_argument(
        "--settled",
        type=float,
        default=0,
        metavar="SECONDS",
        help="leave local files for the next time that changed less than this ago: they may still be written (default 0)",
    )
    parser.add_argument("--none-status", type=int, default=0, metavar="N", help="exit status when no input is pending (default 0)")


def main(options: argparse.Namespace) -> int:
    """Write the manifest; 0, or what was asked for when it is empty.

    Raises:
        ConfigError: an option is out of range, or an input names no file.
    """
    if options.settled < 0:
        raise ConfigError(f"--settled is {options.settled}; expected 0 or more")
    if not 0 <= options.none_status <= 255:
        raise ConfigError(f"--none-status is {options.none_status}; expected 0 to 255")
    store, output = Store(), canonical(options.output).rstrip("/")
    target = canonical(options.to) if options.to else store.join(output, "restricted", "pending.parquet")
    seen: Counter[str] = Counter()
    unfinished = pending(_counted(expand(options.input, store, output), seen), store, output)
    rows, manifest = write_manifest(_settled(unfinished, time.time() - options.settled, seen) if options.settled else unfinished)
    targets.write(store, "--to" if options.to else "--output", target, manifest)
    waiting = f", {seen['waiting']} left for the next time" if seen["waiting"] else ""
    print(f"{rows} of {seen['inputs']} inputs are pending{waiting}: {target}")
    return 0 if rows else int(options.none_status)


def pending(sources: Iterable[Source], store: Store, output: str) -> Iterator[Source]:
    """The sources that no run finished; all of them after a run that did not come to its end, so that the next one reconciles all."""
    record = history.load_run(store, output)
    if record is None or record.get("state") != "finished":
        yield from sources
        return
    with Ledger() as ledger:
        ledger.load(store, output)
        yield from ledger.unfinished(sources)


def write_manifest(sources: Iterable[Source]) -> tuple[int, bytes]:
    """The number of sources, and a Parquet file of them with the columns ``uri`` and ``size``; held in memory compressed only."""
    sink, rows = io.BytesIO(), 0
    uris: list[str] = []
    sizes: list[int | None] = []
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.table([uris, sizes], schema=SCHEMA))
            uris.clear()
            sizes.clear()

        for source in sources:
            uris.append(source.uri)
            sizes.append(source.size)
            rows += 1
            if len(uris) >= BATCH_ROWS:
                flush()
        flush()
    return rows, sink.getvalue()


def _counted(sources: Iterable[Source], seen: Counter[str]) -> Iterator[Source]:
    for source in sources:
        seen["inputs"] += 1
        yield source


def _settled(sources: Iterable[Source], before: float, seen: Counter[str]) -> Iterator[Source]:
    """Sources without the local files that changed after ``before``; an object in a store is whole once it is there."""
    for source in sources:
        path = local_path(source.uri)
        try:
            waiting = path is not None and Path(path).stat().st_mtime > before
        except OSError:
            waiting = False  # gone, or not to be read: the run says so
        if waiting:
            seen["waiting"] += 1
        else:
            yield source
