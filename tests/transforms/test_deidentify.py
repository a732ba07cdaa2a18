"""The composer fails closed: whatever goes wrong, at whichever stage, the instance is quarantined with a code, and nothing is written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from pipeline.storage import Store
from tests.conftest import SECRET
from tests.end_to_end import archive
from transforms import deidentify
from transforms.deidentify import Deidentifier
from transforms.errors import Code, DeidError
from transforms.pixels import cleaner
from transforms.policy import Policy
from transforms.spool import Bytes
from transforms.tags.identity import Identity
from transforms.types import Chunk, Header, Outcome, Source

Fault = Callable[[pytest.MonkeyPatch, Deidentifier], None]


@pytest.fixture
def worker(tmp_path: Path) -> Deidentifier:
    return Deidentifier(Policy(), Identity(SECRET.encode()), Store(), str(tmp_path / "out"))


def processed(worker: Deidentifier, *paths: Path) -> list[Outcome]:
    headers = [worker.evaluate(worker.open_header(Source(str(path)))) for path in paths]
    return list(worker.process(chunk for chunk in worker.decide_series(headers) if isinstance(chunk, Chunk)))


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


def engine_fails(patch: pytest.MonkeyPatch, _: Deidentifier) -> None:
    patch.setattr(cleaner.Memory, "look", raising(RuntimeError("Zyxwandt")))


def mask_is_not_encoded(patch: pytest.MonkeyPatch, _: Deidentifier) -> None:
    patch.setattr(cleaner.encode, "hide_boxes", raising(DeidError(Code.PIXELS_UNENCODABLE, "a test")))


def tags_fail(patch: pytest.MonkeyPatch, worker: Deidentifier) -> None:
    patch.setattr(worker.tags, "apply", raising(RuntimeError("Zyxwandt")))


def an_identifier_comes_back(patch: pytest.MonkeyPatch, worker: Deidentifier) -> None:
    apply = worker.tags.apply

    def leaking(dataset: pydicom.Dataset, *words: object, **named: object) -> object:
        findings = apply(dataset, *words, **named)  # type: ignore[arg-type]
        dataset.ImageComments = "as seen by Zyxwandt"
        return findings

    patch.setattr(worker.tags, "apply", leaking)


def part_is_encoded(patch: pytest.MonkeyPatch, _: Deidentifier) -> None:
    """What the scan for leaks cannot walk to its end counts as a leak."""
    encode = deidentify.encode
    patch.setattr(deidentify, "encode", lambda dataset: encode(dataset)[:-1000])


def another_value_is_encoded(patch: pytest.MonkeyPatch, _: Deidentifier) -> None:
    encode = deidentify.encode

    def of_another_shape(dataset: pydicom.Dataset) -> Bytes:
        other = copy.deepcopy(dataset)
        other.Rows += 1
        return encode(other)

    patch.setattr(deidentify, "encode", of_another_shape)


def the_disk_is_full(patch: pytest.MonkeyPatch, _: Deidentifier) -> None:
    patch.setattr(Store, "write_if_absent", raising(DeidError(Code.WRITE_FAILED, "OSError")))


@pytest.mark.parametrize(
    ("fault", "stage", "code"),
    [
        (engine_fails, "mask", "ocr_failed"),
        (mask_is_not_encoded, "mask", "pixels_unencodable"),
        (tags_fail, "tags", "internal"),
        (an_identifier_comes_back, "verify", "leak_found"),
        (part_is_encoded, "verify", "leak_found"),
        (another_value_is_encoded, "verify", "verify_failed"),
        (the_disk_is_full, "write", "write_failed"),
    ],
)
def test_a_failure_of_any_stage_quarantines_and_writes_nothing(
    fault: Fault, stage: str, code: str, worker: Deidentifier, tmp_path: Path
) -> None:
    path = archive.burned(tmp_path / "in" / "one.dcm")
    with pytest.MonkeyPatch.context() as patch:
        fault(patch, worker)
        [outcome] = processed(worker, path)
    assert (str(outcome.status), outcome.instance["stage"], outcome.instance["code"]) == ("quarantined", stage, code)
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert not outcome.entities
    assert outcome.crosswalk["url_deid"] is outcome.instance["url_deid"] is None
    assert not [canary for canary in archive.CANARIES if canary in str(outcome.instance).lower()]
    [again] = processed(worker, path)
    assert again.instance["code"] is None, "it was the fault"


def test_one_that_fails_among_others_is_the_only_one(worker: Deidentifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, turns = archive.series(tmp_path / "in", 3), iter(range(3))
    apply = worker.tags.apply

    def second_fails(*words: Any, **named: Any) -> Any:
        if next(turns) == 1:
            raise RuntimeError
        return apply(*words, **named)

    monkeypatch.setattr(worker.tags, "apply", second_fails)
    assert [outcome.instance["status"] for outcome in processed(worker, *paths)] == ["saved", "quarantined", "saved"]
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2


def test_chunks_that_are_worked_on_at_once_do_not_take_each_other_s_files_for_theirs(tmp_path: Path) -> None:
    """An engine may give one process several chunks; what replaces files must still keep two inputs of one SOP Instance UID apart."""
    worker = Deidentifier(Policy(), Identity(SECRET.encode()), Store(), str(tmp_path / "out"), overwrite=True)
    first, second = archive.series(tmp_path / "one", 1)[0], archive.series(tmp_path / "two", 1)[0]
    other = pydicom.dcmread(first)
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "one" / "other")
    chunks = []
    for paths in ([first, tmp_path / "one" / "other"], [second]):
        headers = [worker.evaluate(worker.open_header(Source(str(path), path.stat().st_size))) for path in paths]
        chunks += [chunk for chunk in worker.decide_series(headers) if isinstance(chunk, Chunk)]
    one, two = (worker.masking().through([chunk]) for chunk in chunks)
    ended = [worker.write(worker.verify(worker.deidentify_tags(next(works)))) for works in (one, two, one)]
    assert [outcome.instance["code"] for outcome in ended] == [None, None, "conflicting_duplicate"]


def test_a_claim_is_made_only_of_what_was_done(tmp_path: Path) -> None:
    """113101 and BurnedInAnnotation NO stand for cleaned pixels; a policy that looks at none must not write them."""
    path = archive.burned(tmp_path / "in" / "one.dcm")
    for mode, claimed in (("REDACT_ALL_TEXT", True), ("REDACT_NO_TEXT", False)):
        policy = Policy.model_validate({"pixels": {"mode": mode}})
        worker = Deidentifier(policy, Identity(SECRET.encode()), Store(), str(tmp_path / mode))
        [outcome] = processed(worker, path)
        saved = pydicom.dcmread(str(outcome.instance["url_deid"]).removeprefix("file://"))
        assert (saved.get("BurnedInAnnotation") == "NO") is claimed
        assert ("113101" in [item.CodeValue for item in saved.DeidentificationMethodCodeSequence]) is claimed
        assert outcome.instance["pixels_cleaned"] is claimed


@pytest.mark.parametrize(("aggregation", "kept"), [("all", []), ("any", ["a", "b"]), ("instance", ["a"])])
def test_a_series_is_saved_as_its_aggregation_says(aggregation: str, kept: list[str], tmp_path: Path) -> None:
    """One of its two instances meets the conditions."""
    policy = Policy.model_validate({"save_conditions": ["IN [ct] Modality"], "series_aggregation": aggregation})
    worker = Deidentifier(policy, Identity(SECRET.encode()), Store(), str(tmp_path / "out"))
    headers = [
        Header(name, f"file:///{name}", 10, "1.2", "1.2.3", f"1.2.3.{number}", "P", save=name == "a") for number, name in enumerate("ab")
    ]
    found = list(worker.decide_series(headers))
    assert [header.instance_id for chunk in found if isinstance(chunk, Chunk) for header in chunk.headers] == kept
    filtered = [outcome for outcome in found if isinstance(outcome, Outcome)]
    assert [outcome.instance_id for outcome in filtered] == [name for name in "ab" if name not in kept]
    assert {outcome.instance["code"] for outcome in filtered} <= {"save_condition"}
    if aggregation == "all":
        assert filtered[0].crosswalk["save_disabling_urls_series_agg"] == ["file:///b"]
