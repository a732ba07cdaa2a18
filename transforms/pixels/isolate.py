"""Decoding in a process of its own, for frames at which a native decoder may abort, hang or blow up.

`transforms.pixels.frames` comes here only with frames whose codestream is malformed or costly, or that the ordinary decoder has refused, so
that good files pay nothing. The child is started at the first such frame of a worker process, kept, killed when it overruns its time, and
replaced when it has died: only the instance at hand is lost. It is a fresh interpreter (``python -m transforms.pixels.isolate``), because a
worker with threads must not fork. Frames travel as bytes and JSON, never as pickles: the child is not to be trusted.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import struct
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from transforms.errors import Code, DeidError
from transforms.pixels.info import PixelInfo
from transforms.pixels.values import Array
from transforms.policy import LimitsPolicy

START_SECONDS = 120.0
"""For a new interpreter to import its decoders, beside the time for the frame itself."""
SPARE_BYTES = 1 << 30
"""Address space of the child beyond eight frames: the interpreter and its libraries."""
LONGEST_ANSWER = 16
_READY = b"ready\n"
_HEAD = struct.Struct("<LQ")
_lock = threading.Lock()


def decode_apart(data: bytes, info: PixelInfo, limits: LimitsPolicy) -> Array:
    """One encoded frame as coded values, decoded by any library that can, in the child process of this worker.

    Raises:
        DeidError: PIXELS_UNDECODABLE, no decoder can, or the child died of it; PIXELS_TIMEOUT, after ``limits.decode_seconds``.
    """
    dtype, body = _ask("decode", data, info, [], limits)
    expected = (*info.shape, info.samples) if info.samples > 1 else info.shape
    values = np.frombuffer(body, np.dtype(dtype)) if dtype else np.empty(0)
    if values.size != int(np.prod(expected)):
        raise DeidError(Code.PIXELS_UNDECODABLE, f"no decoder can read a frame of transfer syntax {info.transfer_syntax}")
    return values.reshape(expected)


def blank_apart(data: bytes, info: PixelInfo, areas: list[list[Any]], limits: LimitsPolicy) -> bytes:
    """`transforms.pixels.jpeg_blocks.blank` in the child process of this worker.

    Raises:
        DeidError: PIXELS_UNENCODABLE, the stream cannot be taken apart; PIXELS_UNDECODABLE, the child died of it; PIXELS_TIMEOUT.
    """
    kind, body = _ask("blank", data, info, areas, limits)
    if not kind:
        raise DeidError(Code.PIXELS_UNENCODABLE, f"blocks of {len(data)} bytes of JPEG cannot be blanked")
    return body


def _ask(task: str, data: bytes, info: PixelInfo, areas: list[list[Any]], limits: LimitsPolicy) -> tuple[str, bytes]:
    """Hand a task to the child, one at a time; a child that fails in it is killed."""
    question = {"task": task, "areas": areas, "info": asdict(replace(info, frames=1, palette=None))}
    most = 8 * info.frame_bytes + 2 * len(data)
    with _lock:
        child = _Child.of_this_process()
        try:
            return child.ask({**question, "bytes": most + SPARE_BYTES}, data, limits.decode_seconds, most)
        except BaseException:
            child.close()
            raise


class _Child:
    """One child process, and the pipes to it."""

    _current: _Child | None = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "transforms.pixels.isolate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        if self._receive(len(_READY), time.monotonic() + START_SECONDS) != _READY:
            self.close()
            raise DeidError(Code.PIXELS_UNDECODABLE, "the decoder process does not start")

    @classmethod
    def of_this_process(cls) -> _Child:
        """The living child of this very process; one inherited by a fork belongs to the parent."""
        child = cls._current
        if child is None or child.owner != os.getpid() or child._process.poll() is not None:
            child = cls._current = cls()
        return child

    def ask(self, question: dict[str, Any], data: bytes, seconds: float, most: int) -> tuple[str, bytes]:
        """The answer and its bytes, at most ``most``; an empty answer when the child is well and could not do it."""
        deadline = time.monotonic() + seconds
        head = json.dumps(question).encode()
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(_HEAD.pack(len(head), len(data)) + head)
            stdin.write(data)
            stdin.flush()
        except OSError:
            raise DeidError(Code.PIXELS_UNDECODABLE, "the decoder process died") from None
        size, length = _HEAD.unpack(self._receive(_HEAD.size, deadline))
        if size > LONGEST_ANSWER or length > most:
            raise DeidError(Code.PIXELS_UNDECODABLE, f"the decoder process answers with {length} bytes")
        answer = self._receive(size, deadline).decode("ascii", "replace")
        return answer, self._receive(length, deadline)

    def close(self) -> None:
        """Kill the child, if it is this process's own."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.communicate()
        if _Child._current is self:
            _Child._current = None

    def _receive(self, length: int, deadline: float) -> bytes:
        """Exactly ``length`` bytes, in time."""
        stdout = self._process.stdout
        assert stdout is not None
        parts = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while len(parts) < length:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise DeidError(Code.PIXELS_TIMEOUT, "the decoder process overran its time")
                part = os.read(stdout.fileno(), min(length - len(parts), 1 << 20))
                if not part:
                    raise DeidError(Code.PIXELS_UNDECODABLE, "the decoder process died")
                parts += part
        return bytes(parts)


