"""The Beam graph: the same one in process, on Dataflow and on Beam's Spark runner."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, GoogleCloudOptions, PipelineOptions, PortableOptions, StandardOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import create_runner
from apache_beam.transforms.environments import ExternalEnvironment

from pipeline import spill
from pipeline.lean import check_whole
from pipeline.manifest import read_shard, slices
from pipeline.settings import nearest
from pipeline.silence import debugging
from pipeline.storage import Store
from pipeline.worker import Job
from transforms.beam import coders as coders  # registers the coders of values that are never encoded
from transforms.beam.base import OUTCOMES, tally
from transforms.beam.clean_apart import CleanApartDoFn
from transforms.beam.decide_series import DecideSeriesDoFn
from transforms.beam.deidentify_tags import DeidentifyTagsDoFn
from transforms.beam.mask_text import MaskTextDoFn
from transforms.beam.read_apart import ReadApartDoFn
from transforms.beam.read_header import ReadHeaderDoFn
from transforms.beam.save_conditions import SaveConditionsDoFn
from transforms.beam.verify import VerifyDoFn
from transforms.beam.write import WriteDoFn
from transforms.beam.write_audit import WriteAuditDoFn
from transforms.deidentify import OpenedHeader
from transforms.errors import ConfigError
from transforms.measures import Tally
from transforms.series.aggregate import series_key
from transforms.types import Header, Source, Work

RUNNERS = {"local": "FnApiRunner", "dataflow": "DataflowRunner", "beam-spark": "SparkRunner"}
FINISHED = "finished"
SLICES_PER_WORKER, SLICES_OF_A_CLUSTER = 16, 64
"""Parts of the work list at least: workers of this machine are given the same number of them, those of a cluster take them."""


def check(runner: str, extra: Sequence[str] = ()) -> None:
    """Whether a runner has the options that it cannot do without, and no others than there are: Beam passes over what it does not know.

    Raises:
        ConfigError: says what is missing or wrong, in Beam's words where it finds it.
    """
    chosen = options(runner, 1, extra)
    known = chosen.get_all_options()
    unknown = chosen.get_all_options(retain_unknown_options=True).keys() - known.keys()
    names = [f"--{name}" for name in known]
    others = runner == "beam-spark" or known["template_location"]  # a job server and a launcher of templates have options of their own
    wrong = [] if others else [f"there is no {name}{nearest(name, names) or '.'}" for name in sorted(f"--{name}" for name in unknown)]
    if not wrong:
        try:
            wrong += PipelineOptionsValidator(chosen, create_runner(RUNNERS[runner])).validate()
        except Exception as exc:  # it looks for the buckets of Dataflow
            wrong.append(f"what they name cannot be reached ({type(exc).__name__}): see to the network and to credentials.")
    if runner == "beam-spark" and not (chosen.view_as(PortableOptions).job_endpoint or known["spark_job_server_jar"]):
        wrong.append("Expected --job_endpoint=HOST:PORT of a job server, or --spark_job_server_jar=JAR.")  # else Beam would download one
    if wrong:
        raise ConfigError(f"the runner '{runner}' and its options behind --: {' '.join(wrong)} See docs/scale.md")


def options(runner: str, workers: int, extra: Sequence[str] = ()) -> PipelineOptions:
    """Beam's options for one of our runner names; ``extra`` are the user's own and come last.

    Raises:
        ConfigError: Beam was imported here without what a cluster needs.
    """
    if runner != "local":
        check_whole()
    flags = [f"--runner={RUNNERS[runner]}"]
    if runner == "local":
        flags += [f"--direct_num_workers={workers}"]
    elif runner == "dataflow":
        # The globals of a main program are nothing that a worker needs, nor anything to be left in a bucket. A process cleans one chunk at
        # a time: Dataflow would give it twelve, and so twelve times the memory, for the one core that an engine uses.
        flags += ["--no_save_main_session", "--number_of_worker_harness_threads=1"]
        flags += [f"--max_num_workers={workers}"] if workers > 1 else []
    return PipelineOptions([*flags, *extra])


def run(job: Job, shards: Sequence[str], pipeline_options: PipelineOptions, pool: str = "") -> Tally | None:
    """Build the graph over the shards of the work list and run it.

    Args:
        job: references only.
        shards: URIs of the work list.
        pipeline_options: see `options`.
        pool: address of a worker pool for a local run in several processes.

    Returns:
        What its workers measured, or None if it was only launched or staged.
    """
    if not debugging():
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its errors carry tracebacks; what failed is said by the exception
    runner = FnApiRunner(ExternalEnvironment(pool)) if pool else None
    local = pipeline_options.view_as(StandardOptions).runner == RUNNERS["local"]
    workers = pipeline_options.view_as(DirectOptions).direct_num_workers
    least = SLICES_OF_A_CLUSTER if not local else SLICES_PER_WORKER * workers if workers > 1 else 1
    with beam.Pipeline(runner=runner, options=pipeline_options) as root:
        build(root, job, shards, least, (workers or os.cpu_count() or 1) if local else 0)
    staged = pipeline_options.view_as(GoogleCloudOptions).template_location
    if staged or pipeline_options.view_as(StandardOptions).no_wait_until_finish:
        return None
    try:
        return tally(root.result)
    except Exception:  # measures are asked of a service; a job that is done must not fail for want of them
        return Tally()


def build(root: beam.Pipeline, job: Job, shards: Sequence[str], least: int, local: int = 0) -> None:
    """The way of an instance; see the diagram in the README.

    Args:
        root: the pipeline.
        job: references only.
        shards: of the work list.
        least: into so many parts they are cut, or more.
        local: processes of Beam's local runner, which holds in memory what it shuffles: it is given places in files instead. 0: a cluster.
    """
    items = (
        root
        | "ListShards" >> beam.Create(slices(shards, least))
        | "SpreadShards" >> beam.Reshuffle()
        | "ReadShard" >> beam.ParDo(_ReadShard(job.store)).with_outputs(FINISHED, main="pending")
    )
    sources = items.pending
    branches: dict[str, beam.PCollection] = {}
    if job.apart:
        headers = sources | "ReadApart" >> beam.ParDo(ReadApartDoFn(job.open_apart)).with_outputs(OUTCOMES, main="headers")
    else:
        read = beam.ParDo(ReadHeaderDoFn(job.open)).with_output_types(OpenedHeader).with_outputs(OUTCOMES, main="opened")
        opened = sources | "ReadHeader" >> read
        branches["Unreadable"] = opened[OUTCOMES]
        evaluate = beam.ParDo(SaveConditionsDoFn(job.open)).with_outputs(OUTCOMES, main="headers")
        headers = opened.opened | "EvaluateSaveConditions" >> evaluate
    keyed = (headers.headers, items[FINISHED])
    if local:
        series = keyed | "GroupBySeries" >> spill.GroupBySeries(job.store, shards)
    else:
        series = keyed | "JoinFinished" >> beam.Flatten() | "GroupBySeries" >> beam.GroupByKey()
    decided = series | "DecideSeries" >> beam.ParDo(DecideSeriesDoFn(job.open)).with_outputs(OUTCOMES, main="chunks")
    turns = Path(job.progress, "turns") if job.progress and local > 1 else None
    chunks = decided.chunks | "SpreadChunks" >> (spill.SpreadChunks(job.store, shards, local, turns) if local else beam.Reshuffle())
    saved = (chunks | "CleanApart" >> beam.ParDo(CleanApartDoFn(job.open_apart))) if job.apart else _clean(chunks, job)
    # One writer per branch rather than one after a Flatten: each stays fused with what feeds it, so that rows are written as files are.
    branches |= {"Unevaluated": headers[OUTCOMES], "Filtered": decided[OUTCOMES], "Saved": saved}
    for label, outcomes in branches.items():
        outcomes | f"WriteAudit{label}" >> beam.ParDo(WriteAuditDoFn(job.write_audit))


def _clean(chunks: beam.PCollection, job: Job) -> beam.PCollection:
    return (
        chunks
        | "MaskText" >> beam.ParDo(MaskTextDoFn(job.open)).with_output_types(Work)
        | "DeidentifyTags" >> beam.ParDo(DeidentifyTagsDoFn(job.open)).with_output_types(Work)
        | "Verify" >> beam.ParDo(VerifyDoFn(job.open)).with_output_types(Work)
        | "Write" >> beam.ParDo(WriteDoFn(job.open))
    )


class _ReadShard(beam.DoFn):
    """Sources go to be read; headers that an earlier run finished go straight to their series."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def process(self, element: tuple[str, int, int]) -> Iterator[Source | beam.pvalue.TaggedOutput]:
        for item in read_shard(self._store, *element):
            if isinstance(item, Header):
                yield beam.pvalue.TaggedOutput(FINISHED, (series_key(item), item))
            else:
                yield item
