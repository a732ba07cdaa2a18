"""Rules of two peers for places where devices write text, as rules of ours: scripts of CTP's DicomPixelAnonymizer, recipes of deid.

A rule of ours has tests that all have to hold; a peer's expression becomes as many rules as it has alternatives. What ours cannot say (not,
missing, regular expressions) is left out and named: to leave out a test would blank images of other devices. CTP's tests of how a value
begins or ends become tests of what it contains, and case is ignored: a little wider.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydicom.datadict import keyword_for_tag

from transforms.policy import DeviceRule

Test = tuple[str, str]
"""A keyword or tag, and what `DeviceRule.match` says about it."""
Alternatives = list[tuple[Test, ...]]
"""Tests of which all of one tuple have to hold."""
Four = tuple[int, int, int, int]

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_SIGNATURE = re.compile(r"\{([^{}]*)\}((?:\s*\([^()]*\))+)")
_CTP_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()*+!])|(?P<name>\w+|\[[^\]]+\])\.(?P<test>containsIgnoreCase|equalsIgnoreCase|contains|equals|startsWith|endsWith"
    r'|startsWithIgnoreCase|endsWithIgnoreCase)\("(?P<value>[^"]*)"\))'
)
_DEID_OPERATOR = re.compile(r"(\|\||&&|\+)")
_DEID_AREA = re.compile(r"^(ctp)?(keep)?coordinates\s+(.+)$")
_PATTERN = re.compile(r"[\\^$*?()\[\]{}]")
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")


class UntranslatableError(ValueError):
    """A rule that says what ours cannot. The message says what that is."""


@dataclass(slots=True)
class Translated:
    """Rules of ours, and for each rule that could not be translated where it is and why."""

    rules: list[DeviceRule] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], tuple[Alternatives, dict[str, Any]]]) -> None:
        """The rules of one of a peer's: one for each alternative."""
        try:
            alternatives, areas = make()
        except UntranslatableError as exc:
            self.left_out.append(f"{name}: {exc}")
            return
        for number, tests in enumerate(alternatives, 1):
            part = name if len(alternatives) == 1 else f"{name}-{number}"
            try:
                self.rules.append(_rule(part, tests, areas))
            except ValidationError as exc:
                self.left_out.append(f"{part}: {exc.errors()[0]['msg'].removeprefix('Value error, ')}")
            except UntranslatableError as exc:
                self.left_out.append(f"{part}: {exc}")


def translate(text: str) -> Translated:
    """A script of CTP or a recipe of deid; a recipe begins with FORMAT, or has labels."""
    return from_deid(text) if re.search(r"^\s*(FORMAT\b|LABEL\b|%filter\b)", text, re.MULTILINE) else from_ctp(text)


def from_ctp(script: str) -> Translated:
    """``{ signature } (x,y,width,height) …``: tests joined by ``*`` (and), ``+`` (or), parentheses; what stands outside is remarks."""
    translated = Translated()
    for number, (signature, areas) in enumerate(_SIGNATURE.findall(_COMMENT.sub("", script)), 1):

        def make(signature: str = signature, areas: str = areas) -> tuple[Alternatives, dict[str, Any]]:
            return _ctp_alternatives(signature), {"blank": tuple(_four(area) for area in re.findall(r"\(([^()]*)\)", areas))}

        translated.add(f"ctp-{number}", make)
    return translated


def from_deid(recipe: str) -> Translated:
    """``LABEL`` blocks with coordinates: corners (xmin,ymin,xmax,ymax), or x,y,width,height behind ``ctp``.

    Blocks without coordinates only say that an image should be looked at, as all are here. ``keepcoordinates`` alone blank the rest.
    """
    translated = Translated()
    for number, block in enumerate(re.split(r"^\s*LABEL\b", recipe, flags=re.MULTILINE)[1:], 1):
        head, *lines = (line.split("#")[0].strip() for line in block.splitlines())
        lines = [line for line in lines if line and not line.startswith("%")]
        places = [(found[1], found[2], found[3]) for line in lines if (found := _DEID_AREA.match(line))]
        if places:

            def make(lines: list[str] = lines, places: list[tuple[str, str, str]] = places) -> tuple[Alternatives, dict[str, Any]]:
                return _deid_alternatives([line for line in lines if not _DEID_AREA.match(line)]), _deid_areas(places)

            translated.add("-".join([f"deid-{number}", *re.findall(r"\w+", head.lower())]), make)
    return translated


def _rule(name: str, tests: Sequence[Test], areas: dict[str, Any]) -> DeviceRule:
    match: dict[str, str] = {}
    size: dict[str, Any] = {}
    for keyword, value in tests:
        if keyword in ("Rows", "Columns"):
            found: Any = value.removeprefix("=")
            if not found.isdigit() or size.setdefault(keyword.lower(), int(found)) != int(found):
                raise UntranslatableError(f"expected one number for {keyword}")
            continue
        held = match.setdefault(keyword, value)
        longer, shorter = sorted((held, value), key=len, reverse=True)
        if shorter.lower() not in longer.lower():
            raise UntranslatableError(f"expected one text for {keyword}, found two")
        match[keyword] = longer
    return DeviceRule(name=name, match=match, **size, **areas)


