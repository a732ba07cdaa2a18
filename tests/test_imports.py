"""Imports run one way: pipeline -> transforms.beam -> transforms.<room> -> transforms.types | errors | policy | spool."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = {"transforms.types", "transforms.errors", "transforms.policy", "transforms.spool"}
COMPOSER = {"transforms.deidentify", "transforms.outcomes"}
ROOMS = {"read", "series", "tags", "text", "pixels", "verify"}
MODULES = sorted((ROOT / "transforms").rglob("*.py")) + sorted((ROOT / "pipeline").rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


def allowed(module: str, name: str) -> bool:
    """Whether ``module`` (dotted) may import ``name`` (dotted)."""
    if module.startswith("pipeline"):
        return True
    if name.split(".")[0] == "pipeline":
        return False
    if name.split(".")[0] == "apache_beam":
        return module.startswith("transforms.beam")
    if name.split(".")[0] == "pyspark":
        return False
    if not name.startswith("transforms"):
        return True
    room = module.split(".")[1] if "." in module else ""
    if room == "beam":
        return True
    if module in COMPOSER:
        return not name.startswith("transforms.beam")
    if room in ROOMS:
        return name in SHARED or name.startswith(f"transforms.{room}")
    return name in SHARED


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    wrong = sorted(name for name in imported(path) if not allowed(module, name))
    assert not wrong, f"{module} may not import {wrong}"


def test_the_rule_can_fail() -> None:
    assert not allowed("transforms.tags.engine", "transforms.text.detector")
    assert not allowed("transforms.read.header", "apache_beam")
    assert not allowed("transforms.deidentify", "pipeline.storage")
    assert allowed("transforms.beam.write", "transforms.deidentify")


def test_a_driver_imports_nothing_that_only_workers_need() -> None:
    late = {"apache_beam", "cv2", "fsspec", "onnxruntime", "presidio_analyzer", "pyarrow.compute", "pydicom", "pyspark"}
    command = [sys.executable, "-c", "import sys, pipeline.commands.run; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not (late | {"transforms.deidentify"}) & set(done.stdout.split())
