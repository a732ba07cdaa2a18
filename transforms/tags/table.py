"""The tables of PS3.15 Annex E as data: which attribute the profile treats how, and what each option changes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

CONFIDENTIALITY = "ps3.15_e.1-1_2024b"
CONCEPTS = "ps3.15_e.3.4-1_2023b"
SAFE_PRIVATE = "ps3.15_e.3.10-1_2023b"
EDITIONS = {"PS3.15 E.1-1": "2024b", "PS3.15 E.3.4-1": "2023b", "PS3.15 E.3.10-1": "2023b", "PS3.3 types": "highdicom 0.28.2"}
PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``profile`` is a code such as ``X/Z``; ``options`` maps an option to ``K`` or ``C``."""

    key: str
    name: str
    profile: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> int | None:
        """The tag, or None for a row that stands for many."""
        return None if self.key == PRIVATE or "x" in self.key else int(self.key, 16)


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """All 621 rows of table E.1-1, in the order of their tags."""
    return tuple(Row(r["tag"], r["keyword"], r["profile"], _options(r["options"])) for r in read(CONFIDENTIALITY))


@lru_cache(maxsize=1)
def by_tag() -> dict[int, Row]:
    """The rows for one tag each."""
    return {row.tag: row for row in rows() if row.tag is not None}


@lru_cache(maxsize=1)
def repeating() -> tuple[Row, ...]:
    """The rows for repeating groups: curves and overlays."""
    return tuple(row for row in rows() if "x" in row.key)


@lru_cache(maxsize=1)
def concepts() -> dict[tuple[str, str, str], Row]:
    """Rows of table E.3.4-1 by (coding scheme designator, code value, value type)."""
    return {
        (r["scheme"], r["value"], r["value_type"]): Row(r["value"], r["meaning"], r["profile"], _options(r["options"]))
        for r in read(CONCEPTS)
    }


def read(name: str) -> Iterator[dict[str, str]]:
    """Rows of a table in ``data/``."""
    with (files(__package__) / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _options(text: str) -> dict[str, str]:
    return dict(entry.split(":") for entry in text.split())
