"""The measures of a run: what an outcome counts as, and that they add up in any order."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from transforms.measures import COUNTERS, DISTRIBUTIONS, Tally, of_header, of_outcome
from transforms.types import Outcome, Status

NAMES = st.sampled_from([*COUNTERS, *DISTRIBUTIONS])


def test_an_outcome_is_measured_by_its_row() -> None:
    row = {
        "frames": 5,
        "frames_masked": 2,
        "boxes_masked": 3,
        "bytes_in": 900,
        "bytes_out": 800,
        "frame_decisions": [{"first": 0, "count": 3, "method": "triage"}, {"first": 3, "count": 2, "method": "device:us"}],
        "seconds_read": 0.0104,
        "seconds_mask": 0.5,
    }
    outcome = Outcome("id", Status.SAVED, row, (), {}, of_header(512, 0.002))
    assert dict(of_outcome(outcome)) == {
        "instances.saved": 1,
        "bytes.header": 512,
        "milliseconds.header": 2,
        "frames.held": 5,
        "frames.looked_at": 3,
        "frames.masked": 2,
        "boxes.masked": 3,
        "bytes.read": 900,
        "bytes.written": 800,
        "milliseconds.read": 10,
        "milliseconds.mask": 500,
    }


def test_what_was_not_done_is_not_measured() -> None:
    assert dict(of_outcome(Outcome("id", Status.FILTERED, {"frames": None, "bytes_in": 7}, (), {}))) == {"instances.filtered": 1}


@given(st.lists(st.tuples(NAMES, st.integers(0, 1000))), st.integers(0, 50))
def test_parts_add_up_to_the_whole_in_any_order(measures: list[tuple[str, int]], at: int) -> None:
    whole, one, other = Tally(), Tally(), Tally()
    whole.add(measures)
    one.add(measures[at:])
    other.add(measures[:at])
    one.merge(pickle.loads(pickle.dumps(other)).spreads)
    assert one == whole
    record = whole.as_record()
    assert set(record) == {name for name, _ in measures}
    for name, entry in record.items():
        values = [value for other_name, value in measures if other_name == name]
        assert entry == (
            sum(values) if name in COUNTERS else {"count": len(values), "sum": sum(values), "min": min(values), "max": max(values)}
        )
