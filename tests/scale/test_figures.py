"""What a run says about itself."""

from __future__ import annotations

import json
from pathlib import Path


def test_run_json_adds_up_the_work(reference: tuple[Path, Path, Path, int]) -> None:
    _, output, _, count = reference
    record = json.loads((output / "run.json").read_text())
    totals = record["totals"]
    assert sum(record["counts"].values()) == count
    assert totals["frames"] >= record["counts"]["saved"]
    assert totals["bytes_in"] > totals["bytes_out"] > 0
    assert totals["boxes_masked"] >= 1
    assert all(totals[f"seconds_{stage}"] > 0 for stage in ("read", "mask", "tags", "verify", "write"))
