"""The one composer of the rooms: source in, header out; chunk in, outcomes out. What Beam, Spark and a plain call use.

Every stage has the same contract: a failure becomes a failed Work with a code, its data is dropped, and no later stage touches it. No
path hands an input through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from transforms.errors import Code, DeidError, RefusedError, describe
from transforms.measures import Measure, of_header
from transforms.observer import Observer
from transforms.outcomes import header_outcome, work_outcome
from transforms.overlap import Answer, Calls, Overlap
from transforms.pixels.cleaner import PixelCleaner
from transforms.policy import Policy
from transforms.read.header import HeaderFields, read_header
from transforms.read.instance import complete_identity, read_instance
from transforms.series.aggregate import chunks, decide
from transforms.series.conditions import evaluate
from transforms.spool import Bytes, Spool
from transforms.tags.engine import TagDeidentifier
from transforms.tags.file import encode
from transforms.tags.identity import Identity
from transforms.tags.retained import kept_tags
from transforms.text.detector import PiiDetector
from transforms.types import Chunk, Dataset, Header, Known, Outcome, Source, Status, Work
from transforms.verify.leaks import Leak, scan
from transforms.verify.structure import check_structure

FILTERING = {Code.NOT_DICOM, Code.DICOMDIR, Code.EMPTY, Code.SAVE_CONDITION, Code.DUPLICATE}
"""Reasons that filter an input rather than quarantine it: there was no instance to be de-identified, or it was not wanted."""


class InstanceStore(Protocol):
    """What the composer needs of storage; its calls may come from several threads."""

    def waits(self, uri: str) -> bool:
        """Whether an answer takes so long that a worker should have others under way meanwhile."""

    def size(self, uri: str) -> int:
        """Bytes of an object."""

    def read_range(self, uri: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end``, fewer at the end of the object."""

    def read_all(self, uri: str, max_bytes: int | None = None, size: int | None = None, version: str = "") -> bytes:
        """The whole object; DeidError when it is larger than ``max_bytes``, or not of the ``size`` and ``version`` that were listed."""

    def read_spooled(self, uri: str, max_bytes: int, size: int | None = None, version: str = "") -> Spool:
        """The same, on the local disk."""

    def write_if_absent(self, uri: str, data: Bytes) -> bool:
        """Write an object that must not exist; False when it does."""

    def write_atomic(self, uri: str, data: Bytes) -> None:
        """Write an object that is never visible in part."""

    def join(self, uri: str, *parts: str) -> str:
        """``uri`` with path parts appended."""


@dataclass(frozen=True, slots=True)
class OpenedHeader:
    """A source whose header was read; lives within one stage."""

    source: Source = field(repr=False)
    instance_id: str
    fields: HeaderFields = field(repr=False)
    measures: tuple[Measure, ...] = ()


