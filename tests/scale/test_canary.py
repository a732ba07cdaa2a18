"""No planted value in anything that a run says, in any process, with every library at its most talkative."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tests.end_to_end import archive
from tests.scale import cluster, runs

TALKATIVE = """
import logging, os, warnings
logging.basicConfig(level=logging.DEBUG, filename=os.path.join(os.environ["CANARY_LOGS"], f"{os.getpid()}.log"))
warnings.simplefilter("always")
"""
"""Before anything of the project is imported, in every process of Python: all levels, all warnings, into a file of its own."""

BROKEN = {
    "PatientBirthDate": ("DA", b"Zyxwandt, Ottilie"),
    "StudyTime": ("TM", b"Hollerbusch "),
    "PatientWeight": ("DS", b"Grimwald^Theobald "),
    "InstanceNumber": ("IS", b"QK-7734509"),
    "StudyID": ("SH", b"Lindwurmallee 88, and far longer than sixteen"),
    "FrameOfReferenceUID": ("UI", b"QK-7734509.Zyxwandt "),
    "PatientAge": ("AS", b"Unterfeldbach "),
    "SpecificCharacterSet": ("CS", b"ISO_Zyxwandt"),
}


def broken(folder: Path) -> int:
    """Files whose names and broken values identify; returns how many."""
    paths = archive.series(folder / "Zyxwandt_Ottilie", len(BROKEN))
    for path, (keyword, (vr, value)) in zip(paths, BROKEN.items(), strict=True):
        dataset = pydicom.dcmread(path)
        tag = Tag(keyword)
        dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
        dataset.save_as(path)
    jpeg = pydicom.dcmread(archive.bundled("JPEG2000.dcm"))
    archive.plant(jpeg)
    jpeg.PixelData = jpeg.PixelData[:600] + b"Zyxwandt" * 8 + jpeg.PixelData[664:]
    jpeg.save_as(folder / "Theobald_Grimwald.dcm")
    (folder / "QK-7734509.dcm").write_bytes(paths[0].read_bytes()[:900])
    (folder / "Zyxwandt.txt").write_text("Ottilie Zyxwandt")
    return len(paths) + 3


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(("--workers", "2"), id="processes"),
        pytest.param(("--runner", "spark", "--workers", "2"), id="spark", marks=pytest.mark.scale),
    ],
)
def test_nothing_planted_is_said(runner: tuple[str, ...], tmp_path: Path, secret_file: Path) -> None:
    options: tuple[str, ...] = ()
    if "spark" in runner:
        cluster.require_java()
        options = ("--", *cluster.LOOPBACK, "--conf", "spark.ui.enabled=false", "--conf", "spark.log.level=INFO")
    count = broken(tmp_path / "in")
    (tmp_path / "talkative").mkdir()
    (tmp_path / "talkative" / "sitecustomize.py").write_text(TALKATIVE)
    (tmp_path / "logs").mkdir()
    env = {"PYTHONPATH": f"{tmp_path / 'talkative'}:{cluster.ROOT}", "CANARY_LOGS": str(tmp_path / "logs"), "PYTHONWARNINGS": "always"}
    flags = ("--log-format", "json", "--log-level", "debug", "--profile")
    said = runs.deid(tmp_path / "in", tmp_path / "out", secret_file, *runner, *flags, *options, env=env)

    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ended = [event for event in events if event["event"] == "instance.ended"]
    assert len({event["instance_id"] for event in ended}) == len(ended) == count
    assert {event["status"] for event in ended} == {"saved", "filtered", "quarantined"}
    assert {event["run_id"] for event in events} == {events[0]["run_id"]}
    assert next(event["event"] for event in events if event["worker"] == "driver") == "run.started"
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert sum(record["measured"].get(f"instances.{status}", 0) for status in record["counts"]) == count
    assert record["measured"]["milliseconds.header"]["count"] == count
    assert record["measured"]["bytes.written"]["sum"] == record["totals"]["bytes_out"]
    profile = (tmp_path / "out" / "profile" / f"{record['run_id']}.txt").read_text()
    assert "mask" in profile
    assert "s in stages" in said

    logs = list((tmp_path / "logs").iterdir())
    assert any("withheld" in path.read_text() for path in logs), "libraries have spoken"
    shown = {"output": said} | {path.name: path.read_text(errors="replace") for path in logs}
    shown |= {path.name: path.read_text() for path in (tmp_path / "out" / "profile").iterdir()}
    shown["run.json"] = json.dumps(record)
    assert not [(name, canary) for name, text in shown.items() for canary in archive.CANARIES if canary in text.lower()]
