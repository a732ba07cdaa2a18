"""Makes the tables in ``data/`` from the standard's published ones, and checks them. Run by a developer, never by a worker.

    python -m transforms.tags.convert_tables DIRECTORY

DIRECTORY holds the tables of PS3.15 as CSV. The Types of attributes (PS3.3) come from the highdicom package, whose 23 MB of JSON are cut
down to the attributes that an IOD requires.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.resources
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag

DATA = Path(__file__).parent / "data"
ROWS = {"ps3.15_e.1-1_2024b": 621, "ps3.15_e.3.4-1_2023b": 209, "ps3.15_e.3.10-1_2023b": 479}
OPTIONS = {
    "rtnSafePrivOpt": "safe_private",
    "rtnUIDsOpt": "uids",
    "rtnDevIdOpt": "device",
    "rtnInstIdOpt": "institution",
    "rtnPatCharsOpt": "patient",
    "rtnLongFullDatesOpt": "full_dates",
    "rtnLongModifDatesOpt": "modified_dates",
    "cleanDescOpt": "descriptors",
    "cleanStructContOpt": "structured",
    "cleanGraphOpt": "graphics",
}
CONCEPT_OPTIONS = {
    "Rtn. UIDs Opt.": "uids",
    "Rtn. Dev. Id. Opt.": "device",
    "Rtn. Inst. Id. Opt.": "institution",
    "Rtn. Pat. Chars. Opt.": "patient",
    "Rtn. Long. Full Dates Opt.": "full_dates",
    "Rtn. Long. Modif. Dates Opt.": "modified_dates",
    "Clean Desc. Opt.": "descriptors",
}
STRICTNESS = ("None", "3", "2C", "2", "1C", "1")


def convert(source: Path) -> None:
    """Write every table of ``data/``.

    Raises:
        ValueError: a table does not have the rows that its edition has.
    """
    confidentiality = _confidentiality(_read(source / "ps3.15_e.1-1_2024b.csv"))
    _write("ps3.15_e.1-1_2024b", ("tag", "keyword", "profile", "options"), confidentiality)
    _write("ps3.15_e.3.4-1_2023b", ("scheme", "value", "value_type", "profile", "options", "meaning"), _concepts(source))
    _write("ps3.15_e.3.10-1_2023b", ("group", "element", "creator", "vr", "vm", "meaning"), _safe_private(source))
    _write_types({row[1] for row in confidentiality})


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    rows = list(rows)
    if len(rows) != ROWS.get(name, len(rows)):
        raise ValueError(f"expected {ROWS[name]} rows in {name}, found {len(rows)}")
    with (DATA / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _options(row: dict[str, str], names: dict[str, str]) -> str:
    return " ".join(f"{short}:{row[column]}" for column, short in names.items() if row[column])


def _confidentiality(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """One row per tag: eight digits with ``x`` for any digit, ``private`` for the odd groups."""
    found = []
    for row in rows:
        digits = re.sub(r"[(),]", "", row["tag"]).lower()
        tag = "private" if "where" in digits else digits
        keyword = row["name"].title().replace(" ", "") if "x" in tag else keyword_for_tag(tag) if tag != "private" else "PrivateAttributes"
        if not keyword:
            raise ValueError(f"{tag} is not in the dictionary")
        found.append((tag, keyword, row["basicProfile"], _options(row, OPTIONS)))
    return sorted(found)


def _concepts(source: Path) -> list[tuple[str, ...]]:
    rows = _read(source / "ps3.15_e.3.4-1_2023b.csv")
    return sorted(
        (r["Coding Scheme Designator"], r["Code Value"], r["Value Type"], r["Basic Prof."], _options(r, CONCEPT_OPTIONS), r["Code Meaning"])
        for r in rows
    )


def _safe_private(source: Path) -> list[tuple[str, ...]]:
    found = []
    for row in _read(source / "ps3.15_e.3.10-1_safe_private_2023b.csv"):
        match = re.fullmatch(r"\(([0-9a-f]{4}),xx([0-9a-f]{2})\)", row["Data Element"].lower())
        if not match:
            raise ValueError(f"expected (gggg,xxee), found {row['Data Element']}")
        found.append((match[1], match[2], row["Private Creator"], row["VR"], row["VM"], row["Meaning"]))
    return sorted(found)


def _write_types(listed: set[str]) -> None:
    """The Types of attributes that are required: on top level by module, in sequences by the sequence that they are in.

    Conditional ones are of interest only where table E.1-1 lists the attribute.

    In a sequence the Type hardly depends on the module, since macros are used everywhere; where it does the strictest Type counts.
    """
    standard = importlib.resources.files("highdicom") / "_standard"
    attributes, modules, classes = (
        json.loads((standard / name).read_text()) for name in ("module_attribute_map.json", "iod_module_map.json", "sop_class_iod_map.json")
    )
    used = {entry["key"] for iod in classes.values() for entry in modules[iod]}
    root: dict[tuple[str, str], str] = {}
    nested: dict[tuple[str, str], str] = {}
    for module in sorted(used):
        for attribute in attributes.get(module, ()):
            _keep_strictest(root, nested, module, attribute, listed)
    edition = f"highdicom_{importlib.metadata.version('highdicom')}"
    _write(f"ps3.3_module_types_{edition}", ("module", "keyword", "type"), sorted((*key, value) for key, value in root.items()))
    _write(f"ps3.3_nested_types_{edition}", ("parent", "keyword", "type"), sorted((*key, value) for key, value in nested.items()))
    with_types = {module for module, _ in root}
    _write(
        f"ps3.3_sop_class_modules_{edition}",
        ("sop_class", "references", "modules"),
        sorted(
            (uid, _usage(modules[iod], "common-instance-reference"), " ".join(sorted({e["key"] for e in modules[iod]} & with_types)))
            for uid, iod in classes.items()
        ),
    )


def _usage(entries: list[dict[str, str]], module: str) -> str:
    """Whether an IOD needs a module: ``M``, ``C``, ``U``, or '' when it has no such module."""
    return next((entry["usage"] for entry in entries if entry["key"] == module), "")


def _keep_strictest(
    root: dict[tuple[str, str], str], nested: dict[tuple[str, str], str], module: str, attribute: dict[str, Any], listed: set[str]
) -> None:
    kind, keyword, path = attribute["type"], attribute["keyword"], attribute["path"]
    if kind not in ("1", "2") and (keyword not in listed or kind in ("3", "None")):
        return
    table, key = (nested, (path[-1], keyword)) if path else (root, (module, keyword))
    if STRICTNESS.index(kind) > STRICTNESS.index(table.get(key, "None")):
        table[key] = kind


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
