"""The policy: what is to be done, frozen and validated before anything is read. One model per room; YAML in, fingerprint out."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Model(BaseModel):
    """Base of all configuration models: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelMode(StrEnum):
    """Which burned-in text is hidden."""

    REDACT_ALL_TEXT = "REDACT_ALL_TEXT"
    REDACT_SENSITIVE_TEXT = "REDACT_SENSITIVE_TEXT"
    REDACT_NO_TEXT = "REDACT_NO_TEXT"


class DeviceRule(Model):
    """Where images of certain devices carry text. What is left empty matches all.

    Boxes are (x, y, width, height) in pixels of the frame; a negative x or y counts from the right or lower edge, width or height 0 reaches
    to the edge.

    Attributes:
        match: by keyword or tag ``(6000,0022)``, a text that the value contains; equals, if ``=`` stands in front; or contains as a whole
            word, if ``~`` does: ``~ge`` is no part of Agfa-Gevaert. Case is ignored; several values are joined by backslashes.
        blank: boxes that are hidden.
        keep: parts of them that are not.
        trust: text stands nowhere else on images of this device, and looking is left out.
    """

    name: str
    match: dict[str, str] = {}
    rows: int | None = None
    columns: int | None = None
    blank: tuple[tuple[int, int, int, int], ...] = ()
    keep: tuple[tuple[int, int, int, int], ...] = ()
    trust: bool = False

    @field_validator("match")
    @classmethod
    def _check_names(cls, match: dict[str, str]) -> dict[str, str]:
        from pydicom.datadict import tag_for_keyword  # the data dictionary takes time, and few policies have rules for devices

        for name in match:
            if not re.fullmatch(r"\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)", name) and tag_for_keyword(name) is None:
                raise ValueError(f"expected a keyword such as Manufacturer, or a tag such as (0008,0070), found {name}")
        return match

    @field_validator("blank", "keep")
    @classmethod
    def _check_boxes(cls, boxes: tuple[tuple[int, int, int, int], ...]) -> tuple[tuple[int, int, int, int], ...]:
        for box in boxes:
            if min(box[2:]) < 0:
                raise ValueError(f"expected x, y, width, height with width and height 0 or more, found {list(box)}")
        return boxes


class PixelsPolicy(Model):
    """How burned-in text is found and hidden.

    Attributes:
        engine: of OCR. PP-OCR (``rapidocr``) reads the languages that its model knows; those of Tesseract are named: ``tesseract:deu+fra``.
        padding: pixels around a box that are hidden too.
        sample: share of instances that are examined a second time at full effort; disagreement is recorded, and what was missed is hidden.
        ultrasound: ``outside`` also hides everything outside of the regions of SequenceOfUltrasoundRegions (PS3.3 C.8.5.5).
        video: MPEG-2, H.264 and HEVC quarantine their instance, or text is blanked in all frames, which are compressed once more; black
            whatever ``fill`` says. Needs the extra ``video``. With REDACT_NO_TEXT a video stays as it is.
        devices: rules that hide places known beforehand, or the name of a YAML file with a list of them under ``devices``.
    """

    mode: PixelMode = PixelMode.REDACT_ALL_TEXT
    engine: str = "auto"
    fill: Literal["black", "background", "contrast", "inpaint"] = "black"
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    padding: Annotated[int, Field(ge=0, le=64)] = 2
    sample: Annotated[float, Field(ge=0, le=1)] = 0.0
    ultrasound: Literal["look", "outside"] = "look"
    video: Literal["quarantine", "mask"] = "quarantine"
    devices: tuple[DeviceRule, ...] = ()

    @field_validator("engine")
    @classmethod
    def _check_engine(cls, value: str) -> str:
        if not re.fullmatch(r"auto|rapidocr|rapidocr-(openvino|onnxruntime)|tesseract(:\w+(\+\w+)*)?", value):
            known = "auto, rapidocr, rapidocr-onnxruntime, rapidocr-openvino, tesseract or, with languages, tesseract:deu+fra"
            raise ValueError(f"expected {known}; found {value}")
        return value

    @field_validator("devices", mode="before")
    @classmethod
    def _read_devices(cls, value: Any) -> Any:
        """A file of rules is read once, by whoever starts a run; workers get the rules."""
        if not isinstance(value, str):
            return value
        try:
            found = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
            raise ValueError(f"expected a YAML file of rules, found {value}, which cannot be read ({type(exc).__name__})") from exc
        if not isinstance(found, dict) or list(found) != ["devices"]:
            raise ValueError(
                f"expected a list of rules under the one key devices in {value}; 'dicom-deid devices' translates CTP's and deid's"
            )
        return found["devices"] or ()


