"""Which CPUs does each lane get?"""

import pytest

from benchmarks.lanes import cpu_sets


@pytest.mark.parametrize(
    ("lanes", "count", "sizes"),
    [(None, 16, [2] * 8), (None, 64, [8] * 8), (None, 2, [2]), (3, 16, [5] * 3), (99, 4, [1] * 4), (0, 4, [4])],
)
def test_lanes_have_disjoint_cpus_and_equally_many(lanes: int | None, count: int, sizes: list[int]) -> None:
    found = cpu_sets(lanes, range(100, 100 + count))
    assert [len(each) for each in found] == sizes
    assert len(set().union(*found)) == sum(sizes)
