"""Rules of CTP and of deid become rules of ours, or are named as left out; files of rules that are none are errors of configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.device_rules import from_ctp, from_deid, translate
from pipeline.settings import load_policy
from transforms.errors import ConfigError

CTP = """
Regions known to our users (and their remarks)

/* a scout */
{ Modality.equals("CT") * [0008,0070].containsIgnoreCase("GE") * [0028,0010].containsIgnoreCase("512") }
  (0,0,512,100) (10,478,128,34)
// another
{ Manufacturer.contains("VITAL") *
  ( [0008,103e].containsIgnoreCase("AAA") + [0008,103e].containsIgnoreCase("Report") ) }
  (0,0,640,40)
{ [6000,0022].containsIgnoreCase("Graphics") }
  (0,0,512,90)
{ !Modality.equals("CT") } (0,0,1,1)
{ Modality.equals("CT" } (0,0,1,1)
"""
DEID = """FORMAT dicom

%filter whitelist
LABEL nothing to blank
  contains Modality CT

%filter graylist

LABEL Dimensions on LOGIQE9 # (somebody)
  contains Modality US
  + contains ManufacturerModelName LOGIQE9|V830
  + equals Rows 600|768
  ctpcoordinates 0,0,1024,60
LABEL Dose screens
  contains Modality CT
  + contains ImageType SCREEN SAVE || contains SeriesDescription Dose
  coordinates 10,20,512,121
LABEL keep the fan
  contains Manufacturer ACUSON
  + contains Manufacturer Acuson Sequoia
  keepcoordinates 50,50,600,400
LABEL Misspelt
  contains Manfacturer ADAC
  coordinates 0,0,1,1
LABEL Without
  missing Manufacturer
  coordinates 0,0,1,1
LABEL A pattern
  contains Manufacturer ^GE.*
  coordinates 0,0,1,1
%header
REMOVE PatientName
"""


def test_ctp_script_becomes_rules() -> None:
    translated = from_ctp(CTP)
    first, report, aaa, plane = (translated.rules[index] for index in (0, 2, 1, 3))
    assert first.match == {"Modality": "=CT", "Manufacturer": "GE"}
    assert (first.rows, first.columns) == (512, None)
    assert first.blank == ((0, 0, 512, 100), (10, 478, 128, 34))
    assert aaa.match == {"Manufacturer": "VITAL", "SeriesDescription": "AAA"}
    assert report.match == {"Manufacturer": "VITAL", "SeriesDescription": "Report"}
    assert aaa.blank == report.blank == ((0, 0, 640, 40),)
    assert plane.match == {"(6000,0022)": "Graphics"}
    assert [reason.split(":")[0] for reason in translated.left_out] == ["ctp-4", "ctp-5"]


def test_a_text_that_means_something_else_in_our_rules_is_left_out() -> None:
    translated = from_ctp('{ Manufacturer.contains("~GE") } (0,0,1,1) { Manufacturer.equals("=GE") } (0,0,1,1)')
    assert [rule.match for rule in translated.rules] == [{"Manufacturer": "==GE"}]
    assert [reason.split(":")[0] for reason in translated.left_out] == ["ctp-1"]


def test_deid_recipe_becomes_rules() -> None:
    translated = from_deid(DEID)
    assert len(translated.rules) == 4 + 2 + 1
    assert translated.rules[1].match == {"Modality": "US", "ManufacturerModelName": "LOGIQE9"}
    assert {rule.rows for rule in translated.rules[:4]} == {600, 768}
    assert translated.rules[0].blank == ((0, 0, 1024, 60),)
    assert translated.rules[0].name == "deid-2-dimensions-on-logiqe9-1"
    assert [rule.match for rule in translated.rules[4:6]] == [
        {"Modality": "CT", "ImageType": "SCREEN SAVE"},
        {"Modality": "CT", "SeriesDescription": "Dose"},
    ]
    assert translated.rules[4].blank == ((10, 20, 502, 101),)
    assert translated.rules[6].match == {"Manufacturer": "Acuson Sequoia"}
    assert translated.rules[6].blank == ((0, 0, 0, 0),)
    assert translated.rules[6].keep == ((50, 50, 550, 350),)
    assert [reason.split(":")[0] for reason in translated.left_out] == ["deid-5-misspelt", "deid-6-without", "deid-7-a-pattern"]


@pytest.mark.parametrize("script", [CTP, DEID])
def test_the_command_writes_what_a_policy_reads(script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target, config = tmp_path / "script", tmp_path / "rules.yaml", tmp_path / "config.yaml"
    source.write_text(script)
    assert main(["devices", str(source), "--to", str(target)]) == 1
    assert capsys.readouterr().err.count("left out") == len(translate(script).left_out)
    config.write_text(f"pixels: {{devices: {target}}}")
    assert list(load_policy(str(config)).pixels.devices) == translate(script).rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("a: [", "cannot be read"),
        ("- name: one", "under the one key devices"),
        ("devices: [{name: one, match: {Manfacturer: GE}}]", "found Manfacturer"),
    ],
)
def test_rules_that_are_none_are_errors_of_configuration(text: str | None, said: str, tmp_path: Path) -> None:
    rules, config = tmp_path / "rules.yaml", tmp_path / "config.yaml"
    if text is not None:
        rules.write_text(text)
    config.write_text(f"pixels: {{devices: {rules}}}")
    with pytest.raises(ConfigError, match=said):
        load_policy(str(config))


def test_rules_that_cannot_be_written_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script").write_text(CTP)
    assert main(["devices", str(tmp_path / "script"), "--to", str(tmp_path / "script" / "x")]) == 2
    assert "x: cannot be written (FileExistsError); expected a file in a folder that may be written to" in capsys.readouterr().err


def test_a_script_without_rules_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("nothing")
    assert main(["devices", str(tmp_path / "script")]) == 2
