"""A reference table: in each transfer syntax and colour, a box is hidden and nothing else changes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from tests.transforms.pixels.images import instance
from transforms.errors import Code, DeidError
from transforms.pixels import codecs, encapsulation, jpeg_blocks, native
from transforms.pixels.codecs import LOSSLESS_ENCODERS, RAW_FRAMES, EncapsulatedUncompressed, encode
from transforms.pixels.encode import hide_boxes
from transforms.pixels.frames import FrameReader
from transforms.pixels.info import pixel_info
from transforms.pixels.mask import Fill, region
from transforms.policy import LimitsPolicy
from transforms.read.instance import read_instance
from transforms.types import Box

LIMITS = LimitsPolicy()
BOX = Box(3, 2, 5, 4)


def hide(ds: pydicom.Dataset, frame: int, box: Box, fill: Fill = "black") -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], str]:
    """The frame before and after, and the method."""
    before = FrameReader(ds, LIMITS).stored(frame).copy()
    report = hide_boxes(ds, FrameReader(ds, LIMITS), {frame: [box]}, fill)
    assert report.transfer_syntax == ds.file_meta.TransferSyntaxUID
    return before, FrameReader(ds, LIMITS).stored(frame), report.method


def bundled() -> list[str]:
    names = []
    for path in get_testdata_files("*.dcm"):
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            size = int(ds.Rows) * int(ds.Columns) * int(ds.get("NumberOfFrames", 1) or 1)
        except (AttributeError, ValueError, TypeError, pydicom.errors.InvalidDicomError):
            continue
        if "test_files" in path and size <= 200_000:
            names.append(path)
    return names


@pytest.mark.parametrize("path", bundled(), ids=lambda path: path.rpartition("/")[2])
def test_a_hidden_box_leaves_the_rest(path: str) -> None:
    ds = pydicom.dcmread(path)
    try:
        FrameReader(ds, LIMITS).stored(0)
    except (DeidError, ValueError, AttributeError):
        pytest.skip("does not decode")
    check_round_trip(ds)


def test_every_syntax_of_the_corpus(corpus: Path) -> None:
    """The smallest files that decode, by way of bytes: grey and colour, 8 bits and more."""
    with (corpus / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["rows"].isdigit() and row["parses"] == "yes"]
    methods: dict[str, set[str]] = {}
    done: set[tuple[object, ...]] = set()
    for row in sorted(rows, key=lambda row: int(row["rows"]) * int(row["cols"]) * int(row["frames"].rstrip("A") or 1)):
        key = (row["transfer_syntax"], row["photometric"].startswith("MONOCHROME"), row["bits_allocated"])
        if key in done or (int(row["bytes"]) > 2_000_000 and row["transfer_syntax"] in {name for name, *_ in done}):
            continue
        try:
            ds = read_instance((corpus / row["relpath"]).read_bytes(), LIMITS)
            FrameReader(ds, LIMITS).stored(0)
        except (DeidError, ValueError):
            continue
        done.add(key)
        methods.setdefault(str(ds.file_meta.TransferSyntaxUID), set()).add(check_round_trip(ds))
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, ds, enforce_file_format=False)
        again = read_instance(buffer.getvalue(), LIMITS)
        assert np.array_equal(FrameReader(again, LIMITS).stored(0), FrameReader(ds, LIMITS).stored(0), equal_nan=True)
    expected = {
        "native": {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian},
        "lossless": LOSSLESS_ENCODERS - {EncapsulatedUncompressed},
        "blocks": {JPEGBaseline8Bit},
        "transcoded": {JPEGExtended12Bit, HTJ2K, HTJ2KLossless},
    }
    assert methods == {syntax: {method} for method, syntaxes in expected.items() for syntax in syntaxes}


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", sorted(RAW_FRAMES))
def test_frames_of_their_own_bytes(syntax: str, planar: int) -> None:
    """Deflated and encapsulated uncompressed frames, in colour and odd in length."""
    frames = np.random.default_rng(4).integers(0, 256, (2, 33, 35, 3), np.uint8)
    ds = instance(frames, "RGB", syntax=syntax, PlanarConfiguration=planar)
    info = pixel_info(ds)
    assert info is not None
    ds.PixelData = encapsulate([encode(frame, info, None, syntax) for frame in frames])
    assert np.array_equal(FrameReader(ds, LIMITS).stored(1), frames[1])
    assert check_round_trip(ds) == "lossless"
    assert np.array_equal(FrameReader(ds, LIMITS).stored(0), frames[0])


def check_round_trip(ds: pydicom.Dataset) -> str:
    """Hide a box in the middle frame, and compare; the method."""
    info = pixel_info(ds)
    assert info is not None
    box = Box(info.columns // 3, info.rows // 3, info.columns // 4 + 1, info.rows // 4 + 1)
    before, after, method = hide(ds, info.frames // 2, box, "contrast")
    outside = ~region([Box(box.x - 18, box.y - 18, box.w + 36, box.h + 36)] if method == "blocks" else [box], info.shape)
    if info.subsampled:
        outside = ~region([Box(box.x // 2 * 2, box.y, box.w + 2, box.h)], info.shape)
    assert np.array_equal(before[outside], after[outside], equal_nan=info.is_float)
    inside = after[box.y : box.y + box.h, box.x : box.x + box.w].reshape(box.w * box.h, -1)
    assert np.ptp(inside.astype(np.float64), axis=0)[0] <= (20 if method == "blocks" else 0)
    return method


@pytest.mark.parametrize(
    ("photometric", "dtype", "stored", "expected"),
    [
        ("MONOCHROME2", np.uint8, 8, 0),
        ("MONOCHROME1", np.uint8, 8, 255),
        ("MONOCHROME2", np.uint16, 12, 3),
        ("MONOCHROME1", np.uint16, 12, 9),
        ("MONOCHROME2", np.int16, 12, 3),
        ("MONOCHROME1", np.int16, 16, 9),
        ("RGB", np.uint8, 8, (0, 0, 0)),
        ("YBR_FULL", np.uint8, 8, (0, 128, 128)),
    ],
)
def test_black_is_displayed_black(photometric: str, dtype: Any, stored: int, expected: Any) -> None:
    shape = (2, 9, 11, 3) if isinstance(expected, tuple) else (2, 9, 11)
    frames = np.full(shape, 7, dtype)
    frames[:, 0, 0], frames[:, 0, 1] = 3, 9  # black on deep images is an end of what lies outside the boxes
    before, after, method = hide(instance(frames, photometric, stored), 1, BOX)
    assert method == "native"
    assert np.all(after[2:6, 3:8] == np.array(expected))
    outside = ~region([BOX], (9, 11))
    assert np.array_equal(before[outside], after[outside])


def test_bits_above_the_sample_are_cleared_under_the_mask_and_kept_elsewhere() -> None:
    frames = np.full((1, 9, 11), 0xF123, np.uint16)
    ds = instance(frames, stored=12)
    hide(ds, 0, BOX)
    written = np.frombuffer(ds.PixelData, "<u2", 99).reshape(9, 11)
    assert np.all(written[2:6, 3:8] == 0x123)
    assert np.all(written[~region([BOX], (9, 11))] == 0xF123)


def test_the_darkest_palette_entry_is_black() -> None:
    ds = instance(np.full((1, 9, 11), 1, np.uint8), "PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [3, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", np.array([60000, 30000, 100], "<u2").tobytes())
    assert FrameReader(ds, LIMITS).rgb(0)[0, 0].tolist() == [30000 >> 8] * 3
    _, after, _ = hide(ds, 0, BOX)
    assert np.all(after[2:6, 3:8] == 2)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("syntax", [None, ExplicitVRBigEndian])
def test_byte_orders(bits: int, syntax: str | None) -> None:
    frames = np.arange(3 * 9 * 11).reshape(3, 9, 11).astype(f"u{bits // 8}")
    ds = instance(frames)
    if syntax:
        ds.file_meta.TransferSyntaxUID = syntax
        ds["PixelData"].VR = "OW"
        swapped = np.frombuffer(frames.tobytes() + b"\0", "<u2").byteswap() if bits == 8 else frames.byteswap()
        ds.PixelData = swapped.tobytes()
        ds["PixelData"].VR = "OW"
    before, after, _ = hide(ds, 1, BOX)
    assert np.array_equal(before, frames[1])
    assert np.array_equal(before[~region([BOX], (9, 11))], after[~region([BOX], (9, 11))])
    for other in (0, 2):
        assert np.array_equal(FrameReader(ds, LIMITS).stored(other), frames[other])


def test_single_bits_across_bytes() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7), np.uint8)
    ds = instance(bits)
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelData = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    _, after, _ = hide(ds, 1, Box(2, 1, 3, 2))
    bits[1, 1:3, 2:5] = 0
    assert np.array_equal(after, bits[1])
    assert np.array_equal(FrameReader(ds, LIMITS).stored(2), bits[2])


def test_inpainting_shows_nothing_of_what_was_there() -> None:
    plain = np.tile(np.linspace(40, 200, 64, dtype=np.uint8), (1, 48, 1))
    inked = plain.copy()
    inked[0, 20:28, 20:40:3] = 255
    box = Box(18, 18, 25, 12)
    results = [hide(instance(frames), 0, box, "inpaint")[1] for frames in (plain, inked)]
    assert np.array_equal(*results)
    assert np.abs(results[0].astype(int) - plain[0]).max() < 30


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_inpainting_knows_no_grey_levels(dtype: Any, scale: float) -> None:
    """Values of SUV, ADC or probability: what is filled in lies between what is around it, and goes on with it."""
    plain = (np.tile(np.linspace(0.2, 0.9, 64), (1, 48, 1)) * scale).astype(dtype)
    ds = instance(np.zeros(plain.shape, np.uint8), BitsAllocated=plain.itemsize * 8)
    del ds.PixelData
    setattr(ds, "FloatPixelData" if dtype is np.float32 else "DoubleFloatPixelData", plain.tobytes())
    before, after, _ = hide(ds, 0, Box(18, 18, 25, 12), "inpaint")
    assert np.abs(after - before).max() < 0.12 * scale
    assert after.min() == before.min()
    assert after.max() == before.max()


def test_inpainting_keeps_pairs_of_pixels_together() -> None:
    pairs = np.random.default_rng(6).integers(60, 200, (1, 24, 32, 2), np.uint8)
    ds = instance(pairs, "YBR_FULL_422", SamplesPerPixel=3, PlanarConfiguration=0, Columns=32)
    before, after, method = hide(ds, 0, Box(5, 5, 12, 9), "inpaint")
    assert method == "native"
    assert not np.array_equal(before, after)
    assert np.array_equal(after[:, ::2, 1:], after[:, 1::2, 1:])


def kinds() -> dict[str, pydicom.Dataset]:
    """A noisy image, 24 x 32, of each kind of stored values."""
    rng = np.random.default_rng(5)
    grey, colour = rng.integers(20, 120, (1, 24, 32), np.uint8), rng.integers(20, 120, (1, 24, 32, 3), np.uint8)
    found = {
        "MONOCHROME2": instance(grey),
        "MONOCHROME1, 12 bits": instance(grey.astype(np.uint16) * 20, "MONOCHROME1", 12),
        "MONOCHROME2, signed": instance(grey.astype(np.int16) * 20 - 1000, stored=12),
        "MONOCHROME1, signed": instance(grey.astype(np.int16) * 20 - 1000, "MONOCHROME1"),
        "RGB": instance(colour, "RGB"),
        "RGB, by plane": instance(np.moveaxis(colour, -1, 1).reshape(colour.shape), "RGB", PlanarConfiguration=1),
        "YBR_FULL": instance(colour, "YBR_FULL"),
        "YBR_FULL_422": instance(colour[..., :2], "YBR_FULL_422", SamplesPerPixel=3, PlanarConfiguration=0, Columns=32),
        "PALETTE COLOR": instance(grey // 16, "PALETTE COLOR"),
        "1 bit": instance(grey, BitsAllocated=1, BitsStored=1, HighBit=0),
        "float": instance(np.zeros((1, 24, 32), np.uint8), BitsAllocated=32),
    }
    for name in ("Red", "Green", "Blue"):
        setattr(found["PALETTE COLOR"], f"{name}PaletteColorLookupTableDescriptor", [8, 0, 16])
        setattr(found["PALETTE COLOR"], f"{name}PaletteColorLookupTableData", np.arange(8, dtype="<u2").tobytes())
    found["1 bit"].PixelData = np.packbits(rng.integers(0, 2, 24 * 32, np.uint8), bitorder="little").tobytes()
    del found["float"].PixelData
    found["float"].FloatPixelData = rng.normal(0, 1e-3, (24, 32)).astype(np.float32).tobytes()
    return found


@pytest.mark.parametrize("fill", get_args(Fill))
@pytest.mark.parametrize("kind", kinds())
def test_every_fill_hides_in_every_kind_of_image(kind: str, fill: Fill) -> None:
    """Nothing outside of the box changes, and what was inside has no part in what is there then."""
    results = []
    for ink in (False, True):
        ds, box = kinds()[kind], Box(6, 5, 12, 9)
        if ink:  # other content at the same place
            hide(ds, 0, box, "black")
        before, after, method = hide(ds, 0, box, fill)
        outside = ~region([box], (24, 32))
        assert method == "native"
        assert np.array_equal(before[outside], after[outside])
        results.append(after)
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], FrameReader(kinds()[kind], LIMITS).stored(0))
    if fill != "inpaint":
        assert len(np.unique(results[0][5:14, 6:18].reshape(9 * 12, -1), axis=0)) == 1


def test_contrast_is_far_from_its_surroundings() -> None:
    for level, expected in ((20, 255), (230, 0)):
        assert hide(instance(np.full((1, 9, 11), level, np.uint8)), 0, BOX, "contrast")[1][3, 4] == expected


def test_untouched_frames_keep_their_bytes() -> None:
    frames = np.random.default_rng(3).integers(0, 4000, (10, 9, 11), np.uint16)
    ds = instance(frames, stored=12)
    info = pixel_info(ds)
    assert info is not None
    ds.PixelData = encapsulate([encode(frame, info, None, RLELossless) for frame in frames])
    ds.file_meta.TransferSyntaxUID = RLELossless
    reader = FrameReader(ds, LIMITS)
    digests = [reader.frame_digest(index) for index in range(len(reader))]
    report = hide_boxes(ds, reader, {3: [BOX]}, "black")
    again = FrameReader(ds, LIMITS)
    changed = [index for index in range(len(again)) if again.frame_digest(index) != digests[index]]
    assert changed == [3] == list(report.frames)


def test_no_box_changes_nothing() -> None:
    ds = instance(np.zeros((1, 9, 11), np.uint8))
    value = ds.PixelData
    assert hide_boxes(ds, FrameReader(ds, LIMITS), {0: [Box(50, 50, 3, 3)]}, "black").method == "none"
    assert ds.PixelData is value


def test_baseline_keeps_its_coefficients() -> None:
    ds = pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm"))
    before, after, method = hide(ds, 0, Box(30, 30, 20, 10))
    assert (method, ds.file_meta.TransferSyntaxUID) == ("blocks", JPEGBaseline8Bit)
    changed = np.argwhere((before != after).any(axis=-1))
    assert changed.min(axis=0).tolist() >= [24, 24]
    assert changed.max(axis=0).tolist() <= [39, 55]


def test_a_jpeg_may_have_an_odd_number_of_columns_whatever_its_sampling() -> None:
    """Only native pairs of pixels need an even number; JPEG pads its blocks."""
    picture = np.random.default_rng(8).integers(0, 256, (33, 35, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "JPEG", quality=90, subsampling="4:2:2")
    ds = instance(picture[None], "YBR_FULL_422", syntax=JPEGBaseline8Bit)
    ds.PixelData = encapsulate([target.getvalue() + b"\0" * (target.tell() % 2)])
    assert check_round_trip(ds) == "blocks"
    native = instance(picture[None], "YBR_FULL_422")
    with pytest.raises(DeidError, match="4:2:2 with 35 columns"):
        pixel_info(native)


def test_extended_becomes_lossless_and_says_that_it_was_lossy() -> None:
    ds = pydicom.dcmread(get_testdata_file("JPEG-lossy.dcm"))
    assert ds.file_meta.TransferSyntaxUID == JPEGExtended12Bit
    for keyword in ("LossyImageCompression", "LossyImageCompressionMethod", "LossyImageCompressionRatio"):
        if keyword in ds:
            delattr(ds, keyword)
    coded = len(FrameReader(ds, LIMITS).encoded(0))
    _, _, method = hide(ds, 0, Box(30, 30, 20, 10))
    assert (method, ds.file_meta.TransferSyntaxUID, ds.LossyImageCompression) == ("transcoded", JPEGLSLossless, "01")
    assert ds.LossyImageCompressionMethod == "ISO_10918_1"
    assert ds.LossyImageCompressionRatio == pytest.approx(ds.Rows * ds.Columns * 2 / coded, abs=0.01)


def wrong_inside(coded: Any, *_: Any) -> Any:
    return np.where(np.arange(coded.size).reshape(coded.shape) == coded.size - 1, coded ^ 1, coded)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_an_encoder_that_changes_a_value_is_noticed(syntax: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame is decoded again before it is written: one bit of one pixel, far from the mask, refuses the instance."""
    ds = instance(np.random.default_rng(3).integers(0, 200, (2, 33, 35), np.uint8))
    info = pixel_info(ds)
    assert info is not None
    ds.PixelData = encapsulate([encode(FrameReader(ds, LIMITS).coded(index), info, None, syntax) for index in range(2)])
    ds.file_meta.TransferSyntaxUID = syntax
    monkeypatch.setattr(codecs, "encode", lambda coded, *rest: encode(wrong_inside(coded), *rest))
    with pytest.raises(DeidError, match="frame 1 decodes to other values") as error:
        hide(ds, 1, BOX)
    assert error.value.code is Code.PIXELS_UNENCODABLE


