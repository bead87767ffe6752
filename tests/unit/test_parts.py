"""How neurons are cut among ranks and threads."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rheobase.engines.mpi import find_world
from rheobase.engines.parts import Parts, cut


@given(st.integers(1, 5000), st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_ranks_own_all_neurons_once_and_see_the_rest(n, each, ranks, seed):
    cost = np.random.default_rng(seed).uniform(0.1, 10.0, n)
    edges = cut(n, each * ranks, cost)
    assert len(edges) == each * ranks + 1
    assert (np.diff(edges) >= 0).all()
    assert not (edges[1:-1] % 16)[edges[1:-1] < n].any()
    reached = 0
    for rank in range(ranks):
        parts = Parts(each, rank, ranks)
        bounds, (lo, hi) = parts.bounds(edges), parts.own(edges)
        assert lo == reached
        assert len(bounds) == parts.count + 1
        assert (bounds[0], bounds[-1]) == (0, n)
        assert np.array_equal(bounds[parts.first : parts.last + 1], edges[rank * each : (rank + 1) * each + 1])
        assert parts.widest(bounds) <= hi - lo
        reached = hi
    assert reached == n


def test_parts_cost_about_the_same():
    cost = np.repeat([10.0, 1.0], 5000)
    edges = cut(10_000, 4, cost)
    each = np.add.reduceat(cost, edges[:-1])
    assert each.max() < 1.03 * each.mean()


def test_a_process_without_a_launcher_is_alone():
    assert find_world() is None