class TagAction(StrEnum):
    """What a site rule does with a data element."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    REPLACE = "replace"
    UID = "uid"
    PSEUDONYM = "pseudonym"
    CLEAN = "clean"
    SHIFT = "shift"


class TagRule(Model):
    """A rule of the site; later rules win over earlier ones, and all over the profile.

    Attributes:
        match: keywords, tags ``(0010,0010)``, patterns of either (``*Comments*``, ``(50xx,xxxx)``) or VRs (``VR:LT``).
        action: what is done. A sequence that is kept is cleaned inside.
        value: what ``replace`` writes; a dummy value of the VR when it is empty.
    """

    match: tuple[str, ...]
    action: TagAction
    value: str = ""

    @model_validator(mode="before")
    @classmethod
    def _one_match(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("match"), str):
            return {**data, "match": [data["match"]]}
        return data

    @model_validator(mode="after")
    def _check(self) -> TagRule:
        if not self.match:
            raise ValueError("a tag rule needs at least one match")
        if self.value and self.action is not TagAction.REPLACE:
            raise ValueError(f"value belongs to the action replace, found it with {self.action.value}")
        return self


class TagsPolicy(Model):
    """What happens to data elements: the profile of PS3.15 Annex E, its options, and rules of the site.

    Attributes:
        profile: ``basic``: table E.1-1. ``keep-list``: everything goes but what rules keep and what an image needs to be decoded.
            ``scan``: every text element goes through the PII detector, but what rules keep. ``keep-all``: tags stay, UIDs are replaced.
        dates: of every DA and DT: removed by the profile, kept, or shifted by whole days per patient (so that times stay as they are).
        shift_days: the largest shift; each patient has a secret one of 1 to this many days.
        private: private elements are removed, or those known to be safe stay (table E.3.10-1 and ``safe_private``), or all stay.
        safe_private: further safe elements, ``(0029,xx10,SIEMENS CSA HEADER)``.
        documents: encapsulated documents are replaced by an empty one, or quarantine the instance, or are kept.
        charset: the character set of the input, or UTF-8.
    """

    profile: Literal["basic", "keep-list", "scan", "keep-all"] = "basic"
    clean_descriptors: bool = False
    clean_structured_content: bool = False
    clean_graphics: bool = False
    clean_recognizable_visual_features: bool = False
    retain_patient_characteristics: bool = False
    retain_device_identity: bool = False
    retain_institution_identity: bool = False
    retain_uids: bool = False
    dates: Literal["remove", "keep", "shift"] = "remove"
    shift_days: Annotated[int, Field(ge=1, le=36500)] = 3650
    private: Literal["remove", "safe", "keep"] = "remove"
    safe_private: tuple[str, ...] = ()
    documents: Literal["remove", "quarantine", "keep"] = "remove"
    charset: Literal["keep", "utf-8"] = "keep"
    rules: tuple[TagRule, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> TagsPolicy:
        if self.clean_recognizable_visual_features:
            raise ValueError("clean_recognizable_visual_features: nothing here removes faces; run a defacing tool first and leave this out")
        if self.safe_private and self.private != "safe":
            raise ValueError("safe_private has an effect only with private: safe")
        if "shift_days" in self.model_fields_set and self.dates != "shift":
            raise ValueError("shift_days has an effect only with dates: shift")
        if self.profile != "basic" and (options := sorted(self.options() - {"full_dates", "modified_dates", "safe_private", "uids"})):
            raise ValueError(f"{', '.join(options)}: options of the basic profile, and the profile is {self.profile}")
        if self.retain_uids and any(rule.action is TagAction.UID for rule in self.rules):
            raise ValueError("retain_uids and a rule with the action uid contradict each other")
        if self.dates != "shift" and any(rule.action is TagAction.SHIFT for rule in self.rules):
            raise ValueError("a rule with the action shift needs dates: shift")
        return self

    def options(self) -> frozenset[str]:
        """The options of table E.1-1 that are asked for, by their names in `transforms.tags.table`."""
        chosen = {
            "descriptors": self.clean_descriptors,
            "structured": self.clean_structured_content,
            "graphics": self.clean_graphics,
            "patient": self.retain_patient_characteristics,
            "device": self.retain_device_identity,
            "institution": self.retain_institution_identity,
            "uids": self.retain_uids,
            "full_dates": self.dates == "keep",
            "modified_dates": self.dates == "shift",
            "safe_private": self.private == "safe",
        }
        return frozenset(name for name, wanted in chosen.items() if wanted)


class TextPolicy(Model):
    """How identifying text is found, and what replaces it."""

    marker: Literal["type", "remove"] = "type"
    ner: Literal["none", "spacy", "transformers"] = "none"
    ner_model: str = ""
    safe_words: tuple[str, ...] = ()
    """Words of the site (protocols, scanners, trials) that are no names."""


class LimitsPolicy(Model):
    """Bounds of one worker. What exceeds them is quarantined as ``too_large``.

    Attributes:
        max_instance_bytes: of a file.
        max_data_bytes: of what is no pixel in a file that is not held in memory, and of what a deflated file inflates to.
        max_items: of sequences, nested ones counted; one takes some 3 kB of memory and 50 microseconds.
        max_frame_bytes: of a decoded frame, of which a pixel counts as two bytes at least: what looks at it is never smaller.
        max_header_bytes: read to know what an instance is.
        decode_seconds: for one frame, where a decoder is watched.
        chunk_instances: of one series, cleaned together.
        chunk_bytes: of these instances in memory; what is beyond waits on the local disk.
    """

    max_instance_bytes: Annotated[int, Field(gt=0)] = 2 * 1024**3
    max_data_bytes: Annotated[int, Field(gt=0)] = 128 * 1024**2
    max_items: Annotated[int, Field(gt=0)] = 300_000
    max_frame_bytes: Annotated[int, Field(gt=0)] = 96 * 1024**2
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

    Values are text; of RANGE and EXISTS they are YAML, since numbers do not compare as text does.

    Raises:
        ValueError: the line is not ``TYPE value tag``.
    """
    kind, _, rest = line.strip().partition(" ")
    value, _, tag = rest.strip().rpartition(" ")
    value = value.strip()
    if not (kind and value and tag):
        raise ValueError(f"save_conditions: expected 'CONDITION value tag', such as 'NOT_SUBSTR PRIMARY ImageType', found {line!r}")
    if kind in ("RANGE", "EXISTS"):
        try:
            return {"condition_type": kind, "value": yaml.safe_load(value), "dicom_tag": tag}
        except yaml.YAMLError:
            raise ValueError(f"save_conditions: expected 'RANGE [0.5, 3] tag' or 'EXISTS true tag', found {line!r}") from None
    if value.startswith("[") and value.endswith("]"):
        return {"condition_type": kind, "value": [part.strip() for part in value[1:-1].split(",") if part.strip()], "dicom_tag": tag}
    return {"condition_type": kind, "value": value, "dicom_tag": tag}
