"""Content items of structured reports and acquisition context: what table E.3.4-1 says about their concepts (PS3.15 E.3.4)."""

from __future__ import annotations

from collections.abc import Collection

from transforms.tags.table import Row, concepts
from transforms.tags.values import DEFAULT_ENCODINGS, text_of
from transforms.types import Dataset

CONTENT_SEQUENCES = frozenset({0x0040A730, 0x00400555, 0x00400612})
"""Content, Acquisition Context and Specimen Preparation Step Content Item Sequence: their items are named by a concept."""
VALUES = frozenset({"TextValue", "PersonName", "DateTime", "Date", "Time", "UID", "NumericValue", "ConceptCodeSequence"})
"""Attributes that hold the value of a content item."""
MEASURED, NUMBERS = 0x0040A300, frozenset({0x0040A161, 0x0040A30A})
"""Measured Value Sequence, and the numbers in it: Floating Point Value and Numeric Value."""
_UNITS = 0x004008EA
_YEARS = frozenset({"a", "a_j", "a_t", "a_g"})
"""Years in UCUM."""
_CONCEPT_NAME, _VALUE_TYPE, _CODE_VALUE, _SCHEME = 0x0040A043, 0x0040A040, 0x00080100, 0x00080102


def verdict(item: Dataset, options: Collection[str]) -> tuple[str, str]:
    """What happens to a content item.

    Args:
        item: a content item whose ConceptNameCodeSequence is readable by pydicom.
        options: of table E.1-1 that are asked for.

    Returns:
        ``remove``, ``dummy`` (its value), ``keep`` (its text as it is) or ``clean`` (as any item without a row); and the rule.
    """
    row = _row(item)
    if row is None:
        return "clean", ""
    codes = {code for option, code in row.options.items() if option in options}
    rule = f"E.3.4-1 {row.name}"
    if codes:
        return ("clean" if "C" in codes else "keep"), rule
    return ("remove" if row.profile == "X" else "dummy"), rule


def in_years(item: Dataset) -> bool:
    """Whether a measured value is a number of years: above 89 that is an age which tells too much (45 CFR 164.514(b)(2)(i)(C))."""
    try:
        return _UNITS in item and _text(item[_UNITS].value[0], _CODE_VALUE) in _YEARS
    except Exception:  # broken units are none
        return False


def _row(item: Dataset) -> Row | None:
    try:
        name = item[_CONCEPT_NAME].value[0] if _CONCEPT_NAME in item else None
        code = (_text(name, _SCHEME), _text(name, _CODE_VALUE)) if name is not None else ("", "")
    except Exception:  # a broken concept name names nothing
        return None
    kind = _text(item, _VALUE_TYPE)
    table = concepts()
    if kind:
        return table.get((*code, kind))
    return next((row for key, row in table.items() if key[:2] == code), None)


def _text(ds: Dataset, tag: int) -> str:
    element = ds._dict.get(tag)
    return "" if element is None else text_of(element, DEFAULT_ENCODINGS, "CS").strip(" \0")
