"""Patterns that identify whoever they belong to: contacts, identifiers, addresses, hospitals. An ordered list of small rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from transforms.text.vocabulary import Word, classify
from transforms.types import Span


@dataclass(frozen=True, slots=True)
class Pattern:
    """One rule. Group ``v`` of the expression, if there is one, is what identifies; ``accept`` has the last word on it.

    ``needs`` is a character without which it cannot match (0 for any digit). With ``shrink`` a match that is not accepted is tried again
    without its last part, so that a number may follow a number. A match right behind ``unless`` is none.
    """

    name: str
    entity: str
    score: float
    expression: re.Pattern[str]
    accept: Callable[[str], bool] | None = None
    shrink: bool = False
    needs: str = "0"
    unless: re.Pattern[str] | None = None

    def find(self, text: str) -> Iterator[Span]:
        """All spans of this rule."""
        group = "v" if "v" in self.expression.groupindex else 0
        for match in self.expression.finditer(text):
            value, start = match.group(group), match.start(group)
            if self.unless is not None and self.unless.search(text, max(0, start - _NEAR), start):
                continue
            while value and self.accept is not None and not self.accept(value):
                value = re.sub(r"[\s./-]*[^\s./-]+$", "", value) if self.shrink else ""
            if value:
                yield Span(start, start + len(value), self.entity, self.score, self.name)


def _digits(value: str) -> int:
    return sum(char.isdigit() for char in value)


_NEAR = 20
"""What a match stands behind is looked for this many characters before it."""
_SCHEME = re.compile(r"\b(?:CPT|HCPCS|LOINC|SNOMED(?:[ -]?CT)?|SCT|RADLEX|OPS|ICD(?:-?\d{1,2})?)\b[\s:#-]{0,3}(?:code\s*)?$", re.IGNORECASE)
"""The name of a coding scheme: a number behind it is a procedure or a finding."""
_NUCLIDES = (
    "11C 13N 14O 15O 18F 32P 44Sc 51Cr 52Mn 57Co 59Fe 61Cu 62Cu 64Cu 67Cu 67Ga 68Ga 72As 75Br 76Br 75Se 81mKr 82Rb 86Y 89Sr 89Zr 90Y 99mTc "
    "99Tc 103Pd 111In 123I 124I 125I 127Xe 131I 133Xe 149Tb 152Tb 153Sm 161Tb 166Ho 169Er 177Lu 186Re 188Re 192Ir 198Au 201Tl 203Pb 211At "
    "212Pb 213Bi 223Ra 225Ac 227Th"
)
_ISOTOPE = re.compile(rf"(?:{_NUCLIDES.replace(' ', '|')})(?=-|$)", re.IGNORECASE)
"""The nuclide of a tracer, in front of its name: ``99mTc-MDP``."""
_SIZE = re.compile(r"\d{1,4}(?:x\d{1,4}){1,3}(?:mm|cm)?", re.IGNORECASE)


def _code(value: str) -> bool:
    """Five digits; or four, after letters that are no protocol token; or fewer, after letters that are no word at all; no ``512x512``."""
    if _SIZE.fullmatch(value):
        return False
    if nuclide := _ISOTOPE.match(value):
        value = value[nuclide.end() :]
    digits = _digits(value)
    letters = re.findall(r"[^\W\d_]+", value)
    unknown = any(len(part) > 2 and not classify(part) for part in letters)
    plain = all(classify(part) & Word.PROTOCOL or len(part) == 1 for part in letters)
    return digits >= 5 or (digits >= 4 and not plain) or (digits > 0 and unknown and (digits >= 2 or len(value) >= 6))


def _phone(value: str) -> bool:
    """Seven to fifteen digits, and a form that other numbers do not have."""
    return 7 <= _digits(value) <= 15 and re.search(r"^\+|\(|\d{3}[\s./-]\d{4}$|^0\d", value) is not None


def _uid(value: str) -> bool:
    """A UID that is none of the standard's own (PS3.6 A): it leads back to whatever it names."""
    from pydicom.uid import UID_dictionary

    return len(value) >= _MIN_UID and value not in UID_dictionary


def _ip6(value: str) -> bool:
    """Eight characters or more, with a digit; so no ``face::b``."""
    return len(value) >= _MIN_IP6 and any(char.isdigit() for char in value)


def _department(value: str) -> bool:
    """No division or service of what protocols name: ``division of left hepatic artery``."""
    words = re.findall(r"[^\W\d_]+", value)
    return not re.match("division|service|servicio|unidad", value, re.IGNORECASE) or not classify(words[-1]) & Word.PROTOCOL


