"""``dicom-deid synth``: real images with known text burned in, headers that say the same, and the truth about both."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.synth_burn import Truth, burn_frames
from pipeline.synth_images import Frames, load, sources_of, store
from pipeline.synth_people import Person, person
from transforms.types import Dataset


def burn(dataset: Dataset, frames: Frames, *, seed: int | str, system_fonts: bool = False) -> Truth:
    """Burn an invented patient into ``frames``, store them in ``dataset`` uncompressed, set its header to the same patient; in place."""
    rng = random.Random(str(seed))
    who = person(rng)
    truth = burn_frames(dataset, frames, who, rng, system_fonts=system_fonts)
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


def make_archive(
    sources: Sequence[Path] | None, out: Path, *, count: int | None = None, seed: int = 1, clean: int = 0, system_fonts: bool = False
) -> Path:
    """Write an archive with its truth.

    Args:
        sources: image files to write on, in turn; None for those that pydicom carries.
        out: gets ``dicom/`` (the archive), ``truth.json`` (keys are paths inside ``dicom/``) and ``ink/`` (the glyphs of each box).
        count: images with text; None for one per source.
        seed: everything follows from it.
        clean: images without text beside them (new identity in the header, nothing burned in).
        system_fonts: use the machine's fonts too; the result then depends on the machine.

    Returns:
        The truth file.
    """
    origins = sources_of(sources)
    total = len(origins) if count is None else count
    (out / "dicom").mkdir(parents=True, exist_ok=True)
    (out / "ink").mkdir(exist_ok=True)
    truths: dict[str, object] = {}
    for index in range(total + clean):
        origin = origins[index % len(origins)]
        dataset, frames = load(origin)
        name = f"{index:05d}_{origin.path.stem.replace('+', '_')}"
        key = f"{seed}/{index}"
        if index < total:
            truth = burn(dataset, frames, seed=key, system_fonts=system_fonts)
            with (out / "ink" / f"{name}.npz").open("wb") as stream:
                np.savez_compressed(stream, *truth.ink)
            entry = truth.as_json() | {"ink": f"ink/{name}.npz"}
        else:
            rng = random.Random(key)
            store(dataset, frames)
            set_header(dataset, person(rng), rng)
            entry = {"frame": 0, "source": "synth", "boxes": []}
        dataset.save_as(out / "dicom" / f"{name}.dcm", enforce_file_format=True)
        truths[f"{name}.dcm"] = entry
    path = out / "truth.json"
    path.write_text(json.dumps(truths, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``dicom-deid synth``."""
    parser.add_argument("out", type=Path, help="folder to make: dicom/, truth.json, ink/")
    parser.add_argument("--source", type=Path, nargs="*", help="DICOM images to write on (default: those that pydicom carries)")
    parser.add_argument("--count", type=int, help="images with burned-in text (default: one per source)")
    parser.add_argument("--clean", type=int, default=0, help="images without text beside them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--system-fonts", action="store_true", help="use the machine's fonts too (the result then depends on it)")


def main(args: argparse.Namespace) -> int:
    """Run ``dicom-deid synth``."""
    make_archive(args.source or None, args.out, count=args.count, seed=args.seed, clean=args.clean, system_fonts=args.system_fonts)
    return 0
