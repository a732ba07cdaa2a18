"""Whether the saved files are what their rows and their own claims say, and hold no identifier of their originals.

Files are checked in several processes, a bounded number at a time, so that an archive of any size takes the same memory.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any

import duckdb
import pydicom
from pydicom.uid import UID_dictionary

from pipeline.settings import IO_THREADS
from pipeline.storage import Store
from pipeline.verify_counts import Check
from transforms.deidentify import find_leaks
from transforms.errors import Code, DeidError
from transforms.overlap import Answer, Calls, Overlap
from transforms.pixels import video
from transforms.pixels.frames import FrameReader
from transforms.pixels.hidden import clear_encoded_bits, strip
from transforms.pixels.info import pixel_info
from transforms.policy import LimitsPolicy, Policy, TagsPolicy
from transforms.read.instance import read_instance  # silences pydicom, whose warnings quote values
from transforms.tags.conform import unmet
from transforms.text.detector import PiiDetector
from transforms.types import Dataset, Known

CODES = (
    "unreadable",
    "name",
    "claim",
    "uid",
    "pixels",
    "identifier",
    "private",
    "overlay",
    "curve",
    "preamble",
    "original_unreadable",
    "pixels_changed",
)
"""What can be wrong with a file; `transforms.verify.leaks` gives some of them."""
_BASIC, _CLEAN_PIXEL_DATA = "113100", "113101"
_OPTIONS = {
    "113103": "clean_graphics",
    "113104": "clean_structured_content",
    "113105": "clean_descriptors",
    "113108": "retain_patient_characteristics",
    "113109": "retain_device_identity",
    "113110": "retain_uids",
    "113112": "retain_institution_identity",
}
"""Codes of CID 7050 that a file may claim only when the policy has the option."""
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_BATCH = 32
_BATCHES_PER_WORKER = 3
_QUERY = """select s.instance_id, s.name, coalesce(s.bytes_out, 0), s.frames, s.pixels_cleaned, s.frames_masked, c.url,
    c.PatientID, c.StudyInstanceUID, c.SeriesInstanceUID, c.SOPInstanceUID
    from saved s join crosswalk c using (instance_id) where s.name is not null and s.run_id >= ?"""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved row with what its original was called. Restricted: it never leaves the process but to the workers."""

    instance_id: str
    path: str = field(repr=False)
    size: int
    frames: int | None
    pixels_cleaned: bool | None
    frames_masked: int | None
    url: str = field(repr=False)
    patient_id: str | None = field(repr=False)
    study_uid: str | None = field(repr=False)
    series_uid: str | None = field(repr=False)
    sop_uid: str | None = field(repr=False)


Problem = tuple[str, str, str]
"""Instance id, code (one of `CODES`), and tag path or an empty string. Never a value."""


def saved_rows(connection: duckdb.DuckDBPyConnection, sample: float, since: str = "") -> Iterator[Saved]:
    """The saved instances, or the part of them that ``sample`` (0 to 1) chooses by their ids: the same part every time.

    Args:
        connection: an audit, with its files.
        sample: the part to choose.
        since: the least id of a run whose files are wanted; ids sort by time.
    """
    cursor = connection.execute(_QUERY, [since])
    while batch := cursor.fetchmany(1000):
        for row in batch:
            chosen = int.from_bytes(hashlib.sha256(row[0].encode()).digest()[:8], "big") < sample * 2**64
            if chosen:
                yield Saved(*row)


def check_files(
    store: Store, output: str, saved: Iterator[Saved], policy: Policy, *, originals: bool, workers: int, limit: int
) -> Iterator[Check]:
    """Check files against the policy that they were made under; one `Check` per code, in the order of `CODES`."""
    checked, failed = 0, Counter[str]()
    examples: dict[str, list[tuple[str, str]]] = {code: [] for code in CODES}
    for count, problems in _results(FileChecker(store, output, policy, originals), saved, workers):
        checked += count
        failed.update(code for code, _ in {(code, instance_id) for instance_id, code, _ in problems})
        for instance_id, code, path in problems:
            if len(examples[code]) < limit:
                examples[code].append((instance_id, path))
    for code in CODES:
        if originals or code not in ("original_unreadable", "pixels_changed"):
            yield Check(f"file_{code}", checked, failed[code], tuple(examples[code]))


