"""Series: grouping key, aggregated save condition, and the chunks in which instances are cleaned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from transforms.policy import LimitsPolicy
from transforms.types import Chunk, Header, SeriesDecision, Status


def series_key(header: Header) -> str:
    """The key by which instances of one series meet: 32 hexadecimal digits, without the UID itself in any engine's logs."""
    return hashlib.sha256(f"{header.study_uid}\n{header.series_uid}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def decide(headers: Iterable[Header], aggregation: str) -> SeriesDecision:
    """Whether a series is saved.

    Args:
        headers: all instances of the series, those of earlier runs too.
        aggregation: ``all``: every instance must pass; ``any``: one is enough; ``instance``: each for itself, so the series counts as saved
            when one of its instances is.

    Returns:
        The decision, with the URIs of the instances that did not pass, sorted.
    """
    members = list(headers)
    failing = tuple(sorted(header.uri for header in members if not header.save))
    save = not failing if aggregation == "all" else len(failing) < len(members)
    return SeriesDecision(save, failing)


def chunks(headers: Iterable[Header], decision: SeriesDecision, limits: LimitsPolicy) -> Iterator[Chunk]:
    """Cut a series into chunks of bounded count and bytes, in an order that depends on nothing but the instances.

    Instances that share a SOP Instance UID stay in one chunk, next to each other, even beyond the bounds: only there can they be compared.
    An instance that an earlier run finished is not in any chunk; those that share its SOP Instance UID are told so.

    Args:
        headers: instances of one series that are to be saved, or were.
        decision: of the series, handed on.
        limits: ``chunk_instances`` and ``chunk_bytes``; the bytes of an instance are those of the file or of its decoded pixels, whichever
            are more.
    """
    members = list(headers)
    saved = frozenset(header.sop_uid for header in members if header.finished == Status.SAVED)
    ordered = sorted((header for header in members if header.finished is None), key=lambda header: (header.sop_uid, header.uri))
    current: list[Header] = []
    size = 0
    for group in _same_instance(ordered):
        weight = sum(max(header.size, header.pixel_bytes) for header in group)
        if current and (len(current) + len(group) > limits.chunk_instances or size + weight > limits.chunk_bytes):
            yield _chunk(current, decision, saved)
            current, size = [], 0
        current.extend(group)
        size += weight
    if current:
        yield _chunk(current, decision, saved)


def _same_instance(ordered: Sequence[Header]) -> Iterator[list[Header]]:
    group: list[Header] = []
    for header in ordered:
        if group and header.sop_uid != group[0].sop_uid:
            yield group
            group = []
        group.append(header)
    if group:
        yield group


def _chunk(headers: list[Header], decision: SeriesDecision, saved: frozenset[str]) -> Chunk:
    digest = hashlib.sha256("\n".join([series_key(headers[0]), headers[0].instance_id]).encode("utf-8", "surrogatepass"))
    return Chunk(digest.hexdigest()[:32], tuple(headers), decision, saved.intersection(header.sop_uid for header in headers))
