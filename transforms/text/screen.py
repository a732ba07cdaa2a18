"""What consoles write on images: settings with their values, rulers, labels before an identity, fragments of dates that OCR left."""

from __future__ import annotations

import re
from itertools import pairwise

from transforms.text.fold import fold
from transforms.types import OcrLine

_UNIT = (
    r"(?:[kmµu]?[vagslj]|k[vV]p|m?as|m?gy(?:cm)?|[cd]gy[. *]?cm\W?2?|mgy[. *]?cm|[ckmµu]?m[²³23]?|[cm]m/s|m/s|mm/rot"
    r"|[mµu]?sec|ms|min|m?l|c?c|[kmg]?hz|bpm|fps|f/s|/s|d[bB]|%|°|deg|kg?|g/ml|bq(?:/ml)?|[kmg]bq(?:/ml)?|mci|mm\W?hg|suv|x|thk|sp|nex|n|dan|hu|kcnts|cnts|px|ppm|w|t)"
)
_SETTING = re.compile(
    rf"\W*(?:[^\W\d_]{{1,9}}(?:[ ./_-]?[^\W\d_]{{1,7}})?)?\s?[:=]?\s?[-+<>~]?(?:\d{{1,4}}[.,]\d{{1,2}}\s?{_UNIT}?|\d{{1,4}}\s?{_UNIT})\W*",
    re.IGNORECASE,
)
_WINDOW = re.compile(r"\W*(?:[WC]|WW|WL|WC)\W{0,3}-?\d{1,5}\W{0,3}(?:[LWC]|WW|WL|WC)\W{0,3}-?\d{1,5}\W*", re.IGNORECASE)
_NOT_SETTINGS = re.compile(r"\W*(?:age|alter|edad|geb|dob|born|id|nr|no|pat|patient|name|acc|mrn|ref|op|tech)\b", re.IGNORECASE)
ACQUISITION_TIME = re.compile(r"\bTA\s?:?\s?\d{1,2}:\d\d\b")
"""``TA 02:15`` is how long a sequence takes, no time of day."""

_LETTERS = str.maketrans("01", "ol")
_WHOSE = (
    r"patient(?:en)?|pat|pt|ref(?:erring)?|institution|hospital|study|exam|acc(?:ession)?|birth|physician|operator|performing"
    r"|last|first|given|family"
)
_WHAT = (
    r"names?|ids?|no|nr|number|nummer|date|dob|pid|mrn|acc|accession|physician|doctor|dr|institution|hospital|operator|tech|technologist|sonographer"
    r"|birthdate|birth date|date of birth|of birth|d\.o\.b|geb|geburtsdatum|geboren|nee?(?: le)?|naissance|date de naissance"
    r"|fecha(?: de)? nac(?:imiento)?"
    r"|nacimiento|nombre|apellidos?|nom|prenom|paciente|patient(?:in)?|pat|pat\.?-?nr|arzt|untersucher|klinik|medecin|hopital|medico|phone|tel|address"
    r"|adresse|clinic|acc#|oper|op|prof|sono"
)
_LABEL = re.compile(rf"\W*(?:(?:{_WHOSE})?[\s._/'-]*(?:{_WHAT}))(?:\s*/\s*(?:id|no|nr|name))?[\s.]*[:#=]*\W*", re.IGNORECASE)
_LABELLED = re.compile(
    rf"\W*(?:(?:{_WHOSE})?[\s._/'-]*(?:{_WHAT})|ref)(?:\s*/\s*(?:id|no|nr|name))?[\s.]*[:#=]+\s*(?=[^\s:#=])\S.*", re.IGNORECASE
)
_BORN = re.compile(r"\W*(?:geb(?:oren)?|born|dob|d\.o\.b|naissance|nac(?:imiento)?)[\s.]*\(?\d", re.IGNORECASE)
"""``geb. 1955``: what follows is a date of birth, however little of it was read."""
_DYNAMIC_RANGE = re.compile(r"\W*DR\W{1,3}\d{1,3}\s?(?:dB)?\W*", re.IGNORECASE)
"""``DR: 50`` of an ultrasound: no doctor is called so."""
_INSTITUTION = re.compile(r"\W*(?:hospital|clinic|klinik|hopital|institution)\W*", re.IGNORECASE)
_TITLE = re.compile(r"\W*(?:dr|prof|mr|mrs|ms|herr|frau|mme|sra?|md)\W*", re.IGNORECASE)

