"""An optional model for named entities, through presidio: only one that is installed, never downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transforms.errors import ConfigError
from transforms.types import Span

_ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME")
_LANGUAGE = "en"
"""Presidio wants one; a multilingual model reads all."""
_SPACY_FOR_TRANSFORMERS = "en_core_web_sm"


def check_model(engine: str, model: str) -> None:
    """See that the model of the policy is installed.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    if engine == "none":
        return
    if not model:
        raise ConfigError(f"text.ner_model: expected the name or folder of an installed model for text.ner {engine!r}, found none")
    if engine == "spacy":
        if not (_is_spacy_package(model) or Path(model).is_dir()):
            raise ConfigError(
                f"text.ner_model: {model!r} is not installed; install it with `python -m spacy download {model}` or give its folder"
            )
        return
    for package in ("transformers", "torch", "spacy_huggingface_pipelines"):
        if find_spec(package) is None:
            raise ConfigError(f"text.ner: 'transformers' needs {package}: `pip install 'presidio-analyzer[transformers]'`")
    if not _is_spacy_package(_SPACY_FOR_TRANSFORMERS):
        raise ConfigError(f"text.ner: 'transformers' needs spaCy's tokens: `python -m spacy download {_SPACY_FOR_TRANSFORMERS}`")
    if not Path(model).is_dir():
        raise ConfigError(f"text.ner_model: {model!r} is no folder; download the model beforehand and give its folder")


def _is_spacy_package(name: str) -> bool:
    import spacy

    return bool(spacy.util.is_package(name))


@lru_cache(maxsize=2)
def _load(engine: str, model: str) -> tuple[Any, Any]:
    from presidio_analyzer.nlp_engine import NlpEngineProvider
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    name: str | dict[str, str] = model if engine == "spacy" else {"spacy": _SPACY_FOR_TRANSFORMERS, "transformers": model}
    configuration = {"nlp_engine_name": engine, "models": [{"lang_code": _LANGUAGE, "model_name": name}]}
    nlp = NlpEngineProvider(nlp_configuration=configuration).create_engine()
    return nlp, SpacyRecognizer(supported_entities=list(_ENTITIES), supported_language=_LANGUAGE)


def find_entities(text: str, engine: str, model: str) -> Iterator[Span]:
    """What the model sees in ``text``."""
    nlp, recognizer = _load(engine, model)
    for result in recognizer.analyze(text, list(_ENTITIES), nlp.process_text(text, _LANGUAGE)):
        yield Span(result.start, result.end, result.entity_type, result.score, f"{engine}:{Path(model).name}")
