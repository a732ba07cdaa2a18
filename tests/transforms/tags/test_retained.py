"""Tags that site rules keep: the last matching rule counts."""

from __future__ import annotations

from transforms.policy import TagAction, TagRule, TagsPolicy
from transforms.tags.retained import kept_tags

STATION, DESCRIPTION, COMMENTS = 0x00081010, 0x00081030, 0x00104000


def test_no_rules_keep_nothing():
    assert kept_tags(TagsPolicy()) == frozenset()


def test_later_rules_win():
    keep = TagRule(match=("StationName", "(0008,1030)", "Patient*"), action=TagAction.KEEP)
    remove = TagRule(match=("Patient*",), action=TagAction.REMOVE)
    assert {STATION, DESCRIPTION, COMMENTS} <= kept_tags(TagsPolicy(rules=(keep,)))
    assert kept_tags(TagsPolicy(rules=(keep, remove))) == {STATION, DESCRIPTION}
