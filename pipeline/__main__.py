"""``python -m pipeline``: the same as ``dicom-deid``."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
