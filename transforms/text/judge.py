"""Which OCR lines of a frame are sensitive: by themselves, with their neighbours, or because of a label.

What nothing explains is sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from transforms.text.dates import find_dates
from transforms.text.fold import alnum, fold, read_digits, read_letters
from transforms.text.known import HeaderKnown
from transforms.text.match import find_known, resembles_ocr
from transforms.text.names import find_names
from transforms.text.patterns import find_patterns
from transforms.text.places import find_places
from transforms.text.vocabulary import classify_ocr
from transforms.types import OcrLine, Span

_WHOSE = (
    r"patient(?:en)?|pat|pt|ref(?:erring)?|institution|hospital|study|exam|acc(?:ession)?|birth|physician|operator|performing"
    r"|last|first|given|family"
)
_WHAT = (
    r"names?|ids?|no|nr|number|nummer|date|dob|pid|mrn|acc|accession|physician|doctor|dr|institution|hospital|operator|tech|technologist|sonographer"
    r"|birthdate|birth date|date of birth|of birth|d\.o\.b|geb|geburtsdatum|geboren|nee?(?: le)?|naissance|date de naissance"
    r"|fecha(?: de)? nac(?:imiento)?"
    r"|nacimiento|nombre|apellidos?|nom|prenom|paciente|patient(?:in)?|pat|pat\.?-?nr|arzt|untersucher|klinik|medecin|hopital|medico|phone|tel|address"
    r"|adresse|clinic|acc#"
)
_LABEL = re.compile(rf"\W*(?:(?:{_WHOSE})?[\s._/'-]*(?:{_WHAT}))(?:\s*/\s*(?:id|no|nr|name))?[\s.]*[:#=]*\W*", re.IGNORECASE)
_CLOCK = re.compile(r"(?<![\d+:.-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\s?[AP]M)?(?![\d:])", re.IGNORECASE)
_LOOSE_DATE = re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])\s?[-/.,:;]\s?(?:0?[1-9]|[12]\d|3[01])\s?[-/.,:;]\s?(?:19|20)\d\d(?!\d)")
_FOUR_DIGITS = re.compile(r"\W*\d{4}\W*")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_RIGHT_GAP = 12.0
"""A value stands at most this many line heights right of its label …"""
_BELOW_GAP = 1.5
"""… or this many below it."""
_WORD_GAP = 1.5
"""Boxes of one row this many heights apart are words of one line."""


def judge_lines(lines: Sequence[OcrLine], known: HeaderKnown) -> tuple[Span | None, ...]:
    """One verdict per line; a sensitive line is sensitive as a whole."""
    verdicts = [judge_line(line.text, known) for line in lines]
    for row in _rows(lines):
        _judge_row([(at, lines[at].text) for at in row], known, verdicts)
    for index, line in enumerate(lines):
        if _is_label(line.text) and (at := _value_of(index, lines)) is not None and verdicts[at] is None:
            verdicts[at] = Span(0, len(lines[at].text), "ID", 0.8, "label")
    return tuple(verdicts)


def judge_line(text: str, known: HeaderKnown) -> Span | None:
    """The verdict on a line by itself. A region that was detected and not read is sensitive."""
    whole = len(text)
    if not text.strip():
        return Span(0, whole, "UNKNOWN", 0.5, "unread")
    if entity := known.whole.get(alnum(text)):
        return Span(0, whole, entity, 0.95, "header")
    if _is_label(text):
        return None
    surest = max(_evidence(text, known), key=lambda span: span.score, default=None)
    return surest and Span(0, whole, surest.entity_type, surest.score, surest.detector)


def _evidence(text: str, known: HeaderKnown) -> list[Span]:
    digits, letters = read_digits(text), read_letters(text)
    spans = [*find_known(text, known, ocr=True), *find_dates(digits), *find_patterns(digits), *find_places(text)]
    if letters != text:
        spans += find_dates(letters)
        spans += find_names(letters, known.words, weak=known.weak, unknown=False, is_known=lambda word: resembles_ocr(word, known))
    if _CLOCK.search(digits) or _LOOSE_DATE.search(digits) or _FOUR_DIGITS.fullmatch(digits):
        spans.append(Span(0, len(text), "DATE_TIME", 0.6, "clock"))
    if fold(text).strip(" .,:;*").replace(".", "") in known.initials:
        spans.append(Span(0, len(text), "PERSON", 0.8, "header"))
    words = {fold(word) for word in _WORDS.findall(text)}
    if words and words <= known.place_words:
        spans.append(Span(0, len(text), "LOCATION", 0.7, "header"))
    return spans or _unexplained(text, known)


def _unexplained(text: str, known: HeaderKnown) -> list[Span]:
    names = find_names(
        text, known.words, weak=known.weak, strict=True, is_known=lambda word: resembles_ocr(word, known), judge_word=classify_ocr
    )
    if spans := list(names):
        return spans
    if any(not classify_ocr(word) for word in _WORDS.findall(text)) and not any(char.isdigit() for char in text):
        return [Span(0, len(text), "UNKNOWN", 0.5, "unknown-word")]
    return []


def _judge_row(row: list[tuple[int, str]], known: HeaderKnown, verdicts: list[Span | None]) -> None:
    """Flag the lines over which something sensitive extends, as when an engine reads words: ``Jones`` ``Memorial`` ``Hospital``."""
    text, starts = "", []
    for _, part in row:
        text += " " if text else ""
        starts.append(len(text))
        text += part
    digits = read_digits(text)
    for span in (*find_dates(digits), *find_patterns(digits), *find_places(text), *find_known(text, known, ocr=True)):
        covered = [at for (at, part), start in zip(row, starts, strict=True) if start < span.end and span.start < start + len(part)]
        if len(covered) > 1:
            for at in covered:
                verdicts[at] = verdicts[at] or Span(0, len(row[0][1]), span.entity_type, span.score, span.detector)


def _rows(lines: Sequence[OcrLine]) -> Iterator[list[int]]:
    """Indices of lines that stand side by side, left to right, two or more."""
    left = sorted(range(len(lines)), key=lambda at: (lines[at].frame, lines[at].box.x))
    while left:
        row = [left.pop(0)]
        for at in list(left):
            last, box = lines[row[-1]].box, lines[at].box
            rows = min(last.y + last.h, box.y + box.h) - max(last.y, box.y)
            gap = box.x - (last.x + last.w)
            same = lines[at].frame == lines[row[-1]].frame and rows >= 0.5 * min(last.h, box.h)
            if same and -0.5 * last.h <= gap <= _WORD_GAP * max(last.h, box.h):
                row.append(at)
                left.remove(at)
        if len(row) > 1:
            yield row


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(fold(text)) is not None


def _value_of(index: int, lines: Sequence[OcrLine]) -> int | None:
    """The line right of a label on its row, else the one below it."""
    label = lines[index].box
    best: tuple[float, int] | None = None
    for at, line in enumerate(lines):
        box = line.box
        if at == index or line.frame != lines[index].frame or _is_label(line.text):
            continue
        rows = min(label.y + label.h, box.y + box.h) - max(label.y, box.y)
        columns = min(label.x + label.w, box.x + box.w) - max(label.x, box.x)
        right, below = box.x - (label.x + label.w), box.y - (label.y + label.h)
        if rows >= 0.5 * min(label.h, box.h) and -0.5 * label.h <= right <= _RIGHT_GAP * label.h:
            distance = right / label.h
        elif columns > 0 and -0.5 * label.h <= below <= _BELOW_GAP * label.h:
            distance = 100 + below / label.h
        else:
            continue
        if best is None or distance < best[0]:
            best = (distance, at)
    return best[1] if best else None
