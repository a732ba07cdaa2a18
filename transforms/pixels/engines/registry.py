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
    engine, languages = _parts(name)
    return tesseract.available(languages) if languages else _ENGINES[engine][0]()


def choose(name: str) -> str:
    """The engine that ``name`` means on this machine; ``auto`` and ``rapidocr`` take the first that can run.

    Raises:
        ConfigError: it cannot run here, and why.
    """
    engine, languages = _parts(name)
    candidates = [known for known in _ENGINES if engine in ("auto", known) or known.startswith(f"{engine}-")]
    if not candidates or (languages and engine != "tesseract"):
        raise ConfigError(f"pixels.engine: expected auto, rapidocr, one of {', '.join(_ENGINES)}, or tesseract:deu+fra, found {name}")
    reasons = []
    for candidate in [name] if languages else candidates:
        absent = reason(candidate)
        if absent is None:
            return candidate
        reasons.append(f"{candidate}: {absent}")
    raise ConfigError(f"pixels.engine {name} cannot run here: {'; '.join(reasons)}")


@functools.cache
def load(name: str) -> TextEngine:
    """The engine with its models, loaded once per process. ``name`` comes from `choose`."""
    engine, languages = _parts(name)
    return tesseract.load(languages) if languages else _ENGINES[engine][1]()


def _parts(name: str) -> tuple[str, str]:
    """An engine, and the languages that are named behind a colon: ``tesseract:deu+fra``."""
    engine, _, languages = name.partition(":")
    return engine, languages


def check_engine(policy: PixelsPolicy) -> None:
    """Nothing when the policy's engine can run here; REDACT_NO_TEXT needs none.

    Raises:
        ConfigError: it cannot, and why.
    """
    if policy.mode is not PixelMode.REDACT_NO_TEXT:
        choose(policy.engine)
