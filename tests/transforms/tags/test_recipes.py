"""Golden files: the action of each recipe for all 621 rows of table E.1-1. ``UPDATE_GOLDEN=1`` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from transforms.policy import Policy
from transforms.tags.describe import actions, recipe_table

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml") if "tags" in (yaml.safe_load(path.read_text()) or {}))


def policy(name: str) -> Policy:
    return Policy.model_validate(yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", RECIPES)
def test_actions_are_those_of_the_golden_file(name):
    found = actions(policy(name).tags)
    assert len(found) == 621
    file = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=0) + "\n")
    assert found == json.loads(file.read_text())


def test_table_of_recipes_in_the_readme():
    text = (ROOT / "README.md").read_text()
    start, end = "<!-- recipes -->\n", "<!-- /recipes -->"
    if start not in text:
        pytest.skip("the README has no table of recipes")
    assert text.split(start)[1].split(end)[0].strip() == recipe_table({name: policy(name) for name in RECIPES}).strip()


def test_every_recipe_says_whom_it_serves():
    for name in RECIPES:
        comments = " ".join(line for line in (ROOT / "configs" / f"{name}.yaml").read_text().splitlines() if line.startswith("#"))
        assert "For " in comments, name
