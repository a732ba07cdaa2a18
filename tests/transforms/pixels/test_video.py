"""Video: text is blanked in all frames, whatever stands beside the pictures goes, and the rest stays."""

from __future__ import annotations

import io
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames

from pipeline.verify_files import _same_pixels
from transforms.errors import Code, DeidError
from transforms.pixels import video
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.decide import Sighting
from transforms.pixels.info import pixel_info
from transforms.pixels.share import Memory
from transforms.policy import LimitsPolicy, PixelsPolicy
from transforms.types import Box, PixelReport

av = pytest.importorskip("av", reason="package av (extra video) is not installed")

ROWS, COLUMNS, FRAMES = 160, 240, 12
LIMITS = LimitsPolicy()
Draw = Callable[[np.ndarray, int], None]
CASES = [
    ("100", "vob", "mpeg2video"),
    ("100.1", "mpegts", "mpeg2video"),
    ("101", "mpeg2video", "mpeg2video"),
    ("102", "mp4", "libx264"),
    ("103.1", "mpegts", "libx264"),
    ("104", "h264", "libx264"),
    ("107", "mpegts", "libx265"),
    ("108", "mp4", "libx265"),
]


def write(image: np.ndarray, x: int = 20, y: int = 30) -> None:
    cv2.putText(image, "KAUFMAN 1943", (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1, cv2.LINE_AA)


def static(image: np.ndarray, _frame: int) -> None:
    write(image)


def nothing(image: np.ndarray, _frame: int) -> None:
    """No text."""


def picture(frame: int, draw: Draw) -> np.ndarray:
    """A moving pattern without edges."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    grey = 90 + 50 * np.sin(x / 40 + frame / 5) + 30 * np.cos(y / 30 - frame / 9)
    image = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    draw(image, frame)
    return image


def film(syntax: str = "102", kind: str = "mp4", encoder: str = "libx264", draw: Draw = static) -> Dataset:
    """An instance whose video has metadata, captions and, where its container can, an audio track."""
    target = io.BytesIO()
    quiet = {"x265-params": "log-level=none"} if encoder == "libx265" else {"crf": "16"} if encoder == "libx264" else {"b": "4M"}
    if encoder == "libx264":
        quiet["udu_sei"] = "1"
    with av.open(target, "w", format=kind) as container:
        container.metadata["title"] = "KAUFMAN^ERIKA"
        stream = container.add_stream(encoder, rate=25, options=quiet)
        stream.width, stream.height, stream.pix_fmt = COLUMNS, ROWS, "yuv420p10le" if syntax == "108" else "yuv420p"
        audio = container.add_stream("mp2", rate=48000) if kind in ("vob", "mpegts") else None
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, draw), format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.int16), format="s16p", layout="stereo")
            sound.rate, sound.pts = 48000, 0
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return instance(target.getvalue(), syntax)


def instance(data: bytes, syntax: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{syntax}"
    ds.SOPInstanceUID, ds.Rows, ds.Columns, ds.NumberOfFrames = "1.2.3", ROWS, COLUMNS, FRAMES
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.LossyImageCompression, ds.LossyImageCompressionMethod, ds.LossyImageCompressionRatio = "01", "ISO_14496_10", "20"
    ds.PixelData = encapsulate([data + b"\0" * (len(data) % 2)], has_bot=False)
    return ds


def clean(ds: Dataset, **policy: object) -> PixelReport | DeidError:
    (result,) = PixelCleaner(PixelsPolicy(**{"video": "mask", **policy}), LIMITS, None).clean([(ds, None)])
    return result


def stream(ds: Dataset) -> bytes:
    return next(generate_frames(ds.PixelData, number_of_frames=1))


def frames(ds: Dataset) -> tuple[np.ndarray, list[str]]:
    """All frames in grey, and the kinds of streams."""
    with av.open(io.BytesIO(stream(ds))) as container:
        kinds = [item.type for item in container.streams]
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]), kinds


@pytest.mark.parametrize(("syntax", "kind", "encoder"), CASES)
def test_text_is_blanked_in_every_frame_and_the_rest_stays(syntax: str, kind: str, encoder: str) -> None:
    ds = film(syntax, kind, encoder)
    before, _ = frames(ds)
    report = clean(ds)
    assert isinstance(report, PixelReport)
    after, kinds = frames(ds)
    assert after.shape == before.shape == (FRAMES, ROWS, COLUMNS)
    assert before[:, 18:32, 22:130].max() > 180
    assert after[:, 18:32, 22:130].max() <= video.FLAT
    assert np.abs(before[:, 60:].astype(int) - after[:, 60:]).mean() < 2
    assert kinds == ["video"]
    assert b"KAUFMAN" not in ds.PixelData
    assert ds.file_meta.TransferSyntaxUID.endswith(syntax)
    assert report.changed_frames == tuple(range(FRAMES))
    assert ds.LossyImageCompression == "01"
    assert list(ds.LossyImageCompressionMethod) == ["ISO_14496_10", video.CODINGS[ds.file_meta.TransferSyntaxUID].method]
    assert len(ds.LossyImageCompressionRatio) == 2


@pytest.mark.parametrize(("syntax", "kind", "encoder"), [CASES[0], CASES[3], CASES[6]])
def test_without_text_the_coded_pictures_stay_and_what_is_beside_them_goes(syntax: str, kind: str, encoder: str) -> None:
    ds = film(syntax, kind, encoder, nothing)
    original = deepcopy(ds)
    before, _ = frames(ds)
    assert (b"KAUFMAN" in ds.PixelData) == (kind != "vob")
    assert (b"x264" in ds.PixelData) == (encoder == "libx264")
    report = clean(ds)
    assert isinstance(report, PixelReport)
    after, kinds = frames(ds)
    assert np.array_equal(before, after)
    assert kinds == ["video"]
    assert b"KAUFMAN" not in ds.PixelData
    assert b"x264" not in ds.PixelData  # a message of user data
    assert report.changed_frames == ()
    assert ds.LossyImageCompressionMethod == "ISO_14496_10"
    assert _same_pixels(original, ds, LIMITS)


def test_text_on_one_frame_is_found() -> None:
    ds = film(draw=lambda image, frame: write(image) if frame == 7 else None)
    assert frames(ds)[0][7, 18:32, 22:130].max() > 180
    assert isinstance(clean(ds), PixelReport)
    assert frames(ds)[0][7, 18:32, 22:130].max() <= video.FLAT


def test_text_that_moves_is_hidden_wherever_it_was() -> None:
    ds = film(draw=lambda image, frame: write(image, 20, 30 + 5 * frame))
    assert isinstance(clean(ds), PixelReport)
    after, _ = frames(ds)
    for frame in range(FRAMES):
        assert after[frame, 20 + 5 * frame : 30 + 5 * frame, 24:128].max() <= video.FLAT


def test_text_that_shows_in_the_mean_of_the_frames_alone_is_blanked(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(20, 100, 120, 16)
    monkeypatch.setattr(Memory, "still", lambda *_: (Sighting(box, (box,), 0.9, 0.9, text="KAUFMAN", score=0.9),))
    ds = film(draw=nothing)
    assert isinstance(report := clean(ds), PixelReport)
    assert report.changed_frames == tuple(range(FRAMES))
    shown, _ = frames(ds)
    assert shown[:, 102:114, 24:136].max() < 40


def test_the_same_video_gives_the_same_bytes() -> None:
    first, second = film(), film()
    assert isinstance(clean(first), PixelReport)
    assert isinstance(clean(second), PixelReport)
    assert first.PixelData == second.PixelData


def refused(ds: Dataset, **policy: object) -> Code:
    result = clean(ds, **policy)
    assert isinstance(result, DeidError)
    assert "KAUFMAN" not in str(result)
    return result.code


def test_what_cannot_be_masked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(film(), video="quarantine") is Code.PIXELS_UNSUPPORTED
    stereo = film()
    stereo.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.106"
    assert refused(stereo) is Code.PIXELS_UNSUPPORTED
    other = film()
    other.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.107"
    assert refused(other) is Code.PIXELS_INCONSISTENT
    larger = film()
    larger.Rows = 320
    assert refused(larger) is Code.PIXELS_INCONSISTENT
    assert refused(instance(b"KAUFMAN " * 400, "102")) in (Code.PIXELS_UNDECODABLE, Code.PIXELS_INCONSISTENT)
    monkeypatch.setattr(video, "unavailable", lambda: "package av (extra video) is not installed")
    assert refused(film()) is Code.PIXELS_UNSUPPORTED


def test_damaged_videos_end_as_errors_or_are_masked() -> None:
    random = np.random.default_rng(5)
    whole = stream(film(kind="mpegts"))
    for _ in range(8):
        data = bytearray(whole)
        for position in random.integers(0, len(data), 20):
            data[position] = random.integers(256)
        result = clean(instance(bytes(data), "102"))
        assert isinstance(result, PixelReport) or result.code is not Code.INTERNAL


def test_a_result_that_shows_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = film()
    info = pixel_info(ds)
    assert info is not None
    monkeypatch.setattr(video, "_blacken", lambda frame, hidden: None)
    before = ds.PixelData
    assert refused(ds) is Code.PIXELS_UNENCODABLE
    assert ds.PixelData == before
