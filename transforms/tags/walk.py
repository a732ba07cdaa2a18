"""The walk over an instance: one lookup for each element, and nothing more for those that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.values import convert_SQ

from transforms.errors import Code, DeidError
from transforms.tags.actions import AUDITED, Instance, apply_action
from transforms.tags.rules import ROOT, Action, Step
from transforms.tags.values import (
    DEFAULT_ENCODINGS,
    MAX_LENGTH,
    NUMBER,
    NUMBER_STRINGS,
    STRING_VRS,
    TEXT_VRS,
    UID,
    encodings_of,
    raw,
    text_of,
)
from transforms.types import Dataset, Finding

MAX_DEPTH = 64
_ID_DIGITS = 6
"""A number as text may be an identifier when it is at least this long."""
_CHARSET = 0x00080005
_UNDEFINED = 0xFFFFFFFF


class Place(NamedTuple):
    """Where a data set is: ``path`` of the first such item, ``kind`` the same without item numbers. Both end in a dot or are empty."""

    path: str = ""
    kind: str = ""


class Text(NamedTuple):
    """A kept element with text, to be looked at again once all are known."""

    dataset: Dataset
    element: Any
    step: Step
    place: Place
    encodings: Sequence[str]


class Walk:
    """One pass over one instance; collects findings."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._findings: dict[tuple[str, int, str], Finding] = {}
        self._spans: list[Finding] = []
        self._texts: list[Text] = []
        self.took_effect: set[str] = set()

    def run(self, ds: Dataset) -> None:
        """De-identify a whole data set in place."""
        self._dataset(ds, ROOT, Place(), DEFAULT_ENCODINGS, 0)
        self._review_texts()

    def findings(self) -> tuple[Finding, ...]:
        """What was found and done, in the order of the walk."""
        return (*self._findings.values(), *self._spans)

    def _dataset(self, ds: Dataset, parent: int, place: Place, encodings: Sequence[str], depth: int) -> None:
        elements = ds._dict
        charset = elements.get(_CHARSET)
        if charset is not None:
            encodings = encodings_of(text_of(charset, DEFAULT_ENCODINGS, "CS"))
        steps = self._instance.rules.steps(parent, self._instance.sop_class)
        for tag, element in list(elements.items()):
            number = tag.real
            if number & 0x00010000:
                del elements[tag]
                self._note(_PRIVATE, "removed", place, number | 0xFF)
                continue
            step = steps[number]
            if step.action is Action.KEEP and element.VR in step.accepted and step.vr != "SQ":
                if step.vr in _UNCHECKED or self._is_fine(ds, element, step, place, encodings):
                    continue
                self._change(ds, tag, element, step, step.fallback, place, encodings)
            elif step.vr == "SQ" or element.VR == "SQ":
                self._sequence(ds, tag, element, step, place, encodings, depth)
            elif step.action is Action.KEEP:
                self._keep_mislabelled(ds, tag, element, step, place, encodings)
            else:
                self._change(ds, tag, element, step, step.action, place, encodings)

    # -- elements that stay -------------------------------------------------------------------------------------------------------

    def _is_fine(self, ds: Dataset, element: Any, step: Step, place: Place, encodings: Sequence[str]) -> bool:
        """Whether the value is of its VR; text is looked at again later."""
        value = element.value
        vr = step.vr
        if vr in TEXT_VRS:
            if value:
                self._texts.append(Text(ds, element, step, place, encodings))
            return True
        if not isinstance(value, bytes):
            return True
        if vr in NUMBER_STRINGS:
            if len(value) >= _ID_DIGITS:
                self._texts.append(Text(ds, element, step, place, encodings))
            return NUMBER.fullmatch(value) is not None
        if vr == "UI":
            return not value or UID.fullmatch(text_of(element, DEFAULT_ENCODINGS, "UI").replace("\\", ".")) is not None or len(value) > 64
        return True

    def _keep_mislabelled(self, ds: Dataset, tag: BaseTag, element: Any, step: Step, place: Place, encodings: Sequence[str]) -> None:
        """An element whose VR in the file is not that of the dictionary: it stays only if its value can be judged by the dictionary's."""
        judged = element.VR == "UN" or (element.VR in STRING_VRS and step.vr in STRING_VRS)
        if not (judged and self._is_fine(ds, element, step, place, encodings)):
            self._change(ds, tag, element, replace(step, rule="wrong VR", detector="dictionary"), step.fallback, place, encodings)

    # -- elements that change -----------------------------------------------------------------------------------------------------

    def _remove(self, elements: dict[Any, Any], tag: BaseTag, place: Place, step: Step) -> None:
        del elements[tag]
        if not step.silent:
            self._note(step, "removed", place, tag.real)

    def _change(self, ds: Dataset, tag: BaseTag, element: Any, step: Step, action: Action, place: Place, encodings: Sequence[str]) -> None:
        if action is Action.REMOVE:
            self._remove(ds._dict, tag, place, step)
            return
        if action is Action.QUARANTINE:
            raise DeidError(Code.DOCUMENT_UNSUPPORTED, f"{step.keyword}, and the policy has such instances quarantined")
        value = apply_action(self._instance, step, action, element, encodings)
        if value is None:
            if action is not step.fallback:
                self._change(ds, tag, element, replace(step, rule=f"{step.rule}, not applicable"), step.fallback, place, encodings)
            else:
                self._remove(ds._dict, tag, place, step)
            return
        if self._instance.spans:
            self._spans += [replace(span, tag_path=place.path + step.keyword) for span in self._instance.spans]
            self._instance.spans.clear()
        old = element.value
        if value != old and not (not value and not old):
            ds._dict[tag] = raw(tag, element.VR if element.VR not in ("UN", None) else step.vr, value, element)
            self._note(step, AUDITED.get(action, str(action)), place, tag.real)

    def _note(self, step: Step, action: str, place: Place, tag: int) -> None:
        key = (place.kind, tag, action)
        if key not in self._findings:
            self._findings[key] = (
                _root_finding(step, action, tag)
                if not place.path
                else replace(_root_finding(step, action, tag), tag_path=place.path + _name(step, tag))
            )

    # -- sequences ----------------------------------------------------------------------------------------------------------------

    def _sequence(self, ds: Dataset, tag: BaseTag, element: Any, step: Step, place: Place, encodings: Sequence[str], depth: int) -> None:
        action = step.action
        if action is Action.REMOVE:
            self._remove(ds._dict, tag, place, step)
            return
        items = self._items(element, encodings) if step.vr == "SQ" and depth < MAX_DEPTH else None
        if items is None:
            self._remove(ds._dict, tag, place, replace(step, rule="no readable sequence", detector="dictionary"))
            return
        if not items:
            return
        if action is Action.EMPTY:
            ds._dict[tag] = raw(tag, "SQ", b"", element)
            self._note(step, "emptied", place, tag.real)
            return
        if isinstance(element, RawDataElement):
            new = DataElement(tag, "SQ", items, already_converted=True)
            new.is_undefined_length = element.length == _UNDEFINED
            ds._dict[tag] = new
        path, kind = place.path + step.keyword, f"{place.kind}{step.keyword}."
        for index, item in enumerate(items):
            self._dataset(item, tag.real, Place(f"{path}[{index}].", kind), encodings, depth + 1)

    @staticmethod
    def _items(element: Any, encodings: Sequence[str]) -> Any:
        """The items of a sequence; None when what is there is none."""
        value = element.value
        if not isinstance(element, RawDataElement):
            return value if element.VR == "SQ" else None
        if not value:
            return ()
        try:
            return convert_SQ(value, element.is_implicit_VR or element.VR == "UN", element.is_little_endian, list(encodings)) or None
        except Exception:  # a broken sequence ends in any exception
            return None

    # -- text that stays ----------------------------------------------------------------------------------------------------------

    def _review_texts(self) -> None:
        """Clean the text that was to stay where an identifier of the header is in it, or where it is longer than its VR allows."""
        needles = [value.casefold() for value in self._instance.known.values] if self._instance.known else []
        texts = [text_of(entry.element, entry.encodings, entry.step.vr) for entry in self._texts]
        haystack = "\n".join(texts).casefold()
        hits = [needle for needle in needles if needle in haystack]
        for entry, text in zip(self._texts, texts, strict=True):
            folded = text.casefold() if hits else ""
            if entry.step.vr in NUMBER_STRINGS:
                if folded.strip() in hits:
                    self._again(entry, entry.step.fallback)
            elif (hits and any(needle in folded for needle in hits)) or _is_overlong(text, entry.step.vr):
                self._again(entry, Action.CLEAN)

    def _again(self, entry: Text, action: Action) -> None:
        step = replace(entry.step, rule="identifier of the header, or too long")
        self._change(entry.dataset, entry.element.tag, entry.element, step, action, entry.place, entry.encodings)


_UNCHECKED = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"}) | frozenset(
    {"OB or OW", "US or SS", "US or OW", "US or SS or OW", "DA", "DT", "TM"}
)
_PRIVATE = Step(0, "", "UN", Action.REMOVE, "private attributes X")


def _name(step: Step, tag: int) -> str:
    """Keyword, or the block of a private element: its elements are one class, and there are often hundreds."""
    return step.keyword or f"({tag >> 16:04X},{tag >> 8 & 0xFF:02X}xx)"


@lru_cache(maxsize=8192)
def _root_finding(step: Step, action: str, tag: int) -> Finding:
    return Finding(action, _name(step, tag), vr=step.vr, detector=step.detector, rule=step.rule)


def _is_overlong(text: str, vr: str) -> bool:
    longest = MAX_LENGTH.get(vr, 0)
    return len(text) > longest > 0 and any(len(value) > longest for value in (text.split("\\") if vr not in ("LT", "ST") else [text]))
