"""Names of persons in text: words that nothing else explains, and words that a title, a label or a neighbour makes a name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

from transforms.text.fold import fold
from transforms.text.vocabulary import Word, classify
from transforms.types import Span

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HUMP = re.compile(r"[^\W\d_a-zß-öø-ÿ]+(?![a-zß-öø-ÿ])|[^\W\d_a-zß-öø-ÿ]?[a-zß-öø-ÿ]+")
_CUES = {
    name: frozenset(words.split()) for name, words in tomllib.loads((files(__package__) / "data/cues.toml").read_text("utf-8")).items()
}
_TITLES, _UPPER_TITLES, _LABELS = _CUES["titles"], _CUES["upper_titles"], _CUES["labels"]
_PREPOSITIONS, _PARTICLES, _LEADING_PARTICLES = _CUES["prepositions"], _CUES["particles"], _CUES["leading_particles"]
_SIDES = frozenset("lrLR")
_GAP = re.compile(r"[\s.,^'’\-]{1,3}")
_LABEL_GAP = re.compile(r"\s*[:=^#]\s*")
_MIN_ALONE = 3


@dataclass(slots=True)
class _Token:
    start: int
    end: int
    text: str
    folded: str
    kind: Word
    name: bool = False
    known: str = ""


def find_names(
    text: str,
    known: Mapping[str, str],
    *,
    strict: bool,
    is_known: Callable[[str], str],
    judge_word: Callable[[str], Word] = classify,
) -> Iterator[Span]:
    """Names in ``text``.

    Args:
        text: the text.
        known: folded words that the header identifies.
        strict: unknown words in lower case count too, as in OCR lines.
        is_known: entity type of a folded unknown word that resembles a known one, or ``""``.
        judge_word: what is known of a word.
    """
    tokens = [
        _Token(match.start(), match.end(), match.group(), fold(match.group()).replace("’", "'"), judge_word(match.group()))
        for match in _WORD.finditer(text)
    ]
    caseless = strict or not any(char.isupper() for char in text)
    for token in tokens:
        _seed(token, known, caseless, is_known)
    _cues(tokens, text)
    _neighbours(tokens, text)
    yield from _spans(tokens, text)


def _seed(token: _Token, known: Mapping[str, str], caseless: bool, is_known: Callable[[str], str]) -> None:
    plain = token.folded.removesuffix("'s")
    token.known = known.get(token.folded) or known.get(plain) or known.get(plain.replace("'", ""), "")
    if token.known:
        token.name = True
    elif not token.kind and len(token.text) > 1:
        token.known = is_known(plain)
        capital = token.text[0].isupper() or caseless or not token.text[0].isascii()
        humps = _HUMP.findall(token.text)
        if len(humps) > 1 and all(classify(hump) for hump in humps):
            return
        token.name = bool(token.known) or (capital and len(token.text) >= _MIN_ALONE)


def _gap(text: str, left: _Token, right: _Token) -> str:
    return text[left.end : right.start]


def _cues(tokens: list[_Token], text: str) -> None:
    for index, token in enumerate(tokens[:-1]):
        following = tokens[index + 1]
        gap = _gap(text, token, following)
        title = token.folded in (_UPPER_TITLES if token.text.isupper() else _TITLES) and _GAP.fullmatch(gap) is not None
        surname = bool(following.kind & (Word.SURNAME | Word.GIVEN)) or not following.kind
        if (title and (surname or not token.text.isupper()) and following.text[0].isupper() and not following.kind & Word.PROTOCOL) or (
            token.folded in _LABELS
            and _LABEL_GAP.fullmatch(gap)
            and (surname or (len(following.text) > 1 and not following.kind & Word.PROTOCOL and not following.kind))
        ):
            following.name = True
        elif token.folded in _PREPOSITIONS and gap.isspace() and surname and (following.text[0].isupper() or not following.kind):
            last = index + 2 == len(tokens) or not text[following.end : tokens[index + 2].start].isspace()
            following.name = (
                following.name or last or bool(tokens[index + 2].kind & (Word.SURNAME | Word.GIVEN)) or not tokens[index + 2].kind
            )


def _neighbours(tokens: list[_Token], text: str) -> None:
    """A name grows over ambiguous words, unknown words, initials and particles beside it; a given and a family name make each other one."""
    for left, right in pairwise(tokens):
        both = (left.kind & Word.GIVEN and right.kind & (Word.SURNAME | Word.GIVEN)) or (
            left.kind & Word.SURNAME and right.kind & Word.GIVEN
        )
        joined = _gap(text, left, right)
        capital = left.text[0].isupper() and right.text[0].isupper()
        if (both and capital and (joined in {" ", ", ", "^"})) or (
            joined == "^" and (left.kind | right.kind) & (Word.SURNAME | Word.GIVEN)
        ):
            left.name = right.name = True
    changed = True
    while changed:
        changed = False
        for left, right in [*pairwise(tokens)]:
            if left.name != right.name and _GAP.fullmatch(gap := _gap(text, left, right)):
                other = right if left.name else left
                if _absorbed(other, gap, text):
                    other.name = changed = True


def _absorbed(token: _Token, gap: str, text: str) -> bool:
    if len(token.text) == 1:
        dotted = text[token.end : token.end + 1] == "."
        return token.text.isupper() and (dotted or (token.text not in _SIDES and gap != "-"))
    if token.kind & (Word.SURNAME | Word.GIVEN):
        return token.text[0].isupper()
    return not token.kind and (token.text[0].isupper() or "^" in gap)


def _spans(tokens: list[_Token], text: str) -> Iterator[Span]:
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if not token.name:
            index += 1
            continue
        last, entity = index, token.known
        while last + 1 < len(tokens):
            ahead = last + 1
            while ahead + 1 < len(tokens) and tokens[ahead].folded in _PARTICLES and not tokens[ahead].name:
                ahead += 1
            if not tokens[ahead].name or not all(_GAP.fullmatch(_gap(text, tokens[at], tokens[at + 1])) for at in range(last, ahead)):
                break
            last, entity = ahead, entity or tokens[ahead].known
        start = index
        while start and tokens[start - 1].folded in _LEADING_PARTICLES and _gap(text, tokens[start - 1], tokens[start]).isspace():
            start -= 1
        end = tokens[last].end
        if end - tokens[last].start == 1 and text[end : end + 1] == ".":
            end += 1
        detector = "header" if entity else "unknown-word"
        yield Span(tokens[start].start, end, entity or "PERSON", 0.95 if entity else 0.6, detector)
        index = last + 1
