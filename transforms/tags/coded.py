"""Coded entries (PS3.3 section 8): the code of a public scheme is a term, whatever it looks like, and identifies nobody."""

from __future__ import annotations

import re

from transforms.tags.values import DEFAULT_ENCODINGS, text_of
from transforms.types import Dataset

CODES = frozenset({0x00080100, 0x00080119, 0x00080120})
"""Code Value, Long Code Value and URN Code Value."""
SCHEME = 0x00080102
_OWN = re.compile(r"99[A-Z0-9_]+")
_PUBLIC = frozenset(
    """
    ACR ASTM-sigpurpose BARI BI C4 C5 CADSR CD2 CPT CPT4 CPT-4 DCM DCMUID FMA HCPCS HPC I10 I10P I10C I11 I9 I9C IBSI ICDO3 ISO3166_1
    ISO639_1 ISO639_2 ITIS_TSN LN LOINC MA MAYOASRG MDC MDNS MSH NCIt NDC NEU NICIP NYUMCCG PATHLEX POS PUBCHEM_CID RADELEMENT RADLEX
    RFC3066 RFC5646 RO RXNORM SCPECG SCT SDM 99SDM SNM3 SRT UBERON UCUM UMLS UNS UPC URN VRML
    """.split()  # noqa: SIM905  # a list of words reads better as words
)
"""Coding schemes of PS3.16 table 8-1, and common spellings of those of procedures. A site's own begin with ``99``, or are called ``L``."""


def is_term(item: Dataset) -> bool:
    """Whether the code of an item is of a public coding scheme: five digits are a procedure there, and no number of a person."""
    return _scheme(item) in _PUBLIC


def stays(item: Dataset, tag: int) -> bool:
    """Whether an element of a coded entry stays as it is where text is cleaned: a public code, or the designator of a scheme."""
    if tag == SCHEME:
        return is_term(item) or _OWN.fullmatch(_scheme(item)) is not None
    return tag in CODES and is_term(item)


def _scheme(item: Dataset) -> str:
    scheme = item._dict.get(SCHEME)
    return "" if scheme is None else text_of(scheme, DEFAULT_ENCODINGS, "SH").strip(" \0")
