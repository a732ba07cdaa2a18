"""A policy in words: the action for every row of table E.1-1, and the table of recipes in the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from transforms.policy import Policy, TagsPolicy
from transforms.tags.rules import ROOT, Action, Rules, Step
from transforms.tags.table import Row, rows

TYPES = ("1", "2", "3")
_SHOWN = {
    Action.KEEP: "keep",
    Action.REMOVE: "remove",
    Action.EMPTY: "empty",
    Action.DUMMY: "replace",
    Action.REPLACE: "replace",
    Action.UID: "new UID",
    Action.PSEUDONYM: "pseudonym",
    Action.CLEAN: "clean",
    Action.STRUCTURED: "clean",
    Action.SHIFT: "shift",
    Action.AGE: "keep, over 89 as 90",
    Action.QUARANTINE: "quarantine",
}
_COLUMNS = ("remove", "empty", "replace", "new UID", "shift", "clean", "keep")
_EXAMPLES = {"50xxxxxx": 0x50003000, "60xx3000": 0x60003000, "60xx4000": 0x60004000}


def actions(policy: TagsPolicy) -> dict[str, str]:
    """The action for all 621 rows, by tag.

    Returns:
        One word if it is the same for every Type, else one for each of Type 1, 2 and 3, such as ``replace / empty / remove``.
    """
    rules = Rules(policy)
    return {f"{row.key} {row.name}": _action(rules, policy, row) for row in rows()}


def recipe_table(recipes: Mapping[str, Policy]) -> str:
    """A Markdown table: what each recipe does with the 621 rows where the IOD leaves it free (Type 3), and with the rest."""
    head = ["recipe", "profile", *_COLUMNS, "private", "dates", "text in pixels"]
    lines = [head, ["---"] * len(head)]
    for name, policy in recipes.items():
        counts = Counter(_class(action.rpartition(" / ")[2]) for action in actions(policy.tags).values())
        masked = policy.pixels.mode.value.removeprefix("REDACT_").lower().replace("_", " ")
        tags = policy.tags
        lines.append([f"`{name}`", tags.profile, *(str(counts[column]) for column in _COLUMNS), tags.private, _dates(tags), masked])
    return "\n".join(_line(line) for line in lines) + "\n"


def _action(rules: Rules, policy: TagsPolicy, row: Row) -> str:
    if row.key == "private":
        return {"remove": "remove", "safe": "keep safe ones", "keep": "keep"}[policy.private]
    tag = row.tag if row.tag is not None else _EXAMPLES[row.key]
    found = [_SHOWN[_effective(rules.step(tag, ROOT, "", kind=kind))] for kind in TYPES]
    return found[0] if len(set(found)) == 1 else " / ".join(found)


def _effective(step: Step) -> Action:
    """A code for one UID or one sequence means the same as what is done in it."""
    return Action.KEEP if step.action is Action.UID and step.vr == "SQ" else step.action


def _class(action: str) -> str:
    if action.startswith("keep"):
        return "keep"
    return "replace" if action in ("pseudonym", "quarantine") else action


def _dates(policy: TagsPolicy) -> str:
    return "keep" if policy.profile == "keep-all" and policy.dates == "remove" else policy.dates


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
