"""The measures of a run, defined once: Beam keeps them as counters and distributions, Spark in an accumulator.

They are counted while the work is done, so what is retried is in them twice. The audit holds what a run is to be judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from transforms.types import Outcome, Status

STAGES = ("header", "read", "mask", "tags", "verify", "write")
COUNTERS = tuple(f"instances.{status.value}" for status in Status)
DISTRIBUTIONS = (
    "frames.held",
    "frames.looked_at",
    "frames.masked",
    "boxes.masked",
    "bytes.header",
    "bytes.read",
    "bytes.written",
    *(f"milliseconds.{stage}" for stage in STAGES),
)
"""Values per instance: ``bytes.header`` are those fetched to read a header, ``bytes.read`` those of the whole object."""

Measure = tuple[str, int]
"""A name of `COUNTERS` or `DISTRIBUTIONS`, and a value."""
_COLUMNS = {"frames.held": "frames", "frames.masked": "frames_masked", "boxes.masked": "boxes_masked", "bytes.written": "bytes_out"}


def of_header(fetched: int, seconds: float) -> tuple[Measure, ...]:
    """Measures of reading one header."""
    return ("bytes.header", fetched), ("milliseconds.header", round(1000 * seconds))


def of_outcome(outcome: Outcome) -> Iterator[Measure]:
    """Measures of one input that ended."""
    yield f"instances.{outcome.status.value}", 1
    yield from outcome.measures
    row = outcome.instance
    for name, column in _COLUMNS.items():
        if (value := row.get(column)) is not None:
            yield name, int(value)
    if (decisions := row.get("frame_decisions")) is not None:
        yield "frames.looked_at", sum(run["count"] for run in decisions if not run["method"].startswith("device:"))
    for stage in STAGES:
        if (seconds := row.get(f"seconds_{stage}")) is not None:
            yield f"milliseconds.{stage}", round(1000 * seconds)
    if row.get("seconds_read") is not None:
        yield "bytes.read", int(row.get("bytes_in") or 0)


@dataclass(frozen=True, slots=True)
class Spread:
    """What is kept of the values of one measure."""

    count: int
    total: int
    least: int
    most: int

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.count + other.count, self.total + other.total, min(self.least, other.least), max(self.most, other.most))


@dataclass(slots=True)
class Tally:
    """Measures added up; picklable, and so much the same in any order that engines may merge it as they like."""

    spreads: dict[str, Spread] = field(default_factory=dict)

    def add(self, measures: Iterable[Measure]) -> None:
        """Add values."""
        for name, value in measures:
            self.merge({name: Spread(1, value, value, value)})

    def merge(self, spreads: Mapping[str, Spread]) -> None:
        """Add what was added up elsewhere."""
        for name, spread in spreads.items():
            self.spreads[name] = self.spreads[name] + spread if name in self.spreads else spread

    def count(self, status: Status) -> int:
        """Inputs that ended so."""
        spread = self.spreads.get(f"instances.{status.value}")
        return spread.total if spread else 0

    def as_record(self) -> dict[str, Any]:
        """For ``run.json``: counters as numbers; of distributions count, sum, min and max."""
        record: dict[str, Any] = {name: self.spreads[name].total for name in COUNTERS if name in self.spreads}
        for name in DISTRIBUTIONS:
            if (spread := self.spreads.get(name)) is not None:
                record[name] = {"count": spread.count, "sum": spread.total, "min": spread.least, "max": spread.most}
        return record
