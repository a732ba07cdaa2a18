"""Decides what happens to an attribute, from the policy, table E.1-1 and the IOD; each decision is made once and looked up afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from pydicom.datadict import DicomDictionary

from transforms.policy import TagAction, TagRule, TagsPolicy
from transforms.tags import beyond
from transforms.tags.iod import attribute_type, needs_references
from transforms.tags.match import matches
from transforms.tags.structured import MEASURED, NUMBERS, VALUES
from transforms.tags.table import CONFIDENTIALITY, by_tag, repeating
from transforms.tags.values import BINARY_VRS, DATE_VRS, FREE_TEXT_VRS, NUMBER_STRINGS, TEXT_VRS

TABLE = "PS3.15 E.1-1 " + CONFIDENTIALITY.rpartition("_")[2]
SITE = "site rule"
ROOT = -1
"""Stands for the parent of the elements on top level."""
_MAX_STEPS = 200_000
_PATIENT_ID, _PATIENT_NAME, _PATIENT_AGE = 0x00100020, 0x00100010, 0x00101010
_CLASS_UIDS = frozenset({"CodingSchemeUID", "ContextUID", "MappingResourceUID", "ContextGroupExtensionCreatorUID"})
CLAIMS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
_BURNED_IN = 0x00280301
_DOCUMENT = 0x00420011
_DECODING = frozenset(
    {0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011}
    | {0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203}
    | {0x00281221, 0x00281222, 0x00281223, 0x00282110, 0x00282112, 0x00282114, 0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010}
)
"""What an instance needs to be one, and its pixels to be decoded: identity, Image Pixel module, Lossy Image Compression."""
_HARMLESS = frozenset({"CS", "US", "UL", "SS", "SL", "UV", "SV", "AT", "IS", "US or SS"})
"""Enumerated values, counts and indices in a sequence of dummy values: without them it would not be one of its IOD."""
_TYPED = {"TextValue": "structured", "UnformattedTextValue": "graphics"}
"""Text that people type into reports, and onto images and waveforms, and the option that has it cleaned; wherever it is."""
_SEALED = frozenset({"DigitalSignaturesSequence", "MACParametersSequence", "IconImageSequence", "EncryptedAttributesSequence"})
"""Sequences that text scanning cannot make safe: signatures over the original, small images, encrypted originals."""


class Action(StrEnum):
    """What is done with an element; values are those of the audit's ``action`` where there is one."""

    KEEP = "kept"
    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "dummy"
    UID = "uid"
    CLEAN = "cleaned"
    SHIFT = "shifted"
    AGE = "age"
    PSEUDONYM = "pseudonym"
    REPLACE = "replaced"
    STRUCTURED = "structured"
    QUARANTINE = "quarantined"


