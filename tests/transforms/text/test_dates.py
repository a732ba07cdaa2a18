from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.dates import find_dates


def _covered(text: str) -> str:
    return "".join(" " if any(span.start <= at < span.end for span in find_dates(text)) else char for at, char in enumerate(text)).strip()


FORMS = [
    "%Y%m%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%m/%d/%y",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d %b %Y",
    "%b-%d-%Y",
    "%d%b%Y",
    "%B %d, %Y",
    "%d-%b-%y",
    "%b%Y",
    "%B %Y",
    "%Y %b %d",
    "%Y%m%d%H%M%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d/%m/%Y %H:%M",
]


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)), st.sampled_from(FORMS))
def test_every_usual_format_is_a_date(date: datetime.date, form: str) -> None:
    written = datetime.datetime.combine(date, datetime.time(13, 5, 9)).strftime(form)
    assert _covered(f"CHEST {written} PA").split() == ["CHEST", "PA"]


@pytest.mark.parametrize(
    "text",
    [
        "12 Mar 1974",
        "Mar-12-1974",
        "12. März 1974",
        "1er mars 1974",
        "12 de marzo de 1974",
        "3. Dezember 74",
        "12th of March 1974",
        "März 1974",
        "27 août 1989",
        "Oct '04",
        "17 luglio 1948",
        "17. lutego 1948",
        "17 февраля 1948",
        "17 de fevereiro de 1948",
        "1327/11/28",
        "17/2/2491",
        "94F",
        "94/M",
        "F/94",
        "94 jaar",
        "94歳",
        "03/2012",
        "1974年3月12日",
        "昭和49年3月12日",
        "14:05:09",
        "2:56:22 PM",
        "93 y",
        "101-year-old",
        "095Y",
        "99 Jahre",
    ],
)
def test_languages_and_ages(text: str) -> None:
    assert not _covered(text)


@pytest.mark.parametrize(
    "text",
    [
        "5 mm",
        "3/3/4",
        "TR 2000",
        "1:10",
        "512 512",
        "78 y",
        "V3.1.62",
        "1.2.840.10008",
        "MARKER 3",
        "DECUB 12",
        "+2:09:04 h",
        "Compression ratio: 2.1946",
    ],
)
def test_numbers_that_are_no_dates(text: str) -> None:
    assert _covered(text) == text
