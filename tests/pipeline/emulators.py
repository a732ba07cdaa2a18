"""Emulators of S3, Google Cloud Storage and Azure Blob Storage on loopback, each behind a proxy that can fail."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pipeline.storage import Store
from tests.pipeline.faulty_proxy import Proxy, proxy

AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # published by Microsoft


@dataclass(frozen=True)
class Emulated:
    """An empty bucket in an emulator."""

    root: str
    store: Store
    proxy: Proxy


@contextmanager
def s3() -> Iterator[Emulated]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with proxy(f"http://{host}:{port}") as front:
        options = {"endpoint_url": front.url, "key": "x", "secret": "y", "client_kwargs": {"region_name": "eu-west-1"}}
        yield _bucket("s3", options, front)
    server.stop()


@contextmanager
def gcs() -> Iterator[Emulated]:
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed")
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    port = _open_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True)
    server.start()
    try:
        with proxy(f"http://127.0.0.1:{port}", as_google=True) as front:
            yield _bucket("gs", {"endpoint_url": front.url, "token": "anon", "project": "test"}, front)
    finally:
        server.stop()  # its thread would keep the process of the tests from ending


@contextmanager
def azure(folder: Path) -> Iterator[Emulated]:
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed (make azurite)")
    port = _open_port()
    command = [program, "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobPort", str(port), "--location", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        try:
            with proxy(f"http://127.0.0.1:{port}") as front:
                account = f"AccountName=devstoreaccount1;AccountKey={AZURE_KEY};BlobEndpoint={front.url}/devstoreaccount1;"
                yield _bucket("abfs", {"connection_string": f"DefaultEndpointsProtocol=http;{account}"}, front)
        finally:
            process.terminate()


def _bucket(scheme: str, options: dict[str, Any], front: Proxy) -> Emulated:
    store = Store({scheme: options}, sleep=lambda _: None)
    name = f"bucket-{uuid4().hex[:8]}"
    store.filesystem(f"{scheme}://{name}").mkdir(name)
    return Emulated(f"{scheme}://{name}", store, front)


def _open_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
