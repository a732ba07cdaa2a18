"""The tables of bench_pixels: figures by modality, and the goals with whether they are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.score_pixels import wilson

PRESIDIO = "presidio"
TEXT_SHARE = 0.02


@dataclass
class Tally:
    """What one method did on one kind of file: counts of texts and files, shares of area, seconds per frame.

    Attributes:
        seconds: of decoding and finding, for each file with text; ``clean_seconds`` for each without.
        whole: the same with copying, hiding and encoding.
    """

    phi: int = 0
    hidden: int = 0
    labels: int = 0
    left: int = 0
    clean: int = 0
    changed: int = 0
    away: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    clean_seconds: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def text_cost(self) -> float:
        return float(np.mean(self.seconds)) if self.seconds else float("nan")

    @property
    def mix_cost(self) -> float:
        """Seconds per frame of an archive in which 2 % of the files have text."""
        clean = float(np.mean(self.clean_seconds)) if self.clean_seconds else float("nan")
        return (1 - TEXT_SHARE) * clean + TEXT_SHARE * self.text_cost


Tallies = dict[tuple[str, str, str], Tally]


def total(tallies: Tallies, method: str, kind: str = "", modality: str = "") -> Tally:
    """The sum over kinds and modalities that are not named."""
    result = Tally()
    for (name, its_kind, its_modality), tally in tallies.items():
        if name == method and kind in ("", its_kind) and modality in ("", its_modality):
            for key, value in vars(tally).items():
                setattr(result, key, getattr(result, key) + value)
    return result


def share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count}/{of} {count / of:.1%} [{low:.1%}, {high:.1%}]" if of else "-"


def modalities(tallies: Tallies, methods: Sequence[str]) -> str:
    """A row for each kind of file, modality and method."""
    lines = []
    for kind in sorted({kind for _, kind, _ in tallies}):
        lines.append(f"\n{kind:<10} {'':<9} {'PHI hidden':<31} {'labels left':<31} {'clean changed':<28} {'away':>7} s/text s/clean failed")
        for modality in ["", *sorted({modality for _, its_kind, modality in tallies if its_kind == kind})]:
            for name in methods:
                row = total(tallies, name, kind, modality)
                counts = f"{share(row.hidden, row.phi):<31} {share(row.left, row.labels):<31} {share(row.changed, row.clean):<28}"
                away = f"{np.mean(row.away) if row.away else 0:.3%}"
                costs = " ".join(f"{np.mean(values) if values else 0:>6.3f}" for values in (row.seconds, row.clean_seconds))
                lines.append(f"{modality or 'all':<10} {name:<9} {counts} {away:>7} {costs} {row.failed:>6}")
    return "\n".join(lines)


def goals(tallies: Tallies, peers: Sequence[str], extra: dict[str, Any]) -> str:
    """A row for each goal: what is wanted, our figure, whether it is reached, and the peers' figures."""
    rows: list[tuple[str, str, str, bool | None, list[str]]] = []
    for kind in sorted({kind for _, kind, _ in tallies}):
        mine = total(tallies, "ours", kind)
        others = [share(tally.hidden, tally.phi) for tally in (total(tallies, name, kind) for name in peers)]
        rows.append(
            (f"PHI hidden, all text, {kind}", ">= 99.5 %", share(mine.hidden, mine.phi), _least(mine.hidden, mine.phi, 0.995), others)
        )
    for kind in sorted({kind for _, kind, _ in tallies}):
        mine = total(tallies, "sensitive", kind)
        rows.append(
            (f"PHI hidden, sensitive text, {kind}", ">= 99 %", share(mine.hidden, mine.phi), _least(mine.hidden, mine.phi, 0.99), [])
        )
        rows.append((f"  labels left, {kind}", ">= 80 %", share(mine.left, mine.labels), _least(mine.left, mine.labels, 0.8), []))
    mine, theirs = total(tallies, "ours"), [total(tallies, name) for name in peers]
    clean = [share(tally.changed, tally.clean) for tally in theirs]
    reached = mine.changed <= 0.01 * mine.clean if mine.clean else None
    rows.append(("clean images that change", "<= 1 %", share(mine.changed, mine.clean), reached, clean))
    if "kinds" in extra:
        kinds, count, of = extra["kinds"]
        rows.append((f"  of {kinds} other kinds", "<= 1 %", share(count, of), count <= 0.01 * of, []))
    if "altered" in extra:
        count, of = extra["altered"]
        rows.append(("  of the corpus, altered", "<= 1 %", share(count, of), count <= 0.01 * of, []))
    area = float(np.mean(mine.away)) if mine.away else float("nan")
    rows.append(
        ("area changed away from text", "<= 0.1 %", f"{area:.3%}", area <= 0.001, [f"{np.mean(tally.away or [0]):.3%}" for tally in theirs])
    )
    reference = total(tallies, PRESIDIO)
    for title, least, cost in (("files with text", 4, "text_cost"), ("archive, 98 % clean", 10, "mix_cost")):
        seconds = getattr(mine, cost)
        bound = getattr(reference, cost) / least if PRESIDIO in peers else None
        wanted = f"<= 1/{least} Presidio" + (f" = {bound:.3f}" if bound else "")
        rows.append(
            (
                f"s per frame, {title}",
                wanted,
                f"{seconds:.4f}",
                None if bound is None else seconds <= bound,
                [f"{getattr(t, cost):.4f}" for t in theirs],
            )
        )
    whole = [f"{np.mean(tally.whole or [0]):.4f}" for tally in (mine, *theirs)]
    rows.append(("  files with text, hidden and encoded", "", whole[0], None, whole[1:]))
    for key, title in (("series", "CT series without text"), ("metal", "CT series with dental metal")):
        if key in extra:
            seconds, changed = extra[key]
            reached = seconds <= 2.5 and not changed
            rows.append((f"{title}, s", "<= 2.5", f"{seconds:.2f}, {changed} slices changed", reached, []))
    if "cine" in extra:
        seconds = extra["cine"][0][0]
        phi, other = ([one for _, hidden in extra["cine"] for one in hidden[kind]] for kind in (True, False))
        rows.append(("cine of static text, s", "<= 10", f"{seconds:.1f}", seconds <= 10, []))
        rows.append(("  PHI hidden in all frames", "all", f"{sum(phi)}/{len(phi)} of {len(extra['cine'])} cines", all(phi), []))
        rows.append(("  other text hidden in all frames", "all", f"{sum(other)}/{len(other)}", all(other), []))
    lines = [f"\n{'goal':<34} {'wanted':<26} {'ours':<32} {'':<12} " + " ".join(f"{name:<30}" for name in peers)]
    for title, wanted, figure, is_reached, others in rows:
        verdict = "-" if is_reached is None else "reached" if is_reached else "NOT REACHED"
        lines.append(f"{title:<34} {wanted:<26} {figure:<32} {verdict:<12} " + " ".join(f"{other:<30}" for other in others))
    return "\n".join(lines)


def _least(count: int, of: int, wanted: float) -> bool | None:
    return count >= wanted * of if of else None
