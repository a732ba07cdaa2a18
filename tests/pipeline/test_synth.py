"""The generator is the measure of the product: its truth must be exact, its output valid, and the same for the same seed."""

from __future__ import annotations

import copy
import filecmp
import functools
import json
import random
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from pipeline import synth_encode
from pipeline.cli import main
from pipeline.score import compare, overlay_is_hidden
from pipeline.score_pixels import displayed, luminance
from pipeline.score_truth import TextBox, read_truth
from pipeline.synth import burn, make_archive
from pipeline.synth_fonts import available, render, turn
from pipeline.synth_images import bundled_sources, load
from pipeline.synth_overlay import add_overlay
from pipeline.synth_people import LAST_STUDY, person


def sources() -> list[str]:
    return [source.name for source in bundled_sources()]


@functools.cache
def loaded(name: str) -> tuple[pydicom.Dataset, np.ndarray]:
    dataset, frames = load(next(source for source in bundled_sources() if source.name == name), random.Random(3))
    return dataset, frames[:3]


def prepared(name: str) -> tuple[pydicom.Dataset, np.ndarray]:
    dataset, frames = loaded(name)
    return copy.deepcopy(dataset), frames.copy()


@pytest.mark.parametrize("font", available())
@pytest.mark.parametrize("size", [8, 13, 24])
def test_every_font_draws_letters_of_the_size_asked_for(font: str, size: int) -> None:
    glyph, below = render("HE", size, font)
    assert below == 0
    assert 0.6 * size <= len(glyph) <= 1.5 * size
    assert 0 < glyph.max() <= 1
    assert render("Hg", size, font)[1] > 0


@pytest.mark.parametrize("text", ["Krzyżanowska", "王秀英", "남궁", "Ковальчук"])
def test_names_in_any_script_are_drawn(text: str) -> None:
    glyph, _ = render(text, 16, "pil-bitmap")
    assert glyph.shape[1] > 16


def test_quarter_turns_are_exact() -> None:
    glyph, _ = render("Name", 12, "cv-sans")
    assert np.array_equal(turn(turn(glyph, 90), 270), glyph)


@pytest.mark.parametrize("name", sources())
def test_only_the_boxes_change_and_their_ink_does(name: str) -> None:
    dataset, frames = prepared(name)
    original = frames.copy()
    truth = burn(dataset, frames, seed=5)
    stored = pixel_array(dataset).reshape(frames.shape)
    assert np.array_equal(stored, frames), "what was burned is what is stored"
    changed = (frames != original).reshape(*frames.shape[:3], -1).any(axis=-1)
    assert len(truth.boxes) >= 8
    for box, ink in zip(truth.boxes, truth.ink, strict=True):
        place = np.s_[box.frame : box.frame + box.frames, box.y : box.y + box.h, box.x : box.x + box.w]
        assert ink.shape == (box.h, box.w)
        assert ink.any(), box
        assert changed[place][0][ink].all(), "visible ink differs from what was there"
        changed[place] = False
    assert not changed.any(), "nothing changed outside the boxes"


@pytest.mark.parametrize(("name", "group"), [("padded-ct", 0x6000), ("examples_overlay", 0x6002), ("liver_1frame", 0x6000)])
def test_a_name_in_an_overlay_plane_is_hidden_when_its_bits_are_gone(name: str, group: int) -> None:
    dataset, frames = prepared(name)
    burn(dataset, frames, seed=3)
    entry = add_overlay(dataset, person(random.Random(1)), random.Random(2))
    assert entry is not None
    box = TextBox(entry["x"], entry["y"], entry["w"], entry["h"], is_phi=True, plane=int(entry["group"], 16))
    assert box.plane == group
    plane = dataset.overlay_array(group)
    assert plane.sum() == plane[box.y : box.y + box.h, box.x : box.x + box.w].sum() > 20
    assert not overlay_is_hidden(dataset, dataset, box)
    cleared, removed = copy.deepcopy(dataset), copy.deepcopy(dataset)
    cleared[group, 0x3000].value = bytes(len(cleared[group, 0x3000].value))
    del removed[group, 0x3000]
    assert overlay_is_hidden(dataset, cleared, box)
    assert overlay_is_hidden(dataset, removed, box)
    assert compare(dataset, dataset, (box,))[0] == (False,)
    assert compare(dataset, removed, (box,))[0] == (True,)