def _town(value: str) -> bool:
    """What follows a postcode is a town when it is no word."""
    return any(not classify(word) for word in re.findall(r"[^\W\d_]+", value))


def _street(value: str) -> bool:
    """Words such as ``Circle`` and ``Dr`` make a street only after a word that is none of radiology's."""
    if re.search(rf"{_PLACE}\.?$", value, re.IGNORECASE) is None:
        return True
    kinds = [classify(word) for word in re.findall(r"[^\W\d_]+", value)[:-1]]
    return not any(kind & Word.PROTOCOL for kind in kinds) and any(not kind or kind & (Word.SURNAME | Word.GIVEN) for kind in kinds)


_MIN_UID = 14
_MIN_IP6 = 8
_STREET = r"(?:street|str|st(?!\.?\s+(?!(?:apt|suite|unit)\b)[^\W\d_])|avenue|ave|road|rd|boulevard|blvd|highway|hwy|parkway|pkwy|terrace)"
_PLACE = r"(?:drive|dr|lane|ln|court|ct|place|pl|way|square|sq|circle|close|crescent)"
_ID_LABEL = (
    r"(?:\b(?:mrn|mrno|med(?:ical)?\.?\s*rec(?:ord)?|pid|pat(?:ient)?[ ._-]*(?:id|no|nr|nummer|number|#)"
    r"|acc(?:ession)?[ ._-]*(?:no|nr"
    r"|number|num|#)?|case|chart|visit(?=\W{0,4}\w{0,6}\d{3})|order|ssn|svnr|nhs|fall[ ._-]*nr|ipp"
    r"|nip|nhc|dni|nie|dossier|historia|n[°º]|exam[ ._-]*(?:no|nr|id|#)"
    r"|uhid|umrn|csn|empi|enc(?:ounter)?|episode|folder|aufnahme[ ._-]*(?:nr|nummer)"
    r"|(?:reg(?:istration)?|ref(?:erence)?|op|ip|cr|uh|mr)[ ._-]*"
    r"(?:no|nr|#)|ref(?=\s?[:=])|(?:patient|pat|pt)(?=\W{0,3}(?!(?:19|20)\d\d\b)\d{4})"
    r"|study[ ._-]*(?:id|no|nr|#)|id|hosp(?:ital)?[ ._-]*(?:no|nr|#))\b)"
)


def _rule(
    name: str,
    entity: str,
    score: float,
    expression: str,
    accept: Callable[[str], bool] | None = None,
    *,
    case: bool = False,
    shrink: bool = False,
    needs: str = "0",
    unless: re.Pattern[str] | None = None,
) -> Pattern:
    return Pattern(name, entity, score, re.compile(expression, 0 if case else re.IGNORECASE), accept, shrink, needs, unless)


