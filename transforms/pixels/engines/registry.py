"""The engines by name, in order of preference, and the one cache of loaded models per process."""

from __future__ import annotations

import functools
from collections.abc import Callable

from transforms.errors import ConfigError
from transforms.pixels.engines import rapidocr_engine, tesseract
from transforms.pixels.engines.base import TextEngine
from transforms.policy import PixelMode, PixelsPolicy

# onnxruntime first: in 32-bit arithmetic both compute at the same speed, and OpenVINO compiles again for each new shape of a sheet.
_ENGINES: dict[str, tuple[Callable[[], str | None], Callable[[], TextEngine]]] = {
    "rapidocr-onnxruntime": (lambda: rapidocr_engine.available("onnxruntime"), rapidocr_engine.load_onnxruntime),
    "rapidocr-openvino": (lambda: rapidocr_engine.available("openvino"), rapidocr_engine.load_openvino),
    "tesseract": (tesseract.available, tesseract.load),
}


def reason(name: str) -> str | None:
    """Why the engine ``name`` (a full name) cannot run on this machine, or None when it can."""
    return _ENGINES[name][0]()


def choose(name: str) -> str:
    """The engine that ``name`` means on this machine; ``auto`` and ``rapidocr`` take the first that can run.

    Raises:
        ConfigError: it cannot run here, and why.
    """
    candidates = [known for known in _ENGINES if name in ("auto", known) or known.startswith(f"{name}-")]
    if not candidates:
        raise ConfigError(f"pixels.engine: expected auto, rapidocr or one of {', '.join(_ENGINES)}, found {name}")
    reasons = []
    for candidate in candidates:
        absent = reason(candidate)
        if absent is None:
            return candidate
        reasons.append(f"{candidate}: {absent}")
    raise ConfigError(f"pixels.engine {name} cannot run here: {'; '.join(reasons)}")


@functools.cache
def load(name: str) -> TextEngine:
    """The engine with its models, loaded once per process. ``name`` comes from `choose`."""
    return _ENGINES[name][1]()


def check_engine(policy: PixelsPolicy) -> None:
    """Nothing when the policy's engine can run here; REDACT_NO_TEXT needs none.

    Raises:
        ConfigError: it cannot, and why.
    """
    if policy.mode is not PixelMode.REDACT_NO_TEXT:
        choose(policy.engine)
