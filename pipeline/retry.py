"""Retries of storage calls: exponential backoff with full jitter, only for faults that may pass."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_BASE_SECONDS = 0.5
_MAX_SECONDS = 20.0
_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERRNOS = frozenset({errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE})
# Classes of aiohttp, requests, botocore, azure and fsspec, by name: none of these libraries is needed to read a local disk.
_NAMES = frozenset(
    {
        "ClientConnectionError",
        "ClientPayloadError",
        "FSTimeoutError",
        "HTTPClientError",
        "IncompleteRead",
        "ChunkedEncodingError",
        "ProxyError",
        "ResponseParserError",
        "ServiceRequestError",
        "ServiceResponseError",
        "IncompleteReadError",
    }
)
_EXPIRED = frozenset(
    {
        "AuthenticationFailed",  # Azure: a signature, a key or a token, expired or withdrawn
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAuthenticationInfo",
        "InvalidToken",
        "RequestExpired",
        "TokenRefreshRequired",
    }
)
_EXPIRED_NAMES = frozenset({"ClientAuthenticationError", "CredentialRetrievalError", "NoCredentialsError", "RefreshError"})
_MAKE_ROOM = "; make room, and run the same command again"
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)


def call_with_retries(call: Callable[[], T], attempts: int, sleep: Callable[[float], None]) -> T:
    """What ``call`` returns, tried up to ``attempts`` times; the last error is raised as it is."""
    for attempt in range(attempts):
        try:
            return call()
        except Exception as exc:
            if attempt + 1 >= attempts or not is_transient(exc):
                raise
            sleep(random.uniform(0, min(_MAX_SECONDS, _BASE_SECONDS * 2**attempt)))
    raise ValueError("attempts must be at least 1")


def is_transient(exc: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    if isinstance(exc, _FINAL):
        return False
    for error in _chain(exc):
        if isinstance(error, ConnectionError | TimeoutError) or _status(error) in _STATUSES:
            return True
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return True
        if not _NAMES.isdisjoint(kind.__name__ for kind in type(error).__mro__):
            return True
    return False


def is_expired(exc: BaseException) -> bool:
    """Whether the store says that it does not know the caller (any more)."""
    return any(
        _status(error) == 401 or _code(error) in _EXPIRED or not _EXPIRED_NAMES.isdisjoint(kind.__name__ for kind in type(error).__mro__)
        for error in _chain(exc)
    )


def is_refused(exc: BaseException) -> bool:
    """Whether the store knows the caller and says no, or does not know the caller."""
    return is_expired(exc) or any(
        isinstance(error, PermissionError) or _status(error) == 403 or (isinstance(error, OSError) and str(error).startswith("Forbidden:"))
        for error in _chain(exc)  # the last is how gcsfs says it
    )


def reason(exc: BaseException) -> str:
    """Class and status of an error, or what the system calls it: all of it that holds no path."""
    status = next((code for code in map(_status, _chain(exc)) if code), None)
    if status is None and type(exc) is OSError and exc.errno is not None:  # of the system, which has no class for it
        return os.strerror(exc.errno) + (_MAKE_ROOM if exc.errno in (errno.ENOSPC, errno.EDQUOT) else "")
    return type(exc).__name__ + (f" {status}" if status else "")


def _chain(exc: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = exc
    for _ in range(8):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def _code(exc: BaseException) -> str:
    """The name that S3 and Azure give an error."""
    response = getattr(exc, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else str(getattr(exc, "error_code", ""))


def _status(exc: BaseException) -> int | None:
    """The HTTP status that a client library's error carries, wherever it keeps it."""
    response = getattr(exc, "response", None)
    candidates = [getattr(exc, name, None) for name in ("status", "status_code", "code")]
    if isinstance(response, dict):
        candidates.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    elif response is not None:
        candidates.append(getattr(response, "status_code", None))
    for candidate in candidates:
        if str(candidate).isdecimal() and 400 <= int(str(candidate)) < 600:
            return int(str(candidate))
    return None
