"""Matching of text against the identifiers of a header, exact, fuzzy and through the confusions of OCR."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from transforms.text.fold import fold, look
from transforms.text.known import HeaderKnown
from transforms.text.vocabulary import UNSPACED
from transforms.types import Span

_PIECE = re.compile(r"[^\W_]+")
_JOINT = re.compile(r"[\s\-./_,#]{1,2}")
_WIDE_JOINT = re.compile(r"[\s\-‐-―−./_,#:;|\\()\[\]]{1,3}")
"""What parts an identifier of `_MIN_WIDE` characters or more: nothing that long comes together by chance."""
_MIN_WIDE = 6
_MIN_FUZZY = 5
_MIN_PREFIX = 4
_MIN_INSIDE = 5
_MAX_PIECES = 8


def resembles(word: str, known: HeaderKnown) -> str:
    """Entity type of the known word that folded ``word`` is a slip or a short form of, or that is inside it; ``""`` if none."""
    for candidate, entity in known.words.items():
        if len(word) >= _MIN_PREFIX and candidate.startswith(word):
            return entity
        if len(candidate) >= _MIN_INSIDE and candidate in word:
            return entity
        if min(len(word), len(candidate)) >= _MIN_FUZZY and within(word, candidate, _allowed(len(candidate))):
            return entity
    return ""


def resembles_ocr(word: str, known: HeaderKnown) -> str:
    """As `resembles`, with look-alikes made one."""
    seen = look(word)
    if found := known.looks.get(seen):
        return found
    for candidate, entity in known.looks.items():
        if len(seen) >= _MIN_PREFIX and (candidate in seen or candidate.startswith(seen) or candidate.endswith(seen)):
            return entity
        if len(seen) >= _MIN_PREFIX and within(seen, candidate, _allowed(len(candidate))):
            return entity
    return ""


def _allowed(length: int) -> int:
    return 1 if length < 8 else 2


def within(left: str, right: str, limit: int) -> bool:
    """The edit distance of two words is at most ``limit`` (banded Levenshtein)."""
    if abs(len(left) - len(right)) > limit:
        return False
    previous = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (char != other)))
        if min(current) > limit:
            return False
        previous = current
    return previous[-1] <= limit


def find_known(text: str, known: HeaderKnown, ocr: bool = False) -> Iterator[Span]:
    """Identifiers, whole names of places and dates of the header in ``text``, with or without punctuation and leading zeros."""
    pieces = [(match.start(), match.end(), match.group()) for match in _PIECE.finditer(text)]
    if known.codes:
        yield from _joined(text, pieces, known, ocr)
    if not text.isascii():
        yield from _unspaced(text, known)


def _unspaced(text: str, known: HeaderKnown) -> Iterator[Span]:
    """Names inside a run of a script without spaces."""
    for word, entity in known.words.items():
        if UNSPACED.match(word):
            for match in re.finditer(re.escape(unicodedata.normalize("NFC", word)), text):
                yield Span(match.start(), match.end(), entity, 0.95, "header")


def _joined(text: str, pieces: list[tuple[int, int, str]], known: HeaderKnown, ocr: bool) -> Iterator[Span]:
    normal, codes = (look, known.code_looks) if ocr else (fold, known.codes)
    longest = max(map(len, codes))
    for index, (start, _, _) in enumerate(pieces):
        plain, wide = "", False
        for last in range(index, min(index + _MAX_PIECES, len(pieces))):
            if last > index and not _JOINT.fullmatch(gap := text[pieces[last - 1][1] : pieces[last][0]]):
                if not _WIDE_JOINT.fullmatch(gap):
                    break
                wide = True
            plain += normal(pieces[last][2])
            bare = plain.lstrip("o" if ocr else "0") if plain else plain
            found = codes.get(plain) or codes.get(bare)
            if found and (not wide or len(bare) >= _MIN_WIDE):
                yield Span(start, pieces[last][1], found, 0.95, "header")
            if len(plain) > longest + 8:
                break
    for start, end, piece in pieces:
        if len(plain := normal(piece)) > _MIN_INSIDE and any(len(value) > _MIN_INSIDE and value in plain for value in codes):
            yield Span(start, end, "ID", 0.9, "header")
