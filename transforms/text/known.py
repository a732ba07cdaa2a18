"""Identifiers known from an instance's own header: collected once, indexed for matching, cached per distinct values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from pydicom import charset
from pydicom.datadict import DicomDictionary

from transforms.text.fold import LETTER, alnum, fold, look
from transforms.text.vocabulary import Word, classify
from transforms.types import Dataset

_KIND_OF_VR = {"PN": "PERSON", "DA": "DATE", "DT": "DATE", "SQ": "SQ"}
LISTS: dict[str, list[str]] = {
    name: words.split() for name, words in tomllib.loads((files(__package__) / "data/keywords.toml").read_text("utf-8")).items()
}
KIND_OF_KEYWORD = {keyword: kind for kind in ("ID", "LOCATION", "CONTACT", "PERSON") for keyword in LISTS[kind]}
_PER_FRAME = 0x52009230
_PER_FRAME_ITEMS = 8
"""Functional groups repeat what they say for every frame: the first items are enough."""
_MAX_DEPTH = 16
_LETTERS = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*")
_PLACEHOLDERS = frozenset(LISTS["PLACEHOLDER"])
"""What stands in a name element when there is no name."""
_MIN_WORD = 3
_MIN_ID = 4
_MIN_VALUE = 5
_MIN_DIGITS_VALUE = 6
_PREFIX_COMPONENT = 3


@lru_cache(maxsize=1)
def _kinds() -> dict[int, str]:
    """Tag to kind, for every element of PS3.6 that may hold an identifier, and every sequence."""
    kinds: dict[int, str] = {}
    for tag, entry in DicomDictionary.items():
        kind = _KIND_OF_VR.get(entry[0]) or KIND_OF_KEYWORD.get(entry[4])
        if kind:
            kinds[tag] = kind
    return kinds


@dataclass(frozen=True, slots=True, eq=False)
class HeaderKnown:
    """What a header says that identifies. Every field is PHI and none is shown.

    Attributes:
        values: persons, identifiers and contacts, each distinctive enough that it proves a leak when an output has it as whole words.
        places: the same for institutions and stations, which a policy may retain.
        words: folded word to entity type.
        weak: short parts of names that are words too; names only beside other evidence.
        looks: ``words`` with look-alikes made one, for OCR; words of four letters or more.
        ids: identifiers, letters and digits only, without leading zeros.
        dates: ``YYYYMMDD``.
        initials: of all persons, folded, in both orders.
        whole: every identifying value, letters and digits only; evidence only where it is all of a line.
        place_words: words of places and contacts that are no protocol tokens; evidence where a line has no others.
        phrases: whole names of places and contacts, letters and digits only, with their type.
    """

    values: tuple[str, ...] = field(default=(), repr=False)
    places: tuple[str, ...] = field(default=(), repr=False)
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    weak: frozenset[str] = field(default=frozenset(), repr=False)
    looks: Mapping[str, str] = field(default_factory=dict, repr=False)
    ids: frozenset[str] = field(default=frozenset(), repr=False)
    dates: frozenset[str] = field(default=frozenset(), repr=False)
    initials: frozenset[str] = field(default=frozenset(), repr=False)
    phrases: Mapping[str, str] = field(default_factory=dict, repr=False)
    whole: Mapping[str, str] = field(default_factory=dict, repr=False)
    place_words: frozenset[str] = field(default=frozenset(), repr=False)


NOTHING = HeaderKnown()


def collect(datasets: Sequence[Dataset]) -> tuple[tuple[str, str], ...]:
    """Distinct (kind, text) of all identifying elements at any depth, in order. An element that cannot be parsed is taken as raw text."""
    found: dict[tuple[str, str], None] = {}
    for dataset in datasets:
        for item in _walk(dataset, ["iso8859"], 0):
            found.setdefault(item)
    return tuple(found)


def _walk(dataset: Dataset, encodings: list[str], depth: int) -> Iterator[tuple[str, str]]:
    kinds = _kinds()
    encodings = _encodings(dataset, encodings)
    for tag in dataset.keys():  # noqa: SIM118  # iterating a Dataset converts its elements
        try:
            element = dataset.get_item(tag)
            vr = element.VR
        except Exception:  # noqa: S112  # whatever is wrong with one element must not hide the others
            continue
        kind = kinds.get(int(tag)) or _KIND_OF_VR.get(vr or "")
        if kind is None:
            continue
        if kind == "SQ":
            if depth < _MAX_DEPTH:
                for item in _items(dataset, tag):
                    yield from _walk(item, encodings, depth + 1)
            continue
        for text in _texts(element.value, encodings):
            if text := text.strip(" \0\r\n\t"):
                yield kind, text


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
        return list(value[:_PER_FRAME_ITEMS] if int(tag) == _PER_FRAME else value) if not isinstance(value, bytes | str | None) else []
    except Exception:  # an unparsable sequence is cleaned as a whole by the tag engine
        return []


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


def build(items: tuple[tuple[str, str], ...]) -> HeaderKnown:
    """Index what `collect` found."""
    words: dict[str, str] = {}
    phrases: dict[str, str] = {}
    weak: set[str] = set()
    ids: set[str] = set()
    dates: set[str] = set()
    initials: set[str] = set()
    values: dict[str, None] = {}
    places: dict[str, None] = {}
    whole: dict[str, str] = {}
    place_words: set[str] = set()
    for kind, text in items:
        if kind != "DATE" and len(plain := alnum(text)) > 1 and plain not in _PLACEHOLDERS:
            whole.setdefault(plain, kind if kind != "CONTACT" else "LOCATION")
        if kind == "PERSON":
            _add_person(text, words, weak, initials, values)
        elif kind == "ID":
            _add_id(text, ids, values)
        elif kind == "DATE":
            if (digits := re.sub(r"\D", "", text)[:8]) and len(digits) == 8:
                dates.add(digits)
        else:
            place_words.update(word for word in map(fold, _LETTERS.findall(text)) if len(word) > 3 and not classify(word) & Word.PROTOCOL)
            entity = "LOCATION" if kind == "LOCATION" else "CONTACT"
            _add_place(text, entity, words, phrases, ids, values if entity == "CONTACT" else places)
    looks = {look(word): entity for word, entity in words.items() if len(word) >= 4}
    return HeaderKnown(
        values=tuple(values),
        places=tuple(places),
        words=words,
        weak=frozenset(weak),
        looks=looks,
        ids=frozenset(ids),
        dates=frozenset(dates),
        initials=frozenset(initials),
        phrases=phrases,
        whole=whole,
        place_words=frozenset(place_words),
    )


def _add_person(text: str, words: dict[str, str], weak: set[str], initials: set[str], values: dict[str, None]) -> None:
    for group in text.split("="):
        components = group.split("^") if "^" in group else [" ".join(reversed(group.split(",", 1)))] if "," in group else [group]
        parts = [_LETTERS.findall(component) for component in components[:_PREFIX_COMPONENT]]
        tokens = [token for part in parts for token in part]
        for token in tokens:
            folded = fold(token).replace("’", "'")
            if len(folded) < _MIN_WORD and classify(folded):
                weak.add(folded)
            elif folded not in _PLACEHOLDERS:
                words[folded] = "PERSON"
                words.setdefault(folded.replace("'", ""), "PERSON")
                if len(folded) >= _MIN_VALUE and not classify(folded):
                    values.setdefault(token)
        if len(tokens) > 1 and not all(fold(token) in _PLACEHOLDERS for token in tokens):
            heads = [fold(token)[0] for token in tokens]
            initials.update(("".join(heads), "".join(heads[1:] + heads[:1]), heads[0] + heads[1], heads[1] + heads[0]))
            if all(len(token) > 1 for token in tokens[:2]):
                given, family = " ".join(tokens[1:]), tokens[0]
                for form in (group.rstrip("^"), f"{given} {family}", f"{family} {given}", f"{family}, {given}"):
                    values.setdefault(form)


def _add_id(text: str, ids: set[str], values: dict[str, None]) -> None:
    plain = alnum(text)
    if len(plain) < _MIN_ID - 1 or classify(plain) or not any(char.isdigit() for char in plain + "0"):
        return
    if len(plain) >= _MIN_ID or any(char.isdigit() for char in plain):
        ids.add(plain)
    distinct = len(set(plain)) > 2
    if distinct and (len(plain) >= _MIN_DIGITS_VALUE or (len(plain) >= _MIN_VALUE and not plain.isdigit())):
        values.setdefault(text)
        values.setdefault(plain)


def _add_place(text: str, entity: str, words: dict[str, str], phrases: dict[str, str], ids: set[str], values: dict[str, None]) -> None:
    plain = alnum(text)
    if len(plain) >= _MIN_VALUE and not classify(plain):
        phrases[plain] = entity
    tokens = _LETTERS.findall(text)
    for token in tokens:
        if len(token) > 3 and not classify(token):
            words.setdefault(fold(token), entity)
    if entity == "CONTACT":
        for number in re.findall(r"\d[\d\s./()-]{3,}\d", text):
            if len(digits := alnum(number)) >= _MIN_VALUE:
                ids.add(digits)
    if len(plain) >= 2 * _MIN_VALUE and any(not classify(token) for token in tokens):
        values.setdefault(text)
