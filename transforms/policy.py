"""The policy: what is to be done, frozen and validated before anything is read. One model per room; YAML in, fingerprint out."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Base of all configuration models: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelMode(StrEnum):
    """Which burned-in text is hidden."""

    REDACT_ALL_TEXT = "REDACT_ALL_TEXT"
    REDACT_SENSITIVE_TEXT = "REDACT_SENSITIVE_TEXT"
    REDACT_NO_TEXT = "REDACT_NO_TEXT"


class PixelsPolicy(Model):
    """How burned-in text is found and hidden."""

    mode: PixelMode = PixelMode.REDACT_ALL_TEXT
    engine: Literal["auto", "rapidocr", "rapidocr-openvino", "rapidocr-onnxruntime", "tesseract"] = "auto"
    fill: Literal["black", "background", "contrast"] = "black"
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    padding: Annotated[int, Field(ge=0, le=64)] = 2


class TagsPolicy(Model):
    """What happens to data elements: the profile of PS3.15 Annex E, its options, and rules of the site."""

    profile: Literal["basic"] = "basic"
    private: Literal["remove"] = "remove"


class TextPolicy(Model):
    """How identifying text is found, and what replaces it."""

    marker: Literal["type", "remove"] = "type"


class LimitsPolicy(Model):
    """Bounds of one worker."""

    max_instance_bytes: Annotated[int, Field(gt=0)] = 2 * 1024**3
    max_frame_bytes: Annotated[int, Field(gt=0)] = 512 * 1024**2
    max_header_bytes: Annotated[int, Field(gt=0)] = 64 * 1024**2
    decode_seconds: Annotated[float, Field(gt=0)] = 60.0
    chunk_instances: Annotated[int, Field(gt=0)] = 32
    chunk_bytes: Annotated[int, Field(gt=0)] = 64 * 1024**2


class Condition(Model):
    """One save condition in its serialised form; `transforms.series.conditions` parses and evaluates it."""

    condition_type: str
    value: Any = None
    dicom_tag: str = ""
    conditions: tuple[Condition, ...] = ()


class Policy(Model):
    """Everything that decides what a saved file looks like; its fingerprint is part of run.json."""

    name: str = "unnamed"
    description: str = ""
    save_conditions: tuple[Condition, ...] = ()
    series_aggregation: Literal["all", "any", "instance"] = "all"
    tags: TagsPolicy = TagsPolicy()
    text: TextPolicy = TextPolicy()
    pixels: PixelsPolicy = PixelsPolicy()
    limits: LimitsPolicy = LimitsPolicy()

    @model_validator(mode="before")
    @classmethod
    def _parse_conditions(cls, data: Any) -> Any:
        """Accept the one-line form (``NOT_SUBSTR PRIMARY ImageType``) beside the mapping form."""
        if isinstance(data, dict) and isinstance(data.get("save_conditions"), list):
            data = dict(data)
            data["save_conditions"] = [parse_condition(item) if isinstance(item, str) else item for item in data["save_conditions"]]
        return data

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the canonical JSON of everything but name and description."""
        return hashlib.sha256(self.model_dump_json(exclude={"name", "description"}).encode()).hexdigest()[:16]


def parse_condition(line: str) -> dict[str, Any]:
    """``NOT_SUBSTR PRIMARY ImageType`` or ``IN [ct, mr] Modality`` as a mapping.

    Raises:
        ValueError: the line is not ``TYPE value tag``.
    """
    kind, _, rest = line.strip().partition(" ")
    value, _, tag = rest.strip().rpartition(" ")
    value = value.strip()
    if not (kind and value and tag):
        raise ValueError(f"save_conditions: expected 'CONDITION value tag', such as 'NOT_SUBSTR PRIMARY ImageType', found {line!r}")
    if value.startswith("[") and value.endswith("]"):
        return {"condition_type": kind, "value": [part.strip() for part in value[1:-1].split(",") if part.strip()], "dicom_tag": tag}
    return {"condition_type": kind, "value": value, "dicom_tag": tag}
