"""Which OCR lines of a frame are sensitive: by themselves, with their neighbours, or because of a label.

What nothing explains is sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from transforms.text.dates import find_dates
from transforms.text.fold import alnum, fold, read_digits, read_letters
from transforms.text.known import HeaderKnown
from transforms.text.match import find_known, resembles_ocr
from transforms.text.names import find_names, humps
from transforms.text.patterns import find_patterns
from transforms.text.places import find_places
from transforms.text.screen import (
    ACQUISITION_TIME,
    FRAGMENT,
    is_institution,
    is_label,
    is_labelled,
    is_read,
    is_ruler,
    is_setting,
    is_title,
)
from transforms.text.vocabulary import Word, classify_ocr
from transforms.types import Box, OcrLine, Span

_CLOCK = re.compile(r"(?<![\d+:.-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\s?[AP]M)?(?![\d:])", re.IGNORECASE)
_LOOSE_DATE = re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])\s?[-/.,:;]\s?(?:0?[1-9]|[12]\d|3[01])\s?[-/.,:;]\s?(?:19|20)\d\d(?!\d)")
_DATE_SHAPE = re.compile(
    r"\W*(?:\d{1,4}[-./]\d{1,2}[-./]\d{2,4}|\d{0,2}([-./])\d{0,2}\1(?:19|20)\d\d|(?:19|20)\d\d([-./])\d{0,2}\2\d{0,2})\W*"
)
"""A line of three numbers, as only dates are written, whatever was misread in them; one or two of them may be lost: ``03//1950``."""
_FOUR_DIGITS = re.compile(r"\W*\d{4}\W*")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_RIGHT_GAP = 12.0
"""A value stands at most this many line heights right of its label …"""
_BELOW_GAP = 1.5
"""… or this many below it."""
_TIGHT = 0.6
_FEW = 3
_MIN_WORD = 4
_STACK_GAP = 0.8
_MARGINS = 0.7
"""Boxes of lines on top of each other overlap by their margins, of this part of a line at most."""
_ONE_SIZE = 1.8
"""Boxes of letters of one size may differ so much: what is seen at two sizes has the larger box."""
_BLOCK = frozenset(["ID", "ORGANIZATION", "LOCATION"])
_WORD_GAP = 1.5
"""Boxes of one row this many heights apart are words of one line."""


def judge_lines(lines: Sequence[OcrLine], known: HeaderKnown) -> tuple[Span | None, ...]:
    """One verdict per line; a sensitive line is sensitive as a whole."""
    verdicts = [_judge(line, known) for line in lines]
    for row in _rows(lines):
        _judge_row([(at, lines[at].text) for at in row], known, verdicts)
        _fragments(row, lines, verdicts)
    for index, line in enumerate(lines):
        if (is_label(line.text) or is_title(line.text)) and (at := _value_of(index, lines)) is not None and verdicts[at] is None:
            verdicts[at] = _whole(lines[at], "ID", 0.8, "label")
    _stacked(lines, verdicts)
    return tuple(verdicts)


def _judge(line: OcrLine, known: HeaderKnown) -> Span | None:
    """The verdict on a line by itself. What was detected and not read, or not read to its end, is sensitive."""
    if (verdict := judge_line(line.text, known)) is not None and verdict.detector == "header":
        return verdict
    if is_ruler(line):
        return None
    if not is_read(line):
        return _whole(line, "UNKNOWN", 0.5, "unread")
    return verdict


def judge_line(text: str, known: HeaderKnown) -> Span | None:
    """The verdict on a text by itself."""
    whole = len(text)
    if not text.strip():
        return Span(0, whole, "UNKNOWN", 0.5, "unread")
    if entity := known.whole.get(alnum(text)):
        return Span(0, whole, entity, 0.95, "header")
    if is_title(text):
        return Span(0, whole, "PERSON", 0.6, "title")
    if is_label(text):
        return None
    surest = max(_evidence(text, known), key=lambda span: span.score, default=None)
    return surest and Span(0, whole, surest.entity_type, surest.score, surest.detector)


def _evidence(text: str, known: HeaderKnown) -> list[Span]:
    digits, letters = read_digits(text), read_letters(text)
    spans = [*find_known(text, known, ocr=True), *find_dates(digits), *find_places(text)]
    setting = is_setting(text)
    if not setting:
        spans += find_patterns(digits)
    if letters != text:
        spans += find_dates(letters)
        spans += find_names(letters, known.words, weak=known.weak, unknown=False, is_known=lambda word: resembles_ocr(word, known))
    timed = ACQUISITION_TIME.sub("", digits)
    if (
        _CLOCK.search(timed)
        or _LOOSE_DATE.search(timed)
        or FRAGMENT.search(timed)
        or _FOUR_DIGITS.fullmatch(timed)
        or _DATE_SHAPE.fullmatch(timed)
    ):
        spans.append(Span(0, len(text), "DATE_TIME", 0.6, "clock"))
    if fold(text).strip(" .,:;*").replace(".", "") in known.initials:
        spans.append(Span(0, len(text), "PERSON", 0.8, "header"))
    words = {fold(word) for word in _WORDS.findall(text)}
    if words and words <= known.place_words:
        spans.append(Span(0, len(text), "LOCATION", 0.7, "header"))
    if is_labelled(text):
        spans.append(Span(0, len(text), "ID", 0.8, "label"))
    return spans or _unexplained(text, known, setting=setting)


