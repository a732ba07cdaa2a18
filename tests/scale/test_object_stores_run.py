"""The whole command from and to object stores over HTTP: one request in ten fails, or credentials expire in the middle."""

from __future__ import annotations

import functools
import itertools
import json
import random
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.settings import IO_THREADS
from pipeline.storage import Store
from tests.end_to_end import archive
from tests.pipeline import emulators
from tests.pipeline.emulators import Emulated
from tests.scale import runs

FAULTS = ("503", "reset")


def emulated(scheme: str, folder: Path) -> AbstractContextManager[Emulated]:
    return emulators.s3() if scheme == "s3" else emulators.gcs() if scheme == "gs" else emulators.azure(folder)


def environment(cloud: Emulated) -> dict[str, str]:
    scheme = cloud.root.partition("://")[0]
    return {f"FSSPEC_{scheme.upper()}": json.dumps(dict(cloud.store.options[scheme])), "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


def put(cloud: Emulated, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            cloud.store.write_atomic(f"{cloud.root}/in/{path.relative_to(folder)}", path.read_bytes())


def saved(cloud: Emulated) -> dict[str, bytes]:
    found = {source.uri.removeprefix(f"{cloud.root}/out/"): source for source in cloud.store.list_files(f"{cloud.root}/out/instances")}
    return {name: cloud.store.read_all(source.uri) for name, source in found.items()}


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_a_run_in_an_object_store_gives_what_one_on_a_disk_gives(
    reference: tuple[Path, Path, Path, int], tmp_path: Path, scheme: str
) -> None:
    inputs, output, secret, count = reference
    with emulated(scheme, tmp_path) as cloud:
        put(cloud, inputs)
        dice = random.Random(5)
        faults = [dice.choice(FAULTS) for _ in range(100_000)]
        cloud.proxy.fail(*faults, match=lambda method, path: dice.random() < 0.1)
        said = runs.deid(f"{cloud.root}/in", f"{cloud.root}/out", secret, env=environment(cloud))
        assert len(cloud.proxy.faults) < len(faults)
        cloud.proxy.fail()
        assert f"{count} inputs:" in said
        assert ", 0 unaccounted for" in said
        assert saved(cloud) == runs.tree(output)
        again = runs.deid(f"{cloud.root}/in", f"{cloud.root}/out", secret, env=environment(cloud))
        assert f"{count} inputs ({count} of them by an earlier run)" in again


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_an_instance_is_two_reads_and_one_write(tmp_path: Path, secret_file: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/scale.md reckons with: the range of the header, the whole with its version, and the file."""
    paths = archive.series(tmp_path / "in", 5)
    (tmp_path / "quick.yaml").write_text("name: quick\npixels: {mode: REDACT_NO_TEXT}\n")
    with emulated(scheme, tmp_path) as cloud:
        put(cloud, tmp_path / "in")
        monkeypatch.setitem(fsspec.config.conf, scheme, dict(cloud.store.options[scheme]))
        cloud.proxy.fail()
        assert main(runs.command(f"{cloud.root}/in", f"{cloud.root}/out", secret_file, config=str(tmp_path / "quick.yaml"))[3:]) == 0
        seen = [(method, unquote(path), asked) for method, path, asked in cloud.proxy.requests]
        for path in paths:
            size = path.stat().st_size
            asked = [(method, ranged) for method, name, ranged in seen if f"in/{path.name}" in name]
            assert asked == [("GET", f"bytes=0-{size - 1}"), ("GET", f"bytes=0-{size}")]
        written = [method for method, name, _ in seen if "out/instances/" in name]
        created = (
            sum("ifGenerationMatch=0" in name for _, name, _ in seen) - 1
        )  # an upload to Google's names its object within; one is the lease
        assert created == 5 if scheme == "gs" else written == ["PUT"] * 5


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_credentials_that_expire_end_the_run_with_a_message_and_a_rerun_finishes_it(
    tmp_path: Path, secret_file: Path, scheme: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.series(tmp_path / "in", 12)
    (tmp_path / "quick.yaml").write_text("name: quick\npixels: {mode: REDACT_NO_TEXT}\n")
    with emulated(scheme, tmp_path) as cloud:
        put(cloud, tmp_path / "in")
        monkeypatch.setitem(fsspec.config.conf, scheme, dict(cloud.store.options[scheme]))
        for name, value in environment(cloud).items():
            monkeypatch.setenv(name, value)  # for processes of the run
        command = runs.command(f"{cloud.root}/in", f"{cloud.root}/out", secret_file, config=str(tmp_path / "quick.yaml"))[3:]
        uploads = itertools.count()
        expired = threading.Event()

        def refuses(method: str, path: str) -> bool:
            """From the sixth file on, nothing is allowed any more."""
            if method in ("PUT", "POST") and "out/instances" in unquote(path) and next(uploads) == 5:
                expired.set()
            return expired.is_set()

        cloud.proxy.fail(*["expired"] * 100_000, match=refuses)
        assert main(command) != 0
        assert expired.is_set()
        assert 100_000 - len(cloud.proxy.faults) < 5 * 12, "a store that refuses is not asked again and again"
        cloud.proxy.fail()
        said = "".join(capfd.readouterr())
        assert "renew them, and run the same command again" in said
        assert "Traceback" not in said
        for lease in list(cloud.store.list_files(f"{cloud.root}/out/restricted/leases")):
            cloud.store.delete(lease.uri)  # a run that may not write cannot give it back; it ends with the process, or after minutes
        assert main(command) == 0
        assert len(saved(cloud)) == 12
        rows = [row for source in cloud.store.list_files(f"{cloud.root}/out/audit/instances") for row in statuses(cloud, source.uri)]
        assert rows == ["saved"] * 12


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_an_object_that_is_gone_when_it_is_read_has_a_row_and_is_done_when_it_is_back(
    tmp_path: Path, secret_file: Path, scheme: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is listed and gone before its header is read, one between its header and the rest."""
    paths = archive.series(tmp_path / "in", 4)
    (tmp_path / "quick.yaml").write_text("name: quick\npixels: {mode: REDACT_NO_TEXT}\n")
    with emulated(scheme, tmp_path) as cloud:
        put(cloud, tmp_path / "in")
        monkeypatch.setitem(fsspec.config.conf, scheme, dict(cloud.store.options[scheme]))
        at_once, later = (f"{cloud.root}/in/{path.name}" for path in paths[1:3])
        header, whole = Store.read_range, Store.read_all

        def gone(self: Store, uri: str, *rest: Any, name: str, read: Any, **named: Any) -> bytes:
            if uri == name:
                self.delete(uri)
            return read(self, uri, *rest, **named)

        monkeypatch.setattr(Store, "read_range", functools.partialmethod(gone, name=at_once, read=header))
        monkeypatch.setattr(Store, "read_all", functools.partialmethod(gone, name=later, read=whole))
        command = runs.command(f"{cloud.root}/in", tmp_path / "out", secret_file, config=str(tmp_path / "quick.yaml"))[3:]
        assert main(command) == 0
        monkeypatch.setattr(Store, "read_range", header)
        monkeypatch.setattr(Store, "read_all", whole)
        said = "".join(capfd.readouterr())
        assert "4 inputs: 2 saved, 0 filtered, 2 quarantined, 0 unaccounted for" in said
        assert "Zyxwandt" not in said
        assert sum("read_failed" in row for row in runs.rows(tmp_path / "out", "audit/instances")) == 2
        put(cloud, tmp_path / "in")
        assert main(command) == 0
        assert len(runs.tree(tmp_path / "out")) == len(runs.rows(tmp_path / "out", "audit/instances")) == 4


def test_credentials_of_the_input_alone_that_expire_end_the_run_early(
    tmp_path: Path, secret_file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.series(tmp_path / "in", 60)
    (tmp_path / "quick.yaml").write_text("name: quick\npixels: {mode: REDACT_NO_TEXT}\n")
    with emulators.s3() as cloud:
        put(cloud, tmp_path / "in")
        monkeypatch.setitem(fsspec.config.conf, "s3", dict(cloud.store.options["s3"]))
        for name, value in environment(cloud).items():
            monkeypatch.setenv(name, value)  # for processes of the run
        reads = itertools.count()
        for allowed, workers in ((5, "1"), (75, "2")):  # headers first, then whole instances
            cloud.proxy.fail(*["expired"] * 100_000, match=lambda method, path: "/in/" in unquote(path) and next(reads) >= allowed)  # noqa: B023
            output = tmp_path / f"out-{allowed}"
            command = runs.command(f"{cloud.root}/in", output, secret_file, "--workers", workers, config=str(tmp_path / "quick.yaml"))[3:]
            assert main(command) != 0
            refused = 100_000 - len(cloud.proxy.faults)
            under_way = 2 * IO_THREADS  # each is asked once more, with credentials that were looked up again
            assert refused < (25 + under_way) * int(workers), "a store that refuses is not asked again and again"
            assert "renew them, and run the same command again" in "".join(capfd.readouterr())
            cloud.proxy.fail()
            assert main(command) == 0
            assert len(runs.tree(output)) == len(runs.rows(output, "audit/instances")) == 60
            reads = itertools.count()


def statuses(cloud: Emulated, uri: str) -> list[str]:
    return list(pq.read_table(pa.BufferReader(cloud.store.read_all(uri)))["status"].to_pylist())