def test_a_native_frame_that_is_written_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    write = native.write
    monkeypatch.setattr(native, "write", lambda data, info, index, coded, **named: write(data, info, index, wrong_inside(coded), **named))
    with pytest.raises(DeidError, match="frame 0 decodes to other values"):
        hide(instance(np.full((1, 9, 11), 7, np.uint8)), 0, BOX)


def test_a_frame_that_is_not_stored_as_it_was_encoded_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = pydicom.dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm"))
    build = encapsulation.build

    def spoiled(frames: Any, count: int, sink: Any, **named: Any) -> Any:
        found = build(frames, count, sink, **named)
        sink.seek(-2, io.SEEK_END)
        sink.write(b"\xaa\xaa")
        return found

    monkeypatch.setattr(encapsulation, "build", spoiled)
    with pytest.raises(DeidError, match="frame 1 is not found again"):
        hide(ds, 0, BOX)


def test_blocks_that_nobody_asked_for_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coefficients that were blanked elsewhere, or not blanked at all, are not written: the frame is encoded without loss instead."""
    blank = jpeg_blocks.blank_apart
    for wrong in (lambda areas: [*areas, [80, 88, 80, 88, areas[0][4]]], lambda _: []):
        ds = pydicom.dcmread(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm"))
        monkeypatch.setattr(jpeg_blocks, "blank_apart", lambda data, info, areas, limits, to=wrong: blank(data, info, to(areas), limits))
        before, after, method = hide(ds, 0, Box(30, 30, 20, 10))
        assert (method, ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("transcoded", "01", "ISO_10918_1")
        assert ds.LossyImageCompressionRatio > 1
        outside = ~region([Box(30, 30, 20, 10)], before.shape[:2])
        assert np.array_equal(before[outside], after[outside])
