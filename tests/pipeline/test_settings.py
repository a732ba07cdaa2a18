"""Configuration errors: one clear line each, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import settings
from pipeline.cli import main
from transforms.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def load(tmp_path: Path, text: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings.load_policy(str(path))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_loads(path: Path) -> None:
    if path.name == "devices.yaml":
        pytest.skip("device rules are not a policy")
    policy = settings.load_policy(str(path))
    assert policy.description, f"{path.name} says in no sentence whom it serves"


def test_unknown_options_name_the_nearest_known_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["report", "out", "--thumbnial=1"])
    assert "report: error: unrecognized arguments: --thumbnial=1; did you mean --thumbnails?" in capsys.readouterr().err


def test_unknown_keys_name_the_nearest_known_one(tmp_path: Path) -> None:
    assert "unknown key 'pixles'; did you mean 'pixels'?" in load(tmp_path, "pixles: {}")
    assert "unknown key 'pixels.modes'; did you mean 'mode'?" in load(tmp_path, "pixels: {modes: REDACT_ALL_TEXT}")


def test_wrong_types_and_values_say_what_was_expected_and_found(tmp_path: Path) -> None:
    message = load(tmp_path, "pixels: {mode: REDACT_SOME}")
    assert "pixels.mode" in message
    assert "REDACT_ALL_TEXT" in message
    assert "REDACT_SOME" in message
    assert "'pixels.sample': expected less than or equal to 1, found 2" in load(tmp_path, "pixels: {sample: 2}")
    assert "limits.chunk_instances" in load(tmp_path, "limits: {chunk_instances: many}")


def test_not_yaml_and_not_a_mapping(tmp_path: Path) -> None:
    assert "not valid YAML at line 1" in load(tmp_path, "a: [")
    assert "expected a mapping of keys, found list" in load(tmp_path, "- a")
    assert "found nothing" in load(tmp_path, "")


def test_bad_conditions_are_configuration_errors(tmp_path: Path) -> None:
    assert "save_conditions" in load(tmp_path, "save_conditions: [NOT_SUBSTR]")
    assert "'RANGE [0.5, 3] tag'" in load(tmp_path, "save_conditions: ['RANGE [1, KVP']")
    assert "NOT_SUBSTR" in load(tmp_path, "save_conditions: [NOT_SUBSTRING PRIMARY ImageType]")


def test_one_line_conditions_equal_mappings(tmp_path: Path) -> None:
    short, long = tmp_path / "short.yaml", tmp_path / "long.yaml"
    lines = ("IN [ct, mr] Modality", "NOT_SUBSTR PRIMARY ImageType", "RANGE [null, 2.5] SliceThickness", "EXISTS true KVP")
    short.write_text(f"save_conditions: {list(lines)}")
    long.write_text(
        "save_conditions:\n"
        "  - {condition_type: IN, value: [ct, mr], dicom_tag: Modality}\n"
        "  - {condition_type: NOT_SUBSTR, value: PRIMARY, dicom_tag: ImageType}\n"
        "  - {condition_type: RANGE, value: [null, 2.5], dicom_tag: SliceThickness}\n"
        "  - {condition_type: EXISTS, value: true, dicom_tag: KVP}\n"
    )
    assert settings.load_policy(str(short)).fingerprint() == settings.load_policy(str(long)).fingerprint()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "absent.yaml"], "configuration 'absent.yaml': cannot be read"),
        (["--runner", "sparc"], "did you mean 'spark'?"),
        (["--workers", "0"], "--workers is 0; expected 1 or more"),
        (["--output", "/proc/nothing/here"], "/proc/nothing/here"),
        (["--input", "absent-folder"], "absent-folder"),
        (["--secret-file", "absent-secret"], "secret"),
        (["--max-quarantined", "-1"], "expected 0 or more"),
        (["--", "--direct_num_workers=3"], "give --workers"),
        (["--input", ""], "the input is empty"),
        (["--output", ""], "the output is empty"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_mistake_is_one_line_and_status_2(
    arguments: list[str], expected: str, tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x")
    given = {"--config": str(ROOT / "configs/basic.yaml"), "--input": str(tmp_path / "in"), "--output": str(tmp_path / "out")}
    given |= {"--secret-file": str(secret_file)} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert main(["run", *[word for pair in given.items() for word in pair]]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_model_that_is_not_here_is_said_before_anything_is_read(
    tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x")
    (tmp_path / "policy.yaml").write_text("text: {ner: spacy, ner_model: no_such_model}")
    given = ["--config", str(tmp_path / "policy.yaml"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main(["run", *given, "--secret-file", str(secret_file)]) == 2
    assert capsys.readouterr().err.startswith("dicom-deid: text.ner_model: 'no_such_model' is not installed; install it with")
    assert not (tmp_path / "out" / "run.json").exists()


def test_an_output_inside_an_input_is_refused_before_anything_is_written(
    tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    given = ["--config", str(ROOT / "configs/basic.yaml"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "in" / "out")]
    assert main(["run", *given, "--secret-file", str(secret_file)]) == 2
    assert "lies inside the input" in capsys.readouterr().err
    assert not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("found", ["{", "[1, 2]", '{"version": 3}'])
def test_a_run_json_of_somebody_else_is_left_alone(
    found: str, tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text(found)
    given = ["--config", str(ROOT / "configs/basic.yaml"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main(["run", *given, "--secret-file", str(secret_file)]) == 2
    assert "was not written by 'dicom-deid run'" in capsys.readouterr().err
    assert (tmp_path / "out" / "run.json").read_text() == found


def test_an_output_that_has_no_name_in_text_is_refused(tmp_path: Path, secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x")
    given = ["--config", str(ROOT / "configs/basic.yaml"), "--input", str(tmp_path / "in"), "--output", f"{tmp_path}/out\udcff"]
    assert main(["run", *given, "--secret-file", str(secret_file)]) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_no_secret_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DICOM_DEID_SECRET", raising=False)
    config = str(ROOT / "configs/basic.yaml")
    assert main(["run", "--config", config, "--input", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "no secret" in capsys.readouterr().err
