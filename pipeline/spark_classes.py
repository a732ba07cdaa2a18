"""An archive of the classes that Spark loads: its JVMs start in half the CPU time from it, as they need not read and check each class.

``python -m pipeline.spark_classes`` makes it, once for an installation of Spark and Java; `pipeline.spark` then starts driver and executors
with it. Java passes over an archive that another Java made, or that was made for other jars.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ARCHIVE = Path(sys.prefix) / "share" / "dicom-deid" / "spark.jsa"
MAKING_SECONDS = 300
_LOOPBACK = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1", "spark.ui.enabled=false")


def options(archive: Path = ARCHIVE) -> str:
    """Java's options to start from the archive; '' where there is none."""
    if not archive.is_file() or any(sign.isspace() for sign in str(archive)):
        return ""
    return f"-XX:SharedArchiveFile={archive} -Xlog:cds*=off"


def make(archive: Path = ARCHIVE) -> None:
    """Run a job with the stages of ours on this machine, and have Java keep the classes that it loaded; some 90 MB.

    Args:
        archive: the file that is made or replaced.

    Raises:
        subprocess.SubprocessError: Spark did not run here.
        OSError: the file cannot be written.
    """
    import pyspark

    archive.parent.mkdir(parents=True, exist_ok=True)
    home = Path(pyspark.__file__).parent
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        part = Path(folder) / archive.name
        flags = [f"spark.driver.extraJavaOptions=-XX:ArchiveClassesAtExit={part}", "spark.log.level=ERROR", *_LOOPBACK]
        command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", *(word for flag in flags for word in ("--conf", flag))]
        environment = os.environ | {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
        quiet = subprocess.DEVNULL
        command += [__file__, "--train"]
        subprocess.run(command, env=environment, check=True, timeout=MAKING_SECONDS, stdout=quiet, stderr=quiet)  # noqa: S603  # our own
        part.replace(archive)


def _train() -> None:
    """The stages of `pipeline.spark.run`, over numbers."""
    from pyspark import SparkContext

    with SparkContext() as context:
        counted = context.accumulator(0)
        pairs = context.parallelize(range(4), 2).mapPartitions(lambda part: [(number % 2, number) for number in part])
        series = pairs.groupByKey(2, int).mapPartitions(list)
        series.partitionBy(4, int).foreachPartition(lambda part: counted.add(len(list(part))))


if __name__ == "__main__":
    _train() if "--train" in sys.argv else make()