def _ctp_alternatives(signature: str) -> Alternatives:
    tokens: list[re.Match[str]] = []
    position = 0
    while signature[position:].strip():
        found = _CTP_TOKEN.match(signature, position)
        if found is None:
            raise UntranslatableError('expected tests such as Modality.equals("CT") joined by * and +')
        tokens.append(found)
        position = found.end()
    rest = iter([*tokens, None])
    alternatives, end = _ctp_sum(rest)
    if end is not None:
        raise UntranslatableError("expected no more closing than opening parentheses")
    return alternatives


def _ctp_sum(tokens: Iterator[re.Match[str] | None]) -> tuple[Alternatives, re.Match[str] | None]:
    """Products joined by ``+``, up to a closing parenthesis or the end, which is returned as well."""
    alternatives: Alternatives = []
    product: Alternatives = [()]
    for token in tokens:
        sign = token["sign"] if token else None
        if token is None or sign == ")":
            break
        if sign == "!":
            raise UntranslatableError("expected tests that hold, found ! (not)")
        if sign == "+":
            alternatives, product = alternatives + product, [()]
        elif sign == "(":
            inner, _ = _ctp_sum(tokens)
            product = _both(product, inner)
        elif not sign:
            exact = token["test"].startswith("equals")
            product = _both(product, [(_test(token["name"].strip("[]"), token["value"], exact=exact),)])
    return alternatives + product, token


def _deid_alternatives(lines: Sequence[str]) -> Alternatives:
    """Lines from the first to the last, and tests within a line likewise: deid knows no precedence."""
    alternatives: Alternatives = []
    for line in lines:
        joint, operator, found = "+", "+", Alternatives()
        parts = _DEID_OPERATOR.split(line)
        if len(parts) > 1 and not parts[0].strip():
            joint, parts = parts[1], parts[2:]
        for part in parts:
            if _DEID_OPERATOR.fullmatch(part):
                operator = part
            elif part.strip():
                found = _joined(found, operator, _deid_test(part))
        alternatives = _joined(alternatives, joint, found)
    if not alternatives:
        raise UntranslatableError("expected tests, found none")
    return alternatives


def _deid_test(text: str) -> Alternatives:
    kind, _, rest = text.strip().partition(" ")
    name, _, value = rest.strip().partition(" ")
    if kind not in ("contains", "equals"):
        raise UntranslatableError(f"expected contains or equals, found {kind}")
    if not value.strip() or _PATTERN.search(value):
        raise UntranslatableError(f"expected a text for {name} that is no regular expression")
    return [(_test(name, part.strip(), exact=kind == "equals"),) for part in value.split("|") if part.strip()]


def _test(name: str, value: str, *, exact: bool) -> Test:
    if not exact and value.startswith(("=", "~")):
        raise UntranslatableError(f"expected a text for {name} that does not begin with = or ~")
    return _keyword(name), f"={value}" if exact else value


def _deid_areas(places: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    areas: dict[str, list[Four]] = {"blank": [], "keep": []}
    for ctp, keep, numbers in places:
        a, b, c, d = (0, 0, 0, 0) if numbers.strip() == "all" else _four(numbers)
        areas["keep" if keep else "blank"].append((a, b, c, d) if ctp or (a, b, c, d) == (0, 0, 0, 0) else (a, b, c - a, d - b))
    return {"blank": tuple(areas["blank"] or [(0, 0, 0, 0)]), "keep": tuple(areas["keep"])}


def _joined(one: Alternatives, operator: str, other: Alternatives) -> Alternatives:
    if not one or not other:
        return one or other
    return one + other if operator == "||" else _both(one, other)


def _both(one: Alternatives, other: Alternatives) -> Alternatives:
    return [(*first, *second) for first in one for second in other]


def _keyword(name: str) -> str:
    """A keyword as it is; a tag ``0008,0070`` as its keyword, or as it is where it has none or one for many tags."""
    tag = _TAG.fullmatch(name)
    if tag is None:
        return name
    number = int(tag[1] + tag[2], 16)
    repeats = tag[1][:2].upper() in ("50", "60")
    return ("" if repeats else keyword_for_tag(number)) or f"({tag[1]},{tag[2]})"


def _four(text: str) -> Four:
    numbers = re.findall(r"-?\d+", text)
    if len(numbers) != 4 or re.search(r"[^\d\s,-]", text):
        raise UntranslatableError("expected four numbers")
    a, b, c, d = map(int, numbers)
    return a, b, c, d
