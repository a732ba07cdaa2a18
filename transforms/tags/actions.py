"""What an action makes of one value. Every function returns the new bytes, or None when the action cannot be applied to what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from transforms.policy import TagsPolicy
from transforms.tags.dates import cap_age, cap_double, cap_number, shift
from transforms.tags.documents import empty_document
from transforms.tags.identity import Identity
from transforms.tags.private import PrivateRules
from transforms.tags.rules import Action, Rules, Step
from transforms.tags.values import (
    CHARSET_VRS,
    DATE_VRS,
    DEFAULT_ENCODINGS,
    MAX_LENGTH,
    SINGLE_VALUED,
    STRING_VRS,
    UID,
    dummy,
    encode,
    text_of,
)
from transforms.types import Finding, Known, PiiFinder

NAME_PREFIX = "Anon^"
CODE_VRS = frozenset({"AE", "AS", "CS"})
"""VRs in which a marker would not be a legal value."""
_CONTROLS = dict.fromkeys((*range(9), 11, *range(14, 27), *range(28, 32), 127))
"""Control characters that no text VR has (PS3.5 6.1.3)."""


@dataclass(slots=True)
class Instance:
    """What the actions need to know about the instance that they work on."""

    policy: TagsPolicy
    rules: Rules
    private: PrivateRules | None
    identity: Identity
    pii: PiiFinder | None
    known: Known | None
    sop_class: str
    patient: str = field(repr=False)
    """Identifies the patient: PatientID, or what stands for it."""
    aged: bool = False
    """The patient was over 89 years old: a birth date that keeps its distance to other dates would tell by how much."""
    spans: list[Finding] = field(default_factory=list, repr=False)
    """Findings in the text that was just cleaned, without their path."""

    @property
    def pseudonym(self) -> str:
        """The patient's new PatientID: 16 hexadecimal digits."""
        return self.identity.token("patient", self.patient)


def apply_action(instance: Instance, step: Step, action: Action, element: Any, encodings: Sequence[str]) -> bytes | None:
    """The new bytes of an element that is no sequence.

    Args:
        instance: the instance that it is in.
        step: what the rules say about the attribute.
        action: of the step, or its fallback.
        element: raw or converted.
        encodings: of the text in this data set.
    """
    return _ACTIONS[action](instance, step, element, encodings)


def _empty(_instance: Instance, _step: Step, _element: Any, _encodings: Sequence[str]) -> bytes:
    return b""


def _dummy(instance: Instance, step: Step, element: Any, encodings: Sequence[str]) -> bytes | None:
    value = element.value
    if step.vr == "UI":
        return _uid(instance, step, element, encodings)
    size = len(value) if isinstance(value, bytes) else 0
    if step.keyword == "EncapsulatedDocument" and (empty := empty_document(instance.sop_class, value or b"")) is not None:
        return empty
    text = value.decode("latin-1") if isinstance(value, bytes) and step.vr in DATE_VRS and size < 64 else ""
    return dummy(step.vr, text, size)


def _uid(instance: Instance, step: Step, element: Any, _encodings: Sequence[str]) -> bytes | None:
    text = text_of(element, DEFAULT_ENCODINGS, "UI")
    if not text:
        return b"" if step.vr == "UI" and step.kind not in ("1", "1C") else dummy_uid(instance, step)
    new = [instance.identity.uid(value.strip(" \0")) for value in text.split("\\")]
    return encode("\\".join(value if UID.fullmatch(value) else instance.identity.uid("invalid " + value) for value in new), (), "UI")


def dummy_uid(instance: Instance, step: Step) -> bytes:
    """A UID for an attribute that must have one and has none."""
    return encode(instance.identity.uid(f"{step.keyword} of {instance.patient}"), (), "UI")


