"""De-identifies the tags of an instance, in place: every element at every depth, converted only where an action needs it."""

from __future__ import annotations

from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from transforms.errors import Code, DeidError
from transforms.policy import TagsPolicy
from transforms.tags.actions import Instance
from transforms.tags.charset import to_utf8
from transforms.tags.claims import write_claims, write_file_meta
from transforms.tags.conform import unmet
from transforms.tags.dates import is_over_89
from transforms.tags.documents import correct_length
from transforms.tags.identity import Identity
from transforms.tags.iod import is_known
from transforms.tags.pack import pack
from transforms.tags.private import PrivateRules
from transforms.tags.rules import Rules
from transforms.tags.values import DEFAULT_ENCODINGS, UID, encode, raw, text_of
from transforms.tags.walk import Walk
from transforms.types import PIXEL_TAGS, Dataset, Finding, Known, PiiFinder, PixelReport

_SOP_CLASS, _SOP, _STUDY, _SERIES, _PATIENT_ID, _PATIENT_NAME = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020, 0x00100010
_BIRTH_DATE, _DATES = 0x00100030, (0x00080020, 0x00080021, 0x00080022, 0x00080023)
"""Of the patient; of study, series, acquisition and content."""
_SAFE_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class TagDeidentifier:
    """Applies one policy. Compiles it once; holds the secret, so it is never pickled."""

    def __init__(self, policy: TagsPolicy, identity: Identity, pii: PiiFinder | None = None) -> None:
        self._policy = policy
        self._identity = identity
        self._pii = pii
        self._rules = Rules(policy)
        self._claimed = (policy.options() | {"basic"}) - unmet(policy) if policy.profile == "basic" else frozenset[str]()
        self._private = None if policy.private == "remove" else PrivateRules(policy)

    def apply(self, ds: Dataset, known: Known | None, *, pixels: PixelReport | None) -> tuple[Finding, ...]:
        """De-identify ``ds`` in place, with its file meta information and preamble.

        PatientID and the three UIDs exist afterwards and are safe as parts of a path. An instance without PatientID gets one that is
        derived from its study, so that two unknown patients are not taken for one.

        Args:
            ds: as pydicom read it. PixelData is not touched.
            known: identifiers of the original header; None leaves out what needs them, and text is then removed rather than cleaned.
            pixels: what happened to the pixels; a claim about them is made only if it says so.

        Returns:
            One finding for each class of elements that changed, and one for each piece of text that was cleaned.

        Raises:
            DeidError: TAGS_FAILED, DOCUMENT_UNSUPPORTED; the data set must then be dropped, it may be half done.
        """
        try:
            return self._apply(ds, known, pixels)
        except DeidError:
            raise
        except Exception as exc:  # pydicom raises whatever a malformed element makes it stumble over
            raise DeidError(Code.TAGS_FAILED, type(exc).__name__) from None

    def plan(self, ds: Dataset, known: Known | None = None) -> tuple[Finding, ...]:
        """What `apply` would do, without doing it: the same code on a copy without pixels.

        Raises:
            DeidError: as `apply`.
        """
        return self.apply(_shallow_copy(ds), known, pixels=None)

    def _apply(self, ds: Dataset, known: Known | None, pixels: PixelReport | None) -> tuple[Finding, ...]:
        original = {tag: _text(ds, tag) for tag in (_PATIENT_ID, _STUDY, _SERIES, _SOP)}
        sop_class = _text(ds, _SOP_CLASS)
        instance = Instance(
            policy=self._policy,
            rules=self._rules,
            private=self._private,
            identity=self._identity,
            pii=self._pii,
            known=known,
            sop_class=sop_class if is_known(sop_class) else "",
            patient=original[_PATIENT_ID] or "study " + (original[_STUDY] or original[_SERIES] or original[_SOP]),
            aged=self._policy.dates == "shift" and is_over_89(_text(ds, _BIRTH_DATE), (_text(ds, tag) for tag in _DATES)),
        )
        _correct_encoding(ds)
        walk = Walk(instance)
        walk.run(ds)
        if self._policy.documents == "remove":
            correct_length(ds)
        self._identify(ds, instance, original)
        if self._policy.charset == "utf-8":
            to_utf8(ds)
        write_claims(ds, self._policy, self._took_effect(known), pixels)
        pack(ds)
        write_file_meta(ds)
        return walk.findings()

    def _took_effect(self, known: Known | None) -> frozenset[str]:
        """What may be claimed: cleaning text needs a detector and what it is to look for."""
        return self._claimed if self._pii is not None and known is not None else self._claimed - {"descriptors", "structured", "graphics"}

    def _identify(self, ds: Dataset, instance: Instance, original: dict[int, str]) -> None:
        """Make sure of the identifiers that everything behind this room relies on."""
        elements = ds._dict
        wanted = {
            _SOP: original[_SOP] or f"sop of {original[_SERIES]} {original[_STUDY]} {_number(ds)}",
            _SERIES: original[_SERIES] or f"series of {original[_STUDY]} {original[_SOP]}",
            _STUDY: original[_STUDY] or f"study of {original[_SERIES]} {original[_SOP]}",
        }
        for tag, source in wanted.items():
            if not UID.fullmatch(_text(ds, tag)):
                elements[BaseTag(tag)] = raw(tag, "UI", encode(self._identity.uid(source), (), "UI"), None)
        patient = _text(ds, _PATIENT_ID)
        if not patient or len(patient) > 64 or not _SAFE_ID.issuperset(patient) or not patient.strip("."):
            elements[BaseTag(_PATIENT_ID)] = raw(_PATIENT_ID, "LO", encode(instance.pseudonym, (), "LO"), None)


def _text(ds: Dataset, tag: int) -> str:
    element = ds._dict.get(tag)
    return "" if element is None else text_of(element, DEFAULT_ENCODINGS, "UI").strip(" \0")


def _correct_encoding(ds: Dataset) -> None:
    """Some files are in Implicit VR against what their transfer syntax says; pydicom reads them, and must know in order to write them."""
    first = next((e for e in ds._dict.values() if isinstance(e, RawDataElement)), None)
    if first is not None and first.is_implicit_VR and not ds.original_encoding[0]:
        ds.set_original_encoding(True, first.is_little_endian, ds.original_character_set)


def _number(ds: Dataset) -> str:
    return _text(ds, 0x00200013)


def _shallow_copy(ds: Dataset) -> Dataset:
    """A data set of its own with the same elements: converted sequences are copied, raw ones are immutable, pixels are left out."""
    copy: Any = ds.__class__.__new__(ds.__class__)
    copy.__dict__.update({key: value for key, value in ds.__dict__.items() if key != "_dict"})
    copy._dict = {tag: _copied(element) for tag, element in ds._dict.items() if tag not in PIXEL_TAGS}
    return copy


def _copied(element: Any) -> Any:
    if getattr(element, "is_raw", False) or element.VR != "SQ":
        return element
    new = element.__class__(element.tag, "SQ", [], is_undefined_length=element.is_undefined_length)
    new.value = [_shallow_copy(item) for item in element.value]
    return new
