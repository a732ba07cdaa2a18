"""Import Beam for this machine alone: without the client libraries of clouds, which it would import because they are installed.

They are most of what starting a local worker costs (3 of 6 CPU seconds), and a local run has no use for them: storage goes through fsspec.
Beam's own BigQuery is left out with them: it imports Google's credentials and an HTTP library whatever is installed.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

from transforms.errors import ConfigError

_CLOUDS = ("apitools", "azure", "boto3", "botocore", "bson", "google.api_core", "google.auth", "google.cloud", "pymongo")
_ABSENT = (*_CLOUDS, "apache_beam.io.gcp.bigquery")
_lean = False


class _Absent:
    """Finds that these modules are not there, which Beam is ready for."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system asks for."""
        if any(name == cloud or name.startswith(f"{cloud}.") for cloud in _ABSENT):
            raise ModuleNotFoundError(f"{name} is not imported for a local run", name=name)
        return None


@contextmanager
def lean_beam() -> Iterator[None]:
    """Import Beam in the body; it does nothing where Beam was imported before."""
    global _lean
    if "apache_beam" in sys.modules:
        yield
        return
    _lean, absent = True, _Absent()
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it warns of what is missing
    sys.meta_path.insert(0, absent)
    collecting = gc.isenabled()
    gc.disable()  # what modules are made of stays
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        sys.meta_path.remove(absent)
        logger.setLevel(level)


@contextmanager
def settled() -> Iterator[None]:
    """What is imported stays: collections of garbage do not look at it in the body. Beam's modules would double what they take."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def check_whole() -> None:
    """Whether Beam can talk to clouds in this process.

    Raises:
        ConfigError: it was imported for a local run.
    """
    if _lean:
        raise ConfigError("a local run has been made in this process; launch a run on a cluster from a new one")
