"""The cleaner: text is hidden, everything else stays, and one failing instance never touches the others."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from transforms.errors import Code, DeidError
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.triage import Heat
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy
from transforms.types import Known, PixelReport, Span


def instance(*texts: str, frames: int = 1, shape: tuple[int, int] = (256, 256), corrupt: bool = False) -> Dataset:
    """A CT image with a smooth disc and lines of text in its upper left corner."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    image = (600 * np.exp(-((y - rows / 2) ** 2 + (x - columns / 2) ** 2) / (2 * (rows / 5) ** 2))).astype(np.uint16)
    for index, text in enumerate(texts):
        glyphs = np.zeros(shape, np.uint8)
        cv2.putText(glyphs, text, (10, 25 + 24 * index), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,), 1, cv2.LINE_AA)
        image = np.where(glyphs > 0, glyphs.astype(np.uint16) * 6, image)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.Modality, dataset.Rows, dataset.Columns = "CT", rows, columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PixelData = image.tobytes() * frames
    if corrupt:
        dataset.PixelData = dataset.PixelData[:100]
    dataset["PixelData"].VR = "OW"
    return dataset


def pixels(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, np.uint16).reshape(-1, dataset.Rows, dataset.Columns)


class FakeFinder:
    """Lines with KAUFMAN identify."""

    def find(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[Span, ...]:
        return ()

    def clean(self, text: str, known: Known, *, keyword: str = "", vr: str = "") -> tuple[str, tuple[Span, ...]]:
        return text, ()

    def judge(self, lines: Any, known: Known) -> tuple[Span | None, ...]:
        return tuple(Span(0, 7, "PERSON", 1.0, "fake") if "KAUFMAN" in line.text.upper() else None for line in lines)


class FakeKnown:
    values = ("KAUFMAN",)


def clean(*datasets: Dataset, **policy: Any) -> list[PixelReport | DeidError]:
    cleaner = PixelCleaner(PixelsPolicy(**policy), LimitsPolicy(), FakeFinder())
    return list(cleaner.clean([(dataset, FakeKnown()) for dataset in datasets]))


def report(result: PixelReport | DeidError) -> PixelReport:
    assert isinstance(result, PixelReport)
    return result


def test_text_is_hidden_and_the_rest_stays() -> None:
    dataset = instance("KAUFMAN 1943")
    before = pixels(dataset).copy()
    result = report(clean(dataset)[0])
    after = pixels(dataset)
    assert result.cleaned
    assert result.changed_frames == (0,)
    assert np.ptp(after[0, 13:27, 10:120]) == 0
    assert np.array_equal(before[0, 40:], after[0, 40:])
    assert result.frames[0].masked == len(result.findings) > 0


def test_a_frame_without_text_stays_byte_for_byte() -> None:
    dataset = instance()
    before = dataset.PixelData
    result = report(clean(dataset)[0])
    assert result.cleaned
    assert result.changed_frames == ()
    assert dataset.PixelData is before


def test_every_frame_is_looked_at() -> None:
    dataset = instance("KAUFMAN 1943", frames=3)
    stack = pixels(dataset).copy()
    stack[1, :40] = 0
    dataset.PixelData = stack.tobytes()
    result = report(clean(dataset)[0])
    assert result.changed_frames == (0, 2)
    assert len(result.frames) == 3


def test_only_sensitive_lines_are_hidden_when_asked() -> None:
    dataset = instance("KAUFMAN 1943", "120 KVP 2.5")
    result = report(clean(dataset, mode=PixelMode.REDACT_SENSITIVE_TEXT)[0])
    after = pixels(dataset)[0]
    assert np.ptp(after[13:27, 10:120]) == 0
    assert after[36:56, 10:110].max() > 1000
    assert {finding.action for finding in result.findings} == {"masked", "kept"}


def test_no_text_mode_claims_nothing() -> None:
    dataset = instance("KAUFMAN 1943")
    before = dataset.PixelData
    result = report(clean(dataset, mode=PixelMode.REDACT_NO_TEXT)[0])
    assert not result.cleaned
    assert dataset.PixelData is before


def test_an_instance_without_pixels_is_clean() -> None:
    dataset = instance()
    del dataset.PixelData
    assert report(clean(dataset)[0]) == PixelReport(cleaned=True)


def test_one_failure_leaves_the_others_alone() -> None:
    first, broken, last = instance("KAUFMAN 1943"), instance(corrupt=True), instance("KAUFMAN 1943")
    results = clean(first, broken, last)
    assert report(results[0]).changed_frames == (0,)
    assert isinstance(results[1], DeidError)
    assert results[1].code is Code.PIXELS_INCONSISTENT
    assert report(results[2]).changed_frames == (0,)


def test_a_failing_engine_fails_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "broken"

        def detect(self, image: np.ndarray) -> list[Any]:
            raise RuntimeError("KAUFMAN")

        def read(self, crops: Any) -> list[Any]:
            raise RuntimeError("KAUFMAN")

    monkeypatch.setattr("transforms.pixels.engines.registry.load", lambda _: Broken())
    (result,) = clean(instance("KAUFMAN 1943"))
    assert isinstance(result, DeidError)
    assert result.code is Code.OCR_FAILED
    assert "KAUFMAN" not in str(result)


def test_look_changes_nothing() -> None:
    dataset = instance("KAUFMAN 1943")
    before = dataset.PixelData
    findings = PixelCleaner(PixelsPolicy(), LimitsPolicy(), None).look(dataset, None)
    assert [finding.action for finding in findings] == ["masked"]
    assert "KAUFMAN" in findings[0].text.upper()
    assert "KAUFMAN" not in repr(findings)
    assert dataset.PixelData is before


def test_a_sample_is_examined_a_second_time_and_the_record_says_so() -> None:
    result = report(clean(instance("KAUFMAN 1943"), sample=1.0)[0])
    assert result.frames[0].method == "ocr;second:agrees"


def test_what_the_second_look_finds_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.pixels.share.heat", lambda grey, _: Heat([], grey.shape))
    dataset = instance("KAUFMAN 1943")
    result = report(clean(dataset, sample=1.0)[0])
    assert result.frames[0].method.startswith("triage;second:missed")
    assert pixels(dataset)[0, 14:28, 12:110].max() < 1000
    assert report(clean(instance("KAUFMAN 1943"), sample=0.0)[0]).changed_frames == ()


def test_colour_ultrasound_hides_everything_outside_its_regions_when_asked() -> None:
    dataset = instance()
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 40, 60, 200, 220
    dataset.SequenceOfUltrasoundRegions = [item]
    before = pixels(dataset).copy()
    result = report(clean(dataset, ultrasound="outside")[0])
    assert {finding.rule for finding in result.findings} == {"ultrasound-regions"}
    assert np.array_equal(pixels(dataset)[0, 60:220, 40:200], before[0, 60:220, 40:200])
