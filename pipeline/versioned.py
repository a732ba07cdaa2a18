"""Bytes of an object together with its version, in one request: the calls of fsspec give the bytes alone."""

from __future__ import annotations

from typing import Any

from fsspec.asyn import sync

from pipeline.uri import version_of


def read(filesystem: Any, name: str, end: int) -> tuple[bytes, str]:
    """The first ``end`` bytes of an object and the version that they are of, as `version_of` has it.

    A store that does not say it beside the bytes is asked afterwards: if it then is the version that was listed, so are the bytes.

    Args:
        filesystem: of fsspec.
        name: canonical URI.
        end: at least 1.
    """
    call = _READERS.get(name.partition("://")[0])
    if call is None:
        return bytes(filesystem.cat_file(name, start=0, end=end)), version_of(filesystem.info(name))
    data, entry = call(filesystem, name, end)
    return bytes(data), version_of(entry) or version_of(filesystem.info(name))


def _s3(filesystem: Any, name: str, end: int) -> tuple[bytes, dict[str, Any]]:
    bucket, key, _ = filesystem.split_path(name)

    async def get() -> tuple[bytes, dict[str, Any]]:
        answer = await filesystem._call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes=0-{end - 1}")
        async with answer["Body"] as body:
            return await body.read(), answer

    found: tuple[bytes, dict[str, Any]] = sync(filesystem.loop, get)
    return found


def _gs(filesystem: Any, name: str, end: int) -> tuple[bytes, dict[str, Any]]:
    headers, data = filesystem.call("GET", filesystem.url(name), headers={"Range": f"bytes=0-{end - 1}"})
    return data, {"generation": headers.get("x-goog-generation")}


def _abfs(filesystem: Any, name: str, end: int) -> tuple[bytes, dict[str, Any]]:
    container, blob, _ = filesystem.split_path(filesystem._strip_protocol(name))

    async def get() -> tuple[bytes, dict[str, Any]]:
        async with filesystem.service_client.get_blob_client(container=container, blob=blob) as client:
            stream = await client.download_blob(offset=0, length=end, max_concurrency=1, **filesystem._timeout_kwargs)
            return await stream.readall(), {"etag": stream.properties.etag}

    found: tuple[bytes, dict[str, Any]] = sync(filesystem.loop, get)
    return found


_READERS = {"s3": _s3, "gs": _gs, "abfs": _abfs}
