"""Retries: what may pass is tried again with growing pauses, what may not is not."""

from __future__ import annotations

import errno

import pytest

from pipeline.retry import call_with_retries, is_transient, reason


class Flaky:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def http(status: int) -> Exception:
    error = Exception("https://bucket/DOE^JANE")
    error.status = status  # type: ignore[attr-defined]
    return error


class HTTPClientError(Exception):
    pass


TRANSIENT = [
    ConnectionResetError(),
    TimeoutError(),
    OSError(errno.EIO, "x"),
    OSError(errno.ESTALE, "x"),
    HTTPClientError(),
    *map(http, (408, 429, 500, 502, 503, 504)),
]
FINAL = [FileNotFoundError(), PermissionError(), OSError(errno.ENOSPC, "x"), ValueError(), *map(http, (400, 401, 403, 404, 412))]


@pytest.mark.parametrize("error", TRANSIENT, ids=reason)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    pauses: list[float] = []
    call = Flaky(error, error)
    assert call_with_retries(call, 3, pauses.append) == "done"
    assert len(pauses) == 2
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, (0.5, 1.0), strict=True))


@pytest.mark.parametrize("error", FINAL, ids=reason)
def test_what_may_not_pass_is_not(error: Exception) -> None:
    call = Flaky(error)
    with pytest.raises(type(error)):
        call_with_retries(call, 3, lambda _: None)
    assert call.calls == 1


def test_pauses_grow_and_are_not_those_of_other_workers() -> None:
    found: list[list[float]] = []
    for _ in range(50):
        pauses: list[float] = []
        call_with_retries(Flaky(*[ConnectionResetError()] * 7), 8, pauses.append)
        found.append(pauses)
    longest = [max(times) for times in zip(*found, strict=True)]
    assert all(limit / 2 < most <= limit for most, limit in zip(longest, (0.5, 1, 2, 4, 8, 16, 20), strict=True))
    assert len({tuple(pauses) for pauses in found}) == 50


def test_patience_ends() -> None:
    call = Flaky(*[ConnectionResetError()] * 9)
    with pytest.raises(ConnectionResetError):
        call_with_retries(call, 4, lambda _: None)
    assert call.calls == 4


def test_a_cause_counts() -> None:
    outer = OSError("wrapped")
    outer.__cause__ = http(503)
    assert is_transient(outer)
    assert reason(outer) == "OSError 503"
    busy = OSError(errno.EBUSY, "s3fs says it so")
    busy.__cause__ = http(503)
    assert reason(busy) == "OSError 503"
    assert reason(OSError(errno.ENOSPC, "x", "DOE^JANE")) == "No space left on device; make room, and run the same command again"
    assert reason(FileNotFoundError(errno.ENOENT, "x", "DOE^JANE")) == "FileNotFoundError"
    assert "DOE" not in reason(http(503))
