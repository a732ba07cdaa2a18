"""The detector that the other rooms are handed: finds, cleans and judges text."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from transforms.policy import TextPolicy
from transforms.text.collect import KIND_OF_KEYWORD, LISTS, collect
from transforms.text.dates import find_dates
from transforms.text.fold import fold
from transforms.text.judge import judge_lines
from transforms.text.known import ENTITY_OF_KIND, HeaderKnown, build
from transforms.text.match import find_known, resembles
from transforms.text.names import find_names
from transforms.text.ner import check_model, find_entities
from transforms.text.patterns import find_patterns
from transforms.text.places import find_places
from transforms.text.recognizers import find_checked
from transforms.text.spans import PIECE, cut_out, merge, pieces
from transforms.text.vocabulary import Word, classify
from transforms.types import Dataset, Known, OcrLine, Span

_WHOLE = {"PN": "PERSON", "DA": "DATE_TIME", "DT": "DATE_TIME", "TM": "DATE_TIME"}
_ENTITY_OF_KEYWORD = {keyword: ENTITY_OF_KIND.get(kind, kind) for keyword, kind in KIND_OF_KEYWORD.items()}
_NO_TEXT = frozenset(["AT", "DS", "FD", "FL", "IS", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UI", "UL", "US", "UV"])
_DEFINED = frozenset(LISTS["DEFINED"])
_SHORTEST_DATE = 8
_CACHED = 256
_CACHED_TEXTS = 8192
_LETTERS = re.compile(r"[^\W\d_]")


class PiiDetector:
    """Finds what identifies a person: identifiers known from the header, patterns, and words that the safe vocabulary does not explain.

    Implements `transforms.types.PiiFinder`. Holds caches only; one per worker is enough, and it is safe to build again anywhere.

    Raises:
        ConfigError: the policy names a model that is not installed.
    """

    def __init__(self, policy: TextPolicy) -> None:
        check_model(policy.ner, policy.ner_model)
        self._policy = policy
        self._safe = frozenset(map(fold, policy.safe_words))
        self._spans = lru_cache(_CACHED_TEXTS)(self._search)
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
        """Spans of ``text`` that identify, sorted, not overlapping.

        A value identifies as a whole when its VR is a name, a date or a time, or its keyword one of a known identifier. Values of defined
        terms and of equipment (CS, Manufacturer …) are no prose: an unknown word by itself is no evidence there.
        """
        if not text.strip() or vr in _NO_TEXT:
            return ()
        if entity := _WHOLE.get(vr) or _ENTITY_OF_KEYWORD.get(keyword):
            return (Span(0, len(text), entity, 1.0, "element"),)
        if vr == "AS":
            return tuple(Span(0, len(text), "AGE", 1.0, "element") for _ in find_dates(text))
        prose = vr != "CS" and keyword not in _DEFINED
        if len(text) <= PIECE:
            return self._spans(text, _header(known), prose)
        found: list[Span] = []
        for start, end in pieces(text):
            for span in self._spans(text[start:end], _header(known), prose):
                found.append(replace(span, start=start + span.start, end=start + span.end))
        return tuple(found)

    def _search(self, text: str, known: HeaderKnown, prose: bool) -> tuple[Span, ...]:
        spans = [*find_known(text, known), *find_patterns(text), *find_places(text), *find_dates(text)]
        if not prose:
            spans = [span for span in spans if not _is_version(span)]
        if _LETTERS.search(text):
            judge = self._judge_word if self._safe else classify
            spans += find_names(
                text,
                known.words,
                weak=known.weak,
                unknown=prose,
                is_known=lambda word: resembles(word, known),
                judge_word=judge,
            )
        spans += find_checked(text, spans)
        if self._policy.ner != "none":
            spans += find_entities(text, self._policy.ner, self._policy.ner_model)
        return merge(text, spans)

    def _judge_word(self, word: str) -> Word:
        return Word.SAFE | Word.PROTOCOL if fold(word) in self._safe else classify(word)

    def clean(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[str, tuple[Span, ...]]:
        """``text`` with each span replaced by its marker, or removed with the joiners that it leaves behind."""
        spans = self.find(text, known, keyword=keyword, vr=vr)
        return cut_out(text, spans, remove=self._policy.marker == "remove"), spans

    def judge(self, lines: Sequence[OcrLine], known: Known) -> tuple[Span | None, ...]:
        """For each line of one frame: the span that makes it sensitive (the whole line is), or None."""
        return judge_lines(lines, _header(known))


def _is_version(span: Span) -> bool:
    """``3.1.62`` and ``2.6.1.0`` are versions where versions are to be expected."""
    return span.detector == "ip" or (span.detector == "date" and span.end - span.start < _SHORTEST_DATE)


def _header(known: Known) -> HeaderKnown:
    if not isinstance(known, HeaderKnown):
        raise TypeError(f"expected what PiiDetector.known gave, found {type(known).__name__}")
    return known
