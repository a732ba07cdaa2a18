"""``dicom-deid synth``: real images with known text burned in, headers that say the same, and the truth about both."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

import transforms.read.quiet  # noqa: F401  # third parties log values
from pipeline import synth_encode as encodings
from pipeline.synth_burn import Truth
from pipeline.synth_images import Frames, Source, load, series_of, sources_of, store
from pipeline.synth_layout import burn_frames
from pipeline.synth_overlay import add_overlay
from pipeline.synth_people import Person, person
from pipeline.synth_tags import plant
from transforms.errors import ConfigError
from transforms.types import Dataset

MIX = "mix"
OVERLAY_SHARE = 0.12
"""Share of the images that have a name in an overlay plane too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an archive is made of; everything follows from it and the seed.

    Attributes:
        count: images with text; None for one per source.
        clean: images without text beside them (an identity in the header, nothing burned in).
        series: series of ``slices`` instances with the same text in all and a running number; every other one has a name more in one slice.
        cines: the same as one multi-frame instance each.
        tags: nothing is burned in; instead every source becomes one instance with identifiers planted all over its header.
        encoding: a name from `synth_encode.ENCODINGS`, or ``mix``.
        system_fonts: use the machine's fonts too; the result then depends on the machine.
    """

    seed: int = 1
    count: int | None = None
    clean: int = 0
    series: int = 0
    cines: int = 0
    slices: int = 20
    tags: bool = False
    encoding: str = MIX
    system_fonts: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One image, series or cine of an archive: it depends on nothing but the seed and its own number."""

    number: int
    kind: str
    source: Source


def burn(dataset: Dataset, frames: Frames, *, seed: int | str, odd: bool = False, system_fonts: bool = False) -> Truth:
    """Burn an invented patient into ``frames``, store them uncompressed in ``dataset``, set its header to the same patient; in place."""
    rng = random.Random(str(seed))
    who = person(rng)
    truth = burn_frames(dataset, frames, who, rng, odd=odd, system_fonts=system_fonts)
    store(dataset, frames)
    set_header(dataset, who, rng)
    dataset.BurnedInAnnotation = "YES"
    return truth


