"""The report: it shows what the audit says, holds no PHI and nothing from the restricted folder, and a browser loads nothing for it."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import report, report_data, report_pictures
from pipeline.commands import report as command
from pipeline.storage import Store
from tests.pipeline.made_output import CANARIES, MadeOutput, make_output
from transforms.errors import Code, ConfigError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeOutput:
    return make_output(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(made: MadeOutput) -> str:
    return report.render(Store(), str(made.folder), thumbnails=2)


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(arguments))


def text(page: str) -> str:
    """What is read: tags, style and script taken away, spaces made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)))


def test_the_page_shows_the_counts(made: MadeOutput, page: str) -> None:
    shown = text(page)
    assert "Every input is accounted for." in shown
    assert re.search(rf"saved {made.saved} 58\.3 %", shown)
    assert "quarantined pixels_undecodable mask 2 the pixels could not be decoded" in shown
    assert "(whole element) 14 0 0 14" in shown
    assert "RequestAttributesSequence[].(0009,1001) cleaned 3 3" in shown
    assert "triage 4 0" in shown
    assert "US 3 boxes in 3 instances" in shown
    assert "PS3.15 E.1-1 2024b" in shown


def test_the_gallery_has_as_many_pictures_as_asked_for(made: MadeOutput, page: str) -> None:
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count('<rect class="box" x="6" y="4" width="84" height="14"/>') == 2
    assert "data:image" not in report.render(Store(), str(made.folder), thumbnails=0)


def test_no_canary_and_no_original_identifier_is_in_the_page(made: MadeOutput, page: str) -> None:
    lowered = page.lower()
    assert not [canary for canary in CANARIES if canary in lowered]
    [crosswalk] = (made.folder / "restricted" / "crosswalk").glob("*.parquet")
    for row in pq.read_table(crosswalk).to_pylist():
        for column in ("url", "PatientID", "StudyInstanceUID", "SOPInstanceUID"):
            assert row[column] not in page
    assert str(made.folder) not in page


def test_it_is_made_without_the_restricted_folder(made: MadeOutput, tmp_path: Path, page: str) -> None:
    shutil.copytree(made.folder, tmp_path / "out", ignore=shutil.ignore_patterns("restricted"))
    assert report.render(Store(), str(tmp_path / "out"), thumbnails=2) == page


def test_the_page_refers_to_nothing_outside(page: str) -> None:
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_of_the_page_allows_its_own_style_and_script_only(page: str) -> None:
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    policy = policy.replace("&#39;", "'")
    for tag in ("style", "script"):
        [source] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
        assert f"{tag}-src {report.source_hash(source)};" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"<[^>]+ (?:style|on\w+)=", page)


def test_a_value_of_the_audit_cannot_become_markup(made: MadeOutput, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "out")
    [path] = (tmp_path / "out" / "audit" / "instances").glob("*.parquet")
    data = pq.read_table(path)
    rows = [row | {"detail": "<script>alert(1)</script>", "modality": '"><img src=x>'} for row in data.to_pylist()]
    pq.write_table(data.from_pylist(rows, schema=data.schema), path)
    page = report.render(Store(), str(tmp_path / "out"), thumbnails=2)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert" in page


def test_an_unfinished_run_is_said(made: MadeOutput, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps(record | {"state": "running"}))
    assert "The last run did not end." in report.render(Store(), str(tmp_path / "out"), thumbnails=0)
    (tmp_path / "out" / "run.json").write_text(json.dumps(record | {"unaccounted": 2}))
    assert "2 inputs are unaccounted for." in report.render(Store(), str(tmp_path / "out"), thumbnails=0)
    (tmp_path / "out" / "run.json").unlink()
    assert "The last run did not end." in report.render(Store(), str(tmp_path / "out"), thumbnails=0)


def test_a_run_that_found_nothing_has_a_page(tmp_path: Path) -> None:
    made = make_output(tmp_path, ct=0, us=0)
    shown = text(report.render(Store(), str(made.folder), thumbnails=3))
    assert "Nothing was found." in shown
    assert "No text was masked." in shown
    assert "There is none to show." in shown


def test_every_code_is_explained() -> None:
    assert set(report_data.REASONS) == {str(code) for code in Code}


def test_a_heat_map_says_where_boxes_are() -> None:
    box = {"x": 0, "y": 90, "w": 50, "h": 10}
    touched = report_pictures._touched([box, box], columns=100, rows=100)
    assert touched.max() == 1
    assert touched[-1, : report_pictures.GRID // 2].all()
    assert not touched[-1, report_pictures.GRID // 2 :].any()
    assert not touched[: report_pictures.GRID // 2].any()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (report.percent(0), "0 %"),
        (report.percent(1e-6), "< 0.1 %"),
        (report.percent(0.99999), "> 99.9 %"),
        (report.percent(1), "100 %"),
        (report.percent(0.123), "12.3 %"),
        (report.size(None), "0 B"),
        (report.size(1234), "1.23 kB"),
        (report.size(5e12), "5 TB"),
        (report.duration(0.0042), "4.2 ms"),
        (report.duration(3.25), "3.25 s"),
        (report.duration(125), "2 min 5 s"),
        (report.duration(7320), "2 h 2 min"),
        (report.count(1234567), "1,234,567"),
    ],
)
def test_figures_read_well(shown: str, expected: str) -> None:
    assert shown == expected


def test_the_command_writes_the_page(made: MadeOutput, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(made.folder), "--to", str(tmp_path / "page.html"), "--thumbnails", "1") == 0
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "page.html: " in capsys.readouterr().out
    with pytest.raises(ConfigError, match="0 or more"):
        run(str(made.folder), "--thumbnails", "-1")
    with pytest.raises(ConfigError, match="holds no audit"):
        run(str(tmp_path))
    with pytest.raises(ConfigError, match=r"--to .*: cannot be written \(FileExistsError\); expected a file in a folder"):
        run(str(made.folder), "--to", str(tmp_path / "page.html" / "x"))


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"


def browse(page: str, folder: Path) -> tuple[str, bool]:
    """The page as a browser makes it, and whether it asked for anything; no name resolves, so nothing leaves either way."""
    assert BROWSER is not None
    (folder / "page.html").write_text(page)
    log = folder / "net.json"
    flags = [*QUIET.split(), "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    result = subprocess.run(
        [BROWSER, *flags, "--dump-dom", f"file://{folder}/page.html"], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout, '"initiator":"null"' in log.read_text()  # what a file asks for; the browser's own requests have no origin


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_renders_it_and_asks_for_nothing(page: str, tmp_path: Path) -> None:
    shown, asked = browse(page, tmp_path)
    assert shown.count('class="filter"') == 2, "the page's own script did not run"
    assert "Every input is accounted for." in shown
    assert not asked


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_page_that_asks_for_something_is_noticed(page: str, tmp_path: Path) -> None:
    planted = page.replace("<main>", '<main><img src="http://example.invalid/x.png">')
    assert not browse(planted, tmp_path)[1], "the page's policy must stop it"
    assert browse(re.sub(r"<meta http-equiv[^>]+>", "", planted), tmp_path)[1]
