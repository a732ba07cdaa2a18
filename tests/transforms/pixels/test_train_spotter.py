"""Training data of the spotter, and what the shipped network does with it. Training itself needs the extra ``train``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from transforms.pixels import spotter_data, train_spotter
from transforms.pixels.spotter_data import UNKNOWN, Generator, backgrounds, family, is_held_out
from transforms.pixels.spotter_doubts import _varied, doubts
from transforms.pixels.spotter_text import SCRIPTS, Writer, fonts, has
from transforms.types import Box

SHIPPED = Path(spotter_data.__file__).parent / "data" / "spotter.onnx"
SIEVE = SHIPPED.with_name("sieve.onnx")
NO_FONTS = Path("/nowhere")


@pytest.fixture(scope="module")
def images() -> dict[str, list[np.ndarray]]:
    return backgrounds(held_out=True)


def test_crops_hold_contrast_and_labels(images: dict[str, list[np.ndarray]]) -> None:
    inputs, cells = Generator(1, images, fonts(held_out=True)).crops(40)
    assert inputs.shape == (40, 128, 128)
    assert cells.shape == (40, 16, 16)
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= 8
    assert set(np.unique(cells)) == {0, 1, UNKNOWN}
    assert 0.01 < (cells == 1).mean() < 0.2
    assert any(not crop.any() for crop in cells)


def test_the_same_seed_gives_the_same_crops(images: dict[str, list[np.ndarray]]) -> None:
    one, other = (Generator(5, images, []).crops(6) for _ in range(2))
    different = Generator(6, images, []).crops(6)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(one[0], different[0])


def test_readable_lines_stand_out_from_their_picture(images: dict[str, list[np.ndarray]]) -> None:
    for grey, lines in Generator(2, images, []).pictures(10):
        assert grey.shape == (256, 256)
        for box in (line.box for line in lines if line.readable):
            assert 0 <= box.x < box.x + box.w <= 256
            assert np.ptp(grey[box.y : box.y + box.h, box.x : box.x + box.w]) > 0


def test_a_cell_is_text_none_or_neither() -> None:
    margin = spotter_data.MARGIN
    readable = spotter_data.Line(Box(margin, margin, 64, 12), readable=True)
    faint = spotter_data.Line(Box(margin, margin + 64, 64, 16), readable=False)
    cells = spotter_data._cells([readable, faint])
    assert (cells[:2, :8] == 1).all()
    assert (cells[8:10, :8] == UNKNOWN).all()
    assert not cells[2:8].any()
    assert not cells[:, 8:].any()


def test_beyond_the_edge_of_a_frame_a_cell_is_never_text() -> None:
    line = spotter_data.Line(Box(0, 40, 80, 16), readable=True)
    cells = spotter_data._cells([line], (False, True))
    assert (cells[3:4, 2:12] == 1).all()
    assert not (cells[:, :2] == 1).any()
    assert (cells[3:4, :2] == UNKNOWN).all()


def test_a_line_fills_its_place_only() -> None:
    place = np.zeros((16, 64), np.float32)
    place[:, :32] = 1
    margin = spotter_data.MARGIN
    cells = spotter_data._cells([spotter_data.Line(Box(margin, margin, 64, 16), readable=True, place=place)])
    assert (cells[:2, :4] == 1).all()
    assert not cells[:, 4:].any()


def test_a_font_without_a_script_does_not_write_it() -> None:
    latin = [face for face in fonts(held_out=False) if face.name.startswith("DejaVuSans")][:1]
    if not latin:
        pytest.skip("this machine has no DejaVu Sans")
    assert has(latin[0], SCRIPTS["Greek"])
    assert not has(latin[0], SCRIPTS["Han"])
    ink, place = Writer(np.random.default_rng(1), latin).ink()
    assert ink.shape == place.shape
    assert 0 < ink.max() <= 1


def test_no_family_and_no_font_is_on_both_sides(images: dict[str, list[np.ndarray]]) -> None:
    training = backgrounds(held_out=False)
    assert training
    assert images
    assert not set(training) & set(images)
    assert not set(fonts(held_out=True)) & set(fonts(held_out=False))
    assert fonts(NO_FONTS, held_out=True) == []
    assert family("00003_clean_CT_small.dcm") == family("CT_small.dcm")
    assert family("MR-SIEMENS-DICOM-WithOverlays_J2K.dcm") == family("MR-SIEMENS-DICOM-WithOverlays.dcm")
    assert is_held_out("CT1_J2KR") == is_held_out("CT1_UNC")


def test_a_manifest_says_which_files_have_no_text(tmp_path: Path) -> None:
    rows = "".join(f"{name},{text}\n" for name, text in (("a.dcm", "no"), ("b.dcm", "yes"), ("c.dcm", "unknown")))
    (tmp_path / "manifest.csv").write_text("relpath,burned_in_text\n" + rows)
    assert spotter_data._without_text(tmp_path) == [tmp_path / "a.dcm"]


def test_the_shipped_network_finds_lines_and_leaves_clean_images_alone(images: dict[str, list[np.ndarray]]) -> None:
    clean = [image for group in images.values() for image in group]
    found = train_spotter.evaluate(SHIPPED, Generator(3, images, fonts(held_out=True)).pictures(30), clean)
    assert found.lines >= 40
    assert found.touched / found.lines >= 0.9
    assert found.carried / found.lines >= 0.85
    assert found.clean >= 2
    assert found.marked <= 0.003


def test_doubts_are_what_the_first_network_marks(images: dict[str, list[np.ndarray]]) -> None:
    inputs, cells = doubts(Generator(4, images, []), 12)
    assert inputs.shape == (12, 128, 128)
    assert not (cells[:6] == 1).any()
    assert all((crop == 0).any() for crop in cells[:6])
    assert all((crop == 1).any() for crop in cells[6:])
    assert (cells == UNKNOWN).mean() > 0.5


def test_the_shipped_sieve_keeps_lines_and_leaves_less_of_clean_images(images: dict[str, list[np.ndarray]]) -> None:
    pictures = list(Generator(3, images, fonts(held_out=True)).pictures(30))
    generator = Generator(100, images, [])
    doubtful = [_varied(generator) for _ in range(30)]
    before = train_spotter.evaluate(SHIPPED, pictures, doubtful)
    after = train_spotter.evaluate(SIEVE, pictures, doubtful, sieve=True)
    assert after.touched >= 0.96 * before.touched
    assert after.marked <= before.marked * 0.7
    assert before.quiet < after.quiet


def test_the_bounds_can_fail(images: dict[str, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = list(Generator(3, images, []).pictures(5))
    monkeypatch.setattr(train_spotter, "THRESHOLD", 1.1)
    assert train_spotter.evaluate(SHIPPED, pictures, []).touched == 0
    monkeypatch.setattr(train_spotter, "THRESHOLD", 0.0)
    assert train_spotter.evaluate(SHIPPED, [], [grey for grey, _ in pictures]).marked == 1


def test_evaluation_needs_no_training_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    train_spotter.main(["--evaluate", str(SHIPPED), "--pictures", "2"])
    assert "carried" in capsys.readouterr().out


def test_a_short_training_gives_a_network_that_triage_runs(tmp_path: Path, images: dict[str, list[np.ndarray]]) -> None:
    pytest.importorskip("jax", reason="needs the extra train")
    pytest.importorskip("onnx", reason="needs the extra train")
    path = tmp_path / "spotter.onnx"
    for layers, crops, sieve in (
        (train_spotter.SPOTTER, Generator(1, images, []).crops(32), False),
        (train_spotter.SIEVE, doubts(Generator(1, images, []), 32), True),
    ):
        train_spotter.export(train_spotter.train(crops, 2, layers), layers, path)
        assert train_spotter.evaluate(path, Generator(3, images, []).pictures(2), [], sieve=sieve).lines
