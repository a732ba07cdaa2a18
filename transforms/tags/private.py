"""Private elements that are known to be safe: by creator and group, in whatever block the file reserved for the creator (PS3.5 7.8.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pydicom.datadict import private_dictionary_VR

from transforms.policy import TagsPolicy
from transforms.tags.rules import Action, Step
from transforms.tags.table import SAFE_PRIVATE, read
from transforms.tags.values import DATE_VRS, DEFAULT_ENCODINGS, FREE_TEXT_VRS, text_of
from transforms.types import Dataset

_SITE = re.compile(r"\(?([0-9a-f]{4}),(?:xx)?([0-9a-f]{2}),([^)]+)\)?", re.IGNORECASE)
_DETECTOR = "PS3.15 E.3.10-1 " + SAFE_PRIVATE.rpartition("_")[2]

Key = tuple[str, int, int]
"""Creator, group, last two digits of the element."""


def parse(text: str) -> Key:
    """A safe element of the site, ``(0029,xx10,SIEMENS CSA HEADER)``.

    Raises:
        ValueError: it is not of this form, or its group is even.
    """
    match = _SITE.fullmatch(text.strip())
    if not match or not int(match[1], 16) & 1:
        raise ValueError(f"expected (gggg,xxee,CREATOR) with gggg odd, found {text!r}")
    return match[3].strip(), int(match[1], 16), int(match[2], 16)


@lru_cache(maxsize=1)
def _standard() -> dict[Key, str]:
    return {(row["creator"], int(row["group"], 16), int(row["element"], 16)): row["vr"].split("/")[0] for row in read(SAFE_PRIVATE)}


class PrivateRules:
    """Which private elements stay, and how they are treated."""

    def __init__(self, policy: TagsPolicy) -> None:
        self._policy = policy
        self._site = frozenset(parse(entry) for entry in policy.safe_private)
        self._options = policy.options()

    def step(self, tag: int, label: str | None, creator: str) -> Step | None:
        """What happens to a private element that may stay; None when it goes.

        Args:
            tag: of the element.
            label: VR that the file gives it; None in Implicit VR.
            creator: who reserved its block; '' when nobody did, and nobody knows then what it is.
        """
        key = (creator, tag >> 16, tag & 0xFF)
        safe = key in _standard() or key in self._site
        if not creator or not (safe or self._policy.private == "keep"):
            return None
        vr = _standard().get(key) or (label if label not in (None, "UN") else _dictionary_vr(tag, creator)) or "UN"
        step = Step(
            tag,
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            vr,
            self._action(vr),
            "safe private" if safe else "private:keep",
            _DETECTOR if key in _standard() else "site rule",
            accepted=frozenset({None, "UN", vr, "OB"}),
            prose=key not in _standard() or vr not in ("LO", "SH"),
        )
        return step if vr != "UN" or self._policy.private == "keep" else None

    def _action(self, vr: str) -> Action:
        if vr == "UI":
            return Action.KEEP if "uids" in self._options else Action.UID
        if self._policy.profile == "keep-all":
            return Action.KEEP
        if vr in DATE_VRS:
            return {"remove": Action.REMOVE, "keep": Action.KEEP, "shift": Action.SHIFT}[self._policy.dates]
        if vr == "PN":
            return Action.DUMMY
        return Action.CLEAN if vr in FREE_TEXT_VRS else Action.KEEP


def creators(ds: Dataset, tags: Sequence[int]) -> dict[int, str]:
    """The creator of each block (``gggg00bb``) that a data set reserves."""
    reserved = (tag for tag in tags if 0x10 <= tag & 0xFFFF <= 0xFF)
    return {tag: text_of(ds._dict[tag], DEFAULT_ENCODINGS, "CS").strip(" \0") for tag in reserved if tag in ds._dict}


def _dictionary_vr(tag: int, creator: str) -> str:
    try:
        return str(private_dictionary_VR(tag, creator))
    except KeyError:
        return ""
