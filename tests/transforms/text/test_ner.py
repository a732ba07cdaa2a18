from __future__ import annotations

from pathlib import Path

import pytest
import spacy

from transforms.errors import ConfigError
from transforms.policy import TextPolicy
from transforms.text.detector import PiiDetector
from transforms.text.known import NOTHING
from transforms.text.ner import check_model


def test_an_installed_model_is_used_from_its_folder(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "green dune"}])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path)
    detector = PiiDetector(TextPolicy(ner="spacy", ner_model=str(tmp_path)))
    assert detector.clean("Seen with green dune today.", NOTHING)[0] == "Seen with [PERSON] today."


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="is not installed"):
        check_model("spacy", "no_such_model")
    with pytest.raises(ConfigError, match="transformers"):
        check_model("transformers", "/no/such/folder")
    check_model("none", "")
