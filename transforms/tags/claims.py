"""What the output says about itself: only what was done (PS3.15 E.1.1; PS3.3 C.7.1.1, C.12.1), and file meta information of its own."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from pydicom.dataset import Dataset as PydicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from transforms.policy import TagsPolicy
from transforms.tags.rules import TABLE
from transforms.tags.values import DEFAULT_ENCODINGS, encode, raw, text_of
from transforms.types import Dataset, PixelReport

IMPLEMENTATION_CLASS_UID = "2.25.318467291083756120942817365208491730562"
IMPLEMENTATION_VERSION_NAME = "DICOM_DEID_0_1"
_BURNED_IN = BaseTag(0x00280301)
METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixels": ("113101", "Clean Pixel Data Option"),
    "graphics": ("113103", "Clean Graphics Option"),
    "structured": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "safe_private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""CID 7050, by the names of the options."""
TEMPORAL = {"remove": "REMOVED", "keep": "UNMODIFIED", "shift": "MODIFIED"}
_DESCRIPTIONS = {"basic": TABLE, "scan": "text elements scanned", "keep-list": "keep list", "keep-all": "UIDs replaced, other tags kept"}


def write_claims(ds: Dataset, policy: TagsPolicy, took_effect: Collection[str], pixels: PixelReport | None) -> None:
    """Say in the data set what was done.

    Args:
        ds: a data set that was de-identified.
        policy: under which.
        took_effect: the profile, if it is the basic one, and the options of table E.1-1 that took effect.
        pixels: what happened to the pixels.
    """
    cleaned = pixels is not None and pixels.cleaned
    names = [name for name in METHODS if name in took_effect or (name == "pixels" and cleaned)]
    method = ["dicom-deid", _DESCRIPTIONS[policy.profile], *(f"option {name}" for name in names if name != "basic")]
    if policy.profile == "basic" and "basic" not in names:
        method.append("with exceptions of the site")
    _put(ds, 0x00120062, "CS", "NO" if policy.profile == "keep-all" else "YES")
    _put(ds, 0x00120063, "LO", "\\".join(method))
    _put(ds, 0x00280303, "CS", TEMPORAL[_temporal(policy)])
    ds._dict.pop(0x00120064, None)
    if names:
        ds.add_new(0x00120064, "SQ", Sequence([_code(*METHODS[name]) for name in names]))
    if cleaned:
        _put(ds, _BURNED_IN, "CS", "NO")
    elif _BURNED_IN in ds._dict and text_of(ds._dict[_BURNED_IN], DEFAULT_ENCODINGS, "CS").strip() not in ("YES", "NO", ""):
        del ds._dict[_BURNED_IN]


def write_file_meta(ds: Dataset) -> None:
    """Give the file meta information and a preamble that say nothing about where the file comes from (PS3.15 E.1.1)."""
    old = getattr(ds, "file_meta", None) or FileMetaDataset()
    values = {
        0x00020002: str(ds.get("SOPClassUID", "") or old.get("MediaStorageSOPClassUID", "")),
        0x00020003: str(ds.SOPInstanceUID),
        0x00020010: str(old.get("TransferSyntaxUID", "")),
        0x00020012: IMPLEMENTATION_CLASS_UID,
    }
    meta = FileMetaDataset()
    meta._dict[BaseTag(0x00020001)] = raw(0x00020001, "OB", b"\0\1", None)
    for tag, value in values.items():
        if value:
            _put(meta, tag, "UI", value)
    _put(meta, 0x00020013, "SH", IMPLEMENTATION_VERSION_NAME)
    ds.file_meta = meta
    ds.preamble = b"\0" * 128


def _temporal(policy: TagsPolicy) -> str:
    return "keep" if policy.profile == "keep-all" and policy.dates == "remove" else policy.dates


def _put(ds: Dataset, tag: int, vr: str, text: str) -> None:
    ds._dict[BaseTag(tag)] = raw(tag, vr, encode(text, DEFAULT_ENCODINGS, vr), None)


@lru_cache(maxsize=32)
def _values(value: str, meaning: str) -> tuple[tuple[int, str, str], ...]:
    return ((0x00080100, "SH", value), (0x00080102, "SH", "DCM"), (0x00080104, "LO", meaning))


def _code(value: str, meaning: str) -> PydicomDataset:
    item = PydicomDataset()
    for tag, vr, text in _values(value, meaning):
        _put(item, tag, vr, text)
    return item
