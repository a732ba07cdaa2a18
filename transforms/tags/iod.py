"""Types of attributes: whether an IOD requires an attribute, so that compound codes such as X/Z/D can be resolved (PS3.15 E.1.1)."""

from __future__ import annotations

from functools import lru_cache

from transforms.tags.table import read

_EDITION = "highdicom_0.28.2"
_MACROS = dict.fromkeys(("CodeValue", "CodingSchemeDesignator", "LongCodeValue", "URNCodeValue", "TextValue"), "1C") | {"CodeMeaning": "1"}
"""Of every coded entry (PS3.3 table 8.8-1) and content item (tables 10-2, C.17-5), also of those that the table of types does not list."""
_STRICTNESS = {"": 0, "3": 0, "2C": 1, "2": 2, "1C": 3, "1": 4}


def is_known(sop_class: str) -> bool:
    """Whether the modules of a SOP Class are known."""
    return sop_class in _classes()


def needs_references(sop_class: str) -> bool:
    """Whether the IOD has a Common Instance Reference module, which must agree with the references elsewhere in the instance."""
    return sop_class in _classes() and _classes()[sop_class][0] in ("M", "C")


def attribute_type(keyword: str, parent: str | None, sop_class: str) -> str:
    """The strictest Type that an attribute has.

    Args:
        keyword: of the attribute.
        parent: keyword of the sequence that it is in; None on top level.
        sop_class: of the instance.

    Returns:
        ``1``, ``1C``, ``2``, ``2C``; ``3`` when it is optional or no part of the IOD; '' when nobody knows.
    """
    if parent is not None:
        return _nested().get((parent, keyword)) or _MACROS.get(keyword, "3") if parent else ""
    if sop_class not in _classes():
        return ""
    return _root(sop_class).get(keyword, "3")


@lru_cache(maxsize=1)
def _classes() -> dict[str, tuple[str, tuple[str, ...]]]:
    return {row["sop_class"]: (row["references"], tuple(row["modules"].split())) for row in read(f"ps3.3_sop_class_modules_{_EDITION}")}


@lru_cache(maxsize=1)
def _nested() -> dict[tuple[str, str], str]:
    return {(row["parent"], row["keyword"]): row["type"] for row in read(f"ps3.3_nested_types_{_EDITION}")}


@lru_cache(maxsize=1)
def _modules() -> dict[str, dict[str, str]]:
    modules: dict[str, dict[str, str]] = {}
    for row in read(f"ps3.3_module_types_{_EDITION}"):
        modules.setdefault(row["module"], {})[row["keyword"]] = row["type"]
    return modules


@lru_cache(maxsize=256)
def _root(sop_class: str) -> dict[str, str]:
    strictest: dict[str, str] = {}
    for module in _classes()[sop_class][1]:
        for keyword, kind in _modules()[module].items():
            if _STRICTNESS[kind] > _STRICTNESS[strictest.get(keyword, "")]:
                strictest[keyword] = kind
    return strictest
