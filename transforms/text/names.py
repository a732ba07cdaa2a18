"""Names of persons in text: words that nothing else explains, and words that a title, a label or a neighbour makes a name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

from transforms.text.fold import LETTER, fold
from transforms.text.vocabulary import UNSPACED, Word, classify, eponyms
from transforms.types import Span

_WORD = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*")
_CUES = {
    name: frozenset(words.split()) for name, words in tomllib.loads((files(__package__) / "data/cues.toml").read_text("utf-8")).items()
}
_TITLES, _UPPER_TITLES, _LABELS = _CUES["titles"], _CUES["upper_titles"], _CUES["labels"]
_PREPOSITIONS, _PARTICLES, _LEADING_PARTICLES = _CUES["prepositions"], _CUES["particles"], _CUES["leading_particles"]
_CREDENTIALS, _SPOKEN, _WITH = _CUES["credentials"], _CUES["spoken"], _CUES["with"]
_ENGLISH_TITLES = frozenset(["Mr", "Mrs", "Ms"])
"""With a full stop they are titles whatever follows: ``Mr. Foot``."""
_SIDES = frozenset("lrLR")
_ANATOMY = frozenset("AVNMLR")
"""Arteria, vena, nervus, musculus, left and right, abbreviated as forenames are: ``V. Cava``."""
_GAP = re.compile(r"[\s.,^'’]{1,3}|-")
_BEGINS = re.compile(r"[.!?:]\s|\n")
"""A sentence ends between two words."""
_SCALES = frozenset("grade score scale index ratio stage class classification category type".split())  # noqa: SIM905
_GRADE = re.compile(r"\s?[:=]?\s?(?:\d(?:[.,]\d{1,2})?|[IVX]{1,4})[a-fA-F]?(?![\w/-]|[.,]\d)")
"""What stands behind the name of a scale; two digits may be an age."""
_SIDE_BY_SIDE = frozenset([" ", ", ", ",", "^", "-", "."])
_LABEL_GAP = re.compile(r"\s*[:=^#]\s*|\s+")
_CREDENTIAL_GAP = re.compile(r",?\s+")
_MIN_ALONE = 3
_NAMES = Word.SURNAME | Word.GIVEN


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
    weak: Container[str] = (),
    strict: bool = False,
    unknown: bool = True,
    is_known: Callable[[str], str],
    judge_word: Callable[[str], Word] = classify,
) -> Iterator[Span]:
    """Names in ``text``.

    Args:
        text: the text.
        known: folded words that the header identifies.
        weak: the same for words that need a neighbour or a cue, such as ``Ho``, because they mean other things more often.
        unknown: a capitalised word that the vocabulary does not have is a name.
        strict: unknown words in lower case count too, as in OCR lines.
        is_known: entity type of a folded unknown word that resembles a known one, or ``""``.
        judge_word: what is known of a word.
    """
    tokens = [
        _Token(match.start(), match.end(), match.group(), fold(match.group()).replace("’", "'"), judge_word(match.group()))
        for match in _WORD.finditer(text)
    ]
    # Whoever writes capitals in abbreviations only (``CT smith``) tells nothing by them.
    caseless = strict or not any(token.text[0].isupper() and not token.text.isupper() for token in tokens)
    for token in tokens:
        if token.folded in weak:
            token.kind = Word.SAFE | Word.SURNAME | Word.GIVEN
        else:
            _seed(token, known, caseless, is_known, unknown)
    _weak(tokens, text, weak)
    _clear_eponyms(tokens, text)
    _cues(tokens, text, caseless)
    _credentials(tokens, text)
    _initials(tokens, text, frozenset() if strict else _ANATOMY)
    if strict:
        _alone(tokens, text)
    _neighbours(tokens, text, _style(tokens))
    yield from _spans(tokens, text)


def _seed(token: _Token, known: Mapping[str, str], caseless: bool, is_known: Callable[[str], str], unknown: bool) -> None:
    plain = token.folded.removesuffix("'s")
    token.known = known.get(token.folded) or known.get(plain) or known.get(plain.replace("'", ""), "")
    if token.known:
        token.name = True
    elif not token.kind:
        token.known = is_known(plain)
        capital = not token.text[0].islower() or caseless
        if len(parts := humps(token.text)) > 1 and all(classify(part) for part in parts):
            return
        token.name = bool(token.known) or (
            unknown and capital and (len(token.text) >= _MIN_ALONE or UNSPACED.match(token.folded) is not None)
        )


def _weak(tokens: list[_Token], text: str, weak: Container[str]) -> None:
    """Two parts of one header's names side by side are a name, however they are written: ``ct li wu``.

    So is one that is written as a name is, where no sentence begins: ``CT Ng``. Abbreviations are not (``NG tube``, ``5 ng``).
    """
    for left, token in pairwise(tokens):
        if token.folded in weak and len(token.text) > 1 and token.text.istitle():
            token.name |= not _BEGINS.search(_gap(text, left, token))
    for left, right in pairwise(tokens):
        parts = [token.folded in weak for token in (left, right)]
        both = all(part or token.known for part, token in zip(parts, (left, right), strict=True))
        if any(parts) and both and left.folded != right.folded and _gap(text, left, right) in _SIDE_BY_SIDE:
            left.name = right.name = True


def humps(text: str) -> list[str]:
    """``KneeLeft`` and ``MRKnee`` cut where a capital begins a word."""
    cuts = [
        at
        for at in range(1, len(text))
        if text[at].isupper() and (text[at - 1].islower() or (text[at - 1].isupper() and text[at + 1 : at + 2].islower()))
    ]
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


def _gap(text: str, left: _Token, right: _Token) -> str:
    return text[left.end : right.start]


def _clear_eponyms(tokens: list[_Token], text: str) -> None:
    """``Circle of Willis``, ``Crohn's disease`` and ``Fazekas 2`` name no person of this file, unless its header does."""
    safe_beside = eponyms()
    for index, token in enumerate(tokens):
        if token.name and not token.known:
            plain = token.folded.removesuffix("'s")
            beside = safe_beside.get(plain) or safe_beside.get(plain.removesuffix("s"))
            scale = beside and not _SCALES.isdisjoint(beside) and _GRADE.match(text, token.end)
            if beside and (scale or any(near.folded in beside for near in tokens[max(0, index - 5) : index + 6])):
                token.name, token.kind = False, Word.SAFE


