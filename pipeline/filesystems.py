"""How fsspec's file systems are opened: no service is waited for without end, no library tries again beside our own retries."""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Mapping
from typing import Any

from pipeline.retry import is_refused
from pipeline.uri import canonical
from transforms.errors import ConfigError

_CONNECT_SECONDS, _READ_SECONDS = 20, 60
_DEFAULTS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 64,
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
        }
    },
    "abfs": {"connection_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS},
}
_LOOK_UP_SECONDS = 60.0
_looked_up: dict[str, float] = {}
_looking_up = threading.Lock()

for _name in ("adlfs", "aiobotocore", "asyncio", "azure", "botocore", "fsspec", "gcsfs", "s3fs"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)  # they log the names of files, which may be names of people


def open_filesystem(uri: str, chosen: Mapping[str, Mapping[str, Any]]) -> Any:
    """The file system of a URI; fsspec keeps one per process and options. Listings are never cached, since other workers write.

    Args:
        uri: of anything in it.
        chosen: options by canonical scheme; they win.

    Raises:
        ConfigError: the scheme is unknown or its library is not installed.
    """
    import fsspec  # imported late: local files need none of it

    scheme = canonical(uri).partition("://")[0]
    try:
        from_url = fsspec.get_filesystem_class(scheme)._get_kwargs_from_urls(uri)
        options = {"use_listings_cache": False, **_defaults(scheme), **from_url, **chosen.get(scheme, {})}
        filesystem = fsspec.filesystem(scheme, **options)
    except (ImportError, ValueError) as exc:
        raise ConfigError(f"{scheme}:// cannot be used here: {exc}") from None
    if scheme == "s3":
        filesystem.retries = 1  # it tries again after some faults and not after others, such as status 429 of S3 look-alikes
    elif scheme == "abfs":
        filesystem.service_client._config.retry_policy.total_retries = 0  # it waits 15 seconds before it tries again
    return filesystem


def look_up_again(scheme: str, asked: float) -> bool:
    """Forget the open file systems, so that the next call opens one with the credentials of now; False when that was done just now.

    Args:
        scheme: of the store.
        asked: when the call was made that was refused; another thread may have looked them up since.
    """
    with _looking_up:
        last, now = _looked_up.get(scheme, -math.inf), time.monotonic()
        if asked < last:
            return True
        if now - last < _LOOK_UP_SECONDS:
            return False
        import fsspec

        _looked_up[scheme] = now
        fsspec.get_filesystem_class(scheme).clear_instance_cache()
        return True


def _defaults(scheme: str) -> dict[str, Any]:
    """Options that we choose: no service is waited for without end."""
    if scheme == "gs":
        import aiohttp  # comes with gcsfs, which takes seconds to import

        _do_not_insist()
        return {"requests_timeout": aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS)}
    return _DEFAULTS.get(scheme, {})


@functools.cache
def _do_not_insist() -> None:
    """Have gcsfs report refused credentials at once: it would ask five times more, for half a minute, at every request."""
    from gcsfs import retry

    may_pass = retry.is_retriable
    retry.is_retriable = lambda exc: may_pass(exc) and (getattr(exc, "retryable", False) or not is_refused(exc))
