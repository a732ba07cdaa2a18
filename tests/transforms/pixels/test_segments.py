"""What a frame carries beside its image goes, without a coded sample changing; what decoders need stays."""

from __future__ import annotations

import struct
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless, JPEGLosslessSV1, RLELossless

from pipeline.verify_files import _same_pixels
from tests.transforms.pixels.images import instance
from transforms.errors import Code, DeidError
from transforms.pixels import codecs, hidden
from transforms.pixels.cleaner import PixelCleaner
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.pixels.segments import blanked
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy
from transforms.read.instance import read_instance
from transforms.types import PixelReport

LIMITS = LimitsPolicy()
PHI = b"KAUFMAN^ERIKA 19430217 "
LOSSLESS = "lossless JPEG"
JPEGS = ["SC_rgb_jpeg_dcmtk.dcm", "JPEG-lossy.dcm", LOSSLESS, "MR_small_jpeg_ls_lossless.dcm", "JPEGLSNearLossless_16.dcm"]
JPEG_2000 = ["MR_small_jp2klossless.dcm", "JPEG2000.dcm"]


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def opened(name: str) -> tuple[Dataset, bytes]:
    if name == LOSSLESS:
        frames = np.random.default_rng(9).integers(0, 4096, (1, 21, 20), np.uint16)
        ds = instance(frames, syntax=JPEGLosslessSV1)
        return ds, coded(ds, frames[0]).rstrip(b"\0")
    ds = pydicom.dcmread(get_testdata_file(name))
    return ds, bytes(FrameReader(ds, LIMITS).encoded(0)).rstrip(b"\0")


def coded(ds: Dataset, frame: np.ndarray) -> bytes:
    """A frame in the syntax of ``ds``, with all bits of its container."""
    info = pixel_info(ds)
    assert info is not None
    return codecs.encode(frame, replace(info, bits_stored=info.bits_allocated), None, info.transfer_syntax)


def removed(ds: Dataset, frame: bytes) -> list[str]:
    """Rules by which something went; the frame has decoded to the same values before and after."""
    ds.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    ds["PixelData"].is_undefined_length = True
    before = FrameReader(ds, LIMITS).coded(0).copy()
    rules = [finding.rule for finding in hidden.tidy(ds, LIMITS)]
    assert np.array_equal(FrameReader(ds, LIMITS).coded(0), before)
    return rules


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize(
    "extra",
    [
        segment(0xFE, PHI),
        segment(0xE1, b"Exif\0\0" + PHI),
        segment(0xED, PHI),
        segment(0xE0, b"JFXX\0" + PHI),
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\0" + PHI),
        segment(0xF0, PHI),
    ],
    ids=["COM", "Exif", "APP13", "JFXX", "long Adobe", "reserved"],
)
def test_segments_of_jpeg(name: str, extra: bytes) -> None:
    ds, frame = opened(name)
    if b"Adobe" in extra and ds.SamplesPerPixel == 3:
        pytest.skip("the segment would change the colours, and so is no addition")
    assert removed(ds, frame) == []
    assert removed(ds, frame[:2] + extra + frame[2:]) == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData


@pytest.mark.parametrize("name", JPEGS + JPEG_2000)
def test_bytes_behind_the_end_of_an_image(name: str) -> None:
    ds, frame = opened(name)
    assert removed(ds, frame) == []
    assert removed(ds, frame + PHI) == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData


def test_a_thumbnail_goes_and_its_header_stays() -> None:
    ds, frame = opened(LOSSLESS)
    header = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\3\2" + PHI[:18])
    assert removed(ds, frame[:2] + header + frame[2:]) == ["bytes beside the frames"]
    assert header[:18] in ds.PixelData
    assert b"KAUFMAN" not in ds.PixelData


def test_text_between_scans_goes() -> None:
    ds = instance(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), syntax=JPEGLossless)
    info = pixel_info(ds)
    assert info is not None
    frame = codecs.encode(np.arange(64, dtype=np.uint8).reshape(8, 8), info, None, JPEGLossless)
    end = frame.rindex(b"\xff\xd9")
    assert b"KAUFMAN" not in blanked(frame[:end] + segment(0xFE, PHI) + frame[end:], info)


