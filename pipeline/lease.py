"""One run at a time writes to an output: who runs holds a lease, a small object in the restricted folder that it renews.

A run that dies leaves its lease behind. On the machine where it ran the next one sees at once that its process is gone; elsewhere the lease
ends by itself after `SECONDS`. Leases have numbers, and are created only if absent, so that of two runs that take over a dead one's place
only one can win.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pipeline.storage import Store, join
from transforms.errors import BusyError, Code, DeidError

SECONDS = 180.0
"""How long a lease holds without being renewed; clocks of machines may differ by less."""
RENEWAL_SECONDS = 20.0
MAX_BYTES = 4096


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, and until when.

    Attributes:
        token: random.
        until: end of the lease, seconds since 1970.
        machine: digest of the machine's name, of its last start and of what process numbers mean on it; '' where that is not known.
        process: its number there.
        born: when that process began, in the system's own count.
    """

    token: str
    until: float
    machine: str
    process: int
    born: str

    def alive(self, now: float) -> bool:
        """Whether the lease still holds."""
        if self.machine and self.machine == _machine() and _born(self.process) != self.born:
            return False
        return now < self.until


class Lease:
    """A lease that this process holds."""

    def __init__(self, store: Store, uri: str, holder: Holder, clock: Callable[[], float]) -> None:
        self._store, self._uri, self._holder, self._clock = store, uri, holder, clock
        self._until = holder.until

    def check(self) -> None:
        """Make sure that nobody else has the output now: call it before anything is deleted.

        Raises:
            DeidError: INTERNAL, this process slept so long that another run took over.
        """
        if self._clock() >= self._until or not self._store.exists(self._uri):
            raise DeidError(
                Code.INTERNAL, "this run was not heard of for too long, and another may write to the output; run the same again"
            )

    def renew(self) -> None:
        """Hold the lease for another while, unless it has ended."""
        now = self._clock()
        if now < self._until and self._store.exists(self._uri):
            until = now + SECONDS
            _write(self._store, self._uri, Holder(**{**asdict(self._holder), "until": until}))
            self._until = until


@contextmanager
def held(store: Store, output: str, clock: Callable[[], float] = time.time) -> Iterator[Lease]:
    """Hold the lease of an output while the body runs.

    Raises:
        BusyError: another run holds it.
    """
    folder = join(output, "restricted", "leases")
    before = _others(store, folder)
    _refuse_if_alive(before, clock())
    number = max((_number(uri) for uri in before), default=0) + 1
    uri = join(folder, f"{number:08d}.json")
    holder = Holder(uuid4().hex, clock() + SECONDS, _machine(), os.getpid(), _born(os.getpid()))
    if not store.write_if_absent(uri, _encoded(holder)) and _read(store, uri) != holder:  # it may be ours, and the answer was lost
        raise BusyError("another run into this output has just begun; run the same again when it has ended")
    try:
        others = {other: who for other, who in _others(store, folder).items() if other != uri}
        _refuse_if_alive(others, clock())
        for other in others:
            store.delete(other)
        lease, stop = Lease(store, uri, holder, clock), threading.Event()
        thread = threading.Thread(target=_keep, args=(lease, stop), daemon=True, name="lease")
        thread.start()
        try:
            yield lease
        finally:
            stop.set()
            thread.join()
    finally:
        store.delete(uri)


def _keep(lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(RENEWAL_SECONDS):
        try:
            lease.renew()
        except DeidError:  # the store has a bad moment; a lease outlives eight of them
            continue


def _others(store: Store, folder: str) -> dict[str, Holder | None]:
    """The leases that there are; None for one that cannot be read."""
    if not store.is_folder(folder):
        return {}
    return {source.uri: _read(store, source.uri) for source in store.list_files(folder) if source.uri.endswith(".json")}


def _refuse_if_alive(leases: dict[str, Holder | None], now: float) -> None:
    for holder in leases.values():
        if holder is not None and holder.alive(now):
            until = datetime.fromtimestamp(holder.until, UTC).strftime("%H:%M:%S")
            raise BusyError(
                "another run writes to this output; wait for its end, or choose another output"
                f" (should it have died on another machine, run the same again after {until} UTC)"
            )


def _read(store: Store, uri: str) -> Holder | None:
    try:
        return Holder(**json.loads(store.read_all(uri, MAX_BYTES)))
    except (DeidError, ValueError, TypeError):  # released meanwhile, or not ours
        return None


def _write(store: Store, uri: str, holder: Holder) -> None:
    store.write_atomic(uri, _encoded(holder))


def _encoded(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _number(uri: str) -> int:
    name = uri.rpartition("/")[2].partition(".")[0]
    return int(name) if name.isdecimal() else 0


def _machine() -> str:
    try:
        parts = [socket.gethostname(), Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]  # noqa: PTH115
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _born(process: int) -> str:
    """When a process began; '' when there is none, or it is dead and nobody has noticed."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
