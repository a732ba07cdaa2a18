"""The pixels of the instances of a chunk: looked at frame by frame, text hidden, everything else left as it is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from transforms.errors import Code, DeidError
from transforms.pixels import encode, hidden, video
from transforms.pixels.decide import Sighting
from transforms.pixels.devices import Places, known_places
from transforms.pixels.engines import registry
from transforms.pixels.frames import FrameReader
from transforms.pixels.full import full_look
from transforms.pixels.geometry import grown, share_covered, to_edge
from transforms.pixels.info import pixel_info
from transforms.pixels.look import Look
from transforms.pixels.share import COVERED, SAME_TEXT, STILL, Memory, Seen, Still
from transforms.pixels.views import Picture, View, grey_views
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy
from transforms.types import Box, Dataset, Finding, FrameDecision, Known, OcrLine, PiiFinder, PixelReport

Item = tuple[Dataset, Known | None]
MORE_PADDING = 2
"""Pixels more around higher text; its detected region has a margin in proportion already."""
_R = TypeVar("_R")


@dataclass(slots=True)
class _Job:
    """One instance between looking and hiding."""

    dataset: Dataset
    known: Known | None
    reader: FrameReader
    places: Places
    memory: Memory
    first: int
    seconds: float
    frames: list[Seen] = field(default_factory=list)
    removed: tuple[Finding, ...] = ()
    spoiled: list[int] = field(default_factory=list)
    still: Still = field(default_factory=Still)


class PixelCleaner:
    """Hides burned-in text as the policy says. One instance per worker thread; models are shared by the process.

    Args:
        policy: what is hidden, and by which engine.
        limits: bounds for decoding.
        pii: decides which lines are sensitive; needed for REDACT_SENSITIVE_TEXT only.
        full_effort: every frame is looked at through every window, with nothing shared and nothing skipped.

    Raises:
        ConfigError: the engine of the policy cannot run on this machine.
        ValueError: REDACT_SENSITIVE_TEXT without ``pii``.
    """

    def __init__(self, policy: PixelsPolicy, limits: LimitsPolicy, pii: PiiFinder | None, *, full_effort: bool = False) -> None:
        if policy.mode is PixelMode.REDACT_SENSITIVE_TEXT and pii is None:
            raise ValueError("REDACT_SENSITIVE_TEXT needs a finder of identifying text")
        self._policy = policy
        self._limits = limits
        self._pii = pii
        self._full_effort = full_effort
        self._engine_name = registry.choose(policy.engine) if policy.mode is not PixelMode.REDACT_NO_TEXT else ""

    def clean(self, items: Sequence[Item]) -> Iterator[PixelReport | DeidError]:
        """One result for each item, in order. Data sets change in place; one that yields an error must not be used any more.

        All are looked at before the first is changed: what a later frame teaches is sought on the earlier ones.
        """
        memories: dict[tuple[object, ...], Memory] = {}
        jobs = [self._guarded(self._stripped, dataset, known, memories) for dataset, known in items]
        for job in jobs:
            yield self._guarded(self._hidden, job) if isinstance(job, _Job) else job

    def look(self, dataset: Dataset, known: Known | None) -> list[Finding]:
        """What `clean` would mask (``masked``) or leave (``kept``), with boxes and what is written there; the data set stays as it is."""
        job = self._seen(dataset, known, {}, read=True)
        return self._findings(job) if isinstance(job, _Job) else []

    def _guarded(self, step: Callable[..., _R], *args: Any) -> _R | DeidError:
        try:
            return step(*args)
        except DeidError as error:
            return error
        except Exception as error:  # the boundary of the room: an instance fails, never the chunk
            return DeidError(Code.INTERNAL, f"pixels: {type(error).__name__}")

    def _stripped(self, dataset: Dataset, known: Known | None, memories: dict[tuple[object, ...], Memory]) -> _Job | PixelReport:
        """Remove pixels that stand elsewhere than in the image (overlays, icons), then look at the image."""
        if self._policy.mode is PixelMode.REDACT_NO_TEXT:
            beside = hidden.tidy(dataset, self._limits) + hidden.clear_encoded_bits(dataset, self._limits)
            return PixelReport(cleaned=False, findings=tuple(beside))
        removed = tuple(hidden.strip(dataset, self._limits))
        if str(dataset.file_meta.TransferSyntaxUID) in video.SYNTAXES:
            report = self._filmed(dataset, known)
            return replace(report, findings=(*removed, *report.findings))
        seen = self._seen(dataset, known, memories)
        if isinstance(seen, PixelReport):
            return replace(seen, findings=removed)
        seen.removed = (*removed, hidden.spare_bits(seen.reader.info)) if seen.spoiled else removed
        return seen

    def _seen(
        self, dataset: Dataset, known: Known | None, memories: dict[tuple[object, ...], Memory], *, read: bool = False
    ) -> _Job | PixelReport:
        """Look at every frame; a report at once where there is nothing to look at."""
        start = time.perf_counter()
        if self._policy.mode is PixelMode.REDACT_NO_TEXT:
            return PixelReport(cleaned=False)
        info = pixel_info(dataset)
        if info is None:
            return PixelReport(cleaned=True)
        reader = FrameReader(dataset, self._limits, info)
        memory = memories.setdefault((info.shape, info.photometric, info.dtype.str), Memory())
        job = _Job(dataset, known, reader, known_places(dataset, self._policy, info.shape), memory, memory.frames, 0.0)
        look = self._look(read=read)
        sampled = self._full_effort or _sampled(dataset, self._policy.sample)
        for frame in range(info.frames):
            seen = self._frame(job, frame, look)
            job.frames.append(self._second(job, frame, seen) if sampled else seen)
            if reader.spare_bits(frame):
                job.spoiled.append(frame)
        self._add_still(job, look)
        job.seconds = time.perf_counter() - start
        return job

    def _look(self, *, read: bool = False) -> Look:
        reads = read or self._policy.mode is not PixelMode.REDACT_ALL_TEXT
        return Look(registry.load(self._engine_name), self._policy.min_score, read=reads)

    def _filmed(self, dataset: Dataset, known: Known | None) -> PixelReport:
        """A video: every frame is looked at, and what is to be hidden on one is hidden on all. The audit has each place once."""
        if self._policy.video == "quarantine":
            raise DeidError(Code.PIXELS_UNSUPPORTED, "video, and pixels.video has it quarantined")
        start = time.perf_counter()
        info = pixel_info(dataset)
        if info is None:
            return PixelReport(cleaned=True)
        film = video.Video(dataset, info, self._limits)
        # A video shows its frames as a reader does, one after the other.
        job = _Job(dataset, known, cast(FrameReader, film), known_places(dataset, self._policy, info.shape), Memory(), 0, 0.0)
        look, sampled = self._look(), self._full_effort or _sampled(dataset, self._policy.sample)
        findings = {box: Finding("masked", frame=0, box=box, detector="rule", rule=rule) for box, rule in job.places.boxes}

        def judge(sightings: Sequence[Sighting], frame: int) -> list[Box]:
            """Take in what is decided of some lines, and give all that is hidden by now: what is hidden once is hidden."""
            for finding in self._decide(sightings, frame, job):
                if finding.box is not None and (finding.box not in findings or finding.action == "masked"):
                    findings[finding.box] = finding
            return [box for box, finding in findings.items() if finding.action == "masked"]

        boxes = judge((), 0)
        methods: list[str] = []
        judged: set[Sighting] = set()
        for frame in film.frames():
            seen = self._frame(job, frame, look)
            seen = self._second(job, frame, seen) if sampled else seen
            methods.append(seen.method)
            if not judged.issuperset(seen.sightings):
                judged.update(seen.sightings)
                boxes = judge(seen.sightings, frame)
        boxes = judge([line for line in self._still(job, look) if _is_more(line, boxes)], 0)
        video.write(dataset, film, film.masked(boxes), changed=bool(boxes))
        return PixelReport(
            cleaned=True,
            frames=tuple(FrameDecision(frame, method, len(boxes)) for frame, method in enumerate(methods)),
            changed_frames=tuple(range(len(methods))) if boxes else (),
            findings=tuple(findings.values()),
            seconds=time.perf_counter() - start,
        )

    def _frame(self, job: _Job, frame: int, look: Look) -> Seen:
        if job.places.trusted:
            return Seen((), job.places.trusted)
        digest = job.reader.frame_digest(frame)
        earlier = job.memory.frame(digest)
        if earlier is not None:
            return earlier
        picture = _picture(job.reader, frame)
        if job.reader.info.frames >= STILL:
            job.still.add(picture)
        return self._guarded_ocr(job.memory.look, picture, look, digest)

    def _add_still(self, job: _Job, look: Look) -> None:
        """Text that stands still and is clear in the mean of the frames only: it is hidden on all of them."""
        for line in self._still(job, look):
            for frame, seen in enumerate(job.frames):
                if _is_more(line, [box for item in seen.sightings for box in item.fit or item.pieces]):
                    job.frames[frame] = Seen((*seen.sightings, line), f"{seen.method.removesuffix('+still')}+still")

    def _still(self, job: _Job, look: Look) -> tuple[Sighting, ...]:
        picture = job.still.picture()
        return self._guarded_ocr(job.memory.still, picture, look) if picture is not None else ()

    def _guarded_ocr(self, step: Callable[..., _R], *args: Any) -> _R:
        try:
            return step(*args)
        except Exception as error:
            raise DeidError(Code.OCR_FAILED, f"{self._engine_name}: {type(error).__name__}") from error

    def _second(self, job: _Job, frame: int, seen: Seen) -> Seen:
        """Examine a frame again, independently of triage and of other frames; what was missed is added, and the record says so."""
        info = job.reader.info
        views = [View("colour", job.reader.rgb(frame))] if info.colour else list(grey_views(job.reader.stored(frame), job.dataset))
        try:
            again = full_look(registry.load(self._engine_name), views, self._policy.min_score)
        except Exception as error:
            raise DeidError(Code.OCR_FAILED, f"{self._engine_name}: {type(error).__name__}") from error
        boxes = [box for sighting in seen.sightings for box in sighting.pieces]
        missed = tuple(sighting for sighting in again if share_covered(sighting.box, boxes) < SAME_TEXT)
        return Seen((*seen.sightings, *missed), f"{seen.method};second:{f'missed {len(missed)}' if missed else 'agrees'}")

    def _hidden(self, job: _Job) -> PixelReport:
        """Hide what was found; nothing has been changed before."""
        start = time.perf_counter()
        self._look_back(job)
        findings = self._findings(job)
        boxes: dict[int, list[Box]] = {}
        for finding in findings:
            if finding.action == "masked" and finding.frame is not None and finding.box is not None:
                boxes.setdefault(finding.frame, []).append(finding.box)
        if boxes or job.spoiled:
            encode.hide_boxes(job.dataset, job.reader, boxes, self._policy.fill, job.spoiled)
        return PixelReport(
            cleaned=True,
            frames=tuple(FrameDecision(frame, seen.method, len(boxes.get(frame, ()))) for frame, seen in enumerate(job.frames)),
            changed_frames=tuple(sorted(boxes)),
            findings=(*job.removed, *findings),
            seconds=job.seconds + time.perf_counter() - start,
        )

    def _look_back(self, job: _Job) -> None:
        """Text that later frames taught and that is on earlier ones too, fainter."""
        for frame, seen in enumerate(job.frames):
            boxes = [box for sighting in seen.sightings for box in sighting.pieces]
            if not job.places.trusted and job.memory.teaches(job.first + frame, boxes):
                new = job.memory.later(_picture(job.reader, frame), job.first + frame, boxes)
                if new:
                    job.frames[frame] = Seen((*seen.sightings, *new), f"{seen.method}+later")

    def _findings(self, job: _Job) -> list[Finding]:
        found: list[Finding] = []
        for frame, seen in enumerate(job.frames):
            found.extend(Finding("masked", frame=frame, box=box, detector="rule", rule=rule) for box, rule in job.places.boxes)
            found.extend(self._decide(seen.sightings, frame, job))
        return found

    def _decide(self, sightings: Sequence[Sighting], frame: int, job: _Job) -> list[Finding]:
        """All text is masked, or only the lines that the finder judges to identify."""
        if self._policy.mode is PixelMode.REDACT_ALL_TEXT:
            return [finding for item in sightings for finding in self._boxes(item, frame, job, "masked", "TEXT", "pixels.mode")]
        assert self._pii is not None
        if job.known is None:
            raise DeidError(Code.INTERNAL, "REDACT_SENSITIVE_TEXT needs the identifiers of the header")
        lines = [OcrLine(frame, item.box, item.text, item.score, self._engine_name) for item in sightings]
        findings: list[Finding] = []
        for item, span in zip(sightings, self._pii.judge(lines, job.known), strict=True):
            if span is None:
                findings.extend(self._boxes(item, frame, job, "kept", "", "text"))
            else:
                findings.extend(self._boxes(item, frame, job, "masked", span.entity_type, f"text:{span.detector}"))
        return findings

    def _boxes(self, item: Sighting, frame: int, job: _Job, action: str, entity_type: str, rule: str) -> Iterator[Finding]:
        for piece in item.fit or item.pieces:
            margin = self._policy.padding + min(min(piece.w, piece.h) // 8, MORE_PADDING)
            box = to_edge(grown(piece, margin, job.reader.info.shape), job.reader.info.shape)
            yield Finding(
                action,
                frame=frame,
                box=box,
                entity_type=entity_type,
                score=item.score,
                detector=self._engine_name,
                rule=rule,
                text=item.text,
            )


def _picture(reader: FrameReader, frame: int) -> Picture:
    return Picture(reader.rgb(frame) if reader.info.colour else reader.stored(frame))


def _is_more(line: Sighting, hidden: Sequence[Box]) -> bool:
    """Whether part of a line is not hidden."""
    return any(share_covered(box, hidden) < COVERED for box in line.fit or line.pieces)


def _sampled(dataset: Dataset, share: float) -> bool:
    """Whether an instance belongs to the sample: the same instances in every run."""
    number = int.from_bytes(hashlib.sha256(str(dataset.get("SOPInstanceUID", "")).encode()).digest()[:8], "big")
    return number < share * 2**64
