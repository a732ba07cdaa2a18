"""As many instances as one likes, of which only headers exist: in a store, or made up. A module of its own: workers import it."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

from pipeline.audit import AuditWriter
from pipeline.manifest import read_shard
from pipeline.storage import Store
from tests.bench.bench_scale import HeaderJob, HeaderWorker
from transforms.errors import Code
from transforms.outcomes import header_outcome
from transforms.tags.identity import Identity
from transforms.types import Chunk, Header, Outcome, Source, Status, Work

SCHEME = "headers://"
SERIES = 200
PIXEL_BYTES = 1 << 19


@functools.cache
def template() -> bytes:
    """A short CT header that ends where its pixel values would begin."""
    whole = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False), stop_before_pixels=True)
    dataset = pydicom.Dataset()
    dataset.file_meta = whole.file_meta
    for keyword in (
        "SOPClassUID",
        "ImageType",
        "Modality",
        "PatientName",
        "PatientID",
        "Rows",
        "Columns",
        "BitsAllocated",
        "SamplesPerPixel",
    ):
        dataset[keyword] = whole[keyword]
    for level, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), 1):
        setattr(dataset, keyword, f"1.2.{level}.{10**11}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue() + b"\xe0\x7f\x10\x00OW\0\0" + PIXEL_BYTES.to_bytes(4, "little")


def header(number: int) -> bytes:
    """The header of one instance: every `SERIES` are a series, every two series a study."""
    data = template()
    for level, value in ((1, number // SERIES // 2), (2, number // SERIES), (3, number)):
        data = data.replace(b"1.2.%d.%d" % (level, 10**11), b"1.2.%d.%d" % (level, 10**11 + value))
    return data


@dataclass(frozen=True)
class HeaderStore(Store):
    """A store in which ``headers://N`` is a folder of N instances."""

    def is_folder(self, uri: str) -> bool:
        return uri.startswith(SCHEME) or super().is_folder(uri)

    def list_files(self, uri: str) -> Iterator[Source]:
        if not uri.startswith(SCHEME):
            yield from super().list_files(uri)
            return
        size = len(template()) + PIXEL_BYTES
        for number in range(int(uri.removeprefix(SCHEME))):
            yield Source(f"{SCHEME}archive/{number // SERIES:09d}/{number:012d}_Zyxwandt.dcm", size)

    def read_range(self, uri: str, start: int, end: int) -> bytes:
        if not uri.startswith(SCHEME):
            return super().read_range(uri, start, end)
        data = header(int(uri.rpartition("/")[2].partition("_")[0]))
        return (data + bytes(max(0, min(end, len(data) + PIXEL_BYTES) - len(data))))[start:end]


def write_rows(store: Store, output: str, run_id: str, shards: list[str], secret: bytes) -> None:
    """An engine that does nothing with the instances of a work list but write a row for each of them."""
    identity, writer, waiting = Identity(secret), AuditWriter(store, output, run_id), []
    for shard in shards:
        for item in read_shard(store, shard):
            number = item.uri.rpartition("/")[2].partition("_")[0]
            ids = ("1.2", f"1.2.{number[:-3]}", f"1.2.3.{number}", "QK-1")
            header = Header(identity.token("instance", item.uri, 32), item.uri, 1, *ids, modality="CT")
            waiting.append(header_outcome(header, Status.FILTERED, Code.SAVE_CONDITION, "save_conditions"))
        writer.write(waiting)
        waiting.clear()


class GraphJob(HeaderJob):
    """Headers that are made up, for Beam's graph."""

    def open(self) -> GraphWorker:
        return GraphWorker()


class GraphWorker(HeaderWorker):
    """Stands in for a Deidentifier, stage by stage."""

    def mask_text(self, chunk: Chunk) -> Iterable[Work]:
        return (Work(header, chunk.decision) for header in chunk.headers)

    def deidentify_tags(self, work: Work) -> Work:
        return work

    def verify(self, work: Work) -> Work:
        return work

    def write(self, work: Work) -> Outcome:
        return Outcome(work.header.instance_id, Status.SAVED, {}, (), {})
