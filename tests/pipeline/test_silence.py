"""What libraries say is withheld, whatever their handlers are: in processes of its own, since it concerns a whole process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TALK = """
import logging, threading, warnings
logging.basicConfig(level=logging.DEBUG)
from pipeline.silence import silence
silence()
logger = logging.getLogger("some.library")
logger.warning("cannot read %s", "/archive/Zyxwandt", extra={"path": "Zyxwandt"})
logger.error(f"odd value Zyxwandt")
try:
    int("Zyxwandt")
except ValueError:
    logger.exception("Zyxwandt")
warnings.simplefilter("always")
warnings.warn("Zyxwandt is no date")
logging.getLogger("dicom_deid").warning("ours")
thread = threading.Thread(target=lambda: int("Zyxwandt"))
thread.start(); thread.join()
class Odd:
    def __del__(self): int("Zyxwandt")
Odd()
int("Zyxwandt")
"""


def said(**environment: str) -> str:
    done = subprocess.run([sys.executable, "-c", TALK], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_libraries_say_where_and_never_what() -> None:
    shown = said()
    assert "zyxwandt" not in shown.lower()
    assert "some.library:message withheld, <string>:7" in shown
    assert "some.library:message withheld, <string>:12, ValueError" in shown
    assert "dicom_deid:ours" in shown
    assert "stopped by ValueError" in shown


def test_debugging_shows_all() -> None:
    assert said(DICOM_DEID_DEBUG="1").count("Zyxwandt") > 5
