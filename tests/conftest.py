"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SECRET = "a test secret of more than sixteen bytes"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", action="store_true", help="run the heavier tests of distribution, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--scale"):
        for item in items:
            if item.get_closest_marker("scale"):
                item.add_marker(pytest.mark.skip(reason="heavier test of distribution: give --scale"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files with truth for burned-in text; tests that need it are skipped, with this reason, where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("DICOM_DEID_CORPUS", default))
    if not (folder / "manifest.csv").is_file():
        pytest.skip("the corpus of real files is absent (set DICOM_DEID_CORPUS to its folder)")
    return folder


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file that holds the test secret."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path
