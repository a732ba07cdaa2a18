"""A coder for values that live within one fused stage.

Beam estimates the size of some elements by encoding them, which would pickle whole data sets; and a runner that breaks fusion would write
original header values to its own storage. So these values have a size that costs nothing, and no encoding at all.
"""

from __future__ import annotations

from typing import NoReturn

import apache_beam as beam

from transforms.deidentify import OpenedHeader
from transforms.types import Work


class TransientCoder(beam.coders.Coder):
    """Says how large a value is; refuses to encode it."""

    def estimate_size(self, value: OpenedHeader | Work) -> int:
        """Bytes of the input that the value stands for."""
        return (value.header.size if isinstance(value, Work) else value.source.size) or 0

    def encode(self, value: OpenedHeader | Work) -> NoReturn:
        """Never."""
        raise TypeError(f"a {type(value).__name__} holds original values and never leaves its worker: keep the stages fused")

    def decode(self, encoded: bytes) -> NoReturn:
        """Never."""
        raise TypeError("nothing was encoded")

    def is_deterministic(self) -> bool:
        """Not a key."""
        return False


for _type in (OpenedHeader, Work):
    beam.coders.registry.register_coder(_type, TransientCoder)
