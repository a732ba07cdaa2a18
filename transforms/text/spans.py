"""Spans: merged, and cut out of their text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from transforms.types import Span

_JOINERS = (
    r"(?:for|by|per|from|of|at|on|in|the|patient|pt|dr|prof|mr|mrs|ms|herr|frau|mme|sr|sra|von|für|bei|am|vom|pour|par|"
    r"de|le|du|para|por|el|del)"
)
_TRAILING = re.compile(rf"(?:[\s,;:\-–/^(\[_]+|\s{_JOINERS}\.?)+$", re.IGNORECASE)
_LEADING = re.compile(r"^[\s,;:\-–/^)\]_.]+")
_SMALL_GAP = re.compile(r"[\s,.^'’\-]{0,2}")


PIECE = 2000
"""Longer texts are searched in pieces of at most this many characters, so that no text takes more than linear time."""


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Where ``text`` is cut: after a line, else after a word, else anywhere."""
    start = 0
    while len(text) - start > PIECE:
        middle, end = start + PIECE // 2, start + PIECE
        cut = max(text.rfind("\n", middle, end), text.rfind("\r", middle, end))
        if cut < 0:
            cut = text.rfind(" ", middle, end)
        after = cut + 1 if cut >= 0 else end
        yield start, after
        start = after
    yield start, len(text)


def merge(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted and not overlapping: overlapping spans become one with the type of the surest; adjacent ones of a type too."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged:
            last = merged[-1]
            overlap = span.start < last.end
            adjacent = span.entity_type == last.entity_type and _SMALL_GAP.fullmatch(text, last.end, span.start) is not None
            if overlap or adjacent:
                best = max(last, span, key=lambda each: (each.score, each.end - each.start))
                merged[-1] = Span(last.start, max(last.end, span.end), best.entity_type, best.score, best.detector)
                continue
        merged.append(span)
    return tuple(merged)


def cut_out(text: str, spans: Sequence[Span], *, remove: bool) -> str:
    """``text`` with markers such as ``[PERSON]`` for its spans, or without them and without the joiners that they leave behind."""
    if not spans:
        return text
    if not remove:
        pieces, at = [], 0
        for span in spans:
            pieces += [text[at : span.start], f"[{span.entity_type}]"]
            at = span.end
        return "".join([*pieces, text[at:]])
    kept = ""
    at = 0
    for span in spans:
        kept = _join(kept, text[at : span.start]) if at else text[: span.start]
        at = span.end
    return _join(kept, text[at:])


def _join(left: str, right: str) -> str:
    """What stays on both sides of a hole. A line break or a value delimiter next to it stays."""
    breaks = re.search(r"[\n\r\f\\]", right[: len(right) - len(right.lstrip(" ,;:-–/^)]_.\r\n\f\\"))]) if right else None
    tail = _TRAILING.sub("", left.rstrip(" ")) if not left.endswith(("\n", "\r", "\f", "\\")) else left
    if breaks is not None:
        return tail + right[breaks.start() :]
    rest = _LEADING.sub("", right)
    if not rest or not tail or tail.endswith(("\n", "\r", "\f", "\\")):
        return tail + rest
    return f"{tail} {rest}"
