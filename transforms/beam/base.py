"""What the DoFns share: one `Deidentifier` per worker process, opened in ``setup`` from a reference that carries no secret."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.measures import COUNTERS, DISTRIBUTIONS, Measure, Spread, Tally, of_outcome
from transforms.overlap import Overlap
from transforms.types import Outcome

OUTCOMES = "outcomes"
"""Tag of the output with inputs that are finished before they reach Write."""

Opener = Callable[[], Any]
"""Opens the worker's `transforms.deidentify.Deidentifier`, or what stands for it: picklable, cached per process,
resolves the secret where it runs."""


class WorkerDoFn(beam.DoFn):
    """A DoFn over the process's Deidentifier that measures its work."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._counters = {name: Metrics.counter(*name.split(".")) for name in COUNTERS}
        self._distributions = {name: Metrics.distribution(*name.split(".")) for name in DISTRIBUTIONS}

    def setup(self) -> None:
        """Open the worker: models, table, secret; once per process."""
        self.worker = self._opener()

    def count(self, outcome: Outcome) -> Outcome:
        """Count the outcome by status, size and time, and hand it on."""
        self.measure(of_outcome(outcome))
        return outcome

    def measure(self, measures: Iterable[Measure]) -> None:
        """Add values to Beam's metrics of these names."""
        for name, value in measures:
            if name in self._counters:
                self._counters[name].inc(value)
            else:
                self._distributions[name].update(value)


class OverlapDoFn(WorkerDoFn):
    """A DoFn over a stage that waits for a storage: elements leave it later than they come, in order, the last when the bundle ends."""

    @abstractmethod
    def overlap(self) -> Overlap[Any, Any, Any]:
        """The worker's stage."""

    def emit(self, found: Any) -> Any:
        """What is yielded for what the stage finished."""
        return found

    def start_bundle(self) -> None:
        """Begin with nothing under way: what a bundle that failed had asked for is asked for again by its retry."""
        self._stage = self.overlap()

    def process(self, element: Any) -> Iterator[Any]:
        """Yield what the stage finished meanwhile."""
        yield from map(self.emit, self._stage.put(element))

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the rest."""
        window = GlobalWindow()
        for found in self._stage.drain():
            value = self.emit(found)
            tag, value = (value.tag, value.value) if isinstance(value, beam.pvalue.TaggedOutput) else (None, value)
            windowed = WindowedValue(value, window.max_timestamp(), (window,))
            yield windowed if tag is None else beam.pvalue.TaggedOutput(tag, windowed)


def tally(result: Any) -> Tally:
    """What a pipeline's workers measured; empty where the runner cannot say."""
    found = Tally()
    metrics = result.metrics().query()
    for item in metrics["counters"]:
        name = f"{item.key.metric.namespace}.{item.key.metric.name}"
        if name in COUNTERS and item.result:
            found.merge({name: Spread(item.result, item.result, 1, 1)})
    for item in metrics["distributions"]:
        name, value = f"{item.key.metric.namespace}.{item.key.metric.name}", item.result
        if name in DISTRIBUTIONS and value is not None and value.count:
            found.merge({name: Spread(value.count, value.sum, value.min, value.max)})
    return found