PATTERNS: tuple[Pattern, ...] = (
    _rule("email", "EMAIL_ADDRESS", 1.0, r"[\w.+%-]+\s?@\s?[\w-]+(?:\.[\w-]+)+", needs="@"),
    _rule(
        "url",
        "URL",
        0.9,
        r"(?:\b(?:https?|ftp)://|\bwww\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|info|de|fr|es|ch|at|uk|eu)\b(?:/\S*)?",
        needs=".",
    ),
    _rule(
        "ip",
        "IP_ADDRESS",
        0.9,
        r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])|\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b",
        needs="",
    ),
    _rule("ip", "IP_ADDRESS", 0.9, r"(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}(?![\w:])", _ip6, needs=":"),
    _rule("uid", "ID", 0.9, r"(?<![\w.])(?:1\.[0-3]\.\d{1,3}|2\.16\.\d{1,3}|2\.25)(?:\.\d{1,39}){1,30}(?![\w.]?\d)", _uid, needs="."),
    _rule("account", "PERSON", 0.8, r"\b(?:users|home|profiles)[\\/]+(?P<v>[^\\/\s:;,\"']+)", needs=""),
    _rule("ssn", "US_SSN", 0.9, r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)"),
    _rule(  # of Chile and Brazil, Belgium, France, Switzerland
        "national-id",
        "ID",
        0.9,
        r"(?<![\d.,-])(?:\d{1,2}\.\d{3}\.\d{3}-[\dkx]|\d\d\.\d\d\.\d\d-\d{3}\.\d\d|[12]\s\d\d\s(?:0[1-9]|1[0-2])\s\d[\dab]\s\d{3}\s\d{3}(?:\s\d\d)?"
        r"|756\.\d{4}\.\d{4}\.\d\d)(?![\w-]|[.,]\d)",
    ),
    _rule(
        "phone",
        "PHONE_NUMBER",
        0.8,
        r"(?<![\w.])(?:\+\d{1,3}[\s./-]?(?:\(0\)\s?)?\d{0,4}[\s./-]?)?(?:\(\d{2,5}\)[\s./-]?|\d{1,5}[\s./-])\d{2,8}"
        r"(?:[\s./-](?!\d\d?[./-]\d\d?[./-])\d{2,5}){0,3}"
        r"(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?![\w.]?\d)",
        _phone,
        shrink=True,
    ),
    _rule(
        "phone-label",
        "PHONE_NUMBER",
        0.9,
        r"\b(?:tel(?:efon|[ée]fono|ephone|éphone)?|phone|ph|fax|mob(?:ile|il)?|handy|cell|ext|pager|bleep)\b[\s.:#]*"
        r"(?P<v>\+?[\d(][\d\s()./-]{2,}\d)",
    ),
    _rule("id-label", "ID", 0.95, rf"{_ID_LABEL}\s*[:#=.]*\s*(?P<v>[A-Z]{{0,6}}[-/ ]?\d[\w./-]*\w|[A-Z]{{1,6}}\d\w*|\d{{2,}})"),
    _rule(
        "street",
        "LOCATION",
        0.85,
        rf"(?<![\d./-])\b\d{{1,5}}[a-z]?,?\s+(?:(?:[NSEW]|north|south|east|west)\.?\s+)?(?:[^\W\d_](?:[^\W\d_]|['’.-])+\s+){{1,3}}?(?:{_STREET}|{_PLACE})\b\.?"
        r"(?:,?\s+(?:apt|suite|unit|#)\.?\s*\w+)?",
        _street,
    ),
    _rule(
        "strasse",
        "LOCATION",
        0.85,
        r"\b[\w-]*(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|ufer|damm)\s+\d{1,4}\s?[a-z]?\b(?!\s?(?:mm|cm|kv|ma|mas|ms)\b|\s?%)",
        lambda value: len(value.split()[0]) > 5,
    ),
    _rule("town", "LOCATION", 0.7, r"(?<![\w.-])\d{4,5}\s+[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:[-'’][^\W\d_]+)*(?![\w])", _town, case=True),
    _rule(
        "rue",
        "LOCATION",
        0.85,
        r"\b(?:\d{1,4}\s?(?:bis|ter)?,?\s+)?(?:rue|avenue|boulevard|bd|chemin|impasse|quai|calle|c/|avenida|avda\.?|plaza|paseo)\s+"
        r"(?:(?:de la|de|du|des|del|la|las|los|l'|d')\s*)*[^\W\d_][\w'’.-]+(?:,?\s+(?:n[°º]\s*)?\d{1,4})?",
        lambda value: len(value) > 6,
        needs="",
    ),
    _rule(
        "post-box",
        "LOCATION",
        0.85,
        r"\b(?:p\.?\s?o\.?\s?box|postfach|bo[îi]te postale|bp(?!\s*\d+\s*(?:/|over\b|mm))|apartado)\s*\d+\b",
    ),
    _rule(
        "zip",
        "LOCATION",
        0.8,
        r"\b[A-Z]{2}\s+\d{5}(?:-\d{4})?\b|\b[A-Z]{1,2}\d[A-Z\d]?\s\d[ABD-HJLNP-UW-Z]{2}\b|\b(?:D|CH|A|F|E)-\d{4,5}\s+[^\W\d_]+",
        lambda value: not classify(value.split()[0]) & Word.PROTOCOL,
        case=True,
    ),
    _rule(
        "department",
        "ORGANIZATION",
        0.7,
        r"\b(?:dept|department|abteilung|abt|service|servicio|institut[eo]?|division|unidad)\b\.?\s*(?:of|for|für|fuer|de|d')\s*(?:la\s+)?"
        r"[^\W\d_]+|\b[^\W\d_]+\s+(?:dept|department)\b\.?",
        _department,
        needs="",
    ),
    _rule("code", "ID", 0.75, r"(?<![\w.])(?=[\w-]*\d)[^\W_]+(?:-[^\W_]+)*(?![\w.]*\d)", _code, unless=_SCHEME),
    _rule("number", "ID", 0.75, r"(?<![\d.])\d{5,}(?!\d|\.\d|\s?(?:mm|ms|hz|khz|bq|mbq|ml)\b)", unless=_SCHEME),
)


def find_patterns(text: str) -> Iterator[Span]:
    """Spans of all patterns; they may overlap."""
    digits = any(char.isdigit() for char in text)
    for pattern in PATTERNS:
        if digits if pattern.needs == "0" else pattern.needs in text:
            yield from pattern.find(text)
