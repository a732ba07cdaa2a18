"""Folding of text for comparison: case, accents, width and, for OCR, look-alikes."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LOOK_ALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "$": "s", "8": "b", "6": "g", "2": "z"})

LETTER = (
    r"(?:(?:[\xc2-\xdf][\x80-\x9f]|[^\W\d_]|[\x8a\x8c\x8e\x9a\x9c\x9e\x9f\ufffd])"
    r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u093a-\u094f\u0981-\u0983\u09bc-\u09d7\u0a3c-\u0a51\u0abc-\u0acd\u0b3c-\u0b57"
    r"\u0bbe-\u0bd7\u0c3c-\u0c56\u0cbc-\u0cd6\u0d3b-\u0d57\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u102b-\u103e]*)"
)
"""A letter with the marks that Python's ``\\w`` leaves out (Indic, Thai, Arabic, Hebrew vowels).

Letters that were read in a wrong character set are letters, too: two of Latin-1 for one in UTF-8, C1 controls for those of Windows, whose
punctuation is left out, and the replacement character.
"""
_AS_DIGITS = str.maketrans("OoQDlI|!iSsBZz", "00001111155822")
_MOSTLY_DIGITS = re.compile(r"[0-9OoQDlI|!iSsBZz]{2,}")


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """``text`` without case, accents and width: ``MÜLLER`` and ``Mueller`` differ, ``Müller`` and ``MULLER`` do not."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in decomposed if not unicodedata.combining(char)).replace("ø", "o").replace("ł", "l").replace("đ", "d")


_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"})


def spellings(word: str) -> tuple[str, ...]:
    """Folded forms of ``word``: without its accents, and with two letters for an umlaut as where a keyboard has none."""
    spelt = fold(unicodedata.normalize("NFC", word).lower().translate(_SPELT_OUT))
    return (plain,) if (plain := fold(word)) == spelt else (plain, spelt)


@lru_cache(maxsize=65536)
def look(text: str) -> str:
    """Folded ``text`` with all characters that OCR confuses (0/O, 1/I/l, 5/S, 8/B, 6/G, 2/Z, rn/m, vv/w, cl/d) made one."""
    return fold(text).replace("rn", "m").replace("vv", "w").replace("cl", "d").translate(_LOOK_ALIKES)


def alnum(text: str) -> str:
    """Folded letters and digits of ``text`` alone, without leading zeros: how an identifier is compared."""
    return "".join(char for char in fold(text) if char.isalnum()).lstrip("0")


_AS_LETTERS = str.maketrans("0158", "OlSB")
_MOSTLY_LETTERS = re.compile(r"[^\W\d_]+(?:[0158][^\W\d_]+)+")


_IN_MONTHS = re.compile(r"0(?=[ck]t)|(?<=n)0(?=v)|5(?=e[pt])|(?<=ju)1(?![^\W_])", re.IGNORECASE)


def read_letters(text: str) -> str:
    """``text``, as long as it was, with digits inside a word of three letters or more read as letters: ``Ju1y``, ``G0DA``; ``15 0ct``."""
    text = _IN_MONTHS.sub(lambda match: match.group().translate(_AS_LETTERS), text)
    return _MOSTLY_LETTERS.sub(lambda match: match.group().translate(_AS_LETTERS) if len(match.group()) > 3 else match.group(), text)


def read_digits(text: str) -> str:
    """``text``, as long as it was, with letters that OCR takes for digits read as digits where at least half are: ``O3/l2/1974``."""

    def read(match: re.Match[str]) -> str:
        run = match.group()
        alone = not (text[match.start() - 1 : match.start()].isalpha() or text[match.end() : match.end() + 1].isalpha())
        return run.translate(_AS_DIGITS) if alone and 2 * sum(char.isdigit() for char in run) >= len(run) else run

    return _MOSTLY_DIGITS.sub(read, text)
