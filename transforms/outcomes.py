"""Outcomes: how one input ended, as the rows of the audit. The only place where a Work becomes rows, so the only place to check for PHI.

``instance`` and ``entities`` are shareable: they hold keyed hashes, new identifiers and terms of the standard. ``crosswalk`` is restricted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from pydicom.uid import UID_dictionary

from transforms.errors import Code
from transforms.types import Evaluation, Finding, FrameDecision, Header, Outcome, SeriesDecision, Status, Work

_MODALITIES = """
AR AS ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG EPS ES FA FID FS GM HC HD IO
IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF
RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF XA XAPROTOCOL XC
"""
_KNOWN_MODALITIES = frozenset(_MODALITIES.split())
"""Defined and retired terms of Modality (PS3.3 C.7.3.1.1.1): anything else in it may be a name."""
_MOST = 2**31 - 1
"""The columns of counts have 32 bits; a header may say any number."""

_NO_BOX = (None, None, None, None)

Hash = Callable[[str, str], str]
"""Keyed hash of (kind, value) in hexadecimal."""


def work_outcome(work: Work, keyed: Hash) -> Outcome:
    """The outcome of an instance that went through the stages; its status must be set."""
    assert work.status is not None
    saved = work.status is Status.SAVED
    new = work.new_ids if saved else ("", "", "", "")
    pixels = work.pixels
    findings = work.findings if saved else ()
    instance = {
        **_instance(work.header, work.status, work.code, work.stage, work.detail),
        "rows": _count(work.shape[0]) if work.shape else None,
        "columns": _count(work.shape[1]) if work.shape else None,
        "save_condition_series_agg": work.decision.save,
        "url_deid": work.url_deid or None,
        **_new_ids(new),
        "bytes_out": work.bytes_out if saved else None,
        "pixels_cleaned": pixels.cleaned if saved and pixels else None,
        "frames_masked": len(pixels.changed_frames) if saved and pixels else None,
        "boxes_masked": sum(f.action == "masked" for f in findings),
        "entities": len(findings),
        "frame_decisions": _run_lengths(pixels.frames) if pixels else None,
        **{f"seconds_{stage}": seconds for stage, seconds in work.seconds.items()},
    }
    entities = tuple(_entity(work.header.instance_id, finding, keyed) for finding in findings)
    return Outcome(work.header.instance_id, work.status, instance, entities, _crosswalk(work.header, work, work.decision, new))


def header_outcome(
    header: Header, status: Status, code: Code, stage: str, detail: str = "", decision: SeriesDecision | None = None
) -> Outcome:
    """The outcome of an instance that was never read whole: filtered by a save condition, not DICOM, or unreadable."""
    instance = _instance(header, status, code, stage, detail)
    instance["save_condition_series_agg"] = decision.save if decision else None
    crosswalk = _crosswalk(header, None, decision, ("", "", "", ""))
    return Outcome(header.instance_id, status, instance, (), crosswalk | {"status": str(status), "code": str(code)})


def _instance(header: Header, status: Status, code: str, stage: str, detail: str) -> dict[str, Any]:
    return {
        "instance_id": header.instance_id,
        "status": str(status),
        "code": str(code) or None,
        "stage": stage or None,
        "detail": detail or None,
        "modality": header.modality if header.modality in _KNOWN_MODALITIES else None,
        "sop_class": header.sop_class if header.sop_class in UID_dictionary else None,
        "transfer_syntax": header.transfer_syntax if header.transfer_syntax in UID_dictionary else None,
        "frames": _count(header.frames),
        "bytes_in": header.size,
        "save_condition": header.save,
    }


def _count(number: int) -> int | None:
    return number if 0 <= number <= _MOST else None


def _entity(instance_id: str, finding: Finding, keyed: Hash) -> tuple[Any, ...]:
    box = finding.box
    return (
        instance_id,
        finding.tag_path,
        finding.vr,
        finding.frame,
        *((box.x, box.y, box.w, box.h) if box else _NO_BOX),
        finding.entity_type or None,
        finding.score,
        finding.detector or None,
        finding.rule or None,
        finding.action,
        keyed("text", finding.text) if finding.text else None,
    )


def _crosswalk(header: Header, work: Work | None, decision: SeriesDecision | None, new: tuple[str, str, str, str]) -> dict[str, Any]:
    return {
        "instance_id": header.instance_id,
        "url": header.uri,
        "url_deid": (work.url_deid or None) if work else None,
        "status": str(work.status) if work else None,
        "code": (work.code or None) if work else None,
        "PatientID": header.patient_id,
        "StudyInstanceUID": header.study_uid,
        "SeriesInstanceUID": header.series_uid,
        "SOPInstanceUID": header.sop_uid,
        **_new_ids(new),
        "save_conditions_evaluations": [_evaluation(item) for item in header.evaluations],
        "save_condition": header.save,
        "save_condition_series_agg": decision.save if decision else None,
        "save_disabling_urls_series_agg": list(decision.disabling_uris) if decision else [],
    }


def _new_ids(new: tuple[str, str, str, str]) -> dict[str, str | None]:
    names = ("PatientID_deid", "StudyInstanceUID_deid", "SeriesInstanceUID_deid", "SOPInstanceUID_deid")
    return {name: value or None for name, value in zip(names, new, strict=True)}


def _evaluation(item: Evaluation) -> dict[str, Any]:
    """The condition's value is text; a list or a number is its JSON."""
    condition = json.loads(item.condition)
    value = condition.get("value")
    return {
        "condition": {
            "value": value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False),
            "condition_type": condition.get("condition_type"),
            "dicom_tag": condition.get("dicom_tag"),
        },
        "tag_value": item.tag_value,
        "evaluated_value": item.evaluated_value,
    }


def _run_lengths(frames: Iterable[FrameDecision]) -> list[dict[str, Any]]:
    """Consecutive frames decided alike are one entry: a 300-frame cine is a few rows, not 300."""
    runs: list[dict[str, Any]] = []
    for frame in frames:
        if (
            runs
            and runs[-1]["method"] == frame.method
            and runs[-1]["masked"] == frame.masked
            and runs[-1]["first"] + runs[-1]["count"] == frame.frame
        ):
            runs[-1]["count"] += 1
        else:
            runs.append({"first": frame.frame, "count": 1, "method": frame.method, "masked": frame.masked})
    return runs
