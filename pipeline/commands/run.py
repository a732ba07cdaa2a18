"""``dicom-deid run``: de-identify an archive."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import settings
from pipeline.log import FORMATS, LEVELS
from pipeline.run import Summary, execute
from pipeline.storage import join


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``run``."""
    parser.add_argument("--config", required=True, metavar="FILE", help="policy, such as configs/basic.yaml")
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        action="extend",
        metavar="URI",
        help="folders, globs, files, @list.txt, or manifests of URIs (.csv, .parquet)",
    )
    parser.add_argument("--output", required=True, metavar="OUT", help="folder or URI; holds instances/, audit/, restricted/ and run.json")
    parser.add_argument(
        "--runner",
        default="local",
        metavar="NAME",
        help="local (default), dataflow, spark or beam-spark; Beam's own names are accepted; options behind -- go to Beam or Spark",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes on this machine, or the most workers of a cluster (default 1)"
    )
    parser.add_argument(
        "--io-threads",
        type=int,
        default=settings.IO_THREADS,
        metavar="N",
        help=f"requests to an object store that a worker has under way while it works (default {settings.IO_THREADS}); a disk needs none",
    )
    parser.add_argument(
        "--secret-file", metavar="FILE", help="file, env://, gcp-secret:// or aws-secret:// with the secret (default: $DICOM_DEID_SECRET)"
    )
    parser.add_argument("--ephemeral-secret", action="store_true", help="a random secret, for trying things out")
    parser.add_argument("--max-quarantined", type=int, metavar="N", help="exit with status 1 when more inputs than this are quarantined")
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="lines of the log on standard error (default text)")
    parser.add_argument(
        "--log-level", choices=LEVELS, default="error", help="warning: quarantined inputs; info: all; debug: headers, too (default error)"
    )
    parser.add_argument("--profile", action="store_true", help="sample where the time goes, into OUT/profile/, with a table at the end")
    parser.add_argument("--redo", action="store_true", help="do everything again, even what an earlier run finished")


def main(options: argparse.Namespace) -> int:
    """Run; 0 only if every input has exactly one row."""
    if options.ephemeral_secret:
        print("dicom-deid: ephemeral secret: results of this run cannot be linked with those of another", file=sys.stderr)
    chosen = settings.make(
        config=options.config,
        inputs=options.input,
        output=options.output,
        secret_file=options.secret_file,
        ephemeral_secret=options.ephemeral_secret,
        runner=options.runner,
        workers=options.workers,
        max_quarantined=options.max_quarantined,
        redo=options.redo,
        engine_options=options.engine_options,
        log_format=options.log_format,
        log_level=options.log_level,
        profile=options.profile,
        io_threads=options.io_threads,
    )
    with _interruptible():
        summary = execute(chosen)
    if summary.launched:
        print(
            f"{summary.done} inputs launched; when the engine is done, run the same command again: it reconciles, and does what is missing"
        )
        return 0
    print(render(summary, chosen.output))
    for table in summary.profiles:
        print(f"\n{table}")
    too_many = chosen.max_quarantined is not None and summary.counts["quarantined"] > chosen.max_quarantined
    if too_many:
        print(f"dicom-deid: {summary.counts['quarantined']} quarantined, --max-quarantined is {chosen.max_quarantined}", file=sys.stderr)
    if not summary.reconciled:
        print(f"dicom-deid: {summary.unaccounted} inputs are unaccounted for; run the same command again", file=sys.stderr)
    return 0 if summary.reconciled and not too_many else 1


@contextmanager
def _interruptible() -> Iterator[None]:
    """In the body, what a scheduler or a machine that is taken away ends a process by is as Ctrl-C: temporary files and lease go."""
    main = threading.current_thread() is threading.main_thread()  # others cannot set what a signal does
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP) if main}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]  # nohup has a run go on
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def render(summary: Summary, output: str) -> str:
    """What a person wants to know at the end of a run."""
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items())
    finished_before = summary.inputs - summary.done
    before = f" ({finished_before} of them by an earlier run)" if finished_before else ""
    return "\n".join(
        [
            f"{summary.inputs} inputs{before}: {counts}, {summary.unaccounted} unaccounted for; {summary.seconds:.1f} s",
            f"files   {join(output, 'instances')}",
            f"audit   {join(output, 'audit')}",
            f"private {join(output, 'restricted')}",
        ]
    )
