"""What became of planted identifiers, dates and UIDs: the checks of the MIDI-B challenge, over the header of each output."""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.score_paths import flatten
from pipeline.synth_tags import Check
from transforms.types import Dataset

ACTIONS = (
    "text_removed",
    "text_retained",
    "text_notnull",
    "tag_retained",
    "date_shifted",
    "uid_changed",
    "uid_consistent",
    "patid_consistent",
    "pixels_retained",
    "pixels_hidden",
)
SHORTEST_ANYWHERE = 4
"""Planted text of at least so many characters must be nowhere in the output, not only not where it was planted."""


@dataclass(slots=True)
class Tally:
    """Results so far; what takes more than one file is decided by `finish`.

    Attributes:
        passed: by (action, kind), how many checks passed and how many there were.
        failures: (file, action, tag, kind) of what did not pass; never the text.
        ends: how many files ended as what.
    """

    passed: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    _uids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _patients: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _shifts: dict[str, list[tuple[int, str, str]]] = field(default_factory=lambda: defaultdict(list))

    def note(self, name: str, check: Check, *, passed: bool) -> None:
        """Count one result."""
        counts = self.passed[check.action, check.kind]
        counts[0] += passed
        counts[1] += 1
        if not passed:
            self.failures.append((name, check.action, check.tag, check.kind))

    def score(self, name: str, checks: Iterable[Check], output: Dataset) -> None:
        """Check one output."""
        values = dict(flatten(output))
        claimed = claims(output)
        modified = output.get("LongitudinalTemporalInformationModified") == "MODIFIED"
        everything = folded("\n".join(values.values()))
        checks = tuple(checks)
        innocent = (check for check in checks if check.kind == "innocent")
        keeps_words = any(holds(check, values.get(check.tag), everything) for check in innocent)
        patient = next((check.text for check in checks if check.action == "patid_consistent"), "")
        for check in checks:
            value = values.get(check.tag)
            if check.unless in claimed or (check.needs and check.needs not in claimed and not keeps_words):
                continue
            if check.action == "uid_consistent":
                if value:
                    self._uids[check.text].add(value)
            elif check.action == "patid_consistent":
                self._patients[check.text].add(value or "")
            elif check.action == "date_shifted" and modified and value and days_between(value, check.text):
                self._shifts[patient].append((days_between(value, check.text), name, check.tag))
            else:
                self.note(name, check, passed=holds(check, value, everything))

    def finish(self) -> dict[str, tuple[int, int]]:
        """Decide what takes all files, and return (passed, total) by action. To be called once."""
        for found in self._uids.values():
            self.note("", Check("uid_consistent", "", kind="UID"), passed=len(found) == 1)
        owners = Counter(new for found in self._patients.values() for new in found)
        for found in self._patients.values():
            self.note("", Check("patid_consistent", "PatientID"), passed=len(found) == 1 and all(new and owners[new] == 1 for new in found))
        for shifts in self._shifts.values():
            usual = Counter(days for days, _, _ in shifts).most_common(1)[0][0]
            for days, name, tag in shifts:
                self.note(name, Check("date_shifted", tag, kind="DATE_TIME"), passed=days == usual)
        totals: dict[str, tuple[int, int]] = {}
        for action in ACTIONS:
            counts = [count for (of, _), count in self.passed.items() if of == action]
            totals[action] = sum(count[0] for count in counts), sum(count[1] for count in counts)
        return totals


def holds(check: Check, value: str | None, everything: str) -> bool:
    """Whether a check that needs one file only is fulfilled.

    Args:
        check: what to look for.
        value: the element's value in the output, None when it is absent.
        everything: all values of the output, `folded`.
    """
    if check.action == "tag_retained":
        return value is not None
    if check.action == "text_notnull":
        return bool(value and value.strip())
    if check.action == "text_retained":
        return stands_in(check.text, folded(value or "")) if check.kind == "innocent" else value == check.text
    if check.action == "text_removed":
        parts = [check.text, *(re.split(r"[\s\-']", check.text) if check.kind == "PERSON" else ())]
        here = folded(value or "")
        left = any(stands_in(part, here) for part in parts if len(part) >= SHORTEST_ANYWHERE or part == check.text)
        return not left and not (len(check.text) >= SHORTEST_ANYWHERE and stands_in(check.text, everything))
    if check.action == "date_shifted":
        return not value or value[:8] != check.text[:8]
    return not value or value != check.text


def folded(text: str) -> str:
    """``text`` without regard to case, the dotless i of Turkish capitals included."""
    return text.casefold().replace("ı", "i").replace("i\u0307", "i")


def stands_in(text: str, where: str) -> bool:
    """Whether ``text`` stands in ``where``, which is `folded`, as a word of its own."""
    wanted = folded(text)
    return wanted in where and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", where) is not None


def days_between(value: str, original: str) -> int:
    """Days from ``value`` to ``original``; 0 when one of them is no date."""
    try:
        first, second = (datetime.date(int(text[:4]), int(text[4:6]), int(text[6:8])) for text in (value, original))
    except ValueError:
        return 0
    return (second - first).days


def claims(output: Dataset) -> frozenset[str]:
    """Codes of CID 7050 that the output says were applied."""
    return frozenset(str(item.get("CodeValue", "")) for item in output.get("DeidentificationMethodCodeSequence") or ())
