"""Dates, times and ages in text, in the formats and month names of English, German, French and Spanish, and DICOM's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transforms.text.vocabulary import classify
from transforms.types import Span

_MONTHS = (
    r"(?:jan(?:uary|uar|vier|v)?|jän(?:ner)?|ene(?:ro)?|feb(?:ruary|ruar|rero|r)?|f[ée]v(?:rier|r)?|mar(?:ch|s|zo)?|"
    r"mär(?:z)?|mrz|maerz|apr(?:il)?|avr(?:il)?|abr(?:il)?"
    r"|may(?:o)?|mai|jun(?:e|i|io)?|juin|jul(?:y|i|io)?|juil(?:let|l)?|aug(?:ust)?|ao[uû]t?|ago(?:sto)?|sep(?:t(?:ember|"
    r"embre|iembre)?)?|set(?:iembre)?"
    r"|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d[ée]c(?:embre)?|dic(?:iembre)?)"
)
_YEAR = r"(?:18|19|20|21)\d\d"
_SHORT_YEAR = rf"(?:{_YEAR}|['’]?\d\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_CLOCK = r"(?:[01]?\d|2[0-3])[:h][0-5]\d(?:[:m][0-5]\d(?:[.,]\d{1,6})?s?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?"
_JOIN = r"[-/._ ]"

_NUMERIC = re.compile(rf"(?<!\d)(?<!\d\.)(?:{_YEAR}({_JOIN}){_MONTH}\1{_DAY}|{_DAY}({_JOIN}){_DAY}\2{_SHORT_YEAR})(?![.]?\d)")
_MONTH_YEAR = re.compile(rf"(?<![\d./]){_MONTH}[-/.]{_YEAR}(?![.]?\d)|(?<![\d./]){_YEAR}[-/]{_MONTH}(?![-./]?\d)")
_RATIO = re.compile(r"\b(?:ratio|factor|faktor|facteur|scale|slope|intercept|quality)\W{1,3}$", re.IGNORECASE)
"""What a decimal number follows that looks like month and year: ``compression ratio 2.1946``."""
_TWO_MONTH = r"(?:0[1-9]|1[0-2])"
_TWO_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_COMPACT = re.compile(
    rf"(?<!\d)(?:{_YEAR}{_TWO_MONTH}{_TWO_DAY}(?:[01]\d|2[0-3])?(?:[0-5]\d){{0,2}}(?:\.\d{{1,6}})?(?:[+-]\d{{4}})?"
    rf"|{_TWO_DAY}{_TWO_DAY}{_YEAR})(?!\d)"
)
_OF = r"(?:of\s+|de\s+|del\s+)?"
_ORDINAL = r"(?:st|nd|rd|th|er|\.|º)?"
_SEP = r"[-/.,_\s]{0,3}"
_NAMED = tuple(
    re.compile(rf"(?<![^\W_]){form}", re.IGNORECASE)
    for form in (
        rf"(?<!\d[-/.]){_DAY}{_ORDINAL}{_SEP}{_OF}{_MONTHS}\.?(?:{_SEP}{_OF}{_SHORT_YEAR})?(?!\d)(?![^\W\d_])",
        rf"{_MONTHS}\.?{_SEP}{_DAY}{_ORDINAL}[-/.,_\s]+{_SHORT_YEAR}(?!\d)",
        rf"{_YEAR}{_SEP}{_MONTHS}\.?{_SEP}{_DAY}(?!\d)",
        rf"{_MONTHS}\.?{_SEP}{_OF}(?:{_YEAR}|['’]\d\d)(?!\d)",
        rf"{_YEAR}{_SEP}{_MONTHS}(?![^\W\d_])",
        rf"{_MONTHS}{_SEP}{_DAY}{_ORDINAL}(?!\d)(?![^\W\d_])",
    )
)
_OTHER_MONTH = re.compile(rf"(?<![\w.,]){_DAY}\.?[-/.\s]{{1,2}}(?:d[eio]\s+)?([^\W\d_]{{3,12}})\.?,?[-/.\s]{{1,2}}(?:de\s+)?{_YEAR}(?!\d)")
"""A word between a day and a year: the month of another language, when it is no word that is known."""
_ERA = r"(?:13|14|24|25)\d\d"
_OTHER_ERA = re.compile(rf"(?<![\d/.-])(?:{_ERA}([-/]){_MONTH}\1{_DAY}|{_DAY}([-/]){_MONTH}\2{_ERA})(?![-/.]?\d)")
"""Iranian, Islamic and Buddhist calendars."""
_ANY_MONTH = re.compile(_MONTHS, re.IGNORECASE)
_EAST_ASIAN = re.compile(r"(?:\d{4}|(?:明治|大正|昭和|平成|令和)\s*\d{1,2})\s*[年년]\s*\d{1,2}\s*[月월]\s*(?:\d{1,2}\s*[日일])?")
_ISO_TIME = re.compile(rf"(?<=\d)[T ]?{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?")
_TIME = re.compile(rf"(?<![\d:.,+]){_CLOCK}(?![\d:])")
_AGE = re.compile(
    r"(?<!\d)(?:0?9\d|1[0-4]\d)\s*-?\s*(?:y(?:ears?|rs?|/?o)?|jahre?|jährig\w*|j\.|ans|años|anos|a\."
    r"|jaar|år|anni|lat|let|éves|yaş\w*|vuotta|лет|года?|歳|才|岁|歲|세)(?:[- ]?old)?(?![^\W\d_])",
    re.IGNORECASE,
)
_AGE_SEX = re.compile(r"(?<![\w.,/-])(?:(?:9\d|10\d)/?[FM]|[FM]/(?:9\d|10\d)Y?)(?![\w/]|[.,]\d)")
"""``94F``, ``94/M`` and ``F/94``."""
_AGED = re.compile(r"(?<![^\W\d_])(?:aged?|alter|edad|[âa]ge|idade|et[àa])\s*[:=]?\s*(9\d|1[0-4]\d)(?![.,]?\d)", re.IGNORECASE)
_HAS_SECONDS = re.compile(r"\d\D\d\d\D\d\d|[AaPp]\.?[Mm]|Uhr|h\d\d")
_NEAR = 24
"""A clock time this many characters from a date belongs to it."""


def find_dates(text: str) -> Iterator[Span]:
    """Dates and the clock times that come with them (DATE_TIME) and ages over 89 (AGE; 45 CFR 164.514(b)(2)(i)(C)). Spans may overlap."""
    if not any(char.isdigit() for char in text):
        return
    dates: list[tuple[int, int]] = []
    for match in _NUMERIC.finditer(text):
        if _plausible(match.group()) and text[max(0, match.start() - 1)] not in "vV":
            dates.append(match.span())
    for match in _MONTH_YEAR.finditer(text):
        if not ("." in match.group() and _RATIO.search(text, max(match.start() - _NEAR, 0), match.start())):
            dates.append(match.span())
    dates.extend(match.span() for match in _OTHER_MONTH.finditer(text) if not classify(match[1]))
    for pattern in (_COMPACT, _EAST_ASIAN, _OTHER_ERA):
        dates.extend(match.span() for match in pattern.finditer(text))
    if _ANY_MONTH.search(text):
        for pattern in _NAMED:
            dates.extend(match.span() for match in pattern.finditer(text))
    for start, end in dates:
        if (clock := _ISO_TIME.match(text, end)) is not None:
            end = clock.end()
        yield Span(start, end, "DATE_TIME", 0.9, "date")
    for match in _TIME.finditer(text):
        near = any(match.start() - _NEAR < end and start < match.end() + _NEAR for start, end in dates)
        if near or _HAS_SECONDS.search(match.group()):
            yield Span(match.start(), match.end(), "DATE_TIME", 0.7, "time")
    for pattern in (_AGE, _AGE_SEX):
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), "AGE", 0.9, "age")
    for match in _AGED.finditer(text):
        yield Span(*match.span(1), "AGE", 0.9, "age")


def _plausible(date: str) -> bool:
    """One of the two short numbers of a numeric date can be a month."""
    numbers = [int(part) for part in re.findall(r"\d+", date)]
    if numbers[0] > 31:
        return True
    return min(numbers[0], numbers[1]) <= 12
