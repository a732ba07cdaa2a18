"""Output has no error that the input did not have, by an independent validator, over all real files."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.transforms.tags.conftest import encoded
from transforms.policy import LimitsPolicy, Policy
from transforms.read.instance import read_instance
from transforms.tags.engine import TagDeidentifier

CONFIGS = Path(__file__).parents[3] / "configs"
MAX_BYTES = 1_000_000
RECIPES = ("basic", "research")
NOT_UNDERSTOOD = "Tags out of order"
"""The validator gives up at this point of a malformed file: what it would have said about the rest is not known."""


def errors(path: Path, data: bytes) -> Counter[str]:
    """Errors without values, since values are what changes."""
    path.write_bytes(data)
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, timeout=60, check=False)
    lines = (done.stderr + done.stdout).decode("latin-1").splitlines()
    return Counter(re.sub(r"<[^>]*>|[0-9.]+$|[0-9.]{6,}", "", line) for line in lines if line.startswith("Error"))


def test_no_new_errors_over_the_corpus(corpus, identity, pii, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is absent (Debian: dicom3tools)")
    policies = {name: Policy.model_validate(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())) for name in RECIPES}
    recipes = {name: TagDeidentifier(policy.tags, identity, pii) for name, policy in policies.items()}
    compared, new = 0, {}
    for path in sorted(path for path in corpus.glob("*/**/*") if path.is_file() and path.stat().st_size < MAX_BYTES):
        try:
            before = encoded(read_instance(path.read_bytes(), LimitsPolicy()))
        except Exception:  # no instance, or one that pydicom cannot write as it is
            continue
        said = errors(tmp_path / "before", before)
        if any(NOT_UNDERSTOOD in line for line in said):
            continue
        compared += 1
        for name, tags in recipes.items():
            ds = read_instance(path.read_bytes(), LimitsPolicy())
            tags.apply(ds, pii.known([ds]), pixels=None)
            if added := errors(tmp_path / "after", encoded(ds)) - said:
                new[name, str(path.relative_to(corpus))] = dict(added)
    assert not new
    assert compared > 300
