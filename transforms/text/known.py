"""Identifiers known from an instance's own header, indexed for matching."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from transforms.text.collect import LISTS
from transforms.text.fold import LETTER, alnum, fold, look, spellings
from transforms.text.vocabulary import Word, classify

_LETTERS = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*")
_NUMBER_OF_ID = re.compile(r"(?=.*[^\W\d_])\D*(\d{6,})\D*")
"""``MRN7719023`` is written as 7719023, too."""
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d*")
_PHONE = re.compile(r"\d[\d\s./()-]{3,}\d")
_POSTCODE = re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z][\s-]?\d[A-Z]\d|\d{4}\s?[A-Z]{2})\b", re.IGNORECASE)
"""Of the United Kingdom, Canada and the Netherlands: letters and digits, with a space that many leave out."""
ENTITY_OF_KIND = {"DEVICE": "ID", "STATION": "LOCATION"}
_PLACEHOLDERS = frozenset(LISTS["PLACEHOLDER"])
"""What stands in a name element when there is no name."""
_MIN_WORD = 3
_MIN_ID = 4
_MIN_VALUE = 5
_MIN_DIGITS_VALUE = 6
_MIN_PLACE = 10
_NAME_COMPONENTS = 3
"""Family, given and middle name; prefix and suffix (PS3.5 6.2.1) are titles."""


@dataclass(frozen=True, slots=True, eq=False)
class HeaderKnown:
    """What a header says that identifies. Every field is PHI and none is shown.

    Attributes:
        values: persons, identifiers and contacts, each distinctive enough that it proves a leak when an output has it as whole words.
        places: the same for institutions, which a policy may retain.
        stations: the same for station names and devices, which a policy may retain.
        dates: ``YYYYMMDD``, which a policy may retain.
        words: folded word to entity type.
        weak: short parts of names that are words too; names only beside other evidence.
        codes: identifiers, dates and whole names of places, letters and digits only, without leading zeros, to entity type.
        whole: every identifying value, letters and digits only; evidence only where it is all of a line.
        place_words: words of places and contacts that are no protocol tokens; evidence where a line has no others.
        initials: of all persons, folded, two or more letters, in both orders.
        looks: ``words`` of four letters or more with look-alikes made one, for OCR.
        code_looks: ``codes``, likewise.
    """

    values: tuple[str, ...] = field(default=(), repr=False)
    places: tuple[str, ...] = field(default=(), repr=False)
    stations: tuple[str, ...] = field(default=(), repr=False)
    dates: tuple[str, ...] = field(default=(), repr=False)
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    weak: frozenset[str] = field(default=frozenset(), repr=False)
    codes: Mapping[str, str] = field(default_factory=dict, repr=False)
    whole: Mapping[str, str] = field(default_factory=dict, repr=False)
    place_words: frozenset[str] = field(default=frozenset(), repr=False)
    initials: frozenset[str] = field(default=frozenset(), repr=False)
    looks: Mapping[str, str] = field(default_factory=dict, repr=False)
    code_looks: Mapping[str, str] = field(default_factory=dict, repr=False)


NOTHING = HeaderKnown()


def build(items: tuple[tuple[str, str], ...]) -> HeaderKnown:
    """Index the (kind, text) that `collect` found."""
    index = _Index()
    for kind, text in items:
        index.add(kind, text)
    return index.freeze()


class _Index:
    """The fields of a `HeaderKnown`, growing."""

    def __init__(self) -> None:
        self.values: dict[str, None] = {}
        self.places: dict[str, None] = {}
        self.stations: dict[str, None] = {}
        self.dates: dict[str, None] = {}
        self.words: dict[str, str] = {}
        self.weak: set[str] = set()
        self.codes: dict[str, str] = {}
        self.whole: dict[str, str] = {}
        self.place_words: set[str] = set()
        self.initials: set[str] = set()

    def freeze(self) -> HeaderKnown:
        return HeaderKnown(
            values=tuple(self.values),
            places=tuple(self.places),
            stations=tuple(self.stations),
            dates=tuple(self.dates),
            words=self.words,
            weak=frozenset(self.weak),
            codes=self.codes,
            whole=self.whole,
            place_words=frozenset(self.place_words),
            initials=frozenset(letters for letters in self.initials if len(letters) > 1),
            looks={look(word): entity for word, entity in self.words.items() if len(word) >= _MIN_ID},
            code_looks={look(code): entity for code, entity in self.codes.items()},
        )

    def add(self, kind: str, text: str) -> None:
        if kind == "DATE":
            if len(digits := re.sub(r"\D", "", text)[:8]) == 8:
                self.codes[digits] = "DATE_TIME"
                self.dates.setdefault(digits)
            return
        plain = alnum(text)
        if len(plain) > 1 and plain not in _PLACEHOLDERS:
            self.whole.setdefault(plain, ENTITY_OF_KIND.get(kind, kind))
        if kind == "PERSON":
            for group in text.split("="):
                self._add_person(group)
        elif kind in {"ID", "DEVICE"}:
            self._add_id(text, plain, self.values if kind == "ID" else self.stations)
        else:
            values = {"CONTACT": self.values, "STATION": self.stations}.get(kind, self.places)
            self._add_place(text, plain, ENTITY_OF_KIND.get(kind, kind), values)

    def _add_person(self, group: str) -> None:
        """One component group of a name (PS3.5 6.2): ``LAST^FIRST``, ``Last, First`` or as people write it."""
        if "^" not in group and "," in group:
            family, _, given = group.partition(",")
            group = f"{family.strip()}^{given.strip()}"
        parts = [_LETTERS.findall(component) for component in group.split("^")[:_NAME_COMPONENTS]]
        tokens = [token for part in parts for token in part]
        for token in tokens:
            folded = fold(token).replace("’", "'")
            if len(folded) < _MIN_WORD and classify(folded):
                self.weak.add(folded)
            elif folded not in _PLACEHOLDERS:
                self.words[folded] = "PERSON"
                self.words.setdefault(folded.replace("'", ""), "PERSON")
                self.words.update(dict.fromkeys(spellings(token), "PERSON"))
                if len(folded) >= _MIN_VALUE and not classify(folded):
                    self.values.setdefault(token)
                    self.values.update(dict.fromkeys(form for form in spellings(token) if form != token.lower() and not classify(form)))
        if len(tokens) < 2 or all(fold(token) in _PLACEHOLDERS for token in tokens):
            return
        family = "".join(fold(token)[0] for token in parts[0])
        given = "".join(fold(token)[0] for part in parts[1:] for token in part)
        for left, right in ((given, family), (family, given)):
            self.initials.update((left + right, left + right[:1], left[:1] + right[:1]))
        if all(len(token) > 1 for token in tokens[:2]):
            first, rest = tokens[0], " ".join(tokens[1:])
            for form in (group.rstrip("^"), f"{rest} {first}", f"{first} {rest}", f"{first}, {rest}"):
                self.values.setdefault(form)

    def _add_id(self, text: str, plain: str, values: dict[str, None]) -> None:
        if classify(plain):
            return
        if len(plain) >= _MIN_ID or (len(plain) >= _MIN_ID - 1 and not plain.isdigit()):
            self.codes[plain] = "ID"
        if len(set(plain)) > 2 and (len(plain) >= _MIN_DIGITS_VALUE or (len(plain) >= _MIN_VALUE and not plain.isdigit())):
            values.setdefault(text)
            values.setdefault(plain)
        number = _NUMBER_OF_ID.fullmatch(text)
        if number and len(set(number[1])) > 2 and not _DATE.fullmatch(number[1]):
            self.codes[number[1]] = "ID"
            values.setdefault(number[1])

    def _add_place(self, text: str, plain: str, entity: str, values: dict[str, None]) -> None:
        if len(plain) >= _MIN_VALUE and not classify(plain):
            self.codes.setdefault(plain, entity)
        unknown = False
        for token in _LETTERS.findall(text):
            kind, folded = classify(token), fold(token)
            unknown |= not kind
            if len(token) >= _MIN_ID:
                if not kind:
                    self.words.setdefault(folded, entity)
                if not kind & Word.PROTOCOL:
                    self.place_words.add(folded)
        if entity == "CONTACT":
            self.codes.update((alnum(postcode), "LOCATION") for postcode in _POSTCODE.findall(text))
            for number in _PHONE.findall(text):
                if len(digits := alnum(number)) >= _MIN_VALUE:
                    self.codes[digits] = "PHONE_NUMBER"
        if len(plain) >= _MIN_PLACE and unknown:
            values.setdefault(text)
