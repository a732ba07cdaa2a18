"""Real images to write on: decoded to stored values, enlarged where too small for text, cleared of text of their own, stored again.

Everything is kept in the stored representation, so that text goes in at native depth; only YBR is handled as RGB, as pydicom decodes it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian

from pipeline.synth_phantoms import PHANTOMS, phantom
from transforms.errors import ConfigError
from transforms.types import Dataset

Frames = NDArray[Any]
"""(frames, rows, columns) or (frames, rows, columns, 3) of stored values."""

SMALLEST = 240
"""Images whose shorter side is below this are enlarged by a whole number, so that a few lines of text fit."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image to write on: a file, or a phantom when ``path`` is None.

    ``keep`` is the part (left, top, right, bottom as fractions) without text of its own; the rest is cleared.
    """

    name: str
    path: Path | None = None
    keep: tuple[float, float, float, float] | None = None


BUNDLED: tuple[tuple[str, tuple[float, float, float, float] | None], ...] = (
    ("CT_small.dcm", None),
    ("examples_ybr_color.dcm", (0.2, 0.02, 0.85, 0.93)),
    ("693_J2KI.dcm", None),
    ("examples_palette.dcm", (0.43, 0.18, 0.95, 0.85)),
    ("examples_overlay.dcm", None),
    ("examples_rgb_color.dcm", (0.1, 0.24, 0.9, 0.67)),
    ("MR_small.dcm", None),
    ("J2K_pixelrep_mismatch.dcm", None),
    ("SC_rgb_jpeg.dcm", None),
    ("JPGExtended.dcm", None),
    ("liver_1frame.dcm", None),
)
"""Images that pydicom carries in its wheel and which show no text once cleared."""


def bundled_sources() -> list[Source]:
    """`BUNDLED` as files, each followed by a phantom; nothing is downloaded."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [Source(name.removesuffix(".dcm"), folder / name, keep) for name, keep in BUNDLED]
    invented = [Source(kind) for kind in PHANTOMS]
    return [source for pair in zip_longest(files, invented) for source in pair if source]


def load(source: Source, rng: random.Random) -> tuple[Dataset, Frames]:
    """Read, decode, enlarge and clear one source, or invent it.

    Raises:
        Exception: whatever pydicom raises for a file that is no image; the generator's inputs are chosen, not hostile.
    """
    if source.path is None:
        return phantom(source.name, rng)
    dataset = pydicom.dcmread(source.path)
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    array, meta = decoder.as_array(dataset, decoding_plugin="pylibjpeg" if "pylibjpeg" in decoder.available_plugins else "")
    dataset.PhotometricInterpretation = str(meta["photometric_interpretation"])
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    shape = (-1, rows, columns, 3) if dataset.SamplesPerPixel == 3 else (-1, rows, columns)
    frames = np.array(array).reshape(shape)
    if min(rows, columns) < SMALLEST:
        frames = enlarge(frames, -(-SMALLEST // min(rows, columns)), smooth=dataset.PhotometricInterpretation != "PALETTE COLOR")
        for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
            dataset.pop(keyword, None)
    if source.keep:
        clear_outside(frames, source.keep)
    return dataset, frames


def enlarge(frames: Frames, times: int, *, smooth: bool = True) -> Frames:
    """Each frame ``times`` larger in both directions, within its own range of values."""
    how = cv2.INTER_CUBIC if smooth and frames.max() > 1 else cv2.INTER_NEAREST
    kind = np.float32 if frames.dtype.itemsize < 4 else np.float64
    low, high = frames.min(), frames.max()
    grown = [cv2.resize(frame.astype(kind), None, fx=times, fy=times, interpolation=how) for frame in frames]
    return np.asarray(np.clip(np.rint(np.stack(grown)), low, high), frames.dtype)


def clear_outside(frames: Frames, keep: tuple[float, float, float, float]) -> None:
    """Set everything outside ``keep`` to the most frequent value (background) of the first frame, in place."""
    rows, columns = frames.shape[1:3]
    left, top, right, bottom = round(keep[0] * columns), round(keep[1] * rows), round(keep[2] * columns), round(keep[3] * rows)
    values, counts = np.unique(frames[0].reshape(rows * columns, -1), axis=0, return_counts=True)
    outside = np.ones((rows, columns), bool)
    outside[top:bottom, left:right] = False
    frames[:, outside] = values[counts.argmax()].reshape(frames.shape[3:])


def store(dataset: Dataset, frames: Frames) -> None:
    """Put ``frames`` back as uncompressed pixel data in Explicit VR Little Endian, in place."""
    count, rows, columns = frames.shape[:3]
    dataset.Rows, dataset.Columns = rows, columns
    if count > 1 or "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = count
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    if dataset.BitsAllocated == 1:
        data = pack_bits(frames.reshape(-1).astype(np.uint8), pad=True)
    else:
        data = np.ascontiguousarray(frames, frames.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= 8 else "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "SmallestImagePixelValue", "LargestImagePixelValue"):
        dataset.pop(keyword, None)


def value_range(dataset: Dataset, frames: Frames, *, above: bool = False) -> tuple[float, float]:
    """Lowest and highest value that text may take: those of the image, or (``above``) up to the highest that its stored bits hold."""
    bits = int(dataset.BitsStored) - int(dataset.PixelRepresentation)
    if frames.ndim == 4:
        return 0.0, float(2**bits - 1)
    low, high = float(frames.min()), float(frames.max())
    if above and bits > 8:  # a display would show nothing of an image far below its text, so no more than four times its range
        high = min(float(2**bits - 1), low + 4 * (high - low))
    return low, high


def series_of(frame: Frames, count: int, rng: random.Random) -> Frames:
    """``count`` slices that differ as neighbours do: moved a little, a little brighter or darker, with noise of their own."""
    noise = np.random.default_rng(rng.getrandbits(64))
    low, high = float(frame.min()), float(frame.max())
    slices = []
    for number in range(count):
        moved = np.roll(frame, (number % 7 - 3, number % 5 - 2), axis=(0, 1)).astype(np.float64)
        brighter = (
            low + (moved - low) * (0.85 + 0.15 * np.cos(number / 9)) + noise.normal(0, (high - low) / 300, frame.shape) * (moved > low)
        )
        slices.append(np.clip(np.rint(brighter), low, high).astype(frame.dtype))
    return np.stack(slices)


def palette_luminance(dataset: Dataset) -> NDArray[np.float64]:
    """Brightness of each entry of the palette, 0 to 1, by stored value."""
    tables = []
    for colour in ("Red", "Green", "Blue"):
        entries, _, bits = (int(number) for number in dataset[f"{colour}PaletteColorLookupTableDescriptor"].value)
        raw = dataset[f"{colour}PaletteColorLookupTableData"].value
        table: NDArray[Any] = np.frombuffer(raw, np.uint8 if bits == 8 and len(raw) < 2 * (entries or 65536) else "<u2")
        tables.append(table[: entries or 65536].astype(np.float64) / (2**bits - 1))
    return np.asarray(np.clip(np.array([0.299, 0.587, 0.114]) @ np.stack(tables), 0, 1))


def sources_of(paths: Sequence[Path] | None) -> list[Source]:
    """Given files, and those in given folders, as they are; or the bundled ones.

    Raises:
        ConfigError: one is not there, or there is no file in any.
    """
    if paths is None:
        return bundled_sources()
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise ConfigError(f"--source {absent[0]} does not exist")
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
    if not files:
        raise ConfigError("--source: expected images, or folders with images, found no file")
    return [Source(file.stem, file) for file in files]
