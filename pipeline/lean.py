"""Import Beam for this machine alone: without the client libraries of clouds, which it would import because they are installed.

They are most of what starting a local worker costs (3 of 6 CPU seconds), and a local run has no use for them: storage goes through fsspec.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

from transforms.errors import ConfigError

_CLOUDS = ("azure", "boto3", "botocore", "google.api_core", "google.cloud", "pymongo")
_lean = False


class _Absent:
    """Finds that these modules are not there, which Beam is ready for."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system asks for."""
        if any(name == cloud or name.startswith(f"{cloud}.") for cloud in _CLOUDS):
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
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
        logger.setLevel(level)


def check_whole() -> None:
    """Whether Beam can talk to clouds in this process.

    Raises:
        ConfigError: it was imported for a local run.
    """
    if _lean:
        raise ConfigError("a local run has been made in this process; launch a run on a cluster from a new one")
