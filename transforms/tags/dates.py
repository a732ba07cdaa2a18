"""Dates: shifted by whole days, so that times of day, intervals, decay times and midnight crossings stay right; ages over 89 (HIPAA)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from datetime import date, timedelta

OLDEST_AGE = "090Y"
_OLDEST = 90.0
_DA = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})")
"""With the full stops of ACR-NEMA, and with hyphens, as some write it."""
_DT = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(\d{0,6}(?:\.\d{1,9})?))?)?([+-]\d{4})?")
"""Of the fraction of a second, nanoseconds are taken, too: the standard ends at six digits, some devices do not."""
_TM = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,9})?)?)?|\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?")
_AS = re.compile(r"(\d{1,3}) ?([DWMY])", re.IGNORECASE)


def shift(vr: str, text: str, days: int) -> str | None:
    """A DA, DT or TM of one or several values, ``days`` earlier; the same precision, fraction and offset from UTC.

    Returns:
        None when a value is not of its VR or leaves the calendar. A TM comes back as it is: a shift by whole days leaves it.
    """
    shifted = [_shift_one(vr, value.strip(" \0"), days) for value in text.split("\\")]
    return None if None in shifted else "\\".join(value for value in shifted if value is not None)


def is_valid(vr: str, text: str) -> bool:
    """Whether every value is empty or of its VR (DA, DT or TM)."""
    return shift(vr, text, 0) is not None


def written(date: str) -> tuple[str, ...]:
    """A date ``YYYYMMDD`` in the forms in which it is likely to stand in a text."""
    year, month, day = date[:4], date[4:6], date[6:8]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return (date, *(separator.join(order) for order in orders for separator in "-./"))


def cap_age(text: str) -> str | None:
    """An AS, with ages over 89 years as 90 (45 CFR 164.514(b)(2)(i)(C)); None when it is not of its VR."""
    match = _AS.fullmatch(text.strip(" \0"))
    if not match:
        return None
    unit = match[2].upper()
    return OLDEST_AGE if unit == "Y" and int(match[1]) > 89 else f"{int(match[1]):03d}{unit}"


def cap_number(text: str) -> str:
    """Decimal strings that are ages in years, with those over 89 as 90; what is no number is nothing."""
    return "\\".join(_cap_one(value) for value in text.split("\\"))


def cap_double(value: object, little: bool) -> bytes | None:
    """The same for encoded doubles; None when they are none."""
    if not isinstance(value, bytes) or len(value) % 8:
        return None
    form = f"{'<' if little else '>'}{len(value) // 8}d"
    return struct.pack(form, *(_OLDEST if age > 89 else age for age in struct.unpack(form, value)))


def _cap_one(value: str) -> str:
    try:
        return str(int(_OLDEST)) if float(value) > 89 else value
    except ValueError:
        return ""


def is_over_89(birth: str, days: Iterable[str]) -> bool:
    """Whether somebody who was born on a DA was over 89 years old on one of some others; what is no date says nothing."""
    born = _DA.fullmatch(birth.strip(" \0"))
    if not born:
        return False
    found = (_DA.fullmatch(day.strip(" \0")) for day in days)
    return any((int("".join(day.group(1, 3, 4))) - int("".join(born.group(1, 3, 4)))) // 10000 > 89 for day in found if day)


def _shift_one(vr: str, value: str, days: int) -> str | None:
    if not value:
        return value
    if vr == "TM":
        return value if _TM.fullmatch(value) else None
    match = (_DA if vr == "DA" else _DT).fullmatch(value)
    if not match:
        return None
    if vr == "DA":
        year, separator, month, day = match.groups()
        moved = _moved(int(year), int(month), int(day), days)
        return moved and f"{moved[0]}{separator}{moved[1]}{separator}{moved[2]}"
    year, month, day, time, offset = match.groups()
    moved = _moved(int(year), int(month or 7), int(day or 15), days)
    if not moved:
        return None
    parts = moved[0] + (moved[1] if month else "") + (moved[2] if day else "")
    return parts + (time or "") + (offset or "")


def _moved(year: int, month: int, day: int, days: int) -> tuple[str, str, str] | None:
    try:
        moved = date(year, month, day) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04d}", f"{moved.month:02d}", f"{moved.day:02d}"
