"""Stands for a library that ends the process, or stays in it: reading a file with a marker below kills or keeps whoever reads it.

Python imports this by itself in every process whose PYTHONPATH has this folder. The product knows nothing of it.
"""

import os
import signal
import sys
import time
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

WHOLE, HEADER, SLOW = b"POISON-OF-THE-TESTS", b"POISON-OF-HEADERS", b"SLOW-POISON"


def die_if(poisoned):
    if poisoned:
        os.kill(os.getpid(), signal.SIGKILL)


def whole(read):
    def read_or_die(data, *rest):
        die_if(WHOLE in bytes(data))
        if SLOW in bytes(data):
            time.sleep(60)
        return read(data, *rest)

    return read_or_die


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
