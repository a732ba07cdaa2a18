"""A command of which the memory is watched, process by process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import psutil

LOOK_SECONDS = 1.0
NAMES = {0: "driver", 1: "job", 2: "workers"}
"""By how far a process is below the command: the driver, the process of the job (or what stands for it), its workers."""


@dataclass
class Watched:
    """A running command and the most that each of its processes was seen to hold, MiB, by `NAMES`."""

    process: subprocess.Popen[str]
    most: dict[str, float] = field(default_factory=dict)
    seen: set[psutil.Process] = field(default_factory=set)

    def look(self) -> None:
        """One look at the whole tree."""
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self.process.pid)
            above = len(root.parents())
            for found in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    name = NAMES[min(len(found.parents()) - above, 2)]
                    self.most[name] = max(self.most.get(name, 0.0), found.memory_info().rss / 2**20)
                    self.seen.add(found)

    def wait(self) -> str:
        """Watch until the command ends; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(LOOK_SECONDS):
                self.look()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        said = self.process.communicate()[0]
        stop.set()
        watcher.join()
        if self.process.returncode:
            raise RuntimeError(f"{self.process.args} ended with status {self.process.returncode}: {said[-2000:]}")
        return said

    def shown(self) -> str:
        """The memory as text."""
        return ", ".join(f"{name} {self.most[name]:.0f}" for name in NAMES.values() if name in self.most) + " MiB"


def start(*arguments: str) -> Watched:
    """Start this Python with arguments, one thread per library."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return Watched(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
