"""Frames are what pydicom decodes, one at a time, within bounds."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGLossless, RLELossless

from tests.transforms.pixels.images import instance
from transforms.errors import Code, DeidError
from transforms.pixels import encapsulation
from transforms.pixels.codestream import MalformedError, inspect
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.pixels.jpeg_lossless import encode as encode_lossless
from transforms.policy import LimitsPolicy
from transforms.read.instance import read_instance

LIMITS = LimitsPolicy()
REFERENCE_DIFFERS = ("JPEG Baseline", "JPEG Extended")
"""Decoders of lossy JPEG may round differently."""


def check_against_pydicom(path: Path) -> str:
    """Compare the middle frame with pydicom's; the reason if there is nothing to compare."""
    try:
        ds = read_instance(path.read_bytes(), LIMITS)
        if pixel_info(ds) is None:
            return "no pixels"
        reader = FrameReader(ds, LIMITS)
        stored = reader.stored(len(reader) // 2)
        assert reader.rgb(len(reader) // 2).shape == (*reader.info.shape, 3)
    except DeidError as error:
        return str(error.code)
    syntax = ds.file_meta.TransferSyntaxUID
    try:
        expected, _ = get_decoder(syntax).as_array(ds, index=len(reader) // 2, raw=True)
    except Exception:
        return "pydicom cannot"
    tolerance = 25 if syntax.name.startswith(REFERENCE_DIFFERS) else 0
    difference = np.abs(expected.reshape(stored.shape).astype(np.float64) - stored.astype(np.float64))
    assert np.nanmax(difference, initial=0) <= tolerance, syntax.name
    return "equal"


def test_bundled_files_decode_as_pydicom_does() -> None:
    results = [check_against_pydicom(Path(path)) for path in get_testdata_files("*.dcm") if "test_files" in path]
    assert results.count("equal") >= 55


def test_corpus_decodes_as_pydicom_does(corpus: Path) -> None:
    with (corpus / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["decodes"] == "yes" and int(row["bytes"]) < 300_000]
    results = [check_against_pydicom(corpus / row["relpath"]) for row in rows]
    assert results.count("equal") + results.count("pydicom cannot") == len(results)


@pytest.mark.parametrize("text", ["1A", "", "junk"])
def test_number_of_frames_is_inferred(text: str) -> None:
    ds = instance(np.zeros((1, 4, 5), np.uint8))
    ds["NumberOfFrames"] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag("NumberOfFrames"), "IS", len(text), text.encode(), 0, False, True
    )
    assert len(FrameReader(ds, LIMITS)) == 1


def test_a_huge_header_allocates_nothing() -> None:
    ds = instance(np.zeros((1, 4, 4), np.uint16))
    ds.Rows = ds.Columns = 65_535
    with pytest.raises(DeidError) as error:
        FrameReader(ds, LIMITS)
    assert error.value.code is Code.PIXELS_INCONSISTENT
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.PixelData = encapsulate([b"\0" * 64])
    with pytest.raises(DeidError) as error:
        FrameReader(ds, LIMITS)
    assert error.value.code is Code.TOO_LARGE


def test_short_pixel_data_is_inconsistent() -> None:
    ds = instance(np.zeros((3, 4, 4), np.uint16))
    ds.PixelData = ds.PixelData[:-2]
    with pytest.raises(DeidError) as error:
        FrameReader(ds, LIMITS)
    assert error.value.code is Code.PIXELS_INCONSISTENT


def test_a_stream_of_another_image_is_inconsistent() -> None:
    ds = pydicom.dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
    ds.Rows *= 2
    with pytest.raises(DeidError) as error:
        FrameReader(ds, LIMITS).stored(0)
    assert error.value.code is Code.PIXELS_INCONSISTENT


def test_overlay_bits_are_no_part_of_stored_values() -> None:
    frames = np.array([[[0x0FFF, 0x8001], [0x1800, 0x0000]]], np.uint16)
    stored = FrameReader(instance(frames, stored=12), LIMITS).stored(0)
    assert stored.tolist() == [[0x0FFF, 0x0001], [0x0800, 0]]
    signed = instance(frames, stored=12)
    signed.PixelRepresentation = 1
    assert FrameReader(signed, LIMITS).stored(0).tolist() == [[-1, 1], [-2048, 0]]


def test_equal_frames_have_equal_digests() -> None:
    frames = np.stack([np.full((4, 4), value, np.uint8) for value in (1, 2, 1)])
    reader = FrameReader(instance(frames), LIMITS)
    digests = [reader.frame_digest(index) for index in range(3)]
    assert digests[0] == digests[2] != digests[1]


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(min_size=2, max_size=9), min_size=1, max_size=3), min_size=1, max_size=5), st.booleans())
def test_fragments_find_their_frames(frames: list[list[bytes]], table: bool) -> None:
    frames = [
        [b"\xff\xd8\xff" + part[0] + b"x" * (1 - len(part[0]) % 2), *(b"\0" + p + b"x" * (1 - len(p) % 2) for p in part[1:])]
        for part in frames
    ]
    frames = [[part + b"\0" * (len(part) % 2) for part in frame] for frame in frames]
    body, offsets = b"", []
    for frame in frames:
        offsets.append(len(body))
        body += b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(part)) + part for part in frame)
    offset_table = struct.pack(f"<{len(offsets)}L", *offsets) if table else b""
    data = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(offset_table)) + offset_table + body
    spans = encapsulation.assign(data, len(frames))
    assert [encapsulation.join(data, span) for span in spans] == [b"".join(frame) for frame in frames]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(2, 16), st.randoms())
def test_lossless_jpeg_is_lossless(rows: int, columns: int, samples: int, precision: int, random: object) -> None:
    values = np.array([random.choice([0, 1, 2**precision - 1, random.randrange(2**precision)]) for _ in range(rows * columns * samples)])  # type: ignore[attr-defined]
    shape = (1, rows, columns, samples) if samples == 3 else (1, rows, columns)
    frames = values.reshape(shape).astype(np.uint8 if precision <= 8 else np.uint16)
    ds = instance(frames, "RGB" if samples == 3 else "MONOCHROME2", stored=precision)
    ds.file_meta.TransferSyntaxUID = JPEGLossless
    ds.PixelData = encapsulate([encode_lossless(frames[0], precision)])
    assert np.array_equal(FrameReader(ds, LIMITS).stored(0), frames[0])


@pytest.mark.parametrize(
    "name", ["MR_small_jp2klossless.dcm", "SC_rgb_small_odd_jpeg.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"]
)
def test_every_cut_header_is_malformed(name: str) -> None:
    ds = pydicom.dcmread(get_testdata_file(name))
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    for end in range(40):
        with pytest.raises(MalformedError):
            inspect(frame[:end], ds.file_meta.TransferSyntaxUID)


def test_offsets_of_another_count_are_refused() -> None:
    with pytest.raises(DeidError) as error:
        encapsulation.assign(encapsulate([b"ab", b"cd"]), 5)
    assert error.value.code is Code.PIXELS_INCONSISTENT
    assert JPEG2000Lossless.is_encapsulated


def test_an_error_shows_no_value_of_the_header() -> None:
    ds = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.Columns = "SMITH JOHN 422", 3, 127
    with pytest.raises(DeidError) as raised:
        pixel_info(ds)
    assert "SMITH" not in raised.value.detail
