"""Fixtures of the tests of distribution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.end_to_end import archive
from tests.scale import cluster, runs


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, int]:
    """A mixed archive, what Beam makes of it in one process, the secret, and the number of files."""
    folder = tmp_path_factory.mktemp("reference")
    secret = folder / "secret"
    secret.write_text(SECRET)
    count = archive.mixed(folder / "in")
    runs.deid(folder / "in", folder / "out", secret)
    return folder / "in", folder / "out", secret, count


@pytest.fixture(scope="module")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """A master and two workers."""
    with cluster.standalone(tmp_path_factory.mktemp("cluster")) as running:
        yield running
