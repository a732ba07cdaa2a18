"""The safe vocabulary: which words of a text are no evidence of a person.

``data/vocabulary.txt`` is built by `build_vocabulary` from the standard's own terms and hand-written lists. A word that is not in it, nor
made of its words, may be a name.
"""

from __future__ import annotations

import re
from enum import IntFlag
from functools import lru_cache
from importlib.resources import files

from transforms.text.fold import fold, look


class Word(IntFlag):
    """What is known of a word."""

    UNKNOWN = 0
    SAFE = 1
    PROTOCOL = 2
    SURNAME = 4
    GIVEN = 8


_FLAGS = {"p": Word.PROTOCOL, "s": Word.SURNAME, "g": Word.GIVEN}
_MEDICAL_ENDING = re.compile(
    r".{3,}(?:gra(?:ph|f)(?:y|ies|ic|ie|ia|ias|isch|ien|iques?|icos?|icas?|e)|(?:phas|has)ic|gram(?:s|m|ma|me)?|scop(?:y|"
    r"ic|ie|ia)|itis|e[ck]tom(?:y|ie|ia)|ostom(?:y|ie|ia)|"
    r"otom(?:y|ie|ia)|plast(?:y|ie|ia|ik)"
    r"|opath(?:y|ie|ia)|algi[ae]|aemi[ae]|emia|uria|osis|iasis|megal(?:y|ie|ia)|plasi[ae]|trophy|trophie|centesis|desis|"
    r"lysis|pexy|rrhag\w+|stenos(?:is|e)"
    r"|(?:[ck]ar[cz]in|aden|sar[ck]|fibr|angi|blast|lymph|lip|my|neur|[cz]yt|mening|gli|papill|terat|h(?:a|ae|e)mat|schwann|thym|semin|melan"
    r"|chondr|oste)om(?:a|as|ata|e|es|en|s)?|(?:thromb|skler|chondr|spondyl|arthr|fibr|ne[ck]r|sten|kyph|lord|skoli|metast)osen?|itae?t(?:en)?"
    r"|oedema|vascular|muscular|osseous|ventricular|articular|capsular"
    r"|e[ck]tasi[ae]|phobi[ae]|phasia|plegi[ae]|ptysis|thorax|peritoneum|ization|isation|ierung|ierungen|ungen|heiten|fraktur|gelenk|knochen|"
    r"arterie|venen|schmerz|erkrankung|untersuchung)"
)
_PREFIX = re.compile(
    r"(?:arterio|atrio|ventriculo|cardio|neuro|gastro|hepato|cholangio|cysto|uretero|pyelo|thoraco|abdomino|cervico|"
    r"lumbo|sacro|femoro|tibio|humero|radio"
    r"|costo|sterno|spondylo|osteo|chondro|myo|angio|phlebo|veno|vaso|broncho|pleuro|dorso|latero|antero|postero|medio|"
    r"supero|infero|cranio|fronto|temporo"
    r"|parieto|occipito|maxillo|rhino|oto|naso|oro|pre|post|sub|supra|infra|inter|intra|trans|peri|para|retro|endo|epi|"
    r"hyper|hypo|anti|non|re|un|micro|macro"
    r"|multi|poly|mono|bi|tri|quadri|semi|pseudo|extra|ultra|over|mis|dis|de|prae|prä|contra|co)"
)
_PLAIN = (Word.SAFE, Word.SAFE | Word.PROTOCOL)
_ENDINGS = (
    "s",
    "es",
    "ed",
    "ing",
    "ly",
    "al",
    "n",
    "en",
    "e",
    "er",
    "em",
    "ic",
    "d",
    "r",
    "ize",
    "ise",
    "ized",
    "ised",
    "izing",
    "able",
    "ment",
    "ness",
    "less",
    "ful",
)
UNSPACED = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Han, kana and Hangul: written without spaces and without case."""
_ROMAN = re.compile(r"(?=.{3})(?:X{0,2}(?:IX|IV|V?I{0,3})|(?:I{1,3}|IV)[A-Fa-f]|x{0,2}(?:ix|iv|v?i{2,3}))")
"""Roman numerals of three signs or more, up to four with the letter of a stage or class: ``segment VII``, ``stage IIIb``."""
_LONGEST_CUT = 18
_MIN_MEDICAL = 8
_MIN_STEM = 5
_MIN_PART = 4
_MIN_COMPOUND = 10


def _lines() -> list[str]:
    lines = (files(__package__) / "data/vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


@lru_cache(maxsize=1)
def _words() -> dict[str, Word]:
    words: dict[str, Word] = {}
    for line in _lines():
        word, _, flags = line.partition(" ")
        if ":" not in word:
            words[word] = Word.SAFE
            for flag in flags:
                words[word] |= _FLAGS[flag]
    return words


@lru_cache(maxsize=1)
def eponyms() -> dict[str, frozenset[str]]:
    """Eponym to the words beside which it is none of a person here: ``willis`` to ``circle``."""
    return {word: frozenset(rest.split()) for word, colon, rest in (line.partition(": ") for line in _lines()) if colon}


@lru_cache(maxsize=1)
def _looks() -> frozenset[str]:
    return frozenset(look(word) for word in _words() if len(word) >= _MIN_PART)


@lru_cache(maxsize=65536)
def classify(word: str) -> Word:
    """What is known of ``word``, in any case; inflected, compounded and medical forms of safe words are safe."""
    folded = fold(word).replace("’", "'")
    words = _words()
    if folded.endswith("'s"):
        folded = folded[:-2]
    if "'" in folded:
        elided, _, rest = folded.partition("'")
        folded = rest if len(elided) == 1 and elided != "o" else folded.replace("'", "")
    if len(folded) < 2 and (folded.isascii() or not UNSPACED.match(folded)):
        return Word.SAFE
    if (found := words.get(folded)) is not None:
        return found
    if _ROMAN.fullmatch(word):
        return Word.SAFE | Word.PROTOCOL
    if UNSPACED.match(folded):
        return Word.SAFE if _cut(folded) else Word.UNKNOWN
    if len(folded) >= _MIN_MEDICAL and _MEDICAL_ENDING.fullmatch(folded):
        return Word.SAFE
    for ending in _ENDINGS:
        stem = folded[: -len(ending)]
        if len(stem) >= _MIN_STEM and folded.endswith(ending) and words.get(stem) in _PLAIN:
            return Word.SAFE
    return Word.SAFE if _compound(folded) or _prefixed(folded) else Word.UNKNOWN


def _cut(folded: str) -> bool:
    """A run without spaces is made of safe words."""
    words = _words()
    reached = {0}
    for end in range(1, len(folded) + 1):
        if any(folded[start:end] in words for start in reached if end - start <= _LONGEST_CUT):
            reached.add(end)
    return len(folded) in reached


def _prefixed(folded: str) -> bool:
    """A Latin or Greek prefix, alone or before a plain safe word: ``arterio``-venous, ``prepyloric``."""
    match = _PREFIX.match(folded)
    if match is not None and match.end() == len(folded) >= _MIN_PART:
        return True
    return match is not None and len(rest := folded[match.end() :]) >= _MIN_STEM + (match.end() < 3) and _words().get(rest) in _PLAIN


def classify_ocr(word: str) -> Word:
    """As `classify`, forgiving what OCR confuses: ``Ga1n`` is ``Gain``."""
    found = classify(word)
    return Word.SAFE if not found and len(word) >= _MIN_PART and look(word) in _looks() else found


def _compound(folded: str) -> bool:
    """``folded`` is two or three plain safe words of four letters or more, as in ``Kniegelenk`` or ``HEADNECK``."""
    if len(folded) < 2 * _MIN_PART:
        return False
    words = _words()
    for cut in range(_MIN_PART, len(folded) - _MIN_PART + 1):
        if words.get(folded[:cut]) in _PLAIN:
            rest = folded[cut:]
            if len(folded) < _MIN_COMPOUND and not (words[folded[:cut]] & words.get(rest, Word.UNKNOWN) & Word.PROTOCOL):
                continue
            if words.get(rest) in _PLAIN or _compound(rest) or (rest[0] == "s" and words.get(rest[1:]) in _PLAIN and len(rest) > _MIN_PART):
                return True
    return False