def _pseudonym(instance: Instance, step: Step, element: Any, encodings: Sequence[str]) -> bytes | None:
    if step.keyword == "PatientID":
        return encode(instance.pseudonym, (), "LO")
    if step.keyword == "PatientName":
        return encode(NAME_PREFIX + instance.pseudonym, (), "PN")
    text = text_of(element, encodings, step.vr)
    if step.vr not in STRING_VRS - DATE_VRS or not text:
        return None
    if step.vr == "UI":
        return _uid(instance, step, element, encodings)
    token = instance.identity.token(f"pseudonym {step.keyword}", text)
    if step.vr in ("DS", "IS", "AS"):
        return None
    return encode(NAME_PREFIX + token if step.vr == "PN" else token.upper() if step.vr == "CS" else token, (), step.vr)


def _shift(instance: Instance, step: Step, element: Any, encodings: Sequence[str]) -> bytes | None:
    if step.vr not in DATE_VRS or (instance.aged and step.keyword == "PatientBirthDate"):
        return None
    days = instance.identity.days(instance.patient, instance.policy.shift_days)
    text = text_of(element, DEFAULT_ENCODINGS, step.vr)
    new = shift(step.vr, text, days)
    return None if new is None else encode(new, (), step.vr)


def _age(_instance: Instance, step: Step, element: Any, _encodings: Sequence[str]) -> bytes | None:
    if step.vr == "FD":
        return cap_double(element.value, getattr(element, "is_little_endian", True))
    if step.vr == "DS":
        return encode(cap_number(text_of(element, DEFAULT_ENCODINGS, "DS")), (), "DS")
    text = text_of(element, DEFAULT_ENCODINGS, "AS")
    new = cap_age(text) if text else ""
    return None if new is None else encode(new, (), "AS")


def _replace(instance: Instance, step: Step, element: Any, encodings: Sequence[str]) -> bytes | None:
    if not step.value:
        return _dummy(instance, step, element, encodings)
    return encode(step.value, encodings if step.vr in CHARSET_VRS else DEFAULT_ENCODINGS, step.vr) if step.vr in STRING_VRS else None


def _clean(instance: Instance, step: Step, element: Any, encodings: Sequence[str]) -> bytes | None:
    """Text without what identifies, value by value, no longer than its VR allows; a code that identifies cannot be cleaned."""
    if instance.pii is None or instance.known is None or step.vr not in STRING_VRS:
        return None
    text = text_of(element, encodings, step.vr)
    values = [text] if step.vr in SINGLE_VALUED else text.split("\\")
    cleaned = "\\".join(_clean_one(instance, instance.pii, instance.known, step, value) for value in values)
    if step.vr in CODE_VRS and instance.spans:
        instance.spans.clear()
        return None
    if not cleaned.strip(" \\") and step.kind in ("1", "1C"):
        return _dummy(instance, step, element, encodings)
    return encode(cleaned, encodings if step.vr in CHARSET_VRS else DEFAULT_ENCODINGS, step.vr)


def _clean_one(instance: Instance, pii: PiiFinder, known: Known, step: Step, text: str) -> str:
    text = text.translate(_CONTROLS)  # first: text in UTF-16 is single letters to the detector
    if not text.strip():
        return text
    new, spans = pii.clean(text, known, keyword=step.keyword, vr=step.vr if step.prose else "CS")
    for span in spans:
        found = text[span.start : span.end]
        instance.spans.append(
            Finding(
                "cleaned",
                step.keyword,
                step.vr,
                None,
                None,
                span.entity_type,
                span.score,
                span.detector,
                f"{step.rule}: {span.detector}",
                found,
            )
        )
    longest = MAX_LENGTH.get(step.vr, len(new))
    return new if len(new) <= longest else new[:longest].rstrip()


_ACTIONS: dict[Action, Callable[[Instance, Step, Any, Sequence[str]], bytes | None]] = {
    Action.EMPTY: _empty,
    Action.DUMMY: _dummy,
    Action.UID: _uid,
    Action.PSEUDONYM: _pseudonym,
    Action.SHIFT: _shift,
    Action.AGE: _age,
    Action.REPLACE: _replace,
    Action.CLEAN: _clean,
}
AUDITED = {
    Action.DUMMY: "replaced",
    Action.UID: "replaced",
    Action.PSEUDONYM: "replaced",
    Action.AGE: "replaced",
    Action.STRUCTURED: "cleaned",
}
"""Names of actions in the audit, where they differ."""
