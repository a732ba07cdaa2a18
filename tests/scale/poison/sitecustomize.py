"""Stands for a library that ends the process: reading a file with the marker below kills whoever reads it whole.

Python imports this by itself in every process whose PYTHONPATH has this folder. The product knows nothing of it.
"""

import os
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

MARKER = b"POISON-OF-THE-TESTS"
MODULE = "transforms.read.instance"


class Poisoned(MetaPathFinder):
    """Wraps `read_instance` when its module is first imported."""

    def find_spec(self, name, path=None, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def load_poisoned(module):
            load(module)
            read = module.read_instance

            def read_or_die(data, *rest):
                if MARKER in bytes(data):
                    os.kill(os.getpid(), signal.SIGKILL)
                return read(data, *rest)

            module.read_instance = read_or_die

        spec.loader.exec_module = load_poisoned
        return spec


sys.meta_path.insert(0, Poisoned())