@pytest.mark.parametrize("name", JPEG_2000)
def test_comments_of_jpeg_2000(name: str) -> None:
    ds, frame = opened(name)
    for part in (b"\xff\x52", b"\xff\x90"):  # in the main header, and before the first tile
        at = frame.index(part)
        assert removed(ds, frame[:at] + segment(0x64, b"\0\1" + PHI) + frame[at:]) == ["bytes beside the frames"]
        assert b"KAUFMAN" not in ds.PixelData
    at = frame.index(b"\xff\x90")
    assert removed(ds, frame[:at] + segment(0x64, b"\0\1Kakadu-v7.3.3") + frame[at:]) == []


def test_boxes_of_jp2() -> None:
    ds, frame = opened("MR_small_jp2klossless.dcm")
    head = struct.pack(">L4sL", 12, b"jP  ", 0x0D0A870A) + struct.pack(">L4s4sL4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    image = struct.pack(">L4sLLHBBBB", 22, b"ihdr", ds.Rows, ds.Columns, 1, 0x8F, 7, 0, 0) + struct.pack(
        ">L4s3BL", 15, b"colr", 1, 0, 0, 17
    )
    text = struct.pack(">L4s", 8 + len(PHI), b"xml ") + PHI
    code = struct.pack(">L4s", 0, b"jp2c") + frame
    plain = head + struct.pack(">L4s", 8 + len(image), b"jp2h") + image
    assert removed(ds, plain + code) == []
    assert removed(ds, plain + text + code) == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData


def test_runs_that_nobody_decodes() -> None:
    frames = np.random.default_rng(3).integers(0, 40, (1, 32, 32), np.uint16)
    ds = instance(frames, syntax=RLELossless)
    frame = coded(ds, frames[0])
    assert removed(ds, frame) == []
    assert removed(ds, frame + PHI) == ["bytes beside the frames"]
    first = frame[64 : struct.unpack_from("<L", frame, 8)[0]]
    wide = struct.pack("<16L", 2, 64, 64 + len(first) + len(PHI), *[7] * 13) + first + PHI + frame[64 + len(first) :]
    assert removed(ds, wide) == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData
    assert FrameReader(ds, LIMITS).encoded(0)[12:64] == bytes(52)


def test_bytes_behind_deflated_data() -> None:
    frames = np.random.default_rng(3).integers(0, 2, (1, 13, 17), np.uint8)
    ds = instance(frames, syntax=codecs.DeflatedImageFrame)
    frame = coded(ds, frames[0])
    assert removed(ds, frame) == []
    assert removed(ds, frame + PHI) == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData


def test_an_offset_table_that_is_none() -> None:
    ds, frame = opened(LOSSLESS)
    frame += b"\0" * (len(frame) % 2)
    ds.PixelData = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(PHI) + 1) + PHI + b"\0" + encapsulate([frame], has_bot=False)[8:]
    assert [finding.rule for finding in hidden.tidy(ds, LIMITS)] == ["bytes beside the frames"]
    assert b"KAUFMAN" not in ds.PixelData
    assert FrameReader(ds, LIMITS).encoded(0) == frame


def test_a_stream_that_cannot_be_taken_apart_is_refused() -> None:
    ds, frame = opened(LOSSLESS)
    ds.PixelData = encapsulate([frame[:2] + b"\xff\xfe\xff\xff" + PHI])
    with pytest.raises(DeidError) as error:
        hidden.tidy(ds, LIMITS)
    assert error.value.code is Code.PIXELS_UNDECODABLE
    assert "KAUFMAN" not in error.value.detail


