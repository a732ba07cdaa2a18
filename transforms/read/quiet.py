"""pydicom would print values: its warnings quote elements and file names, which are PHI."""

from __future__ import annotations

import logging
import warnings

import pydicom.config


def silence_libraries() -> None:
    """Route what pydicom says about values to nowhere; idempotent, for the whole process.

    Values are not validated on reading either: an invalid value is to be removed or replaced, not judged, and judging costs time.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


silence_libraries()
