"""The last look before a file is written: no identifier of the original in exactly the bytes that go out.

The scan looks for each identifier, in each encoding it could have, in everything but the pixels. Nearly every file is clean, so only a
hit is examined: in which element, as a word of its own or by chance. A leak is named by tag path and code, never by value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import python_encoding
from pydicom.datadict import DicomDictionary
from pydicom.uid import UID_dictionary

from transforms.spool import Bytes
from transforms.types import PIXEL_TAGS
from transforms.verify.walk import Element, Walk, walk

MIN_CHARACTERS = 4
_MIN_WIDE_CHARACTERS = 2
_MIN_BINARY_CHARACTERS = 6
_MIN_FREE_DIGITS = 6
_BINARY = frozenset({b"AT", b"FD", b"FL", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SL", b"SS", b"SV", b"UL", b"US", b"UV"})
_FREE_TEXT = frozenset({b"PN", b"LT", b"ST", b"UT", b"UC", b"UR", b"UN"})
_SHORT_TEXT = frozenset({b"LO", b"SH", b"AE"})
_DATES = frozenset({b"DA", b"DT", b"TM"})
_CLAIMS = (0x00120062, 0x00120063, 0x00120064, 0x00280301)
_CLEAN_PIXEL_DATA = b"113101"


@dataclass(frozen=True, slots=True)
class Leak:
    """One place where something is left that must not be: ``path`` is a tag path, ``code`` says what kind."""

    path: str
    code: str


def scan(
    encoded: Bytes, identifiers: Iterable[str], *, keeps: frozenset[str] = frozenset(), allowed: frozenset[int] = frozenset()
) -> list[Leak]:
    """Everything that must not be in a de-identified file and is.

    Args:
        encoded: the whole file as it will be written.
        identifiers: identifying strings of the original: names and their parts, ids, UIDs. Those too short to mean anything, and UIDs of
            the standard, are passed over.
        keeps: what the policy keeps on purpose: ``overlays``, ``curves``, ``private``.
        allowed: tags whose values the policy keeps whatever they hold, such as StationName with the identity of the device.

    Returns:
        Leaks by tag path; empty when the file is clean. A file that cannot be walked is itself a leak: nobody can say what is in it.
    """
    try:
        found = walk(encoded)
    except ValueError:
        return [Leak("file", "unreadable")]
    return [*_structural(found, keeps), *_claims(found), *_identifying(found, identifiers, allowed)]


def _structural(found: Walk, keeps: frozenset[str]) -> Iterator[Leak]:
    """Preamble (PS3.15 E.1.1 has it replaced), private elements, curves and overlays, unless kept."""
    if found.data[:128].strip(b"\0"):
        yield Leak("preamble", "preamble")
    for index, element in enumerate(found.elements):
        group = element.tag >> 16
        if group & 1:
            if "private" not in keeps:
                yield Leak(found.path(index), "private")
        elif group & 0xFF00 == 0x6000:
            if "overlays" not in keeps:
                yield Leak(found.path(index), "overlay")
        elif group & 0xFF00 == 0x5000:
            if "curves" not in keeps:
                yield Leak(found.path(index), "curve")
        elif element.tag in (0x00020100, 0x00020102):
            yield Leak(found.path(index), "private")


def _claims(found: Walk) -> Iterator[Leak]:
    """PatientIdentityRemoved YES needs a method (PS3.3 C.7.1.1); Clean Pixel Data needs BurnedInAnnotation NO (PS3.15 E.3.1)."""
    values = {
        element.tag: found.value(element).strip(b"\0 ") for element in found.elements if element.parent < 0 and element.tag in _CLAIMS
    }
    removed, method, codes, burned_in = (values.get(tag, b"") for tag in _CLAIMS)
    if removed == b"YES" and not (method or codes):
        yield Leak("DeidentificationMethodCodeSequence", "claim")
    if codes and removed != b"YES":
        yield Leak("PatientIdentityRemoved", "claim")
    if _CLEAN_PIXEL_DATA in codes and burned_in != b"NO":
        yield Leak("BurnedInAnnotation", "claim")


def _identifying(found: Walk, identifiers: Iterable[str], allowed: frozenset[int]) -> Iterator[Leak]:
    haystack = _without_pixels(found).lower()
    hits = []
    encodings = _encodings(found)
    for identifier in {entry.strip() for entry in identifiers}:
        if _counts(identifier):
            needles = [needle for needle in _needles(identifier, encodings) if needle in haystack]
            if needles:
                hits.append((identifier, needles))
    if not hits:
        return
    for index, element in enumerate(found.elements):
        if element.tag in PIXEL_TAGS or element.tag in allowed or element.vr == b"SQ":
            continue
        value = found.value(element).lower()
        if any(_matters(identifier, element) and _as_word(value, needles) for identifier, needles in hits):
            yield Leak(found.path(index), "identifier")


def _counts(identifier: str) -> bool:
    if identifier in UID_dictionary:
        return False
    return len(identifier) >= (MIN_CHARACTERS if identifier.isascii() else _MIN_WIDE_CHARACTERS)


def _matters(identifier: str, element: Element) -> bool:
    """Whether a word in an element of this VR would be the identifier, and not the same word with its ordinary meaning.

    Free text: always. Names of things (LO, SH, AE): unless it is a word of the standard itself, such as a patient named Long.
    Codes (CS): unless it is such a word, or one of its coded concepts. Numbers as text: only those longer than numbers usually are.
    Dates: no number, since other dates may be equal. Binary values: what is too long to be there by chance, whatever the VR says of them.
    """
    if element.tag & 0x00010000 or element.vr in _FREE_TEXT:
        return True
    if element.vr in _BINARY:
        return len(identifier) >= _MIN_BINARY_CHARACTERS
    if element.vr in _SHORT_TEXT:
        return identifier.casefold() not in _vocabulary()
    if element.vr in _DATES:
        return not identifier.isdecimal()
    if element.vr == b"CS" and identifier.isalpha():
        return not _is_concept(identifier.casefold())
    return not identifier.isdecimal() or len(identifier) >= _MIN_FREE_DIGITS


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Words in the names of the standard's own attributes and UIDs."""
    names = [entry[2] for entry in DicomDictionary.values()] + [entry[0] for entry in UID_dictionary.values()]
    return frozenset(word.casefold() for name in names for word in re.findall(r"[A-Za-z]{4,}", name))


