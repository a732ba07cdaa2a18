"""Engines behind one protocol: each that is installed finds and reads plain text; one that is absent says why before anything is read."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from transforms.errors import ConfigError
from transforms.pixels.engines import paddle, rapidocr_engine, registry, tesseract
from transforms.pixels.engines.base import TextEngine
from transforms.pixels.engines.paddle import Tensor, regions, upright
from transforms.policy import PixelMode, PixelsPolicy

AVAILABLE = [name for name in ("rapidocr-openvino", "rapidocr-onnxruntime") if registry.reason(name) is None]


def picture(text: str) -> np.ndarray:
    image = np.zeros((96, 480, 3), np.uint8)
    cv2.putText(image, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2, cv2.LINE_AA)
    return image


@pytest.fixture(params=[*AVAILABLE, "tesserocr", "pytesseract"])
def engine(request: pytest.FixtureRequest) -> TextEngine:
    if request.param not in ("tesserocr", "pytesseract"):
        return registry.load(registry.choose(request.param))
    pytest.importorskip(request.param, reason="the package is not installed")
    if tesseract.tessdata() is None or shutil.which("tesseract") is None:
        pytest.skip("program tesseract with its model of English is not installed")
    return tesseract.Tesseract(in_process=request.param == "tesserocr")


def test_engine_finds_and_reads_a_line(engine: TextEngine) -> None:
    found = engine.detect(picture("KAUFMAN 1943"))
    assert found
    corners = np.concatenate([region.quad for region in found])
    assert corners[:, 0].min() < 40
    assert corners[:, 0].max() > 200
    (reading,) = engine.read([picture("KAUFMAN 1943")[20:76]])
    assert "KAUFMAN" in reading.text.upper()
    assert reading.score > 0.5


def test_engine_finds_nothing_on_black(engine: TextEngine) -> None:
    assert engine.detect(np.zeros((64, 64, 3), np.uint8)) == []
    assert list(engine.read([])) == []


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_large_image_is_looked_at_in_blocks_and_lines_cross_their_edges(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = registry.load(registry.choose(name))
    image = np.zeros((600, 900, 3), np.uint8)
    for y in (60, 256, 500):
        cv2.putText(image, "KAUFMAN 1943", (330, y), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2, cv2.LINE_AA)
    whole = engine.detect(image)
    monkeypatch.setattr(paddle, "WHOLE_PIXELS", 1)
    monkeypatch.setattr(paddle, "BLOCK", 256)
    blocks = engine.detect(image)
    assert len(whole) == len(blocks) == 3
    for one, other in zip(whole, blocks, strict=True):
        assert np.abs(one.quad - other.quad).max() < 8


def test_specks_do_not_push_text_out() -> None:
    probability = np.zeros((400, 400), np.float32)
    probability[10:30, 10:200] = 1
    probability[60::8, ::8] = 1
    (found,) = regions(probability)
    assert found.quad[:, 0].max() > 190


def test_crops_keep_their_order_whatever_their_width(engine: TextEngine) -> None:
    texts = ["ALPHA BRAVO 12", "MIKE", "SIERRA TANGO 9"]
    widths = (330, 160, 360)
    readings = engine.read([picture(text)[25:75, :width] for text, width in zip(texts, widths, strict=True)])
    assert [reading.text.upper().split()[0] for reading in readings] == ["ALPHA", "MIKE", "SIERRA"]


def test_models_load_once_per_process() -> None:
    name = registry.choose("auto")
    assert registry.load(name) is registry.load(name)


def test_an_absent_engine_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract.shutil, "which", lambda _: None)
    monkeypatch.setattr(tesseract.importlib.util, "find_spec", lambda name: None if name == "tesserocr" else object())
    with pytest.raises(ConfigError, match="program tesseract is not installed"):
        registry.check_engine(PixelsPolicy(engine="tesseract"))
    registry.check_engine(PixelsPolicy(engine="tesseract", mode=PixelMode.REDACT_NO_TEXT))


@pytest.mark.parametrize("in_process", [True, False])
def test_tesseract_reads_the_languages_that_are_named(in_process: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if tesseract.tessdata("eng+osd") is None or shutil.which("tesseract") is None:
        pytest.skip("program tesseract is not installed")
    if not in_process:
        monkeypatch.setattr(tesseract, "_runs_in_process", lambda _: False)
    pytest.importorskip("tesserocr" if in_process else "pytesseract", reason="the package is not installed")
    with pytest.raises(ConfigError, match="no model named xxx"):
        registry.choose("tesseract:eng+xxx")
    with pytest.raises(ConfigError, match="found rapidocr:eng"):
        registry.choose("rapidocr:eng")
    registry.load.cache_clear()
    assert registry.choose("tesseract:eng") == "tesseract:eng"
    (reading,) = registry.load("tesseract:eng").read([picture("KAUFMAN 1943")[20:76]])
    assert "KAUFMAN" in reading.text.upper()
    with pytest.raises((RuntimeError, TypeError)):  # nothing falls back to English
        tesseract.Tesseract("xxx", in_process=in_process).read([picture("KAUFMAN 1943")])


@pytest.mark.parametrize("name", ["tesserocr", "tesseract:", "tesseract:eng+", "rapidocr:eng", "Auto"])
def test_engines_that_are_none_are_refused_with_the_policy(name: str) -> None:
    with pytest.raises(ValidationError, match="auto"):
        PixelsPolicy(engine=name)


def test_missing_models_are_named_and_never_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(rapidocr_engine, "model_folder", lambda: tmp_path)
    with pytest.raises(ConfigError, match=r"lacks PP-OCRv6_det_small\.onnx"):
        registry.choose("rapidocr")


@pytest.mark.parametrize("present", [["CUDAExecutionProvider", "CPUExecutionProvider"], ["AzureExecutionProvider", "CPUExecutionProvider"]])
def test_a_gpu_is_used_where_its_provider_is(present: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime, asked = pytest.importorskip("onnxruntime"), []
    session = onnxruntime.InferenceSession

    def on_this_machine(path: str, options: object, providers: list[str]) -> object:
        asked.append(providers)
        return session(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: present)
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_this_machine)
    rapidocr_engine.load_onnxruntime()
    assert asked == 2 * [[name for name in present if "Azure" not in name]]


def test_regions_grow_to_cover_the_glyphs() -> None:
    probability = np.zeros((64, 128), np.float32)
    probability[30:36, 20:100] = 0.9
    (region,) = regions(probability)
    assert region.quad[:, 1].min() < 28
    assert region.quad[:, 1].max() > 37
    assert region.score > 0.7


def test_upright_orders_the_corners() -> None:
    square = np.array([(10, 10), (0, 0), (10, 0), (0, 10)], np.float32)
    assert upright(square).tolist() == [[0, 0], [10, 0], [10, 10], [0, 10]]


def test_lines_of_a_batch_are_bounded_in_width() -> None:
    shapes: list[tuple[int, ...]] = []

    def network(tensor: Tensor) -> Tensor:
        shapes.append(tensor.shape)
        probabilities = np.zeros((tensor.shape[0], 4, 3), np.float32)
        probabilities[:, 0, 1] = tensor[:, 0, 24, 4]
        return probabilities

    widths = [1500, 40, 900, 200, 1500, 60]
    crops = [np.full((48, width, 3), 128 + 10 * index, np.uint8) for index, width in enumerate(widths)]
    readings = paddle.PaddleModels("fake", network, network, ["a"]).read(crops)
    assert all(n == 1 or n * w <= paddle.BATCH_WIDTH for n, _, _, w in shapes)
    scores = [reading.score for reading in readings]
    assert len(scores) == len(crops)
    assert scores == sorted(scores)
