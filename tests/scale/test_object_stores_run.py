"""The whole command from and to object stores over HTTP, with one request in ten answered by 503."""

from __future__ import annotations

import json
import random
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import emulators
from tests.scale import runs


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_run_in_an_object_store_gives_what_one_on_a_disk_gives(reference: tuple[Path, Path, Path, int], scheme: str) -> None:
    inputs, output, secret, count = reference
    emulated: AbstractContextManager[Any] = emulators.s3() if scheme == "s3" else emulators.gcs()
    with emulated as cloud:
        store, root = cloud.store, cloud.root
        for path in inputs.rglob("*"):
            if path.is_file():
                store.write_atomic(f"{root}/in/{path.relative_to(inputs)}", path.read_bytes())
        env = {f"FSSPEC_{scheme.upper()}": json.dumps(dict(store.options[scheme])), "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        dice = random.Random(5)
        cloud.proxy.fail(*["503"] * 100_000, match=lambda method, path: dice.random() < 0.1)
        said = runs.deid(f"{root}/in", f"{root}/out", secret, env=env)
        cloud.proxy.fail()
        assert f"{count} inputs:" in said
        assert ", 0 unaccounted for" in said
        found = {source.uri.removeprefix(f"{root}/out/"): source for source in store.list_files(f"{root}/out/instances")}
        assert {name: store.read_all(source.uri) for name, source in found.items()} == runs.tree(output)
        again = runs.deid(f"{root}/in", f"{root}/out", secret, env=env)
        assert f"{count} inputs ({count} of them by an earlier run)" in again
