"""The detector that the other rooms are handed: finds, cleans and judges text."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from transforms.policy import TextPolicy
from transforms.text.dates import find_dates
from transforms.text.judge import judge_lines
from transforms.text.known import HeaderKnown, build, collect
from transforms.text.match import find_known, resembles
from transforms.text.names import find_names
from transforms.text.patterns import find_patterns
from transforms.text.places import find_places
from transforms.text.spans import merge, replace
from transforms.types import Dataset, Known, OcrLine, Span

_WHOLE = {"PN": "PERSON", "DA": "DATE_TIME", "DT": "DATE_TIME", "TM": "DATE_TIME"}
_CACHED = 256
_LETTERS = re.compile(r"[^\W\d_]")


class PiiDetector:
    """Finds what identifies a person: identifiers known from the header, patterns, and words that the safe vocabulary does not explain.

    Implements `transforms.types.PiiFinder`. Holds caches only; one per worker is enough, and it is safe to build again anywhere.
    """

    def __init__(self, policy: TextPolicy) -> None:
        self._policy = policy
        self._known: OrderedDict[tuple[tuple[str, str], ...], HeaderKnown] = OrderedDict()

    def known(self, datasets: Sequence[Dataset]) -> HeaderKnown:
        """Identifiers of the original header (first) and of others of its series. Never raises for a broken element."""
        items = collect(datasets)
        if (found := self._known.get(items)) is None:
            found = self._known[items] = build(items)
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(items)
        return found

    def find(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[Span, ...]:
        """Spans of ``text`` that identify, sorted, not overlapping. A value whose VR is a name, a date or a time identifies as a whole."""
        if not text.strip():
            return ()
        if entity := _WHOLE.get(vr):
            return (Span(0, len(text), entity, 1.0, "vr"),)
        return merge(text, self._spans(text, _header(known)))

    def _spans(self, text: str, known: HeaderKnown) -> Iterable[Span]:
        yield from find_known(text, known)
        yield from find_dates(text)
        yield from find_patterns(text)
        yield from find_places(text)
        if _LETTERS.search(text):
            yield from find_names(text, known.words, weak=known.weak, strict=False, is_known=lambda word: resembles(word, known))

    def clean(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[str, tuple[Span, ...]]:
        """``text`` with each span replaced by its marker, or removed with the joiners that it leaves behind."""
        spans = self.find(text, known, keyword=keyword, vr=vr)
        return replace(text, spans, remove=self._policy.marker == "remove"), spans

    def judge(self, lines: Sequence[OcrLine], known: Known) -> tuple[Span | None, ...]:
        """For each line of one frame: the span that makes it sensitive (the whole line is), or None."""
        return judge_lines(lines, _header(known))


def _header(known: Known) -> HeaderKnown:
    if not isinstance(known, HeaderKnown):
        raise TypeError(f"expected what PiiDetector.known gave, found {type(known).__name__}")
    return known