@dataclass(frozen=True)
class FileChecker:
    """What a worker needs to check files."""

    store: Store
    output: str
    policy: Policy
    originals: bool

    def check_batch(self, batch: list[Saved]) -> tuple[int, list[Problem]]:
        """Number of files, and the problems that they have. Files of an object store are read ahead."""
        with ThreadPoolExecutor(IO_THREADS) as threads:
            return len(batch), list(Overlap(threads, self._read, self._judge, IO_THREADS).through(batch))

    def _read(self, row: Saved) -> Calls[bytes]:
        """What has to be read for one file: it, and its original."""
        uris = [self.store.join(self.output, "instances", *row.path.split("/")), *([row.url] if self.originals else [])]
        return Calls([partial(self.store.read_all, uri) for uri in uris], any(map(self.store.waits, uris)), row.size * len(uris))

    def _judge(self, row: Saved, contents: Sequence[Answer[bytes]]) -> list[Problem]:
        """The problems of one file. No exception of a library leaves: it could show a value."""
        problems: list[Problem] = []
        try:
            problems += [(row.instance_id, code, path) for code, path in self.check(row, contents)]
        except Exception:
            problems.append((row.instance_id, "unreadable", ""))
        return problems

    def check(self, row: Saved, contents: Sequence[Answer[bytes]]) -> Iterator[tuple[str, str]]:
        """The problems of one file as (code, tag path)."""
        encoded = contents[0].result()
        dataset = pydicom.dcmread(io.BytesIO(encoded))
        tags = self.policy.tags
        yield from _names(dataset, row)
        yield from _claims(dataset, tags, row)
        if not tags.retain_uids:
            yield from (("uid", keyword) for keyword in _UIDS if not _is_new(str(dataset.get(keyword, ""))))
        yield from _pixels(dataset, row, self.policy.limits)
        original = None
        if self.originals:
            try:
                original = read_instance(contents[1].result(), self.policy.limits)
            except DeidError:
                yield "original_unreadable", ""
        leaks = find_leaks(encoded, self.policy, _known(row, original, self.policy), (row.study_uid, row.series_uid, row.sop_uid))
        yield from ((leak.code if leak.code in CODES else "unreadable", leak.path) for leak in leaks)
        if original is not None and row.frames_masked == 0 and not _same_pixels(original, dataset, self.policy.limits):
            yield "pixels_changed", "PixelData"


def _results(checker: FileChecker, saved: Iterator[Saved], workers: int) -> Iterator[tuple[int, list[Problem]]]:
    if workers == 1:
        while batch := list(islice(saved, _BATCH)):
            yield checker.check_batch(batch)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending: set[Future[tuple[int, list[Problem]]]] = set()
        while True:
            while len(pending) < workers * _BATCHES_PER_WORKER and (batch := list(islice(saved, _BATCH))):
                pending.add(pool.submit(checker.check_batch, batch))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _names(dataset: Dataset, row: Saved) -> Iterator[tuple[str, str]]:
    """The folders and the name of the file are the ids in it."""
    parts = row.path.removesuffix(".dcm").split("/")
    for keyword, part in zip(("PatientID", *_UIDS), parts, strict=True):
        if str(dataset.get(keyword, "")) != part:
            yield "name", keyword
    if str(dataset.file_meta.get("MediaStorageSOPInstanceUID", "")) != parts[-1]:
        yield "name", "MediaStorageSOPInstanceUID"


def _claims(dataset: Dataset, tags: TagsPolicy, row: Saved) -> Iterator[tuple[str, str]]:
    """The file claims what its row and its policy say was done, neither more nor less (PS3.15 E.1.1; `scan` checks the rest)."""
    if dataset.get("PatientIdentityRemoved") != ("NO" if tags.profile == "keep-all" else "YES"):
        yield "claim", "PatientIdentityRemoved"
    claimed = {str(item.get("CodeValue", "")) for item in dataset.get("DeidentificationMethodCodeSequence") or ()}
    unfounded = any(code in claimed and not getattr(tags, option) for code, option in _OPTIONS.items())
    basic = tags.profile == "basic" and "basic" not in unmet(tags)
    if unfounded or (_BASIC in claimed) != basic or (_CLEAN_PIXEL_DATA in claimed) != bool(row.pixels_cleaned):
        yield "claim", "DeidentificationMethodCodeSequence"


def _pixels(dataset: Dataset, row: Saved, limits: LimitsPolicy) -> Iterator[tuple[str, str]]:
    """There is as much pixel data as the header announces (PS3.5 section 8): nothing is decoded."""
    try:
        if pixel_info(dataset) is None:
            return
        FrameReader(dataset, limits)
    except DeidError as exc:
        if exc.code is not Code.PIXELS_UNSUPPORTED:  # saved by a policy that does not look at pixels
            yield "pixels", "PixelData"
    declared = str(dataset.get("NumberOfFrames") or 1)  # what is no number, the input had too
    if row.frames is not None and declared.isdecimal() and int(declared) != row.frames:
        yield "pixels", "NumberOfFrames"


def _known(row: Saved, original: Dataset | None, policy: Policy) -> Known:
    """What is known of the original: its whole header where it was read, else what the crosswalk says."""
    if original is None:
        original = pydicom.Dataset()
        original.PatientID = row.patient_id or ""
    return PiiDetector(policy.text).known([original])


def _is_new(uid: str) -> bool:
    """A UID of ours, or one that the standard itself gives to an instance, such as its colour palettes."""
    return uid.startswith("2.25.") or uid in UID_dictionary


def _same_pixels(original: Dataset, dataset: Dataset, limits: LimitsPolicy) -> bool:
    """Whether PixelData is the original's, but for what is no part of any frame (`transforms.pixels.hidden`)."""
    if _stored(original) == _stored(dataset):
        return True
    strip(original, limits)
    clear_encoded_bits(original, limits)
    info = pixel_info(original)
    if info is not None and info.transfer_syntax in video.CODINGS and video.unavailable() is None:
        film = video.Video(original, info, limits)
        video.write(original, film, film.masked(()), changed=False)
    return bool(_stored(original) == _stored(dataset))


def _stored(dataset: Dataset) -> Any:
    """PixelData without the padding of its last byte."""
    value = bytes(dataset.get("PixelData") or b"")
    return value[:-1] if len(value) % 2 == 0 and value.endswith(b"\0") else value