@lru_cache(maxsize=1)
def _concepts() -> frozenset[str]:
    """The vocabulary and the words of coded concepts, such as body parts: many are people's names too, so they excuse codes only."""
    from pydicom.sr.codedict import codes  # a large table, which few runs need

    words = (word.casefold() for name in (*codes.SCT.dir(), *codes.DCM.dir()) for word in re.findall(r"[A-Z][a-z]{3,}", name))
    return _vocabulary().union(words)


def _is_concept(word: str) -> bool:
    """Whether a word is a concept, or two run together as codes without spaces do: HEADNECK."""
    known = _concepts()
    return word in known or any(word[:cut] in known and word[cut:] in known for cut in range(4, len(word) - 3))


def _encodings(found: Walk) -> tuple[str, ...]:
    """Python's names of the character sets of the file, beside those that every file is searched in."""
    declared = next((found.value(e) for e in found.elements if e.tag == 0x00080005 and e.parent < 0), b"").decode("latin-1")
    names = {python_encoding.get(part.strip(" \0"), "") for part in declared.split("\\")}
    return tuple(sorted(names - {"", "utf8", "utf-8", "iso8859", "latin_1"}))


@lru_cache(maxsize=4096)
def _needles(identifier: str, encodings: tuple[str, ...]) -> tuple[bytes, ...]:
    """The identifier as bytes, with ASCII letters in lower case; UTF-16 without its outer zeros, so that one form is both byte orders."""
    forms = {identifier, identifier.lower(), identifier.upper(), identifier.title()}
    needles = set()
    for form in forms:
        for encoding in (
            ("utf-8", "utf-16-le", "utf-16-be") if form.isascii() else ("utf-8", "latin-1", "utf-16-le", "utf-16-be", *encodings)
        ):
            try:
                raw = form.encode(encoding)
            except (UnicodeEncodeError, LookupError):
                continue
            needles.add((raw.strip(b"\0") if form.isascii() else raw).lower())
    return tuple(sorted(needles))


def _as_word(value: bytes, needles: Iterable[bytes]) -> bool:
    """Whether one of the needles stands in a value with no letter or digit right before or behind it."""
    for needle in needles:
        position = value.find(needle)
        while position >= 0:
            end = position + len(needle)
            if not (_ALNUM.match(value[position - 1 : position]) or _ALNUM.match(value[end : end + 1])):
                return True
            position = value.find(needle, position + 1)
    return False


_ALNUM = re.compile(rb"[0-9A-Za-z]")


def _without_pixels(found: Walk) -> bytes:
    pieces, position = [], 0
    for element in found.elements:
        if element.tag in PIXEL_TAGS and element.start >= position:
            pieces.append(found.data[position : element.start])
            position = element.end
    return b"".join((*pieces, found.data[position:]))
