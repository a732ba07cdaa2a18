"""The values that travel between rooms and engines: frozen, picklable, without behaviour of their own.

Fields that may hold PHI are excluded from ``repr`` so that a stray log line cannot show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from transforms.spool import Bytes

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, double float and integer pixel data (PS3.3 C.7.6.24, C.7.6.25, C.7.6.3)."""


class Status(StrEnum):
    """How an input ended; every input ends as exactly one of them."""

    SAVED = "saved"
    FILTERED = "filtered"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Source:
    """One input object.

    Attributes:
        version: what changes when the object does (generation, ETag, time of change), as the listing gave it; '' where it is not known.
    """

    uri: str = field(repr=False)
    size: int | None = None
    version: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One save condition on one instance. ``condition`` is the JSON form of the condition; ``tag_value`` is raw (restricted)."""

    condition: str
    tag_value: str = field(repr=False)
    evaluated_value: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What the shuffle carries of an instance: identity, size and evaluated conditions; never pixels, never the data set.

    ``finished`` is the status that an earlier run recorded; such an instance takes part in its series' decision and is not read again.
    ``version`` is that of its `Source`.
    """

    instance_id: str
    uri: str = field(repr=False)
    size: int
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    patient_id: str = field(repr=False)
    sop_class: str = ""
    modality: str = ""
    transfer_syntax: str = ""
    frames: int = 1
    pixel_bytes: int = 0
    evaluations: tuple[Evaluation, ...] = ()
    save: bool = True
    finished: str | None = None
    version: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SeriesDecision:
    """The aggregated save condition of one series and the URIs that disabled it (restricted)."""

    save: bool
    disabling_uris: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Instances of one series that are read and cleaned together, so that they can share what they learn about where text sits.

    ``taken`` are those of their SOP Instance UIDs under which an earlier run saved another input.
    """

    key: str
    headers: tuple[Header, ...]
    decision: SeriesDecision
    taken: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A rectangle in stored pixel coordinates: ``x`` column and ``y`` row of the top left corner, ``w`` columns, ``h`` rows."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text that identifies: ``text[start:end]`` is of ``entity_type`` (presidio's names: PERSON, DATE_TIME, ID, …)."""

    start: int
    end: int
    entity_type: str
    score: float
    detector: str


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text that an OCR engine read in a frame. ``text`` may be empty when a region was detected and not read."""

    frame: int
    box: Box
    text: str = field(repr=False)
    score: float = 0.0
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the entity audit: something found in a tag or a frame, and what was done about it.

    Exactly one of ``tag_path`` and ``frame`` is set. ``text`` lives in memory only: the audit has its keyed hash.

    Attributes:
        action: ``removed``, ``emptied``, ``replaced``, ``shifted``, ``cleaned``, ``kept``, ``masked``.
        tag_path: ``PatientName`` or ``RequestAttributesSequence[0].(0009,1001)``.
        rule: which rule decided, as `inspect` shows it.
    """

    action: str
    tag_path: str | None = None
    vr: str | None = None
    frame: int | None = None
    box: Box | None = None
    entity_type: str = ""
    score: float = 1.0
    detector: str = ""
    rule: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FrameDecision:
    """How one frame was decided: ``method`` is such as ``ocr`` or ``triage`` (see docs/audit.md); ``masked`` boxes were blanked."""

    frame: int
    method: str
    masked: int = 0


@dataclass(frozen=True, slots=True)
class PixelReport:
    """What happened to the pixels of one instance.

    Attributes:
        cleaned: every frame was looked at and every text to be hidden was hidden, so that code 113101 and BurnedInAnnotation NO are true.
        changed_frames: indices of frames whose stored values changed; empty means that each frame is the input's, bit for bit.
    """

    cleaned: bool
    frames: tuple[FrameDecision, ...] = ()
    changed_frames: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


class Known(Protocol):
    """Identifiers known from an instance's header; opaque outside `transforms.text`."""

    @property
    def values(self) -> tuple[str, ...]:
        """The identifying strings themselves, for the leak scan."""
        ...

    @property
    def places(self) -> tuple[str, ...]:
        """Strings that identify an institution; a policy may retain them."""
        ...

    @property
    def stations(self) -> tuple[str, ...]:
        """Strings that identify a device; a policy may retain them."""
        ...

    @property
    def dates(self) -> tuple[str, ...]:
        """Dates of the header, ``YYYYMMDD``; a policy may retain them."""
        ...


class PiiFinder(Protocol):
    """Finds what identifies a person in text. Implemented by `transforms.text`; handed to other rooms by the composer."""

    def find(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[Span, ...]:
        """Spans of ``text`` that identify, sorted, not overlapping. ``keyword`` and ``vr`` say which element it comes from, if any."""
        ...

    def clean(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[str, tuple[Span, ...]]:
        """``text`` without what identifies (markers or removed, by policy), and the spans of the original."""
        ...

    def judge(self, lines: Sequence[OcrLine], known: Known) -> tuple[Span | None, ...]:
        """For each line of one frame: the span that makes it sensitive, or None. Neighbouring labels count."""
        ...


Dataset = Any
"""A pydicom Dataset: pydicom carries no type hints that mypy could use here."""


@dataclass(slots=True)
class Work:
    """One instance on its way through MaskText, DeidentifyTags, Verify and Write. The only mutable value; it never crosses a shuffle.

    ``taken``: an earlier run saved another input under its SOP Instance UID. ``written``: files of its chunk, one set for all of them.
    """

    header: Header
    decision: SeriesDecision
    taken: bool = False
    written: set[str] = field(default_factory=set, repr=False)
    dataset: Dataset = field(default=None, repr=False)
    known: Known | None = field(default=None, repr=False)
    shape: tuple[int, int] | None = None
    pixels: PixelReport | None = None
    findings: tuple[Finding, ...] = ()
    encoded: Bytes = field(default=b"", repr=False)
    url_deid: str = ""
    bytes_out: int = 0
    new_ids: tuple[str, str, str, str] = ("", "", "", "")
    code: str = ""
    stage: str = ""
    detail: str = ""
    status: Status | None = None
    seconds: dict[str, float] = field(default_factory=dict)


ENTITY_COLUMNS = (
    *("instance_id", "tag_path", "vr", "frame", "x", "y", "w", "h"),
    *("entity_type", "score", "detector", "rule", "action", "text_hash"),
)
"""Of a row of audit/entities, in this order. An instance has some sixty rows: too many for a dictionary each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one input ended: its row in audit/instances, those in audit/entities by `ENTITY_COLUMNS`, and its row in restricted/crosswalk.

    ``measures`` are of `transforms.measures`, and not in the audit.
    """

    instance_id: str
    status: Status
    instance: dict[str, Any] = field(repr=False)
    entities: tuple[tuple[Any, ...], ...] = field(repr=False)
    crosswalk: dict[str, Any] = field(repr=False)
    measures: tuple[tuple[str, int], ...] = ()
