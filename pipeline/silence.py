"""Libraries must not print what they read: a warning quotes the value that it dislikes, and a value may be a name.

Known talkers are silenced by name. What is left of any library says where it spoke, never what: messages, arguments and exception texts
are withheld in every process that works on instances, whatever its handlers and levels are.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from types import TracebackType
from typing import Any

OWN_LOGGER = "dicom_deid"
_TALKERS = ("PIL", "presidio-analyzer", "presidio_analyzer", "RapidOCR", "tldextract", "py4j", "pydicom", "pyspark")
_plain_record = logging.getLogRecordFactory()


def debugging() -> bool:
    """Whether the user asked for everything that libraries say, PHI or not."""
    return bool(os.environ.get("DICOM_DEID_DEBUG"))


def silence() -> None:
    """Withhold what libraries say, in this whole process; idempotent. ``DICOM_DEID_DEBUG`` leaves all but the known talkers alone."""
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if debugging():
        return
    logging.setLogRecordFactory(_withheld)
    warnings.showwarning = _warned
    sys.excepthook = _ended_by
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None  # the main thread says what failed


def _withheld(
    name: str, level: int, path: str, line: int, msg: object, args: Any, exc_info: Any, *rest: Any, **more: Any
) -> logging.LogRecord:
    """A record of a library says its place in the code; one of this project is left as it is."""
    if name == OWN_LOGGER:
        return _plain_record(name, level, path, line, msg, args, exc_info, *rest, **more)
    kind = exc_info[0] if isinstance(exc_info, tuple) else type(exc_info) if isinstance(exc_info, BaseException) else None
    said = f"message withheld, {os.path.basename(path)}:{line}" + (f", {kind.__name__}" if kind else "")  # noqa: PTH119
    return _plain_record(name, level, path, line, said, (), None, *rest[:1])


def _warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: str | None = None) -> None:
    logging.getLogger("py.warnings").warning("%s", category.__name__)


def _ended_by(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(f"stopped by {kind.__name__}\n")
