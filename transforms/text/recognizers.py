"""Presidio's recognizers for numbers that no rule here explains: payment cards, bank accounts, national identifiers, phones.

Its engine is not needed: the recognizers check digits themselves, and their context words are looked up in the text before a match. They
are built on first use (the import takes seconds), and called only with text that still has long numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from transforms.text.fold import fold
from transforms.types import Span

_NAMES = (
    "CreditCardRecognizer IbanRecognizer NhsRecognizer UkNinoRecognizer EsNifRecognizer EsNieRecognizer ItFiscalCodeRecognizer "
    "PlPeselRecognizer FiPersonalIdentityCodeRecognizer UsItinRecognizer UsSsnRecognizer MedicalLicenseRecognizer MacAddressRecognizer "
    "CryptoRecognizer AuMedicareRecognizer AuTfnRecognizer InAadhaarRecognizer SgFinRecognizer KrRrnRecognizer ThTninRecognizer"
)
_PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "AT", "CH", "IT", "NL", "BE", "CA", "AU", "IN", "BR", "MX")
_LONG_NUMBER = re.compile(r"\d(?:[\s./-]?\d){6,}|\b[A-Za-z]{2}\d{2}(?:\s?[A-Za-z\d]{4}){2,}|\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")
_ENOUGH = 0.4
_WITH_CONTEXT = 0.35
_CONTEXT_CHARS = 40


@lru_cache(maxsize=1)
def _recognizers() -> tuple[Any, ...]:
    from presidio_analyzer import predefined_recognizers as predefined

    found = [getattr(predefined, name)() for name in _NAMES.split() if hasattr(predefined, name)]
    return (*found, predefined.PhoneRecognizer(supported_regions=_PHONE_REGIONS))


def find_checked(text: str, already: Sequence[Span]) -> Iterator[Span]:
    """What presidio's recognizers find in the parts of ``text`` that ``already`` leaves with a long number."""
    if not any(_free(match.span(), already) for match in _LONG_NUMBER.finditer(text)):
        return
    for recognizer in _recognizers():
        for result in recognizer.analyze(text, recognizer.supported_entities, None) or ():
            score = result.score
            if score < 1 and recognizer.context:
                before = fold(text[max(0, result.start - _CONTEXT_CHARS) : result.start])
                score += _WITH_CONTEXT if any(fold(word) in before for word in recognizer.context) else 0
            if score >= _ENOUGH:
                yield Span(result.start, result.end, result.entity_type, min(score, 1.0), f"presidio:{type(recognizer).__name__}")


def _free(span: tuple[int, int], already: Sequence[Span]) -> bool:
    return not any(found.start <= span[0] and span[1] <= found.end for found in already)