_SITE = {
    TagAction.KEEP: Action.KEEP,
    TagAction.REMOVE: Action.REMOVE,
    TagAction.EMPTY: Action.EMPTY,
    TagAction.REPLACE: Action.REPLACE,
    TagAction.UID: Action.UID,
    TagAction.PSEUDONYM: Action.PSEUDONYM,
    TagAction.CLEAN: Action.CLEAN,
    TagAction.SHIFT: Action.SHIFT,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one attribute at one place.

    Attributes:
        vr: of the data dictionary, which counts more than what a file says.
        accepted: VRs that a file may give it; None is Implicit VR.
        rule: which rule decided, as `inspect` shows it.
        kind: Type in the IOD.
        value: what REPLACE writes.
        silent: dropped without a finding, since it says nothing (group lengths).
        prose: its text is written by people; in the terms of a vendor an unknown word is no name.
    """

    tag: int
    keyword: str
    vr: str
    action: Action
    rule: str
    detector: str = TABLE
    kind: str = "3"
    value: str = ""
    accepted: frozenset[str | None] = frozenset()
    silent: bool = False
    prose: bool = True

    @property
    def fallback(self) -> Action:
        """What becomes of an element that its action cannot be applied to: gone, unless the IOD requires it."""
        return {"1": Action.DUMMY, "1C": Action.DUMMY, "2": Action.EMPTY, "2C": Action.EMPTY}.get(self.kind, Action.REMOVE)


class Mode(StrEnum):
    """How the items of a sequence are treated beside the rules for their attributes."""

    NORMAL = "normal"
    DUMMY = "dummy"
    """All leaves become dummy values: a sequence with code D."""
    DUMMY_VALUE = "dummy value"
    """The value of a content item becomes a dummy."""
    KEEP_VALUE = "keep value"
    """The text of a content item stays."""


class Steps(dict[int, Step]):
    """The steps for the elements of one place (top level, or items of one sequence) of one SOP Class, made when first looked up."""

    def __init__(self, rules: Rules, parent: int, sop_class: str, mode: Mode) -> None:
        super().__init__()
        self._rules, self._parent, self._sop_class, self._mode = rules, parent, sop_class, mode

    def __missing__(self, tag: int) -> Step:
        step = _in_mode(self._rules.step(tag, self._parent, self._sop_class), self._mode)
        if len(self) > _MAX_STEPS:
            self.clear()
        self[tag] = step
        return step


class Rules:
    """The compiled policy."""

    def __init__(self, policy: TagsPolicy) -> None:
        self._policy = policy
        self._options = policy.options()
        self._places: dict[tuple[int, str, Mode], Steps] = {}

    def steps(self, parent: int, sop_class: str, mode: Mode = Mode.NORMAL) -> Steps:
        """Steps for the items of the sequence ``parent`` (ROOT for the top level) in instances of a SOP Class that `is_known`, or ''."""
        steps = self._places.get((parent, sop_class, mode))
        if steps is None:
            if len(self._places) > _MAX_STEPS // 10:
                self._places.clear()
            steps = self._places[parent, sop_class, mode] = Steps(self, parent, sop_class, mode)
        return steps

    def step(self, tag: int, parent: int, sop_class: str, *, kind: str | None = None) -> Step:
        """Decide about one public attribute; ``kind`` stands in for its Type. Private ones are decided where their creator is known."""
        group = tag >> 16
        vr, keyword = _dictionary(tag)
        base = Step(tag, keyword or f"({group:04X},{tag & 0xFFFF:04X})", vr, Action.KEEP, "not in the table", accepted=_accepted(tag))
        if tag & 0xFFFF == 0 or group in (0x0000, 0x0002):
            return replace(base, action=Action.REMOVE, rule="group length, command or file meta element", silent=True)
        above = None if parent == ROOT else _dictionary(parent)[1]
        kind = attribute_type(base.keyword, above, sop_class) if kind is None else kind
        decided = self._profile(replace(base, kind=kind), parent, sop_class)
        if parent == MEASURED and tag in NUMBERS and decided.action is Action.KEEP and self._policy.profile != "keep-all":
            decided = replace(decided, action=Action.AGE, rule="number of years")
        for number, rule in enumerate(self._policy.rules):
            if matches(rule.match, tag, keyword, vr):
                decided = _site(decided, number, rule)
        return decided

    def _profile(self, step: Step, parent: int, sop_class: str) -> Step:
        profile = self._policy.profile
        group = step.tag >> 16
        if group & 0xFF00 in (0x5000, 0x6000) and profile != "keep-all" and not step.tag & 0x00010000:
            row = next((row for row in repeating() if row.key[:4] == f"{group >> 8:02x}xx"), repeating()[0])
            return replace(step, action=Action.REMOVE, rule=f"{row.name} {row.profile}")
        if not step.vr:
            return replace(step, action=Action.REMOVE, rule="unknown attribute", detector="dictionary")
        if profile == "keep-all":
            return self._uid(step, "keep-all") if step.vr == "UI" else replace(step, rule="keep-all", detector="profile")
        if step.tag in (_PATIENT_ID, _PATIENT_NAME):
            return replace(step, action=Action.PSEUDONYM, rule="keyed pseudonym")
        if parent == ROOT and (step.tag in CLAIMS or step.tag == _BURNED_IN):
            return step  # written anew; in items they are others' words
        if profile == "keep-list" and parent == ROOT:
            if step.tag not in _DECODING:
                return replace(step, action=Action.REMOVE, rule="not in the keep list", detector="profile")
            return self._uid(step, "keep-list") if step.vr == "UI" else replace(step, rule="needed to decode", detector="profile")
        if profile == "scan":
            return self._scan(step)
        return self._basic(step, parent, sop_class)

    def _basic(self, step: Step, parent: int, sop_class: str) -> Step:
        row = by_tag().get(step.tag)
        if row is None:
            row = beyond.row(step.keyword, step.vr)
            if row is None:
                return self._unlisted(step, parent)
            step = replace(step, detector=beyond.DETECTOR)
        chosen = {option: code for option, code in row.options.items() if option in self._options}
        if step.tag == _DOCUMENT:
            return self._document(step)
        if not chosen and row.profile == "X/Z/U*" and needs_references(sop_class):
            return replace(step, rule="X/Z/U*, U for the Common Instance Reference module")
        if not chosen:
            return _resolve(step, row.profile)
        codes = set(chosen.values())
        names = "+".join(sorted(chosen))
        step = replace(step, rule=f"{row.profile}, {names}:{'C' if 'C' in codes else 'K'}")
        if "C" not in codes:
            return replace(step, action=Action.AGE if step.tag == _PATIENT_AGE else Action.KEEP)
        if step.vr in DATE_VRS:
            return replace(step, action=Action.SHIFT)
        if step.vr == "SQ":
            return replace(step, action=Action.STRUCTURED if "structured" in chosen else Action.KEEP)
        return replace(step, action=Action.CLEAN if step.vr in TEXT_VRS else Action.KEEP)

    def _unlisted(self, step: Step, parent: int) -> Step:
        """An attribute without a row. Names, dates and UIDs are treated as their like in the table."""
        if step.vr == "UI":
            return self._uid(step, "UID not in the table")
        if step.vr == "PN":
            return _resolve(replace(step, rule="name not in the table"), "X/Z/D")
        if step.vr == "AS":
            return replace(step, action=Action.AGE, rule="age not in the table")
        if step.vr in DATE_VRS:
            return self._date(replace(step, rule="date not in the table"))
        if (option := _TYPED.get(step.keyword)) is not None:
            if option in self._options:
                return replace(step, action=Action.CLEAN, rule=f"free text, {option}:C")
            return _resolve(replace(step, rule="typed text not in the table"), "D")
        if step.vr in FREE_TEXT_VRS and self._is_typed(step, parent):
            return replace(step, action=Action.CLEAN, rule="free text not in the table", detector=beyond.DETECTOR)
        if step.vr in FREE_TEXT_VRS and beyond.LABELS.search(step.keyword):
            return replace(step, action=Action.CLEAN, rule="label not in the table", detector=beyond.DETECTOR, prose=False)
        return step

    def _is_typed(self, step: Step, parent: int) -> bool:
        """Whether people type it, rather than machines: long text, titles, descriptions, and what is in a sequence of descriptors."""
        if step.vr in ("LT", "ST", "UT", "UC") or beyond.TYPED.search(step.keyword):
            return True
        row = by_tag().get(parent)
        return row is not None and "descriptors" in row.options and "descriptors" in self._options

    def _date(self, step: Step) -> Step:
        if self._policy.dates == "keep":
            return step
        if self._policy.dates == "shift":
            return replace(step, action=Action.SHIFT)
        return _resolve(step, "X/Z/D")

    def _uid(self, step: Step, rule: str) -> Step:
        is_class = "SOPClass" in step.keyword or "TransferSyntax" in step.keyword or step.keyword in _CLASS_UIDS
        if is_class or "uids" in self._options:
            return step
        return replace(step, action=Action.UID, rule=rule)

    def _document(self, step: Step) -> Step:
        action = {"remove": Action.DUMMY, "quarantine": Action.QUARANTINE, "keep": Action.KEEP}[self._policy.documents]
        return replace(step, action=action, rule=f"D, documents:{self._policy.documents}")

    def _scan(self, step: Step) -> Step:
        """Text goes through the detector; what no text scan can judge is treated as the table says."""
        step = replace(step, rule=f"scan {step.vr}", detector="profile")
        if step.vr == "UI":
            return self._uid(step, "scan UI")
        if step.vr == "AS":
            return replace(step, action=Action.AGE)
        if step.vr in ("DA", "DT") or step.keyword in beyond.CALENDARS:
            return self._date(step)
        if step.vr in TEXT_VRS - {"AS", "CS"}:
            return replace(step, action=Action.CLEAN)
        row = by_tag().get(step.tag)
        if step.tag == _DOCUMENT:
            return self._document(step)
        if row is None:
            return step
        untold = not row.options and (step.vr in NUMBER_STRINGS or step.vr == "CS")  # GPSLatitude: no option would retain it
        if untold or step.vr in BINARY_VRS or step.keyword in _SEALED:
            return _resolve(replace(step, detector=TABLE), row.profile)
        return step


def _in_mode(step: Step, mode: Mode) -> Step:
    """A step as it is in items that are treated in a special way; removals and pseudonyms stay what they are."""
    if mode is Mode.NORMAL or step.action in (Action.REMOVE, Action.PSEUDONYM, Action.UID):
        return step
    if mode is Mode.DUMMY:
        return (
            step if step.vr in _HARMLESS or step.action is Action.EMPTY else replace(step, action=Action.DUMMY, rule=f"{step.rule}, in D")
        )
    if step.keyword not in VALUES:
        return step
    if mode is Mode.KEEP_VALUE:
        return replace(step, action=Action.KEEP) if step.action is Action.CLEAN else step
    return replace(step, action=Action.DUMMY, rule="value of a content item, D")


def _site(step: Step, number: int, rule: TagRule) -> Step:
    action = _SITE[rule.action]
    if action is Action.CLEAN and step.vr in DATE_VRS:
        action = Action.SHIFT
    return replace(step, action=action, value=rule.value, rule=f"rule {number + 1}: {rule.action.value}", detector=SITE)


def _resolve(step: Step, code: str) -> Step:
    """Resolve a code of table E.1-1a by the Type; an unknown one gets what is conformant in any IOD."""
    kind = step.kind
    required = kind in ("1", "1C") or not kind
    if "U" in code and "X" not in code:
        action = Action.UID
    elif code == "X":
        action = {"1": Action.DUMMY, "2": Action.EMPTY}.get(kind, Action.REMOVE)
    elif code == "Z":
        action = Action.DUMMY if kind == "1" else Action.EMPTY
    elif code == "D":
        action = Action.UID if step.vr == "UI" else Action.DUMMY
    elif code == "X/Z/U*":
        action = Action.REMOVE if kind == "3" else Action.KEEP  # with its UIDs replaced; empty, it would lose what refers to what
    elif required:
        action = Action.DUMMY if code.endswith("D") or kind in ("1", "1C") else Action.EMPTY
    elif kind in ("2", "2C"):
        action = Action.EMPTY
    else:
        action = Action.REMOVE if code.startswith("X") else Action.EMPTY
    rule = code if "table" not in step.rule or step.rule == "not in the table" else f"{step.rule}, {code}"
    if "/" in code or (code == "X" and action is not Action.REMOVE):
        rule += f", Type {kind or 'unknown'}"
    return replace(step, action=action, rule=rule)


@lru_cache(maxsize=8192)
def _dictionary(tag: int) -> tuple[str, str]:
    entry = DicomDictionary.get(tag)
    return (entry[0], entry[4]) if entry else ("", "")


def _accepted(tag: int) -> frozenset[str | None]:
    """VRs that a file may give an attribute without being looked at: that of the dictionary; any binary one that is among its choices."""
    vr = _dictionary(tag)[0]
    choices = set(vr.split(" or "))
    if choices & {"OB", "OW"}:
        choices |= {"OB", "OW"}
    return frozenset({None, vr, *choices})
