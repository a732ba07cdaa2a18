"""Figures over all files of a run, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.score_pixels import wilson
from pipeline.score_truth import TextBox


@dataclass(frozen=True, slots=True)
class FileScore:
    """One file of the truth.

    Attributes:
        status: how the run ended for it; ``missing`` when the run has no row for it. What was not saved shows nothing: it is counted apart.
        hidden: for each box of the truth, whether its text is hidden in every frame it stands in.
        over_redaction: the largest share of a frame that was changed away from text.
        changed: whether any pixel shows something else than before.
        retained: the encoded pixel data are the input's, byte for byte.
        error: why the two could not be compared.
    """

    name: str
    modality: str
    status: str
    boxes: tuple[TextBox, ...]
    hidden: tuple[bool, ...] = ()
    over_redaction: float = 0.0
    changed: bool = False
    retained: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    count: int
    total: int

    def as_json(self) -> dict[str, float | int | None]:
        """Count, total, share and interval."""
        low, high = wilson(self.count, self.total)
        return {
            "count": self.count,
            "total": self.total,
            "share": self.count / self.total if self.total else None,
            "low": low,
            "high": high,
        }

    def __str__(self) -> str:
        if not self.total:
            return "      -"
        low, high = wilson(self.count, self.total)
        return f"{100 * self.count / self.total:6.2f} % [{100 * low:.1f}, {100 * high:.1f}]  {self.count}/{self.total}"


def summary(scores: Sequence[FileScore]) -> dict[str, Any]:
    """Figures over all files: text hidden by kind and modality, labels left, over-redaction, files that were not scored."""
    saved = [score for score in scores if score.hidden or (score.status == "saved" and not score.boxes)]
    pairs = [(score, box, hidden) for score in saved for box, hidden in zip(score.boxes, score.hidden, strict=True)]
    phi = [pair for pair in pairs if pair[1].is_phi]
    with_text, without = [score for score in saved if score.boxes], [score for score in saved if not score.boxes]

    def rate(selected: list[tuple[FileScore, TextBox, bool]], *, hidden: bool = True) -> Rate:
        return Rate(sum(pair[2] is hidden for pair in selected), len(selected))

    looks = sorted({box.look for _, box, _ in phi})
    kinds = sorted({box.entity_type for _, box, _ in pairs if box.entity_type})
    return {
        "phi_hidden": rate(phi),
        "phi_hidden_legible": rate([pair for pair in phi if pair[1].legible == "yes"]),
        "all_text_hidden": rate(pairs),
        "technical_left": rate([pair for pair in pairs if not pair[1].is_phi and pair[1].entity_type in ("", "TECHNICAL")], hidden=False),
        "phi_hidden_by_modality": {
            key: rate([pair for pair in phi if pair[0].modality == key]) for key in sorted({score.modality for score, _, _ in phi})
        },
        "phi_hidden_by_look": {look: rate([pair for pair in phi if pair[1].look == look]) for look in looks},
        "hidden_by_entity": {kind: rate([pair for pair in pairs if pair[1].entity_type == kind]) for kind in kinds},
        "clean_images_changed": Rate(sum(score.changed for score in without), len(without)),
        "clean_images_retained": Rate(sum(score.retained for score in without), len(without)),
        "area_changed_away_from_text": sum(score.over_redaction for score in with_text) / len(with_text) if with_text else 0.0,
        "files": {status: sum(score.status == status for score in scores) for status in sorted({score.status for score in scores})},
        "not_comparable": sum(bool(score.error) for score in scores),
    }


def as_table(figures: dict[str, Any]) -> str:
    """The summary as a table."""
    lines = []
    for key, value in figures.items():
        if isinstance(value, dict) and value:
            lines.append(key)
            lines += [f"  {name or '(none)':28}{item}" for name, item in value.items()]
        elif not isinstance(value, dict):
            lines.append(f"{key:30}{value:.4%}" if isinstance(value, float) else f"{key:30}{value}")
    return "\n".join(lines)
