"""The pixels of the instances of a chunk: looked at frame by frame, text hidden, everything else left as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from transforms.errors import Code, DeidError
from transforms.pixels import encode
from transforms.pixels.decide import Sighting
from transforms.pixels.engines import registry
from transforms.pixels.frames import FrameReader
from transforms.pixels.geometry import grown
from transforms.pixels.info import PixelInfo, pixel_info
from transforms.pixels.look import Look
from transforms.pixels.views import Picture
from transforms.policy import LimitsPolicy, PixelMode, PixelsPolicy
from transforms.types import Box, Dataset, Finding, FrameDecision, Known, OcrLine, PiiFinder, PixelReport

Item = tuple[Dataset, Known | None]
DETECTOR = "ocr"


class PixelCleaner:
    """Hides burned-in text as the policy says. One instance per worker thread; models are shared by the process.

    Args:
        policy: what is hidden, and by which engine.
        limits: bounds for decoding.
        pii: decides which lines are sensitive; needed for REDACT_SENSITIVE_TEXT only.
        full_effort: every frame is looked at through every view, with nothing shared and nothing skipped.

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
        """One result for each item, in order. Data sets change in place; one that yields an error must not be used any more."""
        for dataset, known in items:
            try:
                yield self._clean(dataset, known)
            except DeidError as error:
                yield error
            except Exception as error:  # the boundary of the room: an instance fails, never the chunk
                yield DeidError(Code.INTERNAL, f"pixels: {type(error).__name__}")

    def look(self, dataset: Dataset, known: Known | None) -> list[Finding]:
        """What `clean` would mask (``masked``) or leave (``kept``), with boxes; the data set stays as it is."""
        if self._policy.mode is PixelMode.REDACT_NO_TEXT:
            return []
        info = pixel_info(dataset)
        if info is None:
            return []
        findings, _ = self._examine(FrameReader(dataset, self._limits), info, known, read=True)
        return findings

    def _clean(self, dataset: Dataset, known: Known | None) -> PixelReport:
        start = time.perf_counter()
        if self._policy.mode is PixelMode.REDACT_NO_TEXT:
            return PixelReport(cleaned=False)
        info = pixel_info(dataset)
        if info is None:
            return PixelReport(cleaned=True)
        reader = FrameReader(dataset, self._limits)
        findings, methods = self._examine(reader, info, known, read=self._policy.mode is not PixelMode.REDACT_ALL_TEXT)
        boxes: dict[int, list[Box]] = {}
        for finding in findings:
            if finding.action == "masked" and finding.frame is not None and finding.box is not None:
                boxes.setdefault(finding.frame, []).append(finding.box)
        if boxes:
            encode.hide_boxes(dataset, reader, boxes, self._policy.fill)
        return PixelReport(
            cleaned=True,
            frames=tuple(FrameDecision(frame, method, len(boxes.get(frame, ()))) for frame, method in enumerate(methods)),
            changed_frames=tuple(sorted(boxes)),
            findings=tuple(findings),
            seconds=time.perf_counter() - start,
        )

    def _examine(self, reader: FrameReader, info: PixelInfo, known: Known | None, *, read: bool) -> tuple[list[Finding], list[str]]:
        """Findings of all frames, and for each frame how it was decided."""
        seen: dict[bytes, list[Sighting]] = {}
        findings: list[Finding] = []
        methods: list[str] = []
        for frame in range(info.frames):
            digest = reader.frame_digest(frame)
            if digest in seen and not self._full_effort:
                methods.append("same-as-earlier")
            else:
                seen[digest] = self._sightings(reader, frame, info, read=read)
                methods.append(DETECTOR)
            findings.extend(self._decide(seen[digest], frame, info, known))
        return findings, methods

    def _sightings(self, reader: FrameReader, frame: int, info: PixelInfo, *, read: bool) -> list[Sighting]:
        picture = Picture(reader.rgb(frame) if info.colour else reader.stored(frame))
        try:
            look = Look(registry.load(self._engine_name), self._policy.min_score, read=read)
            return look(picture)
        except Exception as error:
            raise DeidError(Code.OCR_FAILED, f"{self._engine_name}: {type(error).__name__}") from error

    def _decide(self, sightings: Sequence[Sighting], frame: int, info: PixelInfo, known: Known | None) -> list[Finding]:
        """All text is masked, or only the lines that the finder judges to identify."""
        shape = (info.rows, info.columns)
        lines = [
            OcrLine(frame, grown(item.box, self._policy.padding, shape), item.text, item.score, self._engine_name) for item in sightings
        ]
        if self._policy.mode is PixelMode.REDACT_ALL_TEXT:
            return [_finding(line, "masked", "TEXT", "pixels.mode") for line in lines]
        assert self._pii is not None
        if known is None:
            raise DeidError(Code.INTERNAL, "REDACT_SENSITIVE_TEXT needs the identifiers of the header")
        spans = self._pii.judge(lines, known)
        return [
            _finding(line, "masked" if span else "kept", span.entity_type if span else "", f"text:{span.detector}" if span else "text")
            for line, span in zip(lines, spans, strict=True)
        ]


def _finding(line: OcrLine, action: str, entity_type: str, rule: str) -> Finding:
    return Finding(
        action=action,
        frame=line.frame,
        box=line.box,
        entity_type=entity_type,
        score=line.score,
        detector=line.engine,
        rule=rule,
        text=line.text,
    )
