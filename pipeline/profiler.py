"""Where the time goes: a thread that looks every few milliseconds at what the working threads do, in every process of a run.

Sampling does not slow what it measures, unlike a profiler that is called at every function. A sample is the stage and the names of the
functions; no argument, value or path. Processes leave what they saw beside the output, in the folded form that speedscope, flamegraph.pl
and others read: ``stage;function;function microseconds``.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.storage import Store, join

PERIOD_SECONDS = 0.005
SWITCH_SECONDS = 0.0002
"""Python hands over to a waiting thread after 5 ms, or where the running one lets go: samples would gather where files are read."""
LEAST_NEW = 20
"""Samples before a part is written again: a bundle of a few milliseconds does not pay for an object."""
TOP = 15
_OURS = ("transforms.deidentify", "pipeline.worker", "pipeline.run")
"""Where stages are entered; the frames outside, of the engine, are left out."""
MAX_BYTES = 256 * 1024**2

Spent = Counter[tuple[str, ...]]
"""Microseconds by stack: the stage, then functions from the outside in."""


class Sampler:
    """Samples the threads of this process that are in a stage.

    Args:
        write: keeps the folded stacks of this process so far, in place of what it kept before.
        period: seconds between two looks.
    """

    def __init__(self, write: Callable[[bytes], None], period: float = PERIOD_SECONDS) -> None:
        self._write, self._period = write, period
        self._stages: dict[int, str] = {}
        self._spent: Spent = Counter()
        self._new = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Entered while this thread works at a stage."""
        thread = threading.get_ident()
        outer = self._stages.get(thread)
        self._stages[thread] = name
        try:
            yield
        finally:
            if outer is None:
                del self._stages[thread]
            else:
                self._stages[thread] = outer

    def flush(self) -> None:
        """Keep what was seen, if it is worth it."""
        with self._lock:
            if self._new < LEAST_NEW:
                return
            self._new, data = 0, fold(self._spent)
        self._write(data)

    def close(self) -> None:
        """End the thread and keep the rest; again is nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._new = LEAST_NEW if self._spent else 0
        self.flush()

    def _run(self) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        last = time.perf_counter()
        while not self._stop.wait(self._period):
            now = time.perf_counter()
            elapsed, last = round(1e6 * (now - last)), now
            stages = dict(self._stages)
            if not stages:
                continue
            frames = sys._current_frames()
            with self._lock:
                for thread, stage in stages.items():
                    if thread in frames:
                        self._spent[(stage, *_names(frames[thread]))] += elapsed
                        self._new += 1
            del frames


def _names(frame: FrameType | None) -> list[str]:
    """Functions from the outermost of this project inwards."""
    names: list[str] = []
    known = 0
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "?"))
        names.append(f"{module}:{frame.f_code.co_qualname}".replace(";", ",").replace(" ", "_"))
        if module in _OURS:
            known = len(names)
        frame = frame.f_back
    return names[: known or None][::-1]


def fold(spent: Spent) -> bytes:
    """Folded stacks, sorted."""
    return "".join(f"{';'.join(stack)} {value}\n" for stack, value in sorted(spent.items())).encode()


def unfold(data: bytes) -> Spent:
    """What `fold` wrote."""
    spent: Spent = Counter()
    for line in data.decode().splitlines():
        stack, _, value = line.rpartition(" ")
        spent[tuple(stack.split(";"))] += int(value)
    return spent


def part_uri(output: str, run_id: str, worker: str) -> str:
    """Where a process keeps what it saw."""
    return join(output, "profile", f"{run_id}.part-{worker}.folded")


def merge(store: Store, output: str) -> list[str]:
    """Merge the parts of each run to one file and a table of it; returns the tables."""
    folder = join(output, "profile")
    if not store.is_folder(folder):
        return []
    parts: dict[str, list[str]] = {}
    for source in store.list_files(folder):
        run_id, found, _ = source.uri.rpartition("/")[2].partition(".part-")
        if found:
            parts.setdefault(run_id, []).append(source.uri)
    tables = []
    for run_id, uris in sorted(parts.items()):
        spent: Spent = Counter()
        for uri in uris:
            spent.update(unfold(store.read_all(uri, MAX_BYTES)))
        tables.append(table(spent, len(uris)))
        store.write_atomic(join(folder, f"{run_id}.folded"), fold(spent))
        store.write_atomic(join(folder, f"{run_id}.txt"), tables[-1].encode() + b"\n")
        for uri in uris:
            store.delete(uri)
    return tables


def table(spent: Spent, processes: int) -> str:
    """Seconds by stage, and the functions that took most: in themselves, and with what they call."""
    stages: Counter[str] = Counter()
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, value in spent.items():
        stages[stack[0]] += value
        own[stack[-1]] += value
        whole.update(dict.fromkeys(stack[1:], value))
    everything = max(sum(stages.values()), 1)
    lines = [f"{everything / 1e6:.1f} s in stages, of {processes} processes", "stage             seconds  share"]
    lines += [f"{name:16} {value / 1e6:8.2f} {value / everything:6.1%}" for name, value in stages.most_common()]
    lines += ["", "    self   total  function"]
    lines += [f"{value / 1e6:8.2f}{whole[name] / 1e6:8.2f}  {name}" for name, value in own.most_common(TOP)]
    return "\n".join(lines)
