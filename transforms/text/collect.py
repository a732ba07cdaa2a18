"""Collecting what identifies from a header: every identifying element at any depth, whatever is wrong with the others."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

import pydicom
from pydicom import charset
from pydicom.datadict import DicomDictionary

from transforms.text.vocabulary import Word, classify
from transforms.types import Dataset

_KIND_OF_VR = {"PN": "PERSON", "DA": "DATE", "DT": "DATE", "SQ": "SQ"}
LISTS: dict[str, list[str]] = {
    name: words.split() for name, words in tomllib.loads((files(__package__) / "data/keywords.toml").read_text("utf-8")).items()
}
KIND_OF_KEYWORD = {keyword: kind for kind in ("ID", "DEVICE", "STATION", "LOCATION", "CONTACT", "PERSON") for keyword in LISTS[kind]}
_PER_FRAME = 0x52009230
_PER_FRAME_ITEMS = 8
"""Functional groups repeat what they say for every frame: the first items are enough."""
_MAX_DEPTH = 16
_CODED = {0x00401101: "PERSON", 0x00080082: "LOCATION"}
"""Person Identification and Institution Code Sequence: the meaning of such a code is who it is."""
_CODE_MEANING = 0x00080104


@lru_cache(maxsize=1)
def _kinds() -> dict[int, str]:
    """Tag to kind, for every element of PS3.6 that may hold an identifier, and every sequence."""
    kinds: dict[int, str] = {}
    for tag, entry in DicomDictionary.items():
        kind = _KIND_OF_VR.get(entry[0]) or KIND_OF_KEYWORD.get(entry[4])
        if kind:
            kinds[tag] = kind
    return kinds


def collect(datasets: Sequence[Dataset]) -> tuple[tuple[str, str], ...]:
    """Distinct (kind, text) of all identifying elements at any depth, in order. An element that cannot be parsed is taken as raw text."""
    found: dict[tuple[str, str], None] = {}
    for dataset in datasets:
        for item in _walk(dataset, ["iso8859"], 0, ""):
            found.setdefault(item)
    return tuple(found)


def _walk(dataset: Dataset, encodings: list[str], depth: int, meaning: str) -> Iterator[tuple[str, str]]:
    """Identifying elements of a data set; ``meaning`` is the kind of its Code Meaning, where it is a code for somebody."""
    kinds = _kinds()
    encodings = _encodings(dataset, encodings)
    for tag in dataset.keys():  # noqa: SIM118  # iterating a Dataset converts its elements
        try:
            element = dataset.get_item(tag)
            vr = element.VR
        except Exception:  # noqa: S112  # whatever is wrong with one element must not hide the others
            continue
        kind, coded = kinds.get(int(tag)) or _KIND_OF_VR.get(vr or ""), ""
        if kind is None:
            if not meaning or int(tag) != _CODE_MEANING:
                continue
            kind = coded = meaning
        if kind == "SQ":
            if depth < _MAX_DEPTH:
                for item in _items(dataset, tag):
                    yield from _walk(item, encodings, depth + 1, _CODED.get(int(tag), ""))
            continue
        for text in _texts(element.value, encodings):
            if (text := text.strip(" \0\r\n\t")) and (coded != "PERSON" or _is_name(text)):
                yield kind, text


def _is_name(text: str) -> bool:
    """Whether each word can be a part of a name: a code may also mean what somebody is, such as a radiologist."""
    return all(not (kind := classify(word)) or kind & (Word.SURNAME | Word.GIVEN) for word in re.findall(r"[^\W\d_]{2,}", text))


def _encodings(dataset: Dataset, inherited: list[str]) -> list[str]:
    try:
        if 0x00080005 in dataset:
            return list(map(str, charset.convert_encodings(dataset[0x00080005].value or "ISO_IR 6")))
    except Exception:  # noqa: S110  # a broken character set: what the parent has
        pass
    return inherited


def _items(dataset: Dataset, tag: int) -> list[Dataset]:
    try:
        value = dataset[tag].value
    except Exception:  # an unparsable sequence is cleaned as a whole by the tag engine
        return []
    if not isinstance(value, Sequence):  # a sequence's tag with another VR
        return []
    return [item for item in value[: _PER_FRAME_ITEMS if int(tag) == _PER_FRAME else None] if isinstance(item, pydicom.Dataset)]


def _texts(value: object, encodings: list[str]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bytes):
        try:
            text: str = charset.decode_bytes(value, encodings, {"\\", "^", "="})
        except Exception:  # wrong bytes for the character set: latin-1 reads any
            text = value.decode("latin-1")
        return text.split("\\")
    if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
        return [str(part) for part in value]  # type: ignore[attr-defined]
    return str(value).split("\\")