@atexit.register
def _close() -> None:
    if _Child._current is not None:
        _Child._current.close()


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The child: answer requests until the parent closes the pipe."""
    answers.write(_READY)
    answers.flush()
    while head := requests.read(_HEAD.size):
        size, length = _HEAD.unpack(head)
        question = json.loads(requests.read(size))
        data = requests.read(length)
        _bound_memory(question["bytes"])
        answer, body = b"", b""
        if question["task"] == "blank":
            body = _try_blank(data, question["areas"])
            answer = b"stream" if body else b""
        else:
            values = _try_all(data, PixelInfo(**question["info"]))
            if values is not None:
                answer, body = values.dtype.str.encode(), np.ascontiguousarray(values).tobytes()
        answers.write(_HEAD.pack(len(answer), len(body)) + answer + body)
        answers.flush()


def _try_blank(data: bytes, areas: list[list[Any]]) -> bytes:
    from transforms.pixels.jpeg_blocks import blank

    try:
        return blank(data, areas)
    except Exception:  # what jpeglib stumbles over; the parent says that it did
        return b""


def _try_all(data: bytes, info: PixelInfo) -> Array | None:
    """The first decoder that reads the frame: pydicom's plugins in order of trust, gdcm last because it ends the process on some frames."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(info.transfer_syntax)
    except NotImplementedError:
        return None
    options: dict[str, Any] = {
        "rows": info.rows,
        "columns": info.columns,
        "samples_per_pixel": info.samples,
        "photometric_interpretation": info.photometric,
        "number_of_frames": 1,
        "bits_allocated": info.bits_allocated,
        "bits_stored": info.bits_stored,
        "pixel_representation": int(info.signed),
        "planar_configuration": info.planar,
        "pixel_keyword": info.keyword,
    }
    value = encapsulate([data + b"\0" * (len(data) % 2)])
    for plugin in sorted(decoder.available_plugins, key=lambda name: name == "gdcm"):
        try:
            values, _ = decoder.as_array(value, raw=True, decoding_plugin=plugin, **options)
        except BaseException as exc:  # every plugin is tried; a panic of Rust is no Exception
            if isinstance(exc, (KeyboardInterrupt, SystemExit)):
                raise
            continue
        return np.asarray(values.view(np.dtype(f"u{values.itemsize}")) if values.dtype.kind == "i" else values)
    return None


def _bound_memory(size: int) -> None:
    """Cap the address space, where the system can."""
    try:
        import resource
    except ImportError:
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc/self/statm").exists() else 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + size, hard))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
