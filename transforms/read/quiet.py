"""Libraries that would print values: their warnings quote elements and file names, which are PHI."""

from __future__ import annotations

import logging
import warnings

import pydicom.config

LOUD_LOGGERS = ("pydicom", "gcsfs", "s3fs", "adlfs", "fsspec")


def silence_libraries() -> None:
    """Route what pydicom and the storage libraries say about values and paths to nowhere; idempotent, for the whole process.

    Values are not validated on reading either: an invalid value is to be removed or replaced, not judged, and judging costs time.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    for name in LOUD_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)


silence_libraries()