FRAGMENT = re.compile(
    r"\d:[0-5]\d:[0-5]\d"  # a clock time glued to what stands before it
    r"|\d:[0-5]\d\s?[AP]M\b"
    r"|(?<![\d.])\d{1,4}([/.-])(?:0?[1-9]|1[0-2]|[12]\d|3[01])\1\W*$"  # 26/08/
    r"|^\W*/\d\d/\d\d"
    r"|(?<![\d/.])(?:0[1-9]/(?:0[1-9]|[12]\d|3[01])|(?:1[0-2]|2\d|3[01])/0[1-9])(?![\d/])"  # 08/20: an image number has no leading zero
    r"|[\d\]](?:[,/.-]|\s?[|(){}\[\]\\])\s?(?:19|20)\d\d(?!\d|[.,]\d|[)}\]]|\s?(?:hz|ms|mm))"  # J1 13, 1935; 25 }2011: a misread stroke
    r"|\(\d{3}\)\s?\d|(?<![\d.])\d{3}-\d{4}(?!\d)",  # of a telephone number
    re.IGNORECASE,
)
"""What is left of dates, times and telephone numbers when OCR splits or glues them."""

_READ = {2: 0.5, 3: 0.85}
_LEAST_READ = 1.0
_CERTAIN = 0.65
_LONG = 3.0


def is_label(text: str) -> bool:
    """``Name:``, ``Pat. ID``, ``DOB``: it says that an identity follows, and identifies nobody."""
    return _LABEL.fullmatch(fold(text).translate(_LETTERS)) is not None


def is_labelled(text: str) -> bool:
    """A label with its value on one line: whatever the value is, ``Op: 00``."""
    if _DYNAMIC_RANGE.fullmatch(text):
        return False
    return _BORN.match(text) is not None or _LABELLED.fullmatch(fold(text).translate(_LETTERS)) is not None


def is_institution(text: str) -> bool:
    """``Clinic`` alone: a label, or the last line of an institution's name."""
    return _INSTITUTION.fullmatch(fold(text).translate(_LETTERS)) is not None and ":" not in text


def is_title(text: str) -> bool:
    """``Dr.`` alone: a name follows, which OCR split off."""
    return _TITLE.fullmatch(text) is not None


def is_setting(text: str) -> bool:
    """A value with a unit or a decimal, after a short word or two: ``CBT: 35 mm``. No name, age or number of a patient is written so."""
    if _WINDOW.fullmatch(text):
        return True
    return _SETTING.fullmatch(text) is not None and _NOT_SETTINGS.match(text) is None


def is_ruler(line: OcrLine) -> bool:
    """The numbers of a ruler taken for one line: digits in equal steps, far apart."""
    digits = [int(char) for char in line.text if char.isdecimal()]
    if len(digits) < 3 or len(digits) != len(line.text.replace(" ", "")):
        return False
    steps = {after - before for before, after in pairwise(digits)}
    return len(steps) == 1 and 0 not in steps and _per_height(line) < _LEAST_READ


def is_read(line: OcrLine) -> bool:
    """Whether the text may be all that stands in the box.

    Letters are about half as wide as a line is high: two letters in a box for ten are what an engine made out of ten. An uncertain reading
    is none.
    """
    characters = len(line.text.strip())
    if not characters or 0 < line.score < _CERTAIN:
        return False
    if not min(line.box.w, line.box.h):
        return True
    if characters == 1:
        return max(line.box.w, line.box.h) <= _LONG * min(line.box.w, line.box.h) or _per_height(line) > 1 / _LONG
    return _per_height(line) >= _READ.get(characters, _LEAST_READ)


def _per_height(line: OcrLine) -> float:
    """Characters for each length of the line that is as long as the line is high."""
    return len(line.text.strip()) * min(line.box.w, line.box.h) / max(line.box.w, line.box.h, 1)
