"""``dicom-deid devices``: pixel rules of CTP or of pydicom's deid as rules for ``pixels.devices``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from pipeline.commands import target as targets
from pipeline.device_rules import translate
from pipeline.storage import Store, canonical
from transforms.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``devices``."""
    parser.add_argument("script", metavar="FILE", help="a DicomPixelAnonymizer script of CTP, or a recipe of pydicom's deid")
    parser.add_argument("--to", metavar="FILE", help="where to write the rules (default: the terminal)")


def main(options: argparse.Namespace) -> int:
    """Write the rules as YAML, and say on standard error which could not be translated; 1 when there are such.

    Raises:
        ConfigError: the script cannot be read, or has no rule.
    """
    try:
        translated = translate(Path(options.script).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"'{options.script}': cannot be read ({type(exc).__name__})") from exc
    if not (translated.rules or translated.left_out):
        raise ConfigError(f"'{options.script}': expected signatures of CTP, or labels of deid with coordinates, found none")
    rules = [rule.model_dump(mode="json", exclude_defaults=True) for rule in translated.rules]
    text = yaml.safe_dump({"devices": rules}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=140)
    if options.to:
        targets.write(Store(), "--to", canonical(options.to), text.encode())
    else:
        print(text, end="")
    for reason in translated.left_out:
        print(f"left out, translate it by hand: {reason}", file=sys.stderr)
    return 1 if translated.left_out else 0
