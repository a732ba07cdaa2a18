"""Which OCR lines of a frame are sensitive: by themselves, or because of the label beside them. What nothing explains is sensitive."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transforms.text.dates import find_dates
from transforms.text.fold import fold
from transforms.text.known import HeaderKnown
from transforms.text.match import find_known, resembles_ocr
from transforms.text.names import find_names
from transforms.text.patterns import find_patterns
from transforms.text.vocabulary import classify_ocr
from transforms.types import OcrLine, Span

_LABEL = re.compile(
    r"\W*(?:(?:patient(?:en)?|pat|pt|ref(?:erring)?|institution|hospital|study|exam|acc(?:ession)?|birth|physician|"
    r"operator|performing|last|first|given|family)?[\s._/'-]*"
    r"(?:name|names|id|ids|no|nr|number|nummer|date|dob|pid|mrn|acc|accession|acc#|physician|doctor|dr|institution|"
    r"hospital|operator|tech|technologist|sonographer|birthdate|birth date|geb|geburtsdatum|"
    r"geboren|ne le|nee le|ne|nee|naissance|fecha nac|fecha de nacimiento|nacimiento|nombre|apellidos?|nom|prenom|"
    r"paciente|patient|pat|pat\.?-?nr|arzt|untersucher|klinik|medecin|hopital|medico|phone|tel|address|adresse|"
    r"d\.o\.b|date of birth|of birth|clinic))(?:\s*/\s*(?:id|no|nr|name))?[\s.]*[:#=]*\W*",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?<![\d+:])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\s?[AP]M)?(?![\d:])", re.IGNORECASE)
_FOUR_DIGITS = re.compile(r"\W*\d{4}\W*")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_RIGHT_GAP = 8.0
"""A value stands at most this many line heights right of its label …"""
_BELOW_GAP = 1.5
"""… or this many below it."""


def judge_lines(lines: Sequence[OcrLine], known: HeaderKnown) -> tuple[Span | None, ...]:
    """One verdict per line; a sensitive line is sensitive as a whole."""
    verdicts = [judge_line(line.text, known) for line in lines]
    for index, line in enumerate(lines):
        if _is_label(line.text) and (at := _value_of(index, lines)) is not None and verdicts[at] is None:
            verdicts[at] = Span(0, len(lines[at].text), "ID", 0.8, "label")
    return tuple(verdicts)


def judge_line(text: str, known: HeaderKnown) -> Span | None:
    """The verdict on a line by itself. A region that was detected and not read is sensitive."""
    whole = len(text)
    if not text.strip():
        return Span(0, whole, "UNKNOWN", 0.5, "unread")
    if _is_label(text):
        return None
    evidence = _evidence(text, known)
    if not evidence:
        return None
    surest = max(evidence, key=lambda span: span.score)
    return Span(0, whole, surest.entity_type, surest.score, surest.detector)


def _evidence(text: str, known: HeaderKnown) -> Sequence[Span]:
    if spans := [*find_known(text, known, ocr=True), *find_dates(text), *find_patterns(text)]:
        return spans
    if _CLOCK.search(text) or _FOUR_DIGITS.fullmatch(text):
        return [Span(0, len(text), "DATE_TIME", 0.6, "clock")]
    folded = fold(text).strip(" .,:;*")
    if folded.replace(".", "") in known.initials:
        return [Span(0, len(text), "PERSON", 0.8, "header")]
    names = list(find_names(text, known.words, strict=True, is_known=lambda word: resembles_ocr(word, known), judge_word=classify_ocr))
    if names:
        return names
    if any(not classify_ocr(word) for word in _WORDS.findall(text)) and not any(char.isdigit() for char in text):
        return [Span(0, len(text), "UNKNOWN", 0.5, "unknown-word")]
    return []


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
