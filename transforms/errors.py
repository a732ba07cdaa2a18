"""The one error root, with stable codes.

Errors are values at the boundary of a room: a stage, a stable code and an opaque instance id travel on, never an element, a repr, a
traceback or a path. ``detail`` is for numbers and keywords of the standard only; it must be free of anything read from a value.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why an input was not saved. Stable: analysts query these, so a name is never reused for something else."""

    # filtered
    SAVE_CONDITION = "save_condition"
    DUPLICATE = "duplicate"
    DICOMDIR = "dicomdir"
    NOT_DICOM = "not_dicom"
    EMPTY = "empty"
    # quarantined: reading
    READ_FAILED = "read_failed"
    HEADER_UNREADABLE = "header_unreadable"
    DATASET_UNREADABLE = "dataset_unreadable"
    TOO_LARGE = "too_large"
    MISSING_IDENTITY = "missing_identity"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    CHANGED_DURING_RUN = "changed_during_run"
    # quarantined: pixels
    PIXELS_UNDECODABLE = "pixels_undecodable"
    PIXELS_INCONSISTENT = "pixels_inconsistent"
    PIXELS_UNENCODABLE = "pixels_unencodable"
    PIXELS_UNSUPPORTED = "pixels_unsupported"
    PIXELS_TIMEOUT = "pixels_timeout"
    OCR_FAILED = "ocr_failed"
    DOCUMENT_UNSUPPORTED = "document_unsupported"
    # quarantined: tags, verification, writing
    TAGS_FAILED = "tags_failed"
    LEAK_FOUND = "leak_found"
    VERIFY_FAILED = "verify_failed"
    OUTPUT_CONFLICT = "output_conflict"
    WRITE_FAILED = "write_failed"
    WORKER_KILLED = "worker_killed"
    INTERNAL = "internal"


class DeidError(Exception):
    """Anything this project raises on purpose.

    Attributes:
        code: stable reason.
        detail: what was expected and what was found, free of PHI (numbers, keywords, transfer syntax names).
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[type[DeidError], tuple[Code, str]]:
        return type(self), (self.code, self.detail)


class RefusedError(DeidError):
    """A store knows the caller no more. It is the fault of no instance, so it ends the run instead of making a row of each."""


class ConfigError(DeidError):
    """A configuration that cannot be run; raised before anything is read. The message may name files and keys of the configuration."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.INTERNAL, detail)

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[type[DeidError], tuple[str]]:  # type: ignore[override]  # one argument, not two
        return type(self), (self.detail,)


class BusyError(ConfigError):
    """Another run has the output. Nothing was read, and the same may be run again later."""


def describe(exc: Exception) -> tuple[Code, str]:
    """Code and PHI-free detail of an exception; of a foreign one only its type is said."""
    if isinstance(exc, DeidError):
        return exc.code, exc.detail
    return Code.INTERNAL, type(exc).__name__