class Deidentifier:
    """Cleans instances under one policy. Built once per worker process; holds the secret and the models, so it is never pickled.

    `headers`, `masking` and `writing` are its stages that wait for a storage; what they wait for is under way while others are worked on.

    Args:
        policy: what is done.
        identity: the secret.
        store: of inputs and output.
        output: URI of the output.
        overwrite: replace what an earlier run wrote.
        io_threads: calls to a storage that waits, at once; 1: one after the other, in the thread that works.
        observer: hears how the work goes on.
    """

    def __init__(
        self,
        policy: Policy,
        identity: Identity,
        store: InstanceStore,
        output: str,
        *,
        overwrite: bool = False,
        io_threads: int = 1,
        observer: Observer | None = None,
    ) -> None:
        self.policy = policy
        self._identity = identity
        self._store = store
        self._instances = store.join(output, "instances")
        self._overwrite = overwrite
        self._observer = observer or Observer()
        self.pii = PiiDetector(policy.text)
        self.tags = TagDeidentifier(policy.tags, identity, self.pii)
        self.pixels = PixelCleaner(policy.pixels, policy.limits, self.pii)
        self._at_once = io_threads
        self._threads = ThreadPoolExecutor(io_threads, "io") if io_threads > 1 else None

    # -- headers ------------------------------------------------------------------------------------------------------------------

    def instance_id(self, uri: str) -> str:
        """The opaque name of an input: 32 hexadecimal digits of the keyed hash of its URI."""
        return self._identity.token("instance", uri, 32)

    def headers(self) -> Overlap[Source, OpenedHeader | Outcome, OpenedHeader | Outcome]:
        """Sources -> their headers by `open_header`."""

        def ask(source: Source) -> Calls[OpenedHeader | Outcome]:
            return Calls([partial(self.open_header, source)], self._store.waits(source.uri))

        return Overlap(self._threads, ask, lambda _, found: [found[0].result()], self._at_once)

    def open_header(self, source: Source) -> OpenedHeader | Outcome:
        """Read a header; an input that is no readable DICOM instance is an outcome at once.

        Raises:
            RefusedError: it is no fault of the input.
        """
        instance_id = self.instance_id(source.uri)
        size = source.size or 0
        fetched, started = 0, time.perf_counter()

        def fetch(start: int, end: int) -> bytes:
            nonlocal fetched
            data = self._store.read_range(source.uri, start, end)
            fetched += len(data)
            return data

        try:
            with self._observer.stage("header"):
                size = self._store.size(source.uri) if source.size is None else source.size
                fields = read_header(fetch, size, self.policy.limits, name=instance_id)
        except RefusedError:
            raise
        except Exception as exc:
            code, detail = describe(exc)
            status = Status.FILTERED if code in FILTERING else Status.QUARANTINED
            outcome = header_outcome(blank_header(instance_id, source.uri, size), status, code, "read_header", detail)
            return self._ended(replace(outcome, measures=of_header(fetched, time.perf_counter() - started)))
        self._observer.header_read(instance_id)
        measures = of_header(fetched, time.perf_counter() - started)
        return OpenedHeader(Source(source.uri, size, source.version), instance_id, fields, measures)

    def evaluate(self, opened: OpenedHeader) -> Header | Outcome:
        """Evaluate the save conditions; the result is all that the shuffle carries. What cannot be evaluated is an outcome."""
        fields = opened.fields
        try:
            with self._observer.stage("conditions"):
                evaluations = evaluate(self.policy.save_conditions, fields.dataset)
        except Exception as exc:
            code, detail = describe(exc)
            blank = blank_header(opened.instance_id, opened.source.uri, opened.source.size or 0)
            return self._ended(header_outcome(blank, Status.QUARANTINED, code, "save_conditions", detail))
        return Header(
            instance_id=opened.instance_id,
            uri=opened.source.uri,
            size=opened.source.size or 0,
            study_uid=fields.study_uid,
            series_uid=fields.series_uid,
            sop_uid=fields.sop_uid,
            patient_id=fields.patient_id,
            sop_class=fields.sop_class,
            modality=fields.modality,
            transfer_syntax=fields.transfer_syntax,
            frames=fields.frames,
            pixel_bytes=fields.pixel_bytes,
            evaluations=evaluations,
            save=all(item.evaluated_value for item in evaluations),
            version=opened.source.version,
        )

    def decide_series(self, headers: Iterable[Header]) -> Iterator[Chunk | Outcome]:
        """Aggregate a series' conditions: chunks of what is to be saved, outcomes of what is filtered."""
        members = list(headers)
        decision = decide(members, self.policy.series_aggregation)
        wanted: list[Header] = []
        for header in members:
            keep = header.save if self.policy.series_aggregation == "instance" else decision.save
            if keep or header.finished is not None:
                wanted.append(header)
            else:
                yield self._ended(header_outcome(header, Status.FILTERED, Code.SAVE_CONDITION, "save_conditions", decision=decision))
        yield from chunks(wanted, decision, self.policy.limits)

    # -- instances ----------------------------------------------------------------------------------------------------------------

    def process(self, chunks: Iterable[Chunk]) -> Iterator[Outcome]:
        """All stages of chunks, one after the other: what an engine without DoFns calls."""
        writing = self.writing()
        for work in self.masking().through(chunks):
            yield from writing.put(self.verify(self.deidentify_tags(work)))
        yield from writing.drain()

    def masking(self) -> Overlap[Chunk, Bytes, Work]:
        """Chunks -> their instances in order, read whole and with burned-in text hidden; one Work each."""

        def ask(chunk: Chunk) -> Calls[Bytes]:
            limits, room, calls = self.policy.limits, self.policy.limits.chunk_bytes, []
            for header in chunk.headers:  # what the memory for a chunk does not hold is read to the local disk
                read = self._store.read_all if header.size <= room else self._store.read_spooled
                room -= header.size if header.size <= room else 0
                calls.append(partial(read, header.uri, limits.max_instance_bytes, header.size, header.version))
            waits = any(self._store.waits(header.uri) for header in chunk.headers)
            return Calls(calls, waits, limits.chunk_bytes - room)

        return Overlap(self._threads, ask, self._mask, self._at_once)

    def _mask(self, chunk: Chunk, contents: Sequence[Answer[Bytes]]) -> Iterator[Work]:
        written = set[str]()
        works = [Work(header, chunk.decision, taken=header.sop_uid in chunk.taken, written=written) for header in chunk.headers]
        for work, content in zip(works, contents, strict=True):
            self._stage(work, "read", partial(self._read, content=content))
        alive = [work for work in works if work.status is None]
        reports = self.pixels.clean([(work.dataset, work.known) for work in alive])

        def mask(work: Work) -> None:
            report = next(reports)
            if isinstance(report, DeidError):
                raise report
            work.pixels, work.findings = report, report.findings

        for work in works:
            yield self._stage(work, "mask", mask)

    def deidentify_tags(self, work: Work) -> Work:
        """De-identify the tags in place; needs the result of `masking` to claim truthfully what was done."""
        return self._stage(work, "tags", self._tags)

    def verify(self, work: Work) -> Work:
        """Encode the instance, and scan exactly these bytes for identifiers of the original."""
        return self._stage(work, "verify", self._verify)

    def writing(self) -> Overlap[Work, Outcome, Outcome]:
        """Verified instances -> how they ended, by `write`. Of one SOP Instance UID one is written after the other."""

        def ask(work: Work) -> Calls[Outcome]:
            waits = work.status is None and self._store.waits(self._instances)
            return Calls([partial(self.write, work)], waits, len(work.encoded), work.new_ids[3] or None)

        return Overlap(self._threads, ask, lambda _, ended: [ended[0].result()], self._at_once)

    def write(self, work: Work) -> Outcome:
        """Write the file under its final name, and say how the instance ended."""
        self._stage(work, "write", self._write)
        return self._ended(work_outcome(work, self._identity.token))

    def _ended(self, outcome: Outcome) -> Outcome:
        self._observer.ended(outcome)
        return outcome

    def _read(self, work: Work, content: Answer[Bytes]) -> None:
        work.dataset = read_instance(content.result(), self.policy.limits)
        complete_identity(work.dataset, work.header)
        work.known = self.pii.known([work.dataset])
        rows, columns = work.dataset.get("Rows"), work.dataset.get("Columns")
        work.shape = (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None

    def _tags(self, work: Work) -> None:
        findings = self.tags.apply(work.dataset, work.known, pixels=work.pixels)
        work.findings = (*work.findings, *findings)
        work.new_ids = new_ids(work.dataset)

    def _verify(self, work: Work) -> None:
        work.encoded = encode(work.dataset)
        check_structure(work.encoded, work.dataset)
        work.dataset = None
        leaks = find_leaks(work.encoded, self.policy, work.known, (work.header.study_uid, work.header.series_uid, work.header.sop_uid))
        if leaks:
            raise DeidError(Code.LEAK_FOUND, f"{len(leaks)} elements, the first is {leaks[0].path}")

    def _write(self, work: Work) -> None:
        """One SOP Instance, one file: equal content a second time is a duplicate, different content a conflict."""
        patient, study, series, instance = work.new_ids
        uri = self._store.join(self._instances, patient, study, series, f"{instance}.dcm")
        sibling = work.taken or uri in work.written
        if self._overwrite and not sibling:
            self._store.write_atomic(uri, work.encoded)
        elif not self._store.write_if_absent(uri, work.encoded):
            equal = self._store.size(uri) == len(work.encoded) and self._same(uri, work.encoded)
            if sibling:
                raise DeidError(Code.DUPLICATE if equal else Code.CONFLICTING_DUPLICATE, "another input has the same SOPInstanceUID")
            if not equal:
                raise DeidError(Code.OUTPUT_CONFLICT, "the output holds another file of this name; use an empty output, or --redo")
        work.written.add(uri)
        work.url_deid, work.bytes_out, work.status = uri, len(work.encoded), Status.SAVED
        work.encoded = b""

    def _same(self, uri: str, encoded: Bytes) -> bool:
        """Whether an object of this size has this content."""
        if not isinstance(encoded, Spool):
            return self._store.read_all(uri, len(encoded)) == encoded
        found = self._store.read_spooled(uri, len(encoded))
        return all(ours == theirs for ours, theirs in zip(encoded.pieces(), found.pieces(), strict=True))

    def _stage(self, work: Work, stage: str, run: Callable[[Work], None]) -> Work:
        """Run a stage of a Work that has not ended; turn any exception into a code, and drop the data.

        Raises:
            RefusedError: it is no fault of the instance.
        """
        if work.status is not None:
            return work
        started = time.perf_counter()
        try:
            with self._observer.stage(stage):
                run(work)
        except RefusedError:
            raise
        except Exception as exc:
            code, work.detail = describe(exc)
            work.code, work.stage = str(code), stage
            work.status = Status.FILTERED if code in FILTERING else Status.QUARANTINED
            work.dataset, work.known, work.encoded = None, None, b""
        work.seconds[stage] = time.perf_counter() - started
        return work


def find_leaks(encoded: Bytes, policy: Policy, known: Known | None, uids: Iterable[str | None]) -> list[Leak]:
    """Look in an encoded file for everything known of its original, but for what the policy keeps on purpose.

    Args:
        encoded: the whole file.
        policy: under which it was made.
        known: identifiers of the original.
        uids: Study, Series and SOP Instance UID of the original.
    """
    tags = policy.tags
    if tags.profile == "keep-all":
        known, uids = None, ()
    identifiers = [] if tags.retain_uids else [uid for uid in uids if uid]
    if known is not None:
        identifiers += known.values
        identifiers += () if tags.retain_institution_identity else known.places
        identifiers += () if tags.retain_device_identity else known.stations
    keeps = frozenset[str]() if tags.private == "remove" else frozenset({"private"})
    return scan(encoded, identifiers, keeps=keeps, allowed=kept_tags(tags))


def blank_header(instance_id: str, uri: str, size: int) -> Header:
    """A header of which only the source is known."""
    return Header(instance_id, uri, size, study_uid="", series_uid="", sop_uid="", patient_id="")


def new_ids(dataset: Dataset) -> tuple[str, str, str, str]:
    """PatientID, Study, Series and SOP Instance UID of a de-identified data set."""
    return str(dataset.PatientID), str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)
