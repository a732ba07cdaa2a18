"""What spark-submit is given: the command line of the pipeline, which the Python of ``spark.pyspark.python`` has installed."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
