"""What 'hidden' means is what every figure of this project rests on, so its edges are tested one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import score
from pipeline.cli import main
from pipeline.score_pixels import MARGIN, displayed, ink_of, is_hidden, score_pixels, wilson
from pipeline.score_truth import TextBox, read_truth
from pipeline.synth import make_archive
from transforms.errors import Code, ConfigError, DeidError

BOX = TextBox(20, 30, 40, 12, is_phi=True)


def page(ink: float = 200.0, ground: float = 10.0) -> np.ndarray:
    """A plain image with an 'E' of bars inside BOX."""
    image = np.full((100, 120), ground)
    image[32:40, 24:26] = ink
    for row in (32, 35, 39):
        image[row, 24:50] = ink
    return image


def test_an_unchanged_image_hides_nothing() -> None:
    result = score_pixels(page(), page(), [BOX])
    assert result.hidden == (False,)
    assert result.over_redaction == 0
    assert not result.changed


def test_a_mask_over_the_box_hides_it_and_is_no_over_redaction() -> None:
    after = page()
    after[28:44, 18:62] = 0
    result = score_pixels(page(), after, [BOX])
    assert result.hidden == (True,)
    assert result.over_redaction == 0
    assert result.changed


def test_black_text_under_a_black_mask_is_hidden_although_it_did_not_change() -> None:
    before = page(ink=0, ground=200)
    after = before.copy()
    after[28:44, 18:62] = 0
    assert score_pixels(before, after, [BOX]).hidden == (True,)


def test_half_a_mask_hides_nothing() -> None:
    after = page()
    after[28:44, 18:38] = 0
    assert score_pixels(page(), after, [BOX]).hidden == (False,)


def test_noise_of_a_codec_hides_nothing() -> None:
    after = page() + np.random.default_rng(1).normal(0, 3, page().shape)
    assert score_pixels(page(), after, [BOX]).hidden == (False,)


def test_dimmed_text_is_hidden_only_when_little_contrast_is_left() -> None:
    dimmed, gone = page(ink=10 + 0.3 * 190), page(ink=10 + 0.1 * 190)
    assert score_pixels(page(), gone, [BOX]).hidden == (True,)
    faint = np.where(page() > 10, page() * 0.95, page())
    assert score_pixels(page(), faint, [BOX]).hidden == (False,)
    assert is_hidden(page()[30:42, 20:60], dimmed[30:42, 20:60])


def test_known_glyphs_count_instead_of_what_stands_out() -> None:
    before, after = page(), page()
    after[32:40, 24:26] = 10
    bar = np.zeros((12, 40), bool)
    bar[2:10, 4:6] = True
    assert score_pixels(before, after, [BOX], [bar]).hidden == (True,)
    assert score_pixels(before, after, [BOX]).hidden == (False,)


def test_ink_is_what_stands_out_from_the_border() -> None:
    patch = page()[30:42, 20:60]
    assert np.array_equal(ink_of(patch), patch > 100)
    assert not ink_of(np.full((5, 5), 7.0)).any()


def test_a_blanked_image_is_over_redacted() -> None:
    before = np.random.default_rng(2).integers(1, 200, (100, 120))
    result = score_pixels(before, np.zeros_like(before), [BOX])
    assert result.hidden == (True,)
    inside = (BOX.w + 2 * MARGIN) * (BOX.h + 2 * MARGIN)
    assert result.over_redaction == pytest.approx(1 - inside / before.size)


def test_colour_may_differ_by_the_rounding_of_a_conversion() -> None:
    before = np.full((20, 20, 3), 100, np.float32)
    assert not score_pixels(before, before + 1, []).changed
    assert score_pixels(before, before + 2, []).changed


def test_another_shape_is_an_error_without_values() -> None:
    with pytest.raises(DeidError) as caught:
        score_pixels(np.zeros((4, 4)), np.zeros((4, 5)), [])
    assert caught.value.code is Code.PIXELS_INCONSISTENT


@settings(max_examples=60, deadline=None)
@given(
    x=st.integers(-20, 130),
    y=st.integers(-20, 110),
    w=st.integers(1, 60),
    h=st.integers(1, 40),
    scale=st.floats(0.1, 50),
    seed=st.integers(0, 9),
)
def test_any_box_at_any_scale_scores_nothing_on_the_original_and_everything_on_a_filled_box(
    x: int, y: int, w: int, h: int, scale: float, seed: int
) -> None:
    before = np.random.default_rng(seed).integers(0, 255, (100, 120)) * scale
    box = TextBox(x, y, w, h, is_phi=True)
    assert score_pixels(before, before, [box]).hidden == (False,)
    after = before.copy()
    place = np.s_[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)]
    after[place] = -1000 * scale
    result = score_pixels(before, after, [box])
    visible = before[place].size > 0 and np.ptp(before[place]) > 0
    assert result.hidden == (visible,)
    assert result.over_redaction == 0


@given(total=st.integers(0, 3000), share=st.floats(0, 1))
def test_the_interval_holds_the_share(total: int, share: float) -> None:
    count = round(total * share)
    low, high = wilson(count, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low - 1e-9 <= count / total <= high + 1e-9


def test_truth_is_read_in_both_shapes(tmp_path: Path) -> None:
    ours, presidio = tmp_path / "ours.json", tmp_path / "presidio.json"
    ours.write_text(json.dumps({"a.dcm": {"frame": 2, "boxes": [{"text": "X", "x": 1, "y": 2, "w": 3, "h": 4, "is_phi": False}]}}))
    presidio.write_text(json.dumps({"a.dcm": [{"label": "X", "left": 26, "top": 27, "width": 3, "height": 4}]}))
    assert read_truth(ours)["a.dcm"] == (TextBox(1, 2, 3, 4, is_phi=False, frame=2, alone=True),)
    assert read_truth(presidio)["a.dcm"] == (TextBox(1, 2, 3, 4, is_phi=True),)
    assert read_truth(presidio, padding=0)["a.dcm"] == (TextBox(26, 27, 3, 4, is_phi=True),)
    presidio.write_text('{"a.dcm": [{"left": 1}]}')
    with pytest.raises(ConfigError, match=r"expected boxes"):
        read_truth(presidio)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive")
    make_archive(None, out, count=9, clean=2, seed=11)
    return out


def pretend_run(archive: Path, out: Path, *, blank: bool) -> None:
    """An output that hid nothing, or everything and more; one file is quarantined."""
    rows = []
    (out / "restricted" / "crosswalk").mkdir(parents=True)
    for number, path in enumerate(sorted((archive / "dicom").iterdir())):
        dataset = pydicom.dcmread(path)
        if blank:
            frames = np.stack(list(displayed(dataset)))
            dataset.PixelData = bytes(frames.size * dataset.BitsAllocated // 8 + frames.size % 2)
            dataset["PixelData"].VR = "OW"
            dataset["PixelData"].is_undefined_length = False
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            if dataset.PhotometricInterpretation.startswith("YBR"):
                dataset.PhotometricInterpretation = "RGB"
        dataset.save_as(out / path.name)
        saved = number != 3
        rows.append(
            {
                "url": str(path),
                "url_deid": f"file://{out / path.name}" if saved else None,
                "status": "saved" if saved else "quarantined",
                "run_id": "1",
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), out / "restricted" / "crosswalk" / "0.parquet")


@pytest.mark.parametrize("blank", [False, True])
def test_a_run_that_did_nothing_scores_0_and_a_blanked_one_scores_1(archive: Path, tmp_path: Path, blank: bool) -> None:
    pretend_run(archive, tmp_path, blank=blank)
    scores = list(score.score_pixels_of(score.Run(str(archive / "dicom"), str(tmp_path)), read_truth(archive / "truth.json")))
    figures = score.summary(scores)
    assert figures["files"] == {"quarantined": 1, "saved": 10}
    assert figures["not_comparable"] == 0
    assert figures["phi_hidden"].total > 50
    assert figures["phi_hidden"].count == (figures["phi_hidden"].total if blank else 0)
    assert figures["technical_left"].count == (0 if blank else figures["technical_left"].total)
    assert figures["clean_images_changed"].count == (2 if blank else 0)
    assert (figures["area_changed_away_from_text"] > 0.2) is blank
    assert "phi_hidden" in score.as_table(figures)


def test_another_folder_than_the_input_is_said(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 % hidden of files that nobody looked at would mislead."""
    pretend_run(archive, tmp_path, blank=True)
    arguments = ["--truth", str(archive / "truth.json"), "--output", str(tmp_path)]
    assert main(["score", *arguments, "--original", str(archive)]) == 2
    said = capsys.readouterr()
    assert "was its --input" in said.err
    assert not said.out


