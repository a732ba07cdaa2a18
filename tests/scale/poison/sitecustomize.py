"""Stands for a library that ends the process, or stays in it: reading a file with a marker below kills or keeps whoever reads it, or
keeps it until another process reads the file, too.

Python imports this by itself in every process whose PYTHONPATH has this folder. The product knows nothing of it.
"""

import os
import signal
import sys
import time
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path

WHOLE, HEADER, SLOW, LATE = b"POISON-OF-THE-TESTS", b"POISON-OF-HEADERS", b"SLOW-POISON", b"LATE-POISON"


def die_if(poisoned):
    if poisoned:
        os.kill(os.getpid(), signal.SIGKILL)


def whole(read):
    def read_or_die(data, *rest):
        die_if(WHOLE in bytes(data))
        if SLOW in bytes(data):
            time.sleep(60)
        if LATE in bytes(data):
            wait_for_another(Path(os.environ["POISON_LOG"]))
        return read(data, *rest)

    return read_or_die


def wait_for_another(log):
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    deadline = time.monotonic() + 60
    while len(log.read_text().splitlines()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)


def header(read):
    def read_or_die(fetch, size, *rest, **named):
        die_if(HEADER in fetch(0, min(size, 2**16)))
        return read(fetch, size, *rest, **named)

    return read_or_die


POISONED = {"transforms.read.instance": ("read_instance", whole), "transforms.read.header": ("read_header", header)}


class Poisoned(MetaPathFinder):
    """Wraps the functions that read when their modules are first imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in POISONED:
            return None
        function, wrapped = POISONED.pop(name)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def load_poisoned(module):
            load(module)
            setattr(module, function, wrapped(getattr(module, function)))

        spec.loader.exec_module = load_poisoned
        return spec


sys.meta_path.insert(0, Poisoned())