def set_header(dataset: Dataset, who: Person, rng: random.Random) -> None:
    """Make the header that of ``who``, with new UIDs."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"{who.family}^{who.given}"
    dataset.PatientID = who.mrn
    dataset.PatientBirthDate = who.birth.strftime("%Y%m%d")
    dataset.PatientSex = who.sex
    dataset.PatientAge = f"{who.age:03d}Y"
    dataset.AccessionNumber = who.accession[:16]
    dataset.InstitutionName = who.institution
    dataset.ReferringPhysicianName = f"{who.physician}^^^Dr."
    dataset.OperatorsName = who.operator
    dataset.PatientTelephoneNumbers = who.phone
    for part in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{part}Date", who.study.strftime("%Y%m%d"))
        setattr(dataset, f"{part}Time", who.time.strftime("%H%M%S"))
    dataset.StudyInstanceUID = f"2.25.{rng.getrandbits(120)}"
    dataset.SeriesInstanceUID = f"2.25.{rng.getrandbits(120)}"
    dataset.SOPInstanceUID = f"2.25.{rng.getrandbits(120)}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def make_archive(sources: Sequence[Path] | None, out: Path, *, workers: int = 1, **plan: Any) -> Path:
    """Write an archive with its truth.

    Args:
        sources: image files to write on, in turn; None for those that pydicom carries, and phantoms.
        out: gets ``dicom/`` (the archive), ``truth.json`` (keys are paths inside ``dicom/``) and ``ink/`` (the glyphs of each box).
        workers: processes; the result does not depend on it.
        plan: fields of `Plan`.

    Returns:
        The truth file.
    """
    chosen = Plan(**plan)
    origins = sources_of(sources)
    for folder in ("dicom", "ink"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    number = len(origins) if chosen.count is None else chosen.count
    if chosen.tags:
        kinds = [("tags", number)]
    else:
        kinds = [("image", number), ("clean", chosen.clean), ("series", chosen.series), ("cine", chosen.cines)]
    names = [kind for kind, count in kinds for _ in range(count)]
    jobs = [Job(number, kind, origins[number % len(origins)]) for number, kind in enumerate(names)]
    make = partial(_make, chosen, out)
    truths: dict[str, Any] = {}
    if workers > 1:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for entries in pool.imap(make, jobs):
                truths.update(entries)
    else:
        for job in jobs:
            truths.update(make(job))
    path = out / "truth.json"
    path.write_text(json.dumps(truths, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def _make(plan: Plan, out: Path, job: Job) -> dict[str, Any]:
    """Write the files of one job; returns their entries in the truth."""
    rng = random.Random(f"{plan.seed}/{job.number}")
    name = f"{job.number:05d}_{job.kind}_{job.source.name}"
    if job.kind == "tags":
        return _plant(plan, out, name, job)
    try:
        dataset, frames = load(job.source, rng)
    except Exception as exc:  # whatever pydicom and its decoders raise
        raise ConfigError(f"--source {job.source.path}: expected an image that can be decoded, found {type(exc).__name__}") from exc
    if job.kind == "clean":
        store(dataset, frames)
        set_header(dataset, person(rng), rng)
        return _write(plan, out, name, dataset, frames, rng, None)
    many = job.kind in ("series", "cine")
    if many:
        frames = series_of(frames[0], plan.slices, rng)
    seed = rng.getrandbits(64)
    truth = burn(dataset, frames, seed=seed, odd=many and job.number % 2 == 0, system_fonts=plan.system_fonts)
    if job.kind != "series":
        overlay = add_overlay(dataset, person(random.Random(str(seed))), rng) if not many and rng.random() < OVERLAY_SHARE else None
        entries = _write(plan, out, name, dataset, frames, rng, truth)
        return {key: entry | ({"overlay_boxes": [overlay]} if overlay else {}) for key, entry in entries.items()}
    dataset.pop("NumberOfFrames", None)
    (out / "dicom" / name).mkdir(exist_ok=True)
    (out / "ink" / name).mkdir(exist_ok=True)
    entries = {}
    for number in range(len(frames)):
        one = frames[number : number + 1]
        store(dataset, one)
        dataset.InstanceNumber = number + 1
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{rng.getrandbits(120)}"
        entries |= _write(plan, out, f"{name}/{number:04d}", dataset, one, rng, truth.of_frame(number), encoding="explicit")
    return entries


def _plant(plan: Plan, out: Path, name: str, job: Job) -> dict[str, Any]:
    """Write one source with identifiers planted in its header; nothing when it cannot be read, or written as DICOM."""
    path = out / "dicom" / f"{name}.dcm"
    try:
        dataset = pydicom.dcmread(job.source.path)
        checks = plant(dataset, plan.seed, job.number)
        dataset.save_as(path, enforce_file_format=True)
    except Exception:  # sources may be malformed on purpose
        path.unlink(missing_ok=True)
        return {}
    return {path.name: {"source": "synth", "checks": [check.as_json() for check in checks]}}


def _write(
    plan: Plan, out: Path, name: str, dataset: Dataset, frames: Frames, rng: random.Random, truth: Truth | None, *, encoding: str = ""
) -> dict[str, Any]:
    """Encode and save one instance; returns its entry in the truth. Without ``truth`` the image is known to hold no text."""
    entry: dict[str, Any] = truth.as_json() if truth else {"frame": 0, "source": "synth", "boxes": []}
    if truth:
        entry["ink"] = f"ink/{name}.npz"
        with (out / entry["ink"]).open("wb") as stream:
            np.savez_compressed(stream, *truth.ink)
    entry["encoding"] = encoding or (encodings.choose(dataset, rng) if plan.encoding == MIX else plan.encoding)
    if entry["encoding"] not in encodings.possible(dataset):
        entry["encoding"] = "explicit"
    encodings.encode(dataset, frames, entry["encoding"])
    dataset.save_as(out / "dicom" / f"{name}.dcm", enforce_file_format=True)
    return {f"{name}.dcm": entry}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``dicom-deid synth``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make: dicom/, truth.json, ink/")
    parser.add_argument(
        "--source", type=Path, nargs="*", metavar="PATH", help="images or folders (default: what pydicom carries, and phantoms)"
    )
    for option, default, meaning in (
        ("--count", None, "images with burned-in text (default: one per source)"),
        ("--clean", 0, "images without text beside them (default 0)"),
        ("--series", 0, "series with the same text in every slice (default 0)"),
        ("--cines", 0, "multi-frame instances with the same text in every frame (default 0)"),
        ("--slices", 20, "slices of a series, frames of a cine (default 20)"),
        ("--seed", 1, "another gives other patients and places; the same gives the same files (default 1)"),
        ("--workers", 1, "processes; the files do not depend on it (default 1)"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=meaning)
    parser.add_argument("--tags", action="store_true", help="plant identifiers all over the header of each source; burn nothing in")
    known = ", ".join(encodings.ENCODINGS)
    parser.add_argument(
        "--encoding",
        choices=(MIX, *encodings.ENCODINGS),
        default=MIX,
        metavar="NAME",
        help=f"mix (default), or of all images one of {known}; explicit where an image cannot take it",
    )
    parser.add_argument("--system-fonts", action="store_true", help="use the machine's fonts too (the result then depends on it)")


def main(args: argparse.Namespace) -> int:
    """Run ``dicom-deid synth``."""
    for name, least in (("count", 0), ("clean", 0), ("series", 0), ("cines", 0), ("slices", 1), ("workers", 1)):
        given = getattr(args, name)
        if given is not None and given < least:
            raise ConfigError(f"--{name} is {given}; expected {least} or more")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        filled = any(args.out.iterdir())
    except OSError as exc:
        raise ConfigError(f"{args.out}: expected a new or empty folder ({exc.strerror})") from exc
    if filled:
        raise ConfigError(f"{args.out}: expected a new or empty folder; it holds files")
    plan = {key: getattr(args, key) for key in ("seed", "count", "clean", "series", "cines", "slices", "tags", "encoding", "system_fonts")}
    print(make_archive(args.source or None, args.out, workers=args.workers, **plan))
    return 0