def test_the_header_says_what_the_image_says() -> None:
    dataset, frames = prepared("examples_overlay")
    truth = burn(dataset, frames, seed=2)
    assert str(dataset.PatientName) == f"{truth.identity['family']}^{truth.identity['given']}"
    assert dataset.PatientID in {box.text for box in truth.boxes}
    assert dataset.BurnedInAnnotation == "YES"
    assert {box.is_phi for box in truth.boxes} == {True, False}


@pytest.mark.parametrize("encoding", synth_encode.ENCODINGS)
@pytest.mark.parametrize("name", ["padded-ct", "small-mr", "ultrasound", "form", "examples_palette", "liver_1frame", "examples_ybr_color"])
def test_each_encoding_decodes_to_what_was_burned(name: str, encoding: str, tmp_path: Path) -> None:
    dataset, frames = prepared(name)
    truth = burn(dataset, frames, seed=1)
    if encoding not in synth_encode.possible(dataset):
        with pytest.raises(ValueError, match="expected one of"):
            synth_encode.encode(dataset, frames, encoding)
        return
    plain = np.stack(list(displayed(dataset)))
    synth_encode.encode(dataset, frames, encoding)
    dataset.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    decoded = np.stack(list(displayed(pydicom.dcmread(tmp_path / "x.dcm"))))
    assert decoded.shape == plain.shape
    if encoding in synth_encode.LOSSY or encoding.startswith("ybr"):
        wide = np.ptp(plain)
        off = np.abs(np.stack([luminance(frame) for frame in decoded]) - np.stack([luminance(frame) for frame in plain]))
        assert off.mean() < 0.03 * wide
    else:
        assert np.array_equal(decoded, plain)
    assert truth.boxes


def test_the_same_seed_makes_the_same_archive_in_one_process_and_in_two(tmp_path: Path) -> None:
    wanted = {"count": 4, "clean": 1, "series": 1, "cines": 1, "slices": 3, "seed": 9}
    make_archive(None, tmp_path / "a", **wanted)
    make_archive(None, tmp_path / "b", workers=2, **wanted)
    names = sorted(str(path.relative_to(tmp_path / "a")) for path in (tmp_path / "a").rglob("*") if path.suffix in (".dcm", ".json"))
    assert len(names) == 10
    assert filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", names, shallow=False) == (names, [], [])
    make_archive(None, tmp_path / "c", **(wanted | {"seed": 10}))
    assert (tmp_path / "a" / "truth.json").read_text() != (tmp_path / "c" / "truth.json").read_text()


def test_a_series_shares_its_text_but_for_one_slice(tmp_path: Path) -> None:
    make_archive(None, tmp_path, count=0, series=1, slices=6, seed=4)
    truth = json.loads((tmp_path / "truth.json").read_text())
    texts = [{box["text"] for box in entry["boxes"] if box["is_phi"]} for entry in truth.values()]
    assert len(texts) == 6
    assert sorted(len(text - set.intersection(*texts)) for text in texts) == [0, 0, 0, 0, 0, 1]
    headers = [pydicom.dcmread(tmp_path / "dicom" / name) for name in truth]
    assert len({header.SeriesInstanceUID for header in headers}) == 1
    assert len({header.SOPInstanceUID for header in headers}) == 6
    assert all(box.ink is not None for boxes in read_truth(tmp_path / "truth.json").values() for box in boxes)


def test_an_existing_archive_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    assert main(["synth", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--count=-1"], "--count is -1; expected 0 or more"),
        (["--workers=0"], "--workers is 0; expected 1 or more"),
        ([], "expected a new or empty folder (File exists)"),
    ],
)
def test_what_cannot_be_made_is_said(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_bytes(b"")
    assert main(["synth", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(30))
def test_people_are_possible(seed: int) -> None:
    who = person(random.Random(seed))
    assert who.birth <= who.study <= LAST_STUDY
    assert 0 <= who.age <= 101
    assert who.identity() == person(random.Random(seed)).identity()


@pytest.mark.parametrize(("content", "said"), [(None, "does not exist"), (b"text", "expected an image that can be decoded")])
def test_a_source_that_is_none_is_said(content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not left out: the truth would be about other images than were meant."""
    source = tmp_path / "source"
    if content is not None:
        source.write_bytes(content)
    assert main(["synth", str(tmp_path / "out"), "--source", str(source), "--count", "2"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "truth.json").exists()
