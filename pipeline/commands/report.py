"""``dicom-deid report``: one HTML page about an output, for people who look rather than read. Holds no PHI."""

from __future__ import annotations

import argparse

from pipeline import report
from pipeline.commands import target as targets
from pipeline.storage import Store, canonical
from transforms.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``report``."""
    parser.add_argument("output", metavar="OUT", help="folder or URI that 'dicom-deid run' wrote")
    parser.add_argument("--to", metavar="FILE", help="where to write the page (default: report.html in OUT)")
    parser.add_argument(
        "--thumbnails", type=int, default=12, metavar="N", help="saved images with masked text to show (default 12; 0: none)"
    )


def main(options: argparse.Namespace) -> int:
    """Write the page; 0 when it is written.

    Raises:
        ConfigError: an option is out of range, or there is no audit.
    """
    if options.thumbnails < 0:
        raise ConfigError(f"--thumbnails is {options.thumbnails}; expected 0 or more")
    store, output = Store(), canonical(options.output).rstrip("/")
    target = canonical(options.to) if options.to else store.join(output, "report.html")
    page = report.render(store, output, options.thumbnails).encode()
    targets.write(store, "--to" if options.to else "OUT", target, page)
    print(f"{target}: {report.size(len(page))}")
    return 0
