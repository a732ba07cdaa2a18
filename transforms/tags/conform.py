"""What a policy may not claim: rules of the site win over the profile, and what they keep is not de-identified by it (PS3.15 E.1.1)."""

from __future__ import annotations

from functools import lru_cache

from transforms.policy import TagAction, TagsPolicy
from transforms.tags.rules import ROOT, SITE, Action, Rules
from transforms.tags.table import PRIVATE, rows

_LAX = frozenset({Action.KEEP, Action.CLEAN, Action.SHIFT})
"""What leaves something of a value; everything else replaces or removes it."""


@lru_cache(maxsize=16)
def unmet(policy: TagsPolicy) -> frozenset[str]:
    """The profile (``basic``) and those of its options that a policy asks for and does not keep to.

    Rules that are stricter than the table, and rules about attributes without a row, change nothing.
    """
    if policy.profile != "basic":
        return frozenset()
    found = {"basic"} if policy.private == "keep" or policy.documents == "keep" else set[str]()
    lax = any(rule.action in (TagAction.KEEP, TagAction.CLEAN, TagAction.SHIFT) for rule in policy.rules)
    with_rules, without = Rules(policy), Rules(policy.model_copy(update={"rules": ()}))
    for row in rows() if lax else ():
        if row.key == PRIVATE:
            continue
        tag = int(row.key.replace("x", "0"), 16)
        ruled = with_rules.step(tag, ROOT, "", kind="3")
        if ruled.detector != SITE or ruled.action not in _LAX:
            continue
        meant = without.step(tag, ROOT, "", kind="3").action
        if meant not in (Action.KEEP, ruled.action):
            found.add("basic")
            if meant is Action.SHIFT:
                found.add("modified_dates")
            elif meant in (Action.CLEAN, Action.STRUCTURED):
                found |= {option for option, code in row.options.items() if code == "C" and option in policy.options()}
    return frozenset(found)
