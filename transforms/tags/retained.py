"""What a policy keeps on purpose, so that the leak scan does not call it a leak."""

from __future__ import annotations

from functools import lru_cache

from pydicom.datadict import DicomDictionary

from transforms.policy import TagAction, TagRule, TagsPolicy
from transforms.tags.match import matches


def kept_tags(policy: TagsPolicy) -> frozenset[int]:
    """Tags of attributes whose last matching site rule keeps them, whatever they hold."""
    return _kept_tags(policy.rules)


@lru_cache(maxsize=16)
def _kept_tags(rules: tuple[TagRule, ...]) -> frozenset[int]:
    kept: set[int] = set()
    for rule in rules:
        hit = {tag for tag, entry in DicomDictionary.items() if matches(rule.match, tag, entry[4], entry[0])}
        kept = kept | hit if rule.action is TagAction.KEEP else kept - hit
    return frozenset(kept)
