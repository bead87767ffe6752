"""Synapses made from rules: degrees, bounds, order, chance, distances; the same key gives the same ones."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

import rheobase as rb
from rheobase.network.connect import SOURCES, Rows, Synapses, build
from rheobase.network.network import Network, Part
from rheobase.network.pairs import skip

MODEL = rb.Neuron(evolve="tau dv/dt = -v", receive="v <- v + w_i", tau="10 ms")
KEYS = st.integers(0, 2**64 - 1)


def population(n: int, positions=None) -> Part:
    return Network().add("E", n, MODEL, positions=positions)


def synapses(source: Part, target: Part, key: int = 1, **how) -> Synapses:
    projection = source.network.connect(source, target, **({"weight": 1.0, "delay": 1.0} | how))
    return build(projection, key)


@st.composite
def parts(draw, most: int = 30) -> Part:
    """A population, a slice, or some neurons in any order."""
    whole = draw(st.shared(st.integers(2, most), key="n").map(population), label="population")
    kind = draw(st.sampled_from(["whole", "slice", "list"]))
    if kind == "slice":
        a = draw(st.integers(0, whole.n - 1))
        return whole[a : draw(st.integers(a + 1, whole.n)) : draw(st.integers(1, 3))]
    if kind == "list":
        return whole[draw(st.lists(st.integers(0, whole.n - 1), min_size=1, unique=True))]
    return whole


@st.composite
def ends(draw) -> tuple[Part, Part]:
    """Two parts of one network, of one population or of two."""
    net = Network()
    first = net.add("E", draw(st.integers(1, 30)), MODEL)
    second = first if draw(st.booleans()) else net.add("I", draw(st.integers(1, 30)), MODEL)
    out = []
    for whole in (first, second):
        which = draw(st.one_of(st.none(), st.lists(st.integers(0, whole.n - 1), min_size=1, unique=True)))
        out.append(whole if which is None else whole[which])
    return out[0], out[1]


def available(source: Part, target: Part, loops: bool) -> np.ndarray:
    """Which pairs may be joined, (n_source, n_target)."""
    same = source.name == target.name and not loops
    return ~((source.indices[:, None] == target.indices[None, :]) & same)


def table(s: Synapses, source: Part, target: Part) -> np.ndarray:
    """How often each pair is joined, in the order of the parts."""
    out = np.zeros((source.n, target.n), dtype=int)
    np.add.at(out, (s.pre, s.post), 1)
    inside = out[np.ix_(source.indices, target.indices)]
    assert inside.sum() == len(s)  # nobody outside the parts is joined
    return inside


def check_form(s: Synapses) -> None:
    assert s.pre.dtype == s.post.dtype == np.int32
    assert s.pre.shape == s.post.shape
    order = np.lexsort((s.post, s.pre))
    assert np.array_equal(s.pre[order], s.pre)
    assert np.array_equal(s.post[order], s.post)


@given(ends(), st.data(), KEYS, st.booleans(), st.booleans())
def test_fixed_degrees_hold_for_everyone(two, data, key, loops, multapses):
    source, target = two
    may = available(source, target, loops)
    for rule, axis in (("indegree", 0), ("outdegree", 1)):
        most = int(may.sum(axis=axis).min())
        k = data.draw(st.integers(0, most if not multapses else (40 if most else 0)))
        s = synapses(source, target, key, self_connections=loops, multapses=multapses, **{rule: k})
        check_form(s)
        found = table(s, source, target)
        assert np.all(found.sum(axis=axis) == k)
        assert not found[~may].any()
        assert multapses or found.max(initial=0) <= 1


@given(ends(), st.data(), KEYS, st.booleans(), st.booleans())
def test_a_total_is_met(two, data, key, loops, multapses):
    source, target = two
    may = available(source, target, loops)
    count = data.draw(st.integers(0, int(may.sum()) if not multapses else (200 if may.any() else 0)))
    s = synapses(source, target, key, self_connections=loops, multapses=multapses, total=count)
    check_form(s)
    found = table(s, source, target)
    assert len(s) == count
    assert not found[~may].any()
    assert multapses or found.max(initial=0) <= 1


@given(ends(), KEYS, st.booleans(), st.sampled_from([0.0, 1e-300, 0.01, 0.3, 0.5, 0.97, 1.0]))
def test_probability_joins_each_pair_at_most_once(two, key, loops, p):
    source, target = two
    s = synapses(source, target, key, self_connections=loops, p=p)
    check_form(s)
    found = table(s, source, target)
    may = available(source, target, loops)
    assert not found[~may].any()
    assert found.max(initial=0) <= 1
    if p in (0.0, 1.0):
        assert len(s) == p * may.sum()


@given(ends(), KEYS, st.booleans())
def test_all_to_all_and_where_true_are_the_same_pairs(two, key, loops):
    source, target = two
    a = synapses(source, target, key, self_connections=loops, all_to_all=True)
    b = synapses(source, target, key, self_connections=loops, where=lambda i, j: i > -1)
    assert np.array_equal(table(a, source, target) == 1, available(source, target, loops))
    assert np.array_equal(a.pre, b.pre)
    assert np.array_equal(a.post, b.post)


@given(parts(), KEYS)
def test_one_to_one_keeps_the_order_of_the_parts(part, key):
    whole = part.network["E"]
    others = whole[::-1][: len(part)]
    s = synapses(part, others, key, one_to_one=True, weight=np.arange(len(part), dtype=float))
    expected = sorted(zip(part.indices, others.indices, range(len(part)), strict=True))
    assert [*zip(s.pre, s.post, s.weight, strict=True)] == expected


@given(ends(), st.data(), KEYS, st.booleans())
def test_given_pairs_keep_their_weights_and_delays(two, data, key, loops):
    source, target = two
    pair = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
    chosen = data.draw(st.lists(pair, min_size=1, max_size=30))
    i, j = map(np.array, zip(*chosen, strict=True))
    m = np.arange(len(i), dtype=float)
    s = synapses(source, target, key, pairs=(i, j), weight=m, delay=m + 1, self_connections=loops)
    check_form(s)
    pre, post = source.indices[i], target.indices[j]
    keep = available(source, target, loops)[i, j]
    expected = sorted(zip(pre[keep], post[keep], m[keep], m[keep] + 1, strict=True))  # of one pair: as given
    assert [*zip(s.pre, s.post, s.weight, s.delay, strict=True)] == expected


@given(ends(), st.integers(0, 2**32), st.sampled_from(["array", "csr", "coo", "csc_array"]))
def test_a_matrix_comes_back(two, seed, form):
    source, target = two
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(len(source), len(target))) * (rng.random((len(source), len(target))) < 0.4)
    matrix = {
        "array": np.asarray,
        "csr": sparse.csr_matrix,
        "coo": sparse.coo_matrix,
        "csc_array": sparse.csc_array,
    }[form](dense)
    s = synapses(source, target, matrix=matrix, weight=None)
    check_form(s)
    back = np.zeros((source.n, target.n))
    back[s.pre, s.post] = s.weight
    assert np.array_equal(back[np.ix_(source.indices, target.indices)], dense)
    shared = synapses(source, target, matrix=matrix, weight=2.0)
    assert shared.weight == 2.0
    assert len(shared) == np.count_nonzero(dense)


RULES = [
    {"p": 0.3},
    {"p": 0.8},
    {"indegree": 7},
    {"indegree": 7, "multapses": False},
    {"indegree": 25, "multapses": False},
    {"outdegree": 7},
    {"total": 300},
    {"total": 300, "multapses": False},
    {"total": 800, "multapses": False},
    {"where": lambda i, j: 0.3 + 0 * i},
    {"distance": lambda d: np.exp(-d)},
    {"distance": lambda d: np.exp(-d), "reach": 0.5},
]


@pytest.mark.parametrize("how", RULES, ids=lambda r: "-".join(r) if isinstance(r, dict) else str(r))
def test_the_key_decides(how):
    E = population(40, np.linspace(0, 2, 40))
    how = how | {"weight": rb.normal(1, 0.1), "delay": rb.uniform("1 ms", "2 ms")}
    a, b, c = (synapses(E, E, key, **how) for key in (1, 1, 2))
    for name in ("pre", "post", "weight", "delay"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
    assert len(a) != len(c) or not np.array_equal(a.post, c.post)
    assert not np.array_equal(a.weight[:10], c.weight[:10])


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize(
    "how", [h for h in RULES if "distance" not in h], ids=lambda r: "-".join(r) if isinstance(r, dict) else str(r)
)
def test_no_pair_is_favoured(how, loops):
    """Over many keys each pair that may be joined is joined equally often (chi-squared), the others never."""
    net = Network()
    E = net.add("E", 40, MODEL)
    source, target = E[5:35], E[np.r_[0:10, 20:40]]  # some targets are among the sources, some are not
    if how.get("total") == 800 and not loops:
        how = how | {"total": 700}
    projection = net.connect(source, target, weight=1, delay=1, self_connections=loops, **how)
    trials = 400
    found = sum(table(build(projection, key), source, target) for key in range(trials))
    may = available(source, target, loops)
    assert not found[~may].any()
    expected = {
        "p": trials * how.get("p", 0) * may,
        "where": trials * 0.3 * may,
        "indegree": trials * how.get("indegree", 0) * may / may.sum(axis=0),
        "outdegree": trials * how.get("outdegree", 0) * may / may.sum(axis=1)[:, None],
        "total": trials * how.get("total", 0) * may / may.sum(),
    }[next(iter(how))]
    p = expected[may] / trials
    distinct = "p" in how or "where" in how or how.get("multapses") is False
    variance = trials * p * (1 - p) if distinct else expected[may]
    z2 = np.sum((found[may] - expected[may]) ** 2 / variance)
    low, high = stats.chi2.ppf([1e-5, 1 - 1e-5], may.sum())
    assert low < z2 < high * 1.02


def test_degrees_of_a_probability_are_binomial():
    n, p = 2000, 0.02
    E = population(n)
    s = synapses(E, E, 7, p=p)
    assert abs(len(s) - n * n * p) < 5 * math.sqrt(n * n * p * (1 - p))
    for ends_of in (s.pre, s.post):
        degree = np.bincount(ends_of, minlength=n)
        assert abs(degree.mean() - n * p) < 5 * math.sqrt(p * (1 - p))
        expected = n * p * (1 - p)
        assert abs(degree.var() - expected) < 5 * expected * math.sqrt(2 / n)
        edges = [0, 32, 36, 38, 40, 42, 44, 48, n + 1]
        counts = [np.sum((degree >= a) & (degree < b)) for a, b in pairwise(edges)]
        chances = np.diff(stats.binom.cdf(np.array(edges) - 1, n, p))
        assert stats.chisquare(counts, n * chances).pvalue > 1e-4


@given(st.floats(1e-9, 1.0), st.integers(1, 2000), KEYS)
def test_skips_stay_in_order_and_in_bounds(p, pairs, key):
    found = skip(np.random.Generator(np.random.Philox(key=key)), p, pairs)
    assert np.all(np.diff(found.astype(int)) > 0)
    assert found.size == 0 or found[-1] < pairs


@pytest.mark.parametrize("p", [1e-12, 1e-6, 0.3, 0.99])
def test_skips_hit_with_their_probability_far_beyond_32_bits(p):
    pairs = int(4000 / p)
    rng = np.random.Generator(np.random.Philox(key=11))
    found = skip(rng, p, pairs)
    assert abs(len(found) - pairs * p) < 5 * math.sqrt(pairs * p * (1 - p) + 1)
    assert stats.kstest(found / pairs, "uniform").pvalue > 1e-4


def test_large_numbers_of_pairs_do_not_overflow():
    net = Network()
    A, B = net.add("A", 300_000, MODEL), net.add("B", 300_000, MODEL)  # 9e10 pairs
    for how in (
        {"total": 1000},
        {"total": 1000, "multapses": False},
        {"p": 1e-8},
        {"outdegree": 1, "multapses": False},
    ):
        s = build(net.connect(A, B, weight=1, delay=1, **how), 5)
        check_form(s)
        assert stats.kstest(s.post / 300_000, "uniform").pvalue > 1e-4
        assert stats.kstest(s.pre / 300_000, "uniform").pvalue > 1e-4


def test_fixed_in_degree_leaves_out_degrees_binomial():
    E = population(1000)
    s = synapses(E, E, 3, indegree=100, self_connections=False)
    out = np.bincount(s.pre, minlength=1000)
    expected = 100 * (1 - 1 / 999)
    assert out.mean() == 100
    assert abs(out.var() - expected) < 5 * expected * math.sqrt(2 / 1000)


class TestDistance:
    def test_each_distance_has_its_probability(self):
        rng = np.random.default_rng(1)
        E = population(1500, rng.random((1500, 2)))
        s = synapses(E, E, 2, distance=lambda d: 0.4 * np.exp(-d / 0.3))
        place = E.positions
        d = np.sqrt(((place[:, None] - place[None]) ** 2).sum(-1))
        joined = np.zeros_like(d)
        joined[s.pre, s.post] = 1
        for low in np.arange(0, 1.2, 0.1):
            ring = (d >= low) & (d < low + 0.1)
            p = 0.4 * np.exp(-d[ring] / 0.3)
            assert abs(joined[ring].sum() - p.sum()) < 5 * math.sqrt((p * (1 - p)).sum())

    @settings(max_examples=30)
    @given(st.integers(1, 3), st.booleans(), st.floats(0.05, 0.8), st.integers(0, 1000))
    def test_reach_cuts_and_periodic_space_has_no_edge(self, axes, periodic, reach, seed):
        rng = np.random.default_rng(seed)
        places = rng.random((60, axes)) * 3 - 1  # also outside the extent: space is wrapped
        extent = [0.7, 1.0, 1.3][:axes] if periodic else None
        E = population(60, places)
        way = places[:, None] - places[None]
        if periodic:
            way -= np.round(way / extent) * extent
        d = np.sqrt((way**2).sum(-1))
        how = {"weight": lambda d: d, "delay": lambda d: 1 + d, "periodic": extent}
        near = synapses(E, E, distance=lambda d: d > -1, reach=reach, **how)
        cut = synapses(E, E, distance=lambda d: d <= reach, **how)
        sure = np.abs(d - reach) > 1e-9
        for s in (near, cut):
            check_form(s)
            assert np.array_equal((table(s, E, E) == 1)[sure], (d <= reach)[sure])
            assert np.allclose(s.weight, d[s.pre, s.post], atol=1e-12)
            assert np.allclose(s.delay, 1 + d[s.pre, s.post], atol=1e-12)

    def test_parts_have_their_own_positions(self):
        E = population(20, np.arange(20.0))
        s = synapses(E[[15, 3]], E[10:], distance=lambda d: d == 5.0, weight=lambda d: d)
        assert [*zip(s.pre, s.post, strict=True)] == [(15, 10)]
        assert s.weight.tolist() == [5.0]
        assert len(synapses(E[:2], E[10:], distance=lambda d: d < 0)) == 0


class TestWhere:
    def test_numbers_count_within_the_parts(self):
        E = population(10)
        s = synapses(E[2:5], E[[9, 1]], where=lambda i, j: i == 2 * j)
        assert [*zip(s.pre, s.post, strict=True)] == [(2, 9), (4, 1)]

    def test_a_number_stands_for_all_pairs(self):
        E = population(300)
        n = len(synapses(E, E, where=lambda i, j: 0.1))
        assert abs(n - 9000) < 5 * math.sqrt(8100)


class TestValues:
    def test_constants_are_shared(self):
        s = synapses(E := population(5), E, p=0.5)
        assert (s.weight, s.delay) == (1.0, 1.0)

    def test_distributions_are_redrawn_within_their_bounds(self):
        E = population(200)
        s = synapses(E, E, p=0.5, weight=rb.normal(1.0, 1.0, low=0), delay=rb.normal("1.5 ms", "0.75 ms", low="0.1 ms"))
        assert s.weight.shape == s.delay.shape == s.pre.shape
        assert s.weight.min() >= 0
        assert s.delay.min() >= 0.1
        law = stats.truncnorm((0.1 - 1.5) / 0.75, np.inf, 1.5, 0.75)
        assert stats.kstest(s.delay, law.cdf).pvalue > 1e-4
        assert abs(np.corrcoef(s.weight, s.delay)[0, 1]) < 0.05  # from streams of their own

    def test_a_table_of_all_pairs(self):
        E = population(4)
        W = np.arange(16.0).reshape(4, 4)
        s = synapses(E[[2, 0]], E, all_to_all=True, weight=W[:2], delay=W[:2] + 1, self_connections=False)
        assert s.pre.tolist() == [0, 0, 0, 2, 2, 2]
        assert s.weight.tolist() == [5, 6, 7, 0, 1, 3]
        assert s.delay.tolist() == [6, 7, 8, 1, 2, 4]

    def test_weights_are_in_the_coherent_unit(self):
        net = Network()
        E = net.add("E", 3, MODEL.replace(v="0 mV"))
        s = build(net.connect(E, E, pairs=([0, 1], [1, 2]), weight=["500 uV", "1 mV"], delay=["1 s", "2 ms"]), 1)
        assert s.weight.tolist() == [0.5, 1.0]
        assert s.delay.tolist() == [1000.0, 2.0]


def test_no_synapse_at_all():
    E = population(3)
    for how in (
        {"p": 0},
        {"indegree": 0},
        {"total": 0},
        {"pairs": ([], [])},
        {"matrix": np.zeros((3, 3))},
        {"where": lambda i, j: i < 0},
    ):
        s = synapses(E, E, **how)
        assert len(s) == 0
        assert s.pre.dtype == np.int32
    assert len(synapses(E, E, one_to_one=True, self_connections=False)) == 0


def test_time_grows_with_the_synapses_and_not_with_the_pairs():
    """A million neurons with ten synapses each: 1e12 pairs."""
    E = population(1_000_000)
    s = synapses(E, E, p=1e-5 * 0.1)
    assert abs(len(s) - 1e6) < 5000
    assert len(synapses(E, E, indegree=2, multapses=False, self_connections=False)) == 2_000_000


@pytest.mark.parametrize("how", [{"p": 0.01}, {"outdegree": 7}, {"total": 9999}, {"indegree": 5}], ids=str)
@pytest.mark.parametrize("loops", [True, False])
def test_sources_taken_a_block_at_a_time_are_the_whole(how, loops):
    net = Network()
    cells = net.add("E", 2500, MODEL)
    weight, delay = rb.normal(1, 0.1), rb.uniform(0.1, 2)
    projection = net.connect(cells, cells, weight=weight, delay=delay, self_connections=loops, **how)
    whole, rows = build(projection, 11), Rows(projection, 11)
    starts = [*range(0, 2500, SOURCES)]
    found = [rows.take(lo, min(lo + SOURCES, 2500)) for lo in starts]
    for name in ("pre", "post", "weight", "delay"):
        assert np.array_equal(np.concatenate([getattr(s, name) for s in found]), getattr(whole, name))
    assert (np.diff(whole.pre) >= 0).all()
    assert loops or (whole.pre != whole.post).all()
    if "total" in how:
        assert len(whole) == 9999
