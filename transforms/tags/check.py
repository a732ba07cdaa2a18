"""What a tags policy may say wrongly that needs the data dictionary to be seen; called before anything is read."""

from __future__ import annotations

from difflib import get_close_matches

from pydicom.datadict import DicomDictionary

from transforms.errors import ConfigError
from transforms.policy import TagsPolicy
from transforms.tags.match import check
from transforms.tags.private import parse


def check_policy(policy: TagsPolicy) -> None:
    """Check that every rule means some attribute, and every safe private element can be one.

    Raises:
        ConfigError: naming the rule, and the nearest keyword.
    """
    for number, rule in enumerate(policy.rules):
        for pattern in rule.match:
            if said := check(pattern):
                near = get_close_matches(pattern, (entry[4] for entry in DicomDictionary.values()), n=1)
                raise ConfigError(f"tags.rules[{number}]: {said}" + (f"; did you mean {near[0]}?" if near else ""))
    for entry in policy.safe_private:
        try:
            parse(entry)
        except ValueError as exc:
            raise ConfigError(f"tags.safe_private: {exc}") from None
