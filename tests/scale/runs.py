"""Running the command and comparing what two runs left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from tests.scale.cluster import ROOT, environment

CONFIG = str(ROOT / "configs" / "basic.yaml")
TABLES = ("audit/instances", "audit/entities", "restricted/crosswalk")
VARYING = ("run_id", "url_deid", "seconds_read", "seconds_mask", "seconds_tags", "seconds_verify", "seconds_write")
"""Columns that two runs of the same inputs may differ in: when, how long, and into which output."""


def command(inputs: object, output: object, secret: object, *extra: str, python: str = sys.executable, config: str = CONFIG) -> list[str]:
    flags = ["--config", config, "--input", str(inputs), "--output", str(output), "--secret-file", str(secret)]
    return [python, "-m", "pipeline", "run", *flags, *extra]


def deid(inputs: object, output: object, secret: object, *extra: str, env: dict[str, str] | None = None, **options: str) -> str:
    """Run the command in a process of its own; returns what it printed."""
    arguments = command(inputs, output, secret, *extra, **options)
    done = subprocess.run(arguments, cwd=ROOT, env=environment(**(env or {})), capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def tree(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in sorted((output / "instances").rglob("*.dcm"))}


def rows(output: object, table: str) -> list[str]:
    """The rows of a table, as text, without what varies."""
    found = duckdb.sql(f"select * from '{output}/{table}/*.parquet'")
    names = [name for name in found.columns if name not in VARYING]
    return sorted(map(str, found.select(*map(duckdb.ColumnExpression, names)).fetchall()))


def assert_same(one: Path, other: Path) -> None:
    """The same files, byte for byte, and the same audit rows."""
    assert tree(one) == tree(other)
    for table in TABLES:
        assert rows(one, table) == rows(other, table), table