@pytest.mark.parametrize("mode", list(PixelMode))
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLosslessSV1, codecs.DeflatedImageFrame, codecs.EncapsulatedUncompressed])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_samples_go_in_every_mode(mode: PixelMode, syntax: str | None, signed: bool) -> None:
    """In the second of two frames; a repeated sign is no overlay, and the frames without one keep their bytes."""
    plain = np.random.default_rng(5).integers(0, 600, (2, 64, 64)).astype(np.int16 if signed else np.uint16)
    plain[:, 8] = -3 if signed else 4095
    drawn = plain.view(np.uint16).copy()
    drawn[1, 20:30, 10:50] |= 0x1000
    ds = instance(plain, stored=12, **({"syntax": syntax} if syntax else {}))
    ds.PixelData = encapsulate([coded(ds, frame) for frame in drawn]) if syntax else drawn.tobytes()
    first = bytes(FrameReader(ds, LIMITS).encoded(0))
    (report,) = PixelCleaner(PixelsPolicy(mode=mode), LIMITS, _Nobody()).clean([(ds, _Nobody())])
    assert isinstance(report, PixelReport)
    assert [finding.rule for finding in report.findings] == ["bits above the samples"]
    reader = FrameReader(ds, LIMITS)
    assert np.array_equal(reader.stored(1), plain[1])
    assert not any(reader.spare_bits(frame) for frame in range(2))
    assert bytes(reader.encoded(0)) == first
    assert ds.file_meta.TransferSyntaxUID == (syntax or "1.2.840.10008.1.2.1")


class _Nobody:
    values = places = stations = dates = ()

    def judge(self, lines: list[object], known: object) -> tuple[None, ...]:
        return tuple(None for _ in lines)


@pytest.mark.parametrize("mode", list(PixelMode))
def test_bytes_behind_the_frames_go_in_every_mode(mode: PixelMode) -> None:
    ds = instance(np.full((2, 9, 12), 7, np.uint8))
    ds.PixelData += PHI + b"\0"
    jpeg, frame = opened(LOSSLESS)
    jpeg.PixelData = encapsulate([frame + PHI + b"\0" * ((len(frame) + len(PHI)) % 2)])
    cleaner = PixelCleaner(PixelsPolicy(mode=mode), LIMITS, _Nobody())
    for dataset, report in zip((ds, jpeg), cleaner.clean([(ds, _Nobody()), (jpeg, _Nobody())]), strict=True):
        assert isinstance(report, PixelReport)
        assert b"KAUFMAN" not in dataset.PixelData
        assert any(finding.action == "removed" for finding in report.findings)


def test_real_files_keep_every_byte() -> None:
    """What encoders leave of themselves is no text; one file of this set has a colour profile with a description."""
    changed = []
    for path in get_testdata_files("*.dcm"):
        if "test_files" not in path:
            continue
        try:
            ds = read_instance(Path(path).read_bytes(), LIMITS)
            if (info := pixel_info(ds)) is None or not info.encapsulated:
                continue
            value = ds.PixelData
            hidden.tidy(ds, LIMITS)
        except DeidError:
            continue
        if ds.PixelData != value:
            changed.append(Path(path).name)
    assert changed == ["GDCMJ2K_TextGBR.dcm"]


def test_verify_knows_what_goes_beside_frames() -> None:
    """What is no part of a frame may differ from the original; a sample may not."""
    for spoil in (False, True):
        frames = np.random.default_rng(2).integers(0, 4000, (1, 40, 40), np.uint16)
        original = instance(frames, stored=12, syntax=RLELossless)
        drawn = frames[0] | np.uint16(0x2000 if spoil else 0)
        original.PixelData = encapsulate([coded(original, drawn) + PHI + b"\0"])
        written = deepcopy(original)
        assert isinstance(next(PixelCleaner(PixelsPolicy(), LIMITS, None).clean([(written, None)])), PixelReport)
        assert written.PixelData != original.PixelData
        assert _same_pixels(deepcopy(original), written, LIMITS)
        frames[0, 3, 3] ^= 1
        written.PixelData = encapsulate([coded(original, frames[0])])
        assert not _same_pixels(original, written, LIMITS)
