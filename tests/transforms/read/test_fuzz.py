"""Damaged files: every one ends as read or as an error with a code, in bounded time; what is read can be walked or is refused again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from transforms.errors import DeidError
from transforms.policy import LimitsPolicy
from transforms.read.header import read_header
from transforms.read.instance import read_instance

LIMITS = LimitsPolicy(max_header_bytes=2_000_000, max_instance_bytes=4_000_000)
NAMES = ["CT_small.dcm", "MR_small_RLE.dcm", "reportsi.dcm", "image_dfl.dcm", "nested_priv_SQ.dcm", "rtplan.dcm", "priv_SQ.dcm"]
FILES = [Path(get_testdata_file(name)).read_bytes() for name in NAMES]

cuts = st.tuples(st.integers(0, 3000), st.binary(max_size=6), st.integers(0, 8))


@pytest.mark.parametrize("number", range(len(FILES)), ids=NAMES)
@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(cuts, min_size=1, max_size=5), end=st.integers(0, 4000))
def test_damage_ends_in_a_code(number: int, changes: list[tuple[int, bytes, int]], end: int) -> None:
    data = FILES[number]
    for position, put, removed in changes:
        position = position % len(data)
        data = data[:position] + put + data[position + removed :]
    data = data[: len(data) - end] if end < 2000 else data
    for read in (lambda: read_header(lambda a, b: data[a:b], len(data), LIMITS), lambda: read_instance(data, LIMITS)):
        try:
            read()
        except DeidError as exc:
            assert exc.__cause__ is None, "a cause could be printed, and holds values"  # noqa: PT017
