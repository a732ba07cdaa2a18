"""Encode an uncompressed image in any transfer syntax that can be written without a foreign program."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from pipeline.synth_images import Frames
from transforms.pixels import codecs
from transforms.pixels.info import pixel_info
from transforms.types import Dataset

UNCOMPRESSED = ("explicit", "implicit", "deflated", "big-endian", "planar", "ybr-full", "ybr-422")
SYNTAXES: dict[str, UID] = {
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
}
LOSSLESS = {"rle": RLELossless, "jpeg-ls": JPEGLSLossless, "j2k-lossless": JPEG2000Lossless, "jpeg-lossless": JPEGLosslessSV1}
LOSSY = {"jpeg": JPEGBaseline8Bit, "j2k": JPEG2000, "jpeg-ls-near": JPEGLSNearLossless}
ENCODINGS = (*UNCOMPRESSED, *LOSSLESS, *LOSSY)


def possible(dataset: Dataset) -> tuple[str, ...]:
    """Encodings that this uncompressed image can take."""
    colour, palette = dataset.PhotometricInterpretation == "RGB", dataset.PhotometricInterpretation == "PALETTE COLOR"
    eight, signed = dataset.BitsAllocated == 8, bool(dataset.PixelRepresentation)
    if dataset.BitsAllocated == 1:
        return ("explicit", "implicit", "deflated")
    names = ["explicit", "implicit", "deflated", "rle", "jpeg-ls", "j2k-lossless"]
    if not (colour or palette) and dataset.original_encoding == (None, None) and (0x6000, 0x3000) not in dataset:
        names.append("big-endian")  # of a file that was read, words in other elements than the pixels would have to be swapped too
    if colour and eight:
        names += ["planar", "ybr-full"] + ["ybr-422"] * (dataset.Columns % 2 == 0)
    if eight and not palette:
        names.append("jpeg")
    if not palette:
        names.append("j2k")
    if not palette and not signed:
        names += ["jpeg-ls-near", "jpeg-lossless"]
    return tuple(names)


def choose(dataset: Dataset, rng: random.Random) -> str:
    """One of the possible encodings; a third of the images stay explicit little endian.

    JPEG lossless came later and is not among them, so that a seed stands for the archive that it stood for.
    """
    return "explicit" if rng.random() < 0.34 else rng.choice([name for name in possible(dataset) if name != "jpeg-lossless"])


def encode(dataset: Dataset, frames: Frames, name: str) -> None:
    """Bring ``dataset``, which holds ``frames`` uncompressed in explicit little endian, into the encoding ``name``; in place.

    Raises:
        ValueError: the image cannot take this encoding.
    """
    if name not in possible(dataset):
        raise ValueError(f"expected one of {', '.join(possible(dataset))} for this image, found {name!r}")
    if name in UNCOMPRESSED:
        _uncompressed(dataset, frames, name)
    elif name == "jpeg":
        _jpeg(dataset, frames)
    elif name == "jpeg-lossless":
        info = pixel_info(dataset)
        assert info is not None
        _encapsulated(dataset, [codecs.encode(frame, info, None, JPEGLosslessSV1) for frame in frames], JPEGLosslessSV1)
    elif name == "j2k":
        dataset.compress(JPEG2000, j2k_cr=[8], generate_instance_uid=False)
    elif name == "jpeg-ls-near":
        error = int(frames.max() - frames.min()) // 200
        dataset.compress(JPEGLSNearLossless, jls_error=min(255, max(1, error)), generate_instance_uid=False)
    else:
        dataset.compress(LOSSLESS[name], generate_instance_uid=False)
    if name in LOSSY:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = f"{frames.nbytes / len(dataset.PixelData):.1f}"
        dataset.LossyImageCompressionMethod = {"jpeg": "ISO_10918_1", "j2k": "ISO_15444_1", "jpeg-ls-near": "ISO_14495_1"}[name]


def _uncompressed(dataset: Dataset, frames: Frames, name: str) -> None:
    dataset.file_meta.TransferSyntaxUID = SYNTAXES.get(name, dataset.file_meta.TransferSyntaxUID)
    if name == "big-endian":
        dataset.PixelData = _even(frames.astype(frames.dtype.newbyteorder(">")).tobytes())
    elif name == "planar":
        dataset.PlanarConfiguration = 1
        dataset.PixelData = _even(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).tobytes())
    elif name in ("ybr-full", "ybr-422"):
        ybr = convert_color_space(frames, "RGB", "YBR_FULL")
        dataset.PhotometricInterpretation = "YBR_FULL"
        if name == "ybr-422":
            dataset.PhotometricInterpretation = "YBR_FULL_422"
            pairs = [ybr[:, :, 0::2, 0], ybr[:, :, 1::2, 0], ybr[:, :, 0::2, 1], ybr[:, :, 0::2, 2]]
            ybr = np.stack(pairs, axis=-1)
        dataset.PixelData = _even(np.ascontiguousarray(ybr).tobytes())


def _jpeg(dataset: Dataset, frames: Frames) -> None:
    streams = []
    for frame in frames:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG", quality=90, subsampling="4:2:2")
        streams.append(stream.getvalue())
    _encapsulated(dataset, streams, JPEGBaseline8Bit)
    if frames.ndim == 4:
        dataset.PhotometricInterpretation = "YBR_FULL_422"


def _encapsulated(dataset: Dataset, streams: list[bytes], syntax: UID) -> None:
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
