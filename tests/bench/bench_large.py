"""The memory of one worker on large inputs: a whole `dicom-deid run` for each, and the most that its process held.

    python -m tests.bench.bench_large [NAME …] [--mib 512] [--bound 1536]

Inputs are made on the local disk, piece by piece, so that this process stays small. Frames are few and repeated: what is looked for is
memory, not time. Every input must end as it says in `CASES`: saved, or quarantined with that code. `htj2k` is among them where
DICOM_DEID_CORPUS names the folder of the corpus.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import duckdb
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    RLELossless,
)

from transforms.pixels import codecs
from transforms.pixels.info import PixelInfo
from transforms.types import Dataset

MIB = 2**20
DISTINCT = 8
SYNTAXES = {"rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless, "jpeg": JPEGBaseline8Bit}
Make = Callable[[Path, int], None]


@dataclass(frozen=True)
class Case:
    """One input, of ``share`` of the size that is asked for, and how it must end."""

    make: Make
    share: float = 1.0
    code: str = ""


def frame(number: int, rows: int, columns: int, *, colour: bool, text: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """A soft shape with some noise, and a name in its corner."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:rows, 0:columns]
    shape = 400 + 300 * np.cos((x - columns / 2) / columns * 4 + number) * np.cos((y - rows / 2) / rows * 4)
    image = (shape + random.integers(0, 64, shape.shape)).astype(np.uint16)
    if text:
        ink = cv2.putText(np.zeros(image.shape, np.uint8), "DOE^JANE 1974-03-12", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
        image[ink > 0] = 1000
    return np.repeat((image // 4)[..., None], 3, axis=2).astype(np.uint8) if colour else image


def header(syntax: str, **changes: object) -> Dataset:
    """A CT of a patient, without pixels."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False), stop_before_pixels=True)
    dataset.remove_private_tags()
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def head(dataset: Dataset) -> bytes:
    """A data set as a file."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def image(syntax: str, rows: int, columns: int, frames: int, *, colour: bool) -> Dataset:
    """The header of an image."""
    colours = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0} if colour else {}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7} if colour else {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    return header(syntax, Rows=rows, Columns=columns, NumberOfFrames=frames, PixelRepresentation=0, **bits, **colours)


def write(path: Path, dataset: Dataset, vr: str, length: int, pieces: Iterable[bytes], tag: bytes = b"\xe0\x7f\x10\x00") -> None:
    """A file with one large element at its end."""
    with path.open("wb") as file:
        file.write(head(dataset) + tag + vr.encode() + b"\0\0" + struct.pack("<L", length))
        for piece in pieces:
            file.write(piece)


def native(*, text: bool, colour: bool = False, rows: int = 512, columns: int = 512) -> Make:
    """Uncompressed frames."""

    def make(path: Path, size: int) -> None:
        count = max(1, size // (rows * columns * (3 if colour else 2)))
        made = [frame(number, rows, columns, colour=colour, text=text).tobytes() for number in range(min(DISTINCT, count))]
        dataset = image(ExplicitVRLittleEndian, rows, columns, count, colour=colour)
        write(path, dataset, "OW", count * len(made[0]), (made[number % len(made)] for number in range(count)))

    return make


def encoded(kind: str, *, text: bool, rows: int = 512, columns: int = 512) -> Make:
    """Frames in a compressed syntax, without offset table."""

    def make(path: Path, size: int) -> None:
        colour, syntax = kind == "jpeg", SYNTAXES[kind]
        bits = 8 if colour else 16
        info = PixelInfo("PixelData", rows, columns, 3 if colour else 1, 1, bits, min(bits, 12), min(bits, 12) - 1, False, "", 0, syntax)
        made: list[bytes] = []
        while not made or len(made) < min(DISTINCT, size // len(made[0])):
            values = frame(len(made), rows, columns, colour=colour, text=text)
            made.append(cv2.imencode(".jpg", values)[1].tobytes() if colour else codecs.encode(values, info, None, syntax))
        dataset = image(syntax, rows, columns, max(1, size // len(made[0])), colour=colour)
        if colour:
            dataset.PhotometricInterpretation = "YBR_FULL_422"
        encapsulate(path, dataset, made)

    return make


def htj2k(path: Path, size: int) -> None:
    """The frame of a real file, as nothing here can encode High-Throughput JPEG 2000; only where the corpus is."""
    found = next(Path(os.environ["DICOM_DEID_CORPUS"]).rglob("HTJ2KLossless_08_RGB.dcm"))
    dataset = pydicom.dcmread(found)
    once = next(generate_frames(dataset.PixelData, number_of_frames=1))
    del dataset.PixelData
    dataset.NumberOfFrames = size // len(once)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    encapsulate(path, dataset, [once])


def encapsulate(path: Path, dataset: Dataset, made: list[bytes]) -> None:
    """A file of as many frames as its header says, these again and again."""
    even = [data + b"\0" * (len(data) % 2) for data in made]
    items = [b"\xfe\xff\x00\xe0" + struct.pack("<L", len(data)) + data for data in even]
    table, end = b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
    pieces = (items[number % len(items)] for number in range(dataset.NumberOfFrames))
    write(path, dataset, "OB", 0xFFFFFFFF, (table, *pieces, end))


def zeros(size: int) -> Iterable[bytes]:
    """As many bytes, in pieces."""
    for start in range(0, size, MIB):
        yield bytes(min(MIB, size - start))


def document(path: Path, size: int) -> None:
    """An encapsulated PDF."""
    dataset = header(
        ExplicitVRLittleEndian, SOPClassUID=EncapsulatedPDFStorage, Modality="DOC", MIMETypeOfEncapsulatedDocument="application/pdf"
    )
    dataset.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    for keyword in [element.keyword for element in dataset if element.tag.group == 0x0028]:
        delattr(dataset, keyword)
    write(path, dataset, "OB", size // 2 * 2, zeros(size // 2 * 2), tag=b"\x42\x00\x11\x00")


def private(path: Path, size: int) -> None:
    """A private element of as many bytes, and a small image behind it."""
    dataset = header(ExplicitVRLittleEndian)
    image_bytes = dataset.Rows * dataset.Columns * 2
    tail = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<L", image_bytes) + bytes(image_bytes)
    dataset.private_block(0x0043, "ACME", create=True).add_new(0x01, "LO", "x")
    write(path, dataset, "OB", size // 2 * 2, (*zeros(size // 2 * 2), tail), tag=b"\x43\x00\x02\x10")


def sequences(path: Path, size: int) -> None:
    """Functional groups of very many frames: nothing but small elements."""
    dataset = image(ExplicitVRLittleEndian, 16, 16, 1, colour=False)
    item = pydicom.Dataset()
    position = pydicom.Dataset()
    position.ImagePositionPatient = ["1.00000", "2.00000", "3.00000"]
    item.PlanePositionSequence = [position]
    item.FrameContentSequence = [pydicom.Dataset()]
    item.FrameContentSequence[0].FrameComments = "left lateral"
    item.FrameContentSequence[0].DimensionIndexValues = [1, 2, 3]
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, item)
    once = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(buffer.getvalue())) + buffer.getvalue()
    count = size // len(once)
    pixels = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<L", 512) + bytes(512)
    write(path, dataset, "SQ", count * len(once), (once * count, pixels), tag=b"\x00\x52\x30\x92")


def deflated(path: Path, size: int) -> None:
    """A small file that inflates to as much."""
    dataset = image(DeflatedExplicitVRLittleEndian, 512, 512, size // 2**19, colour=False)
    dataset.PixelData = bytes(size // 2**19 * 2**19)
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)


CASES = {
    "native": Case(native(text=False)),
    "native-text": Case(native(text=True)),
    "colour-text": Case(native(text=True, colour=True, rows=768, columns=1024)),
    "rle": Case(encoded("rle", text=False)),
    "rle-text": Case(encoded("rle", text=True)),
    "jpegls": Case(encoded("jpegls", text=False)),
    "jpeg2000": Case(encoded("jpeg2000", text=False)),
    "jpegls-text": Case(encoded("jpegls", text=True)),
    "jpeg2000-text": Case(encoded("jpeg2000", text=True)),
    "jpeg-text": Case(encoded("jpeg", text=True, rows=768, columns=1024)),
    "2gb-native": Case(native(text=False), 3.99),
    "2gb-native-text": Case(native(text=True), 3.99),
    "2gb-jpegls": Case(encoded("jpegls", text=False), 3.99),
    "one-frame": Case(native(text=True, rows=16384, columns=16384), 1, "too_large"),
    "frame-of-96": Case(native(text=True, rows=6144, columns=8192), 0.1875),
    **{f"frame-of-64-{kind}": Case(encoded(kind, text=True, rows=4096, columns=8192), 0) for kind in ("rle", "jpegls", "jpeg2000")},
    "document": Case(document, 1, "too_large"),
    "document-100": Case(document, 0.2),
    "private": Case(private, 1, "too_large"),
    "sequences-8": Case(sequences, 0.015),
    "sequences-60": Case(sequences, 0.117, "too_large"),
    "deflated": Case(deflated, 1, "too_large"),
    "deflated-100": Case(deflated, 0.2),
}
if "DICOM_DEID_CORPUS" in os.environ:
    CASES["htj2k"] = Case(htj2k)


def run(path: Path, out: Path) -> tuple[float, float, str]:
    """Seconds, peak MiB of the process, and how the input ended."""
    secret = path.with_name("secret")
    secret.write_text("5" * 64)
    command = [sys.executable, "-m", "pipeline", "run", "--config", "configs/basic.yaml", "--input", str(path), "--output", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--secret-file", str(secret), "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    try:
        row = next(iter(duckdb.sql(f"select status, code, stage from '{out}/audit/instances/*.parquet'").fetchall()), None)
    except duckdb.Error:
        row = None
    ended = f"exit status {process.returncode}" if row is None else row[0] if row[0] == "saved" else f"{row[1]} ({row[2]})"
    return seconds, usage.ru_maxrss / 1024, ended


def main() -> int:
    """Print the table; 1 when a bound is not kept or an input ends otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--mib", type=int, default=512, help="size of the inputs")
    parser.add_argument("--bound", type=int, default=1536, help="MiB that a worker may hold")
    options = parser.parse_args()
    wrong = 0
    print(f"{'input':16} {'file MiB':>8} {'frames':>6} {'peak MiB':>8} {'bound':>6} {'s':>6}  ended")
    for name in options.names or CASES:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "in.dcm"
            maker = get_context("fork").Process(target=case.make, args=(path, round(options.mib * MIB * case.share)))
            maker.start()  # elsewhere: what this process holds, the run would begin with
            maker.join()
            frames = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["NumberOfFrames"]).get("NumberOfFrames", 1)
            seconds, peak, ended = run(path, Path(folder) / "out")
            good = peak <= options.bound and ended.split()[0] == (case.code or "saved")
            wrong += not good
            size = path.stat().st_size / MIB
            print(
                f"{name:16} {size:8.0f} {frames:6} {peak:8.0f} {options.bound:6} {seconds:6.1f}  {ended}{'' if good else '   NOT REACHED'}",
                flush=True,
            )
    print(f"this process held at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, which no figure can be below")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
