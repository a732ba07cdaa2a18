"""Hospitals and practices by their names: the word for what they are, and the proper words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from transforms.text.vocabulary import Word, classify
from transforms.types import Span

_WORD = re.compile(r"[^\W\d_][\w'’]*\.?")
_CALLED = re.compile(
    r"general|memorial|community|regional|university|univ\.?|saint|st\.?|mercy|city|county|national|royal|children'?s?|"
    r"wom[ae]n'?s?|baptist|methodist"
    r"|lutheran|presbyterian|jewish|catholic|district|state|veterans?|va|army|naval|northern|southern|eastern|western|"
    r"san|santa|sankt|nord|sud|mitte"
    r"|universitari[oa]|universitaire|général|provincial|municipal",
    re.IGNORECASE,
)
_LINK = re.compile(r"of|the|de|del|la|le|les|los|las|du|des|d'|l'|für|fuer|der|am|im|in|an|and|und|et|y", re.IGNORECASE)
_END = re.compile(
    r"\b(?:hospitals?|hosp|medical\s+cent(?:er|re)|med\.?\s*c(?:en)?te?r|medical\s+(?:clinic|group)|clinics?|"
    r"health\s*cent(?:er|re)|healthcare|health\s+system"
    r"|infirmary|hospice|imaging\s+cent(?:er|re)|cancer\s+cent(?:er|re)|radiology\s+associates|klinik(?:um)?|krankenhaus|"
    r"spital|poliklinik|sanatorium)\b\.?",
    re.IGNORECASE,
)
_START = re.compile(
    r"\b(?:uni(?:versitäts|versitaets|-)?\s?-?klinik(?:um)?|klinik(?:um)?|(?:kreis)?krankenhaus|(?:kantons)?spital|mvz|"
    r"charit[ée]|h[ôo]pital|h[ôo]pitaux|chr?u"
    r"|chr|centre\s+hospitalier|(?:poly)?clinique|(?:poli)?cl[íi]nica|hospital|sanatorio|centro\s+m[ée]dico|praxis|"
    r"gemeinschaftspraxis|cabinet)\b",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s+|['’-]?")
_MOST = 5
_NAMES = Word.SURNAME | Word.GIVEN


def find_places(text: str) -> Iterator[Span]:
    """ORGANIZATION spans: ``St. Agnes Hospital``, ``Klinikum Nord``, ``Hôpital Saint-Louis``. No proper word beside it, no span."""
    ends, starts = list(_END.finditer(text)), list(_START.finditer(text))
    if not (ends or starts):
        return
    words = [(match.start(), match.end(), match.group()) for match in _WORD.finditer(text)]
    for match in ends:
        before = [word for word in words if word[1] <= match.start()][-_MOST:]
        if taken := _run(text, before[::-1], match.start(), backwards=True):
            yield Span(taken[-1][0], match.end(), "ORGANIZATION", 0.8, "hospital")
    for match in starts:
        after = [word for word in words if word[0] >= match.end()][:_MOST]
        if taken := _run(text, after, match.end(), backwards=False):
            yield Span(match.start(), taken[-1][1], "ORGANIZATION", 0.8, "hospital")


def _run(text: str, words: Sequence[tuple[int, int, str]], edge: int, *, backwards: bool) -> list[tuple[int, int, str]]:
    """The proper words next to ``edge``, with the small words between them."""
    taken: list[tuple[int, int, str]] = []
    proper = 0
    for start, end, word in words:
        gap = text[end:edge] if backwards else text[edge:start]
        if not _NEXT.fullmatch(gap) or text[start - 1 : start].isdigit() or "_" in word or any(char.isdigit() for char in word):
            break
        if (
            _CALLED.fullmatch(word)
            or not (kind := classify(word.rstrip(".")))
            or (kind & _NAMES and not kind & Word.PROTOCOL and word[0].isupper())
        ):
            taken.append((start, end, word))
            proper = len(taken)
        elif _LINK.fullmatch(word):
            taken.append((start, end, word))
        else:
            break
        edge = start if backwards else end
    return taken[:proper]