def test_an_output_that_is_none_is_said(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--truth", str(archive / "truth.json"), "--original", str(archive / "dicom"), "--output", str(tmp_path)]
    assert main(["score", *arguments]) == 2
    assert "holds no restricted/crosswalk; expected a folder or URI that 'dicom-deid run' wrote" in capsys.readouterr().err


def test_text_that_returns_in_one_frame_is_not_hidden(tmp_path: Path) -> None:
    make_archive(None, tmp_path, count=0, cines=1, slices=4, encoding="explicit")
    (name, boxes), *_ = read_truth(tmp_path / "truth.json").items()
    source = pydicom.dcmread(tmp_path / "dicom" / name)
    frames = source.pixel_array.copy()
    for box in boxes:
        frames[box.frame : box.frame + box.frames, box.y : box.y + box.h, box.x : box.x + box.w] = 0
    target = pydicom.dcmread(tmp_path / "dicom" / name)
    target.PixelData = frames.tobytes()
    assert all(score.compare(source, target, boxes)[0])
    frames[2] = source.pixel_array[2]
    target.PixelData = frames.tobytes()
    hidden = score.compare(source, target, boxes)[0]
    assert [not (box.frame <= 2 < box.frame + box.frames) for box in boxes] == list(hidden)


def test_frames_that_the_truth_says_nothing_about_are_not_scored(tmp_path: Path) -> None:
    make_archive(None, tmp_path, count=0, cines=1, slices=4, encoding="explicit")
    (name, _), *_ = read_truth(tmp_path / "truth.json").items()
    source, target = pydicom.dcmread(tmp_path / "dicom" / name), pydicom.dcmread(tmp_path / "dicom" / name)
    frames = source.pixel_array.copy()
    frames[1:] = 0
    target.PixelData = frames.tobytes()
    assert score.compare(source, target, (TextBox(0, 0, 4, 4, is_phi=True, alone=True),))[1] == 0
    assert score.compare(source, target, (TextBox(0, 0, 4, 4, is_phi=True),))[1] > 0
