"""Coded entries (PS3.3 section 8): the code of a public scheme is a term, whatever it looks like, and identifies nobody."""

from __future__ import annotations

from transforms.tags.values import DEFAULT_ENCODINGS, text_of
from transforms.types import Dataset

CODES = frozenset({0x00080100, 0x00080119, 0x00080120})
"""Code Value, Long Code Value and URN Code Value."""
_SCHEME = 0x00080102
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
    scheme = item._dict.get(_SCHEME)
    return scheme is not None and text_of(scheme, DEFAULT_ENCODINGS, "SH").strip(" \0") in _PUBLIC