def _after_initials(tokens: list[_Token], text: str, index: int, ends: str = ".") -> int:
    """The first word from ``index`` on that is no initial; one of ``ends`` stands behind each."""
    while index + 1 < len(tokens) and len(tokens[index].text) == 1 and text[tokens[index].end : tokens[index].end + 1] in tuple(ends):
        index += 1
    return index


def _cues(tokens: list[_Token], text: str, caseless: bool) -> None:
    """A title, a label or a preposition makes the word after it a name, where that word can be one."""
    for index, (token, following) in enumerate(pairwise(tokens)):
        gap = _gap(text, token, following)
        possible = not following.kind or bool(following.kind & _NAMES and not following.kind & Word.PROTOCOL)
        capital = caseless or following.text[0].isupper()
        upper = token.text != "Dr" and (caseless or (token.text.isupper() and len(token.text) > 1))
        title = token.folded in (_UPPER_TITLES if upper else _TITLES) and (len(token.text) > 1 or gap.startswith("."))
        if title and _GAP.fullmatch(gap):
            sure = not upper or token.folded != "dr" or gap.startswith(".")
            first = _after_initials(tokens, text, index + 1, ends=". " if sure else ".")
            if first > index + 1:
                tokens[first].name |= tokens[first].text[0].isupper() or caseless or not tokens[first].kind
            certain = token.folded in _UPPER_TITLES or (token.text in _ENGLISH_TITLES and gap.startswith("."))
            plain = not following.kind & Word.PROTOCOL or (not upper and certain and following.text[0].isupper())
            other = sure and capital and plain and len(following.text) > 1
            following.name |= other or (possible and (capital or not following.kind))
        elif _LABEL_GAP.fullmatch(gap) and token.folded in _LABELS:
            following.name |= possible
        elif gap.isspace() and not (capital or following.kind) and _is_spoken(tokens, index):
            following.name |= len(following.text) >= _MIN_ALONE
        elif gap.isspace() and capital and token.folded in _PREPOSITIONS:
            after = tokens[index + 2] if index + 2 < len(tokens) else None
            last = after is None or not _gap(text, following, after).isspace()
            if (first := _after_initials(tokens, text, index + 1)) > index + 1:
                tokens[first].name |= tokens[first].text[0].isupper()
            following.name |= possible and (last or after is None or not after.kind or bool(after.kind & _NAMES))
        else:
            continue
        _extend(tokens, text, index + 1)


def _is_spoken(tokens: list[_Token], index: int) -> bool:
    """``read by``, ``discussed with``: whoever follows is a person, in lower case, too."""
    if not index or tokens[index - 1].folded not in _SPOKEN:
        return False
    told = tokens[index - 1].folded in ("discussed", "reviewed", "besprochen")
    return tokens[index].folded in _PREPOSITIONS or (told and tokens[index].folded in _WITH)


def _credentials(tokens: list[_Token], text: str) -> None:
    """Up to two capitalised words before ``, MD`` are a name."""
    for index, token in enumerate(tokens):
        if token.folded in _CREDENTIALS and token.text.isupper():
            for before in reversed(tokens[max(0, index - 2) : index]):
                gap = text[before.end : tokens[index].start]
                if not before.text[0].isupper() or before.kind & Word.PROTOCOL or not _CREDENTIAL_GAP.fullmatch(gap):
                    break
                before.name, index = True, index - 1


