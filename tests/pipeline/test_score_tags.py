"""Planting and its scorer, against each other: what was planted is found, and only what is gone counts as gone."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import transforms.text
from pipeline import score
from pipeline.score_paths import element_name, flatten
from pipeline.score_tags import Tally, days_between, folded, holds, stands_in
from pipeline.score_truth import read_checks
from pipeline.synth import make_archive
from pipeline.synth_people import FAMILY, GIVEN, PLACES, person
from pipeline.synth_phrases import plain, sentence
from pipeline.synth_tags import Check, plant
from transforms.errors import ConfigError

FILES = ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "examples_palette.dcm", "rtplan.dcm", "reportsi.dcm")


@pytest.fixture(params=FILES)
def planted(request: pytest.FixtureRequest) -> tuple[Dataset, tuple[Check, ...]]:
    dataset = pydicom.dcmread(get_testdata_file(request.param, download=False))
    return dataset, plant(dataset, 7, 1)


def test_everything_planted_is_found_and_everything_kept_is_there(planted: tuple[Dataset, tuple[Check, ...]], tmp_path: Path) -> None:
    dataset, checks = planted
    dataset.save_as(tmp_path / "x.dcm")
    tally = Tally()
    tally.score("x", checks, pydicom.dcmread(tmp_path / "x.dcm"))
    totals = tally.finish()
    for action in ("text_removed", "date_shifted", "uid_changed"):
        passed, total = totals[action]
        assert passed == 0, [failure for failure in tally.failures if failure[1] == action]
        assert total > 3
    for action in ("text_retained", "text_notnull", "tag_retained", "uid_consistent", "patid_consistent"):
        assert totals[action][0] == totals[action][1] > 0


def test_an_output_without_any_of_it_passes(planted: tuple[Dataset, tuple[Check, ...]]) -> None:
    dataset, checks = planted
    technical = {check.tag for check in checks if check.action == "tag_retained"}
    output = Dataset()
    for keyword in technical:
        setattr(output, keyword, dataset[keyword].value)
    for keyword in ("PatientID", "PatientName", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(output, keyword, "2.25.1" if keyword.endswith("UID") else "A0001")
    tally = Tally()
    tally.score("x", checks, output)
    totals = tally.finish()
    assert not tally.failures
    assert totals["text_removed"][1] > 90


def test_planting_covers_every_text_vr_nested_and_private(planted: tuple[Dataset, tuple[Check, ...]]) -> None:
    dataset, checks = planted
    removed = [check for check in checks if check.action == "text_removed"]
    by_path = dict(_vrs(dataset))
    assert {by_path[check.tag] for check in removed} >= {"AE", "AS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN", "DA", "UI"}
    assert any(check.tag.count("[") >= 2 for check in removed)
    assert any(check.tag.startswith("(0011,") for check in removed)
    kinds = {check.kind for check in removed}
    assert kinds >= {"PERSON", "ID", "LOCATION", "ORGANIZATION", "DEVICE", "AGE"}


def _vrs(dataset: Dataset, prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for element in dataset:
        path = prefix + element_name(dataset, element)
        found.append((path, element.VR))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                found += _vrs(item, f"{path}[{number}].")
    return found


def test_one_original_patient_becomes_one_invented_patient() -> None:
    files = [get_testdata_file(name, download=False) for name in ("MR_small.dcm", "MR_small_RLE.dcm", "CT_small.dcm")]
    datasets = [pydicom.dcmread(path) for path in files]
    for number, dataset in enumerate(datasets):
        plant(dataset, 7, number)
    assert datasets[0].PatientID == datasets[1].PatientID != datasets[2].PatientID
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 3
    assert datasets[1].SourceImageSequence[-1].ReferencedSOPInstanceUID == datasets[0].SOPInstanceUID


@pytest.mark.parametrize("seed", range(40))
def test_sentences_hold_what_they_say(seed: int) -> None:
    rng = random.Random(seed)
    who = person(rng)
    for longest, ascii_only in ((64, False), (900, True)):
        made = sentence(rng, who, longest, ascii_only=ascii_only)
        assert len(made.text) <= longest
        assert made.text.isascii() or not ascii_only
        for word in (*(text for _, text in made.phi), *made.innocent):
            assert stands_in(word, folded(made.text)), (word, made.text)


def test_plain_spells_what_keyboards_lack() -> None:
    assert plain("Großkopf Bjørnstad Małgorzata Quiñones") == "Grosskopf Bjornstad Malgorzata Quinones"


@pytest.mark.parametrize(
    ("text", "value", "gone"),
    [
        ("Hagedorn", "MRI for HAGEDORN", False),
        ("Hagedorn", "MRI for Hagedorns", True),
        ("Delacroix-Fontaine", "CT [PERSON]-Fontaine", False),
        ("24/03/08", "since 24/03/08;", False),
        ("20240308", "2.25.99202403081", True),
        ("Li", "liver", True),
        ("Yıldırımoğlu", "CT YILDIRIMOĞLU", False),
        ("Li", None, True),
    ],
)
def test_removed_means_gone_as_a_word_and_in_parts(text: str, value: str | None, gone: bool) -> None:
    assert holds(Check("text_removed", "StudyDescription", text, "PERSON"), value, (value or "").casefold()) is gone


def test_long_text_must_be_gone_from_the_whole_file() -> None:
    check = Check("text_removed", "StudyDescription", "Hagedorn", "PERSON")
    assert not holds(check, None, "knee\nhagedorn")
    assert holds(Check("text_removed", "StudyDescription", "Li", "PERSON"), None, "knee\nli")


def shifted(patient: str, days: int, *, claim: str = "MODIFIED") -> tuple[tuple[Check, ...], Dataset]:
    output = Dataset()
    output.PatientID = f"new {patient}"
    output.StudyDate = f"202003{20 - days:02d}"
    output.LongitudinalTemporalInformationModified = claim
    return (Check("date_shifted", "StudyDate", "20200320"), Check("patid_consistent", "PatientID", patient)), output


def test_shifted_dates_of_a_patient_move_by_the_same_days() -> None:
    tally = Tally()
    for patient, days in (("A", 3), ("A", 3), ("A", 5), ("B", 7)):
        tally.score("x", *shifted(patient, days))
    assert tally.finish()["date_shifted"] == (3, 4)
    removed = Tally()
    for days in (3, 5):
        removed.score("x", *shifted("A", days, claim="REMOVED"))
    assert removed.finish()["date_shifted"] == (2, 2)
    assert days_between("20200317", "20200320") == 3
    assert days_between("garbage", "20200320") == 0


def test_a_uid_and_a_patient_keep_one_new_identity() -> None:
    tally = Tally()
    for new, patient in (("2.25.1", "A"), ("2.25.2", "A"), ("2.25.2", "B")):
        output = Dataset()
        output.StudyInstanceUID, output.PatientID = new, "same"
        checks = (Check("uid_consistent", "StudyInstanceUID", "1.2.3"), Check("patid_consistent", "PatientID", patient))
        tally.score("x", checks, output)
    totals = tally.finish()
    assert totals["uid_consistent"] == (0, 1)
    assert totals["patid_consistent"] == (0, 2), "two patients became one"


def test_claims_decide_which_checks_apply() -> None:
    check = Check("text_retained", "StudyDescription", "KNEE", "innocent", needs="113105")
    gone = Dataset()
    tally = Tally()
    tally.score("x", [check], gone)
    assert tally.finish()["text_retained"] == (0, 0)
    code = Dataset()
    code.CodeValue = "113105"
    gone.DeidentificationMethodCodeSequence = [code]
    tally.score("x", [check, Check("text_removed", "StudyDescription", "X", unless="113105")], gone)
    assert tally.failures == [("x", "text_retained", "StudyDescription", "innocent")]


def test_checks_are_read_from_csv_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "checks.csv"
    path.write_text("file,action,tag,text\na.dcm,text_removed,PatientName,Hagedorn\na.dcm,tag_retained,Modality,\n")
    assert read_checks(path)["a.dcm"] == (Check("text_removed", "PatientName", "Hagedorn"), Check("tag_retained", "Modality"))
    path.write_text("file,action,tag\na.dcm,text_remove,PatientName\n")
    with pytest.raises(ConfigError, match="text_remove"):
        read_checks(path)


def test_private_elements_are_named_by_creator() -> None:
    dataset = Dataset()
    dataset.private_block(0x0011, "HELIOS", create=True).add_new(1, "LO", "x")
    assert dict(flatten(dataset)) == {"(0011,0010)": "HELIOS", "(0011,HELIOS,01)": "x"}


def test_the_command_prints_every_action(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [Path(get_testdata_file(name, download=False)) for name in ("CT_small.dcm", "MR_small.dcm", "README.txt")]
    truth = make_archive(sources, tmp_path / "a", tags=True)
    assert len(json.loads(truth.read_text())) == 2, "what is no DICOM is left out"
    files = sorted((tmp_path / "a" / "dicom").iterdir())
    rows = [{"url": str(path), "url_deid": str(path), "status": "saved", "run_id": "1"} for path in files]
    (tmp_path / "out" / "restricted" / "crosswalk").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "out" / "restricted" / "crosswalk" / "0.parquet")
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    options = ["--truth", str(truth), "--original", str(tmp_path / "a" / "dicom"), "--output", str(tmp_path / "out")]
    assert score.main(parser.parse_args([*options, "--failures", "1"])) == 0
    printed = capsys.readouterr().out
    for action in ("text_removed", "date_shifted", "uid_consistent", "pixels_hidden"):
        assert action in printed
    assert printed.count("failed:") == 1
    assert score.main(parser.parse_args([*options, "--json"])) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["actions"]["text_removed"]["count"] == 0


def test_no_list_of_the_rules_holds_the_names_that_are_planted() -> None:
    lists = Path(transforms.text.__file__).parent / "data"
    words = {word for path in lists.rglob("*.*") for word in folded(path.read_text("utf-8")).split()}
    assert len(words) > 1000
    assert not [name for name in (*GIVEN, *FAMILY, *PLACES) if folded(name) in words]
