"""The walk over an instance: one lookup for each element, and nothing more for those that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.values import convert_SQ

from transforms.errors import Code, DeidError
from transforms.tags.actions import AUDITED, Instance, apply_action
from transforms.tags.charset import terms
from transforms.tags.coded import stays
from transforms.tags.dates import is_valid, written
from transforms.tags.private import creators
from transforms.tags.rules import ROOT, SITE, Action, Mode, Step
from transforms.tags.structured import CONTENT_SEQUENCES, in_years, verdict
from transforms.tags.values import (
    DATE_VRS,
    DEFAULT_ENCODINGS,
    MAX_LENGTH,
    NUMBER,
    NUMBER_STRINGS,
    STRING_VRS,
    TEXT_VRS,
    UID,
    encode,
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
        self._options = instance.policy.options()

    def run(self, ds: Dataset) -> None:
        """De-identify a whole data set in place."""
        self._dataset(ds, ROOT, Place(), DEFAULT_ENCODINGS, 0)
        if self._instance.policy.profile != "keep-all":
            self._review_texts()

    def findings(self) -> tuple[Finding, ...]:
        """What was found and done, in the order of the walk."""
        return (*self._findings.values(), *self._spans)

    def _dataset(self, ds: Dataset, parent: int, place: Place, encodings: Sequence[str], depth: int, mode: Mode = Mode.NORMAL) -> None:
        elements = ds._dict
        charset = elements.get(_CHARSET)
        if charset is not None:
            text = text_of(charset, DEFAULT_ENCODINGS, "CS")
            encodings = encodings_of(text)
            if (known := terms(text)) != text:
                elements[charset.tag] = raw(_CHARSET, "CS", encode(known, (), "CS"), charset)
        steps = self._instance.rules.steps(parent, self._instance.sop_class, mode)
        private: list[BaseTag] = []
        for tag, element in list(elements.items()):
            number = tag.real
            if number & 0x00010000:
                private.append(tag)
                continue
            step = steps[number]
            if step.action is Action.KEEP and element.VR in step.accepted and step.vr != "SQ":
                if (step.vr not in _UNCHECKED or element.VR == "UN") and not self._is_fine(ds, element, step, place, encodings):
                    self._change(ds, tag, element, step, step.fallback, place, encodings)
            else:
                self._element(ds, tag, element, step, place, encodings, depth)
        if private:
            self._private(ds, private, place, encodings, depth, mode)

    def _element(self, ds: Dataset, tag: BaseTag, element: Any, step: Step, place: Place, encodings: Sequence[str], depth: int) -> None:
        """An element that does not simply stay."""
        if step.vr == "SQ" or element.VR == "SQ":
            self._sequence(ds, tag, element, step, place, encodings, depth)
        elif step.action is Action.KEEP or (step.action is Action.AGE and step.vr != "AS" and not in_years(ds)):
            if element.VR not in step.accepted:
                self._keep_mislabelled(ds, tag, element, step, place, encodings)
            elif not self._is_fine(ds, element, step, place, encodings):
                self._change(ds, tag, element, step, step.fallback, place, encodings)
        elif step.action is Action.CLEAN and step.detector != SITE and element.VR in step.accepted and stays(ds, tag.real):
            self._is_fine(ds, element, step, place, encodings)
        else:
            self._change(ds, tag, element, step, step.action, place, encodings)

    def _private(self, ds: Dataset, tags: list[BaseTag], place: Place, encodings: Sequence[str], depth: int, mode: Mode) -> None:
        """Private elements, and their creators as long as something of their block is left."""
        elements = ds._dict
        blocks = creators(ds, tags) if self._instance.private is not None and mode is not Mode.DUMMY else {}
        kept, removed = set(), set()
        for tag in tags:
            number = tag.real
            if number in blocks:
                continue
            step = None
            if blocks and self._instance.private is not None:
                block = number & 0xFFFF0000 | number >> 8 & 0xFF
                step = self._instance.private.step(number, elements[tag].VR, blocks.get(block, ""))
            if step is None:
                del elements[tag]
                removed.add(number | 0xFF)
                continue
            element = elements[tag]
            if step.action is Action.KEEP and step.vr != "SQ" and element.VR in step.accepted:
                if self._is_fine(ds, element, step, place, encodings):
                    self._texts.append(Text(ds, element, step, place, encodings))
                else:
                    self._remove(elements, tag, place, step)
            else:
                self._element(ds, tag, element, step, place, encodings, depth)
            if tag in elements:
                kept.add(block)
        for number in sorted(removed):
            self._note(_PRIVATE, "removed", place, number)
        for number in blocks.keys() - kept:
            del elements[BaseTag(number)]

    # -- elements that stay -------------------------------------------------------------------------------------------------------

    def _is_fine(self, ds: Dataset, element: Any, step: Step, place: Place, encodings: Sequence[str]) -> bool:
        """Whether the value is of its VR; text is looked at again later."""
        value = element.value
        vr = step.vr
        if vr in TEXT_VRS:
            if value and step.detector != SITE:
                self._texts.append(Text(ds, element, step, place, encodings))
            return True
        if not isinstance(value, bytes):
            return True
        if vr in NUMBER_STRINGS:
            if NUMBER.fullmatch(value) is None:
                return False
            if len(value) >= _ID_DIGITS:
                self._texts.append(Text(ds, element, step, place, encodings))
            return True
        if vr in DATE_VRS:
            return is_valid(vr, text_of(element, DEFAULT_ENCODINGS, vr))
        if vr == "UI":
            return all(not uid or UID.fullmatch(uid) for uid in text_of(element, DEFAULT_ENCODINGS, "UI").split("\\"))
        return element.VR not in ("UN", "OB", None) or "OB" in vr or _PRINTABLE.fullmatch(value) is None

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
        path, kind = place.path + step.keyword, f"{place.kind}{step.keyword}."
        mode = Mode.NORMAL
        if action is Action.DUMMY:
            items, mode = items[:1], Mode.DUMMY
            self._note(step, "replaced", place, tag.real)
        remaining = []
        for index, item in enumerate(items):
            wanted, rule = self._verdict(item, tag.real, mode)
            if wanted is None:
                gone = replace(step, keyword=f"{step.keyword}[{index}]", rule=rule, detector="PS3.15 E.3.4-1")
                self._note(gone, "removed", place, tag.real)
                continue
            self._dataset(item, tag.real, Place(f"{path}[{index}].", kind), encodings, depth + 1, wanted)
            remaining.append(item)
        if isinstance(element, RawDataElement):
            new = DataElement(tag, "SQ", remaining and items.__class__(remaining), already_converted=True)
            new.is_undefined_length = element.length == _UNDEFINED
            ds._dict[tag] = new
        elif len(remaining) != len(element.value):
            element.value = remaining

    def _verdict(self, item: Dataset, sequence: int, mode: Mode) -> tuple[Mode | None, str]:
        """How an item is treated, None when it goes; only content items differ, and only where structured content is cleaned."""
        if mode is not Mode.NORMAL or sequence not in CONTENT_SEQUENCES or "structured" not in self._options:
            return mode, ""
        wanted, rule = verdict(item, self._options)
        return {"remove": None, "dummy": Mode.DUMMY_VALUE, "keep": Mode.KEEP_VALUE}.get(wanted, Mode.NORMAL), rule

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
        needles = [value.casefold() for value in self._identifiers()]
        texts = [text_of(entry.element, entry.encodings, entry.step.vr) for entry in self._texts]
        haystack = "\n".join(texts).casefold()
        hits = [needle for needle in needles if needle in haystack]
        numbers = {needle.lstrip("0") for needle in hits}
        for entry, text in zip(self._texts, texts, strict=True):
            folded = text.casefold() if hits else ""
            tag = entry.element.tag
            if tag.real & 0x00010000:
                if tag in entry.dataset._dict and any(needle in folded for needle in hits):
                    self._remove(entry.dataset._dict, tag, entry.place, replace(entry.step, rule="identifier of the header"))
            elif entry.step.vr in NUMBER_STRINGS:
                if any(value.strip(" \0").lstrip("0") in numbers for value in folded.split("\\")):
                    self._again(entry, entry.step.fallback)
            elif any(_counts(needle, folded, text, entry.step) for needle in hits) or _is_overlong(text, entry.step.vr):
                self._again(entry, Action.CLEAN)

    def _identifiers(self) -> list[str]:
        """Identifying strings of the header, with its dates and those of places and devices unless the policy retains them."""
        known = self._instance.known
        if known is None:
            return []
        places = () if "institution" in self._options else getattr(known, "places", ())
        stations = () if "device" in self._options else getattr(known, "stations", ())
        dates = () if self._instance.policy.dates == "keep" else known.dates
        return [*known.values, *places, *stations, *(form for date in dates for form in written(date))]

    def _again(self, entry: Text, action: Action) -> None:
        step = replace(entry.step, rule="identifier of the header, or too long")
        self._change(entry.dataset, entry.element.tag, entry.element, step, action, entry.place, entry.encodings)


_COINED = frozenset({"ContentLabel", "GraphicLayer"})
"""Code strings without defined terms: people coin them."""
_CODE = re.compile(r"[A-Z0-9_ \\]*")
_UNCHECKED = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"}) | frozenset(
    {"OB or OW", "US or SS", "US or OW", "US or SS or OW"}
)
_PRINTABLE = re.compile(rb"[ -~]{6,}\0*")
"""Text where the dictionary has numbers: no array of numbers, whose bytes are of all values."""
_PRIVATE = Step(0, "", "UN", Action.REMOVE, "private attributes X")


def _name(step: Step, tag: int) -> str:
    """Keyword, or the block of a private element: its elements are one class, and there are often hundreds."""
    return step.keyword or f"({tag >> 16:04X},{tag >> 8 & 0xFF:02X}xx)"


@lru_cache(maxsize=8192)
def _root_finding(step: Step, action: str, tag: int) -> Finding:
    return Finding(action, _name(step, tag), vr=step.vr, detector=step.detector, rule=step.rule)


def _counts(needle: str, folded: str, text: str, step: Step) -> bool:
    """Whether an identifier in a text is one there. In a code string a word without digits is a term of the standard (HEAD, LONG)."""
    terms = step.vr == "CS" and step.keyword not in _COINED
    return needle in folded and not (terms and needle.isalpha() and _CODE.fullmatch(text))


def _is_overlong(text: str, vr: str) -> bool:
    longest = MAX_LENGTH.get(vr, 0)
    return len(text) > longest > 0 and any(len(value) > longest for value in (text.split("\\") if vr not in ("LT", "ST") else [text]))