def _initials(tokens: list[_Token], text: str, others: frozenset[str]) -> None:
    """A dotted initial, of which ``others`` are none, before a word that can be a name: ``J. Miller``."""
    for initial, word in pairwise(tokens):
        dotted = _is_initial(initial) and _gap(text, initial, word) in {".", ". "}
        word.name |= dotted and _is_surname(word) and initial.text not in others


def _alone(tokens: list[_Token], text: str) -> None:
    """A line of one word that can be a name, and of initials: ``MILLER, J.``, ``J BROWN``. A bare side is no initial."""
    words = [token for token in tokens if not _is_initial(token)]
    letters = [token for token in tokens if _is_initial(token)]
    if len(words) != 1 or not letters or not _is_surname(words[0]) or any(char.isdigit() for char in text):
        return
    words[0].name |= any(token.text not in _SIDES for token in letters) or "," in text


def _is_initial(token: _Token) -> bool:
    return len(token.text) == 1 and token.text.isupper()


def _is_surname(token: _Token) -> bool:
    """Whether a word can be a name and is none of a protocol's."""
    possible = token.kind & _NAMES and not token.kind & Word.PROTOCOL
    return bool(possible) and len(token.text) >= _MIN_ALONE and token.text[0].isupper()


def _extend(tokens: list[_Token], text: str, first: int) -> None:
    """After a cue, a name's other half may be any word that is no protocol token, if the pair ends there: ``signed Jansen Post``."""
    run = tokens[first : first + 2]
    if len(run) < 2 or run[0].name == run[1].name or _gap(text, *run) not in {" ", ", "}:
        return
    other = run[1] if run[0].name else run[0]
    ends = first + 2 >= len(tokens) or not _gap(text, run[1], tokens[first + 2]).isspace()
    if ends and not other.kind & Word.PROTOCOL and other.text[0].isupper() and len(other.text) > 1:
        other.name = True


def _style(tokens: list[_Token]) -> str:
    """How most safe words are written: ``lower``, ``upper`` or ``title``. A word written otherwise beside a name is part of it."""
    counts = {"lower": 0, "upper": 0, "title": 0}
    for token in tokens:
        if token.kind and len(token.text) > 3:
            counts[_case(token.text)] += 1
    if counts["lower"] <= 2 * counts["title"]:  # German writes its nouns with capitals
        counts["lower"] = 0
    return max(counts, key=lambda case: counts[case])


def _case(text: str) -> str:
    return "upper" if text.isupper() else "lower" if text.islower() else "title"


def _neighbours(tokens: list[_Token], text: str, style: str) -> None:
    """A name grows over ambiguous words, unknown words, initials and particles beside it; a given and a family name make each other one."""
    for left, right in pairwise(tokens):
        joined = _gap(text, left, right)
        strange = not (left.kind or right.kind) and left.text.islower() and right.text.islower()
        written = joined == "^" and any(not word.kind or (word.kind & _NAMES and not word.kind & Word.PROTOCOL) for word in (left, right))
        if written or (strange and joined in {" ", ", "} and len(left.text + right.text) > 2 * _MIN_ALONE):
            left.name = right.name = True
        elif joined in {" ", ", "} and left.text[0].isupper() and right.text[0].isupper():
            both = (left.kind & Word.GIVEN and right.kind & _NAMES) or (left.kind & Word.SURNAME and right.kind & Word.GIVEN)
            if both and not (left.kind | right.kind) & Word.PROTOCOL:
                left.name = right.name = True
    changed = True
    while changed:
        changed = False
        for left, right in [*pairwise(tokens)]:
            if left.name != right.name and _GAP.fullmatch(gap := _gap(text, left, right)):
                other, name = (right, left) if left.name else (left, right)
                if _absorbed(other, name, gap, text, style):
                    other.name = changed = True


def _absorbed(token: _Token, name: _Token, gap: str, text: str, style: str) -> bool:
    after = token.start > name.start
    following = text[token.end : token.end + 1]
    if following.isdigit() or text[max(0, token.start - 1) : token.start].isdigit():
        return False
    if len(token.text) == 1:
        dotted = following == "."
        return token.text.isupper() and (dotted or (after and token.text not in _SIDES and gap != "-"))
    if token.kind & _NAMES:
        return token.text[0].isupper() and not token.kind & Word.PROTOCOL
    if token.kind:
        if token.kind & Word.PROTOCOL or _case(token.text) in {"lower", style} or gap not in {" ", ", "}:
            return False
        inside = text[: token.start].rstrip()[-1:] not in ("", ".", ":", ";", "-", "/", ",")
        ends = re.match(r" ?[^\W_]", text[token.end :]) is None or not after
        return style == "upper" or (inside and ends)
    return token.text[0].isupper() or "^" in gap


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