def _unexplained(text: str, known: HeaderKnown, *, setting: bool) -> list[Span]:
    names = find_names(
        text, known.words, weak=known.weak, strict=True, is_known=lambda word: resembles_ocr(word, known), judge_word=classify_ocr
    )
    if spans := [span for span in names if span.detector == "header" or not setting]:
        return spans
    words = [part for word in _WORDS.findall(text) for part in (humps(word) if not classify_ocr(word) else ())]
    if any(len(word) > 1 and not classify_ocr(word) for word in words) and not any(char.isdigit() for char in text):
        return [Span(0, len(text), "UNKNOWN", 0.5, "unknown-word")]
    return []


def _judge_row(row: list[tuple[int, str]], known: HeaderKnown, verdicts: list[Span | None]) -> None:
    """Flag the lines over which something sensitive extends, as when an engine reads words: ``Jones`` ``Memorial`` ``Hospital``."""
    for joint in (" ", ""):
        text, starts = "", []
        for _, part in row:
            text += joint if text else ""
            starts.append(len(text))
            text += part
        digits = read_digits(text)
        found = [*find_dates(digits), *find_known(text, known, ocr=True)]
        if joint:
            found += [*find_patterns(digits), *find_places(text)]
        for span in found:
            covered = [at for (at, part), start in zip(row, starts, strict=True) if start < span.end and span.start < start + len(part)]
            if len(covered) > 1:
                for at in covered:
                    verdicts[at] = verdicts[at] or Span(0, len(row[0][1]), span.entity_type, span.score, span.detector)


def _fragments(row: list[int], lines: Sequence[OcrLine], verdicts: list[Span | None]) -> None:
    """A few characters tight beside something sensitive are part of it: an initial, ``Dr``, the last digits of a number."""
    for one, other in [*pairwise(row), *pairwise(row[::-1])]:
        verdict = verdicts[one]
        if verdict is None or verdicts[other] is not None or verdict.entity_type == "UNKNOWN":
            continue
        left, right = sorted((lines[one].box, lines[other].box), key=lambda box: box.x)
        tight = right.x - (left.x + left.w) <= _TIGHT * min(left.h, right.h)
        if tight and sum(char.isalnum() for char in lines[other].text) <= _FEW and not is_setting(lines[other].text):
            verdicts[other] = _whole(lines[other], verdict.entity_type, 0.5, "beside")


def _stacked(lines: Sequence[OcrLine], verdicts: list[Span | None]) -> None:
    """Words without a number right above or below an identifier or an institution, flush with it, belong to the block of the identity.

    Consoles write name, number, dates and institution on top of each other. Words of protocols (sides, phases, modes) are left.
    """
    anchors = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict is not None and verdict.entity_type in _BLOCK]
    for at, line in enumerate(lines):
        words = _WORDS.findall(line.text)
        if verdicts[at] is not None or not words or any(char.isdigit() for char in line.text) or is_label(line.text):
            continue
        if all(classify_ocr(word) & Word.PROTOCOL or len(word) < _MIN_WORD for word in words):
            continue
        if any(anchor.frame == line.frame and _flush(anchor.box, line.box) for anchor in anchors):
            verdicts[at] = _whole(line, "PERSON", 0.5, "block")
    # A name of an institution over several lines ends with what it is.
    named = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict is not None and verdict.entity_type != "UNKNOWN"]
    for at, line in enumerate(lines):
        if verdicts[at] is not None or not is_institution(line.text):
            continue
        if any(above.frame == line.frame and above.box.y < line.box.y and _flush(above.box, line.box) for above in named):
            verdicts[at] = _whole(line, "ORGANIZATION", 0.5, "block")


def _flush(one: Box, other: Box) -> bool:
    """Whether two boxes stand on top of each other with one edge in common and letters of one size."""
    height = min(one.h, other.h)
    gap = max(one.y, other.y) - min(one.y + one.h, other.y + other.h)
    edges = min(abs(one.x - other.x), abs(one.x + one.w - other.x - other.w))
    return edges <= height and -_MARGINS * height <= gap <= _STACK_GAP * height and max(one.h, other.h) <= _ONE_SIZE * height


def _whole(line: OcrLine, entity: str, score: float, detector: str) -> Span:
    return Span(0, len(line.text), entity, score, detector)


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


def _value_of(index: int, lines: Sequence[OcrLine]) -> int | None:
    """The line right of a label on its row, else the one below it."""
    label = lines[index].box
    best: tuple[float, int] | None = None
    for at, line in enumerate(lines):
        box = line.box
        if at == index or line.frame != lines[index].frame or is_label(line.text):
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
