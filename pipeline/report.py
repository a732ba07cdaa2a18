"""The report of an output as one HTML page: no other file, no network, no PHI.

A strict Content Security Policy names the page's own style and script by their hashes, so that a browser runs and loads nothing else,
whatever a value in the audit may hold.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import database, history, report_data, report_pictures
from pipeline.storage import Store

_SCALES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def render(store: Store, output: str, thumbnails: int) -> str:
    """The page for an output, with up to ``thumbnails`` pictures of images that had text masked.

    Raises:
        ConfigError: there is no audit below ``output``.
    """
    connection = database.connect(store, output, database.SHAREABLE)
    run = history.load_run(store, output) or {}
    environment = Environment(
        loader=PackageLoader("pipeline"), autoescape=True, undefined=StrictUndefined, trim_blocks=False, lstrip_blocks=False
    )
    environment.filters |= {
        "count": count,
        "percent": percent,
        "size": size,
        "duration": duration,
        "coordinate": lambda value: f"{value:.6g}",
        "source_hash": source_hash,
    }
    css, _, _ = PackageLoader("pipeline").get_source(environment, "report.css")
    return environment.get_template("report.html").render(
        css=css,
        data=report_data.collect(connection, _Run(run)),
        maps=report_pictures.heat_maps(connection),
        grid=report_pictures.GRID,
        pictures=list(report_pictures.thumbnails(connection, store, output, thumbnails)) if thumbnails else [],
        settings=list(_settings(run)),
        configuration=list(_flat(run.get("configuration", {}))),
    )


class _Run(dict[str, Any]):
    """run.json, in which a key that is not there is nothing: it may be of an older version, or of a run that did not end."""

    def __missing__(self, key: str) -> None:
        return None


def count(value: float) -> str:
    """``12,345``."""
    return f"{int(value):,}"


def percent(share: float) -> str:
    """A share of 1 as ``12.3 %``; a small part of many never looks like none, nor nearly all like all."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share:.1%}".replace("%", " %").replace(".0 ", " ")


def size(value: float | None) -> str:
    """Bytes in decimal units."""
    number = float(value or 0)
    for scale, unit in _SCALES:
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.0f} B"


def duration(seconds: float) -> str:
    """Milliseconds to hours, in the unit that reads best."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def source_hash(text: str) -> str:
    """A CSP source expression that allows exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()}'"


def _settings(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings = run.get("settings", {})
    yield "Policy", f"{run.get('policy', 'unknown')} (fingerprint {settings.get('policy', 'unknown')})"
    yield "Secret", f"fingerprint {settings.get('secret', 'unknown')}"
    yield "Tables", settings.get("tables", "unknown")
    yield "Engine", f"{run.get('runner', 'unknown')}, {run.get('workers', 'unknown')} workers"
    for package, version in sorted((run.get("versions") or {}).items()):
        if version:
            yield package, version


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
