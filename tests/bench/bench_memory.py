"""Header work alone over many instances: time per instance, and whether memory stays where it was.

Every instance is another patient with other UIDs, names and texts, so that caches that grow with what they see would show.
"""

from __future__ import annotations

import argparse
import functools
import io
import random
import sys
import time

import psutil
import pydicom
from pydicom.data import get_testdata_file

from pipeline.synth_people import person
from transforms.deidentify import find_leaks
from transforms.policy import Policy, TagsPolicy
from transforms.read.instance import read_instance
from transforms.tags.engine import TagDeidentifier
from transforms.tags.identity import Identity
from transforms.text.detector import PiiDetector
from transforms.types import PixelReport

ALLOWED_MIB = 64


@functools.cache
def base() -> bytes:
    """A CT header without pixels, in UTF-8: pydicom then writes what does not change as it was read."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False), stop_before_pixels=True)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def header(number: int) -> bytes:
    """The header of an instance of its own patient."""
    dataset = pydicom.dcmread(io.BytesIO(base()))
    who = person(random.Random(number))
    dataset.PatientName, dataset.PatientID = f"{who.family}^{who.given}", who.mrn
    dataset.InstitutionName, dataset.ReferringPhysicianName = who.institution, who.physician
    dataset.StudyDescription = f"CT thorax {who.family} {number}"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, f"1.2.3.{number}.{len(keyword)}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20_000)
    options = parser.parse_args()
    policy = Policy(tags=TagsPolicy(clean_descriptors=True, dates="shift", private="safe"))
    pii = PiiDetector(policy.text)
    engine = TagDeidentifier(policy.tags, Identity(b"a secret for benchmarks alone"), pii)
    process = psutil.Process()
    spent, leaks, first = 0.0, 0, 0.0
    print("instances   RSS MiB   ms/instance   leaks")
    for number in range(1, options.instances + 1):
        data = header(number)
        started = time.perf_counter()
        dataset = read_instance(data, policy.limits)
        known = pii.known([dataset])
        engine.apply(dataset, known, pixels=PixelReport(cleaned=True))
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        leaks += bool(find_leaks(buffer.getvalue(), policy, known, ()))
        spent += time.perf_counter() - started
        if number % max(options.instances // 10, 1) == 0:
            rss = process.memory_info().rss / 2**20
            first = first or rss
            print(f"{number:9d}   {rss:7.0f}   {1000 * spent / number:11.2f}   {leaks:5d}", flush=True)
    grown = rss - first
    print(f"grown by {grown:.0f} MiB after the first tenth; allowed {ALLOWED_MIB}")
    return int(grown > ALLOWED_MIB or leaks > 0)


if __name__ == "__main__":
    sys.exit(main())
