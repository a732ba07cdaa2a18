"""PP-OCRv6 on OpenVINO or onnxruntime, with the models inside the ``rapidocr`` wheel. Nothing is ever fetched."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.pixels.engines.base import TextEngine

if TYPE_CHECKING:
    from transforms.pixels.engines.paddle import Infer, Tensor

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNIZER = "PP-OCRv6_rec_small.onnx"
CHARACTERS_KEY = "character"


def model_folder() -> Path | None:
    """Where the wheel keeps its models; the package itself is not imported."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def available(runtime: str) -> str | None:
    """Why PP-OCRv6 cannot run on ``runtime`` (the name of a package), or None when it can."""
    folder = model_folder()
    if folder is None:
        return "package rapidocr is not installed"
    missing = [name for name in (DETECTOR, RECOGNIZER) if not (folder / name).is_file()]
    if missing:
        return f"package rapidocr lacks {', '.join(missing)}; version 3.10 or later has it"
    if importlib.util.find_spec(runtime) is None:
        return f"package {runtime} is not installed"
    return None


def load_openvino() -> TextEngine:
    """The models on OpenVINO: one thread, and 32-bit arithmetic on every processor, so that boxes agree between machines."""
    import openvino

    from transforms.pixels.engines.paddle import PaddleModels  # imported late: OpenCV; a driver asks only what is here

    folder = model_folder()
    assert folder is not None
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}

    def compiled(name: str) -> tuple[Infer, list[str]]:
        model = core.read_model(folder / name)
        request = core.compile_model(model, "CPU", settings).create_infer_request()

        def infer(tensor: Tensor) -> Tensor:
            request.infer([tensor], share_inputs=True)
            output: Tensor = request.get_output_tensor(0).data
            return output

        information = model.get_rt_info()
        if "framework" not in information or CHARACTERS_KEY not in information["framework"]:
            return infer, []
        return infer, information["framework"][CHARACTERS_KEY].value.splitlines()

    detector, _ = compiled(DETECTOR)
    recognizer, characters = compiled(RECOGNIZER)
    return PaddleModels("rapidocr-openvino", detector, recognizer, characters)


def load_onnxruntime() -> TextEngine:
    """The models on onnxruntime: one thread, on a GPU where its provider is present."""
    import onnxruntime  # type: ignore[import-untyped]

    from transforms.pixels.engines.paddle import PaddleModels

    folder = model_folder()
    assert folder is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan of memory for each shape of a sheet would be made, kept, and hardly used again.
    options.enable_mem_pattern = False
    preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in preferred if name in onnxruntime.get_available_providers()]

    def session(name: str) -> tuple[Infer, list[str]]:
        network = onnxruntime.InferenceSession(str(folder / name), options, providers=providers)
        key = network.get_inputs()[0].name

        def infer(tensor: Tensor) -> Tensor:
            output: Tensor = network.run(None, {key: tensor})[0]
            return output

        return infer, network.get_modelmeta().custom_metadata_map.get(CHARACTERS_KEY, "").splitlines()

    detector, _ = session(DETECTOR)
    recognizer, characters = session(RECOGNIZER)
    return PaddleModels("rapidocr-onnxruntime", detector, recognizer, characters)
