"""Save conditions: which instances are worth keeping, decided from the header alone.

NOT_SUBSTR and IN look for text inside a value, whatever its case; a multi-valued element is its values joined with a backslash; a missing
element is an empty string. ONE_OF, EQUALS, REGEX, RANGE and EXISTS say more, ALL, ANY and NOT combine.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pydicom.datadict import keyword_dict, tag_for_keyword
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from transforms.errors import ConfigError
from transforms.policy import Condition
from transforms.types import Dataset, Evaluation

_STEP = re.compile(
    r"(?:(?P<keyword>[A-Za-z][A-Za-z0-9]*)|\(?(?P<group>[0-9A-Fa-f]{4}),?(?P<element>[0-9A-Fa-f]{4})\)?)(?:\[(?P<item>\d+|\*)\])?"
)
_COMBINING = ("ALL", "ANY", "NOT")
_PLAIN = ("NOT_SUBSTR", "IN", "EQUALS", "ONE_OF", "REGEX", "RANGE", "EXISTS")


def evaluate(conditions: Iterable[Condition], dataset: Dataset) -> tuple[Evaluation, ...]:
    """Each condition on one header, in order.

    Returns:
        Evaluations with the condition as JSON and the raw value of its element, which is restricted. A combination has no element of its
        own: its value is the JSON list of those below it.
    """
    return tuple(Evaluation(_as_json(condition), _raw(condition, dataset), _holds(condition, dataset)) for condition in conditions)


def check(conditions: Iterable[Condition]) -> None:
    """Refuse what cannot be evaluated, before anything is read.

    Raises:
        ConfigError: an unknown condition type or keyword, with the nearest known one; a wrong value; a bad regular expression.
    """
    for condition in conditions:
        kind = condition.condition_type
        if kind in _COMBINING:
            if not condition.conditions or (kind == "NOT" and len(condition.conditions) != 1):
                raise ConfigError(f"save condition {kind}: expected {'one condition' if kind == 'NOT' else 'conditions'} below it")
            if condition.value is not None or condition.dicom_tag:
                raise ConfigError(f"save condition {kind}: takes conditions, no value and no dicom_tag")
            check(condition.conditions)
            continue
        if kind not in _PLAIN:
            raise ConfigError(f"unknown save condition {kind!r}; expected one of {', '.join((*_PLAIN, *_COMBINING))}")
        if condition.conditions:
            raise ConfigError(f"save condition {kind}: takes a value and a dicom_tag, no conditions")
        parse_path(condition.dicom_tag)
        _check_value(kind, condition.value)


def parse_path(text: str) -> tuple[tuple[int, int | None], ...]:
    """``RequestAttributesSequence[0].ScheduledProcedureStepID`` as tags and items; ``[*]`` or no item means any item (None).

    Raises:
        ConfigError: a step is neither a keyword nor a tag such as (0008,0060) or 00080060.
    """
    return _parse_path(text)


@lru_cache(maxsize=1024)
def _parse_path(text: str) -> tuple[tuple[int, int | None], ...]:
    steps = []
    for part in text.split("."):
        match = _STEP.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"expected a keyword, (gggg,eeee) or ggggeeee, found {part!r} in {text!r}")
        keyword = match["keyword"]
        if match["group"]:
            tag = int(match["group"] + match["element"], 16)
        else:
            found = tag_for_keyword(keyword)
            if found is None:
                raise ConfigError(f"unknown keyword {keyword!r}{_nearest(keyword, keyword_dict)}")
            tag = int(found)
        steps.append((tag, int(match["item"]) if match["item"] not in (None, "*") else None))
    return tuple(steps)


def value_at(dataset: Dataset, path: str) -> str | None:
    """The value at a path as text; several values, and those of several items, joined by a backslash; None when nothing is there."""
    found = list(_values(dataset, parse_path(path)))
    return "\\".join(found) if found else None


def _values(dataset: Dataset, steps: tuple[tuple[int, int | None], ...]) -> Iterable[str]:
    (tag, item), rest = steps[0], steps[1:]
    meta = getattr(dataset, "file_meta", None)
    if tag >> 16 == 0x0002 and meta is not None:
        dataset = meta
    try:
        value = dataset[BaseTag(tag)].value
    except KeyError:
        return
    except Exception:  # a value that cannot be converted is no text that a condition could be about
        yield ""
        return
    if rest:
        items = (
            list(value)
            if hasattr(value, "append") and all(hasattr(entry, "file_tags") or hasattr(entry, "items") for entry in value)
            else []
        )
        for entry in items if item is None else items[item : item + 1]:
            yield from _values(entry, rest)
        return
    texts = _texts(value)
    if item is not None:
        texts = texts[item : item + 1]
    yield "\\".join(texts)


def _texts(value: Any) -> list[str]:
    if value is None:
        return [""]
    if isinstance(value, bytes):
        return [value.decode("latin-1").strip("\0 ")]
    if isinstance(value, str) or hasattr(value, "components") or not hasattr(value, "__iter__"):
        return [str(value)]
    return [] if isinstance(value, Sequence) else [text for entry in value for text in _texts(entry)]


def _holds(condition: Condition, dataset: Dataset) -> bool:
    kind, below = condition.condition_type, condition.conditions
    if kind == "ALL":
        return all(_holds(entry, dataset) for entry in below)
    if kind == "ANY":
        return any(_holds(entry, dataset) for entry in below)
    if kind == "NOT":
        return not _holds(below[0], dataset)
    found = value_at(dataset, condition.dicom_tag)
    if kind == "EXISTS":
        return (found is not None) is (condition.value is not False)
    text, wanted = (found or "").casefold(), condition.value
    if kind == "NOT_SUBSTR":
        return str(wanted).casefold() not in text
    if kind == "IN":
        return any(entry in text for entry in _words(wanted))
    if kind == "EQUALS":
        return text == str(wanted).casefold()
    if kind == "ONE_OF":
        return text in _words(wanted)
    if kind == "REGEX":
        return re.search(str(wanted), found or "") is not None
    return _in_range(found or "", wanted)


def _in_range(text: str, bounds: Any) -> bool:
    """Whether every value lies between the bounds, both included; None is no bound. Numbers compare as numbers, all else as text."""
    low, high = bounds
    numeric = all(bound is None or isinstance(bound, int | float) for bound in bounds)
    for part in text.split("\\"):
        value: Any = part
        if numeric:
            try:
                value = float(part)
            except ValueError:
                return False
        elif not part:
            return False
        if not ((low is None or low <= value) and (high is None or value <= high)):
            return False
    return True


def _words(value: Any) -> list[str]:
    return [str(entry).casefold() for entry in (value if isinstance(value, list | tuple) else [value])]


def _check_value(kind: str, value: Any) -> None:
    if kind == "EXISTS":
        if value not in (None, True, False):
            raise ConfigError(f"save condition EXISTS: expected true, false or no value, found {value!r}")
    elif kind == "RANGE":
        bounds = value if isinstance(value, list | tuple) and len(value) == 2 else None
        kinds = {isinstance(bound, str) for bound in bounds or () if bound is not None}
        if bounds is None or len(kinds) != 1 or not all(bound is None or isinstance(bound, str | int | float) for bound in bounds):
            raise ConfigError(
                f"save condition RANGE: expected [lowest, highest], two numbers or two texts, one of them may be null, found {value!r}"
            )
    elif kind in ("IN", "ONE_OF"):
        if value is None or not all(_words(value)) or not _words(value):
            raise ConfigError(f"save condition {kind}: expected a list of values, such as [ct, mr]")
    elif not isinstance(value, str | int | float) or value == "":
        raise ConfigError(f"save condition {kind}: expected one value")
    if kind == "REGEX":
        try:
            re.compile(str(value))
        except re.error as exc:
            raise ConfigError(f"save condition REGEX: {value!r} is no regular expression: {exc}") from None


def _nearest(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _as_mapping(condition: Condition) -> dict[str, Any]:
    if condition.condition_type in _COMBINING:
        return {"condition_type": condition.condition_type, "conditions": [_as_mapping(entry) for entry in condition.conditions]}
    return {"value": condition.value, "condition_type": condition.condition_type, "dicom_tag": condition.dicom_tag}


def _as_json(condition: Condition) -> str:
    return json.dumps(_as_mapping(condition), ensure_ascii=False)


def _raw(condition: Condition, dataset: Dataset) -> str:
    if condition.condition_type in _COMBINING:
        return json.dumps([_raw(entry, dataset) for entry in condition.conditions], ensure_ascii=False)
    return value_at(dataset, condition.dicom_tag) or ""
