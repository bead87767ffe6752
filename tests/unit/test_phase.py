"""The phase plane finds everything there is, and names it rightly."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.analysis.equilibria import name_stability, scan_roots

PREY = rb.Neuron(evolve="dv/dt = v*(1 - v - w)\ndw/dt = w*(v - 0.3)", v=0.5, w=0.5)
FITZHUGH = rb.Neuron(evolve="dv/dt = v - v**3/3 - w + I\ndw/dt = 0.08*(v + 0.7 - 0.8*w)", I=0, v=-1, w=0)
WAVES = rb.Neuron(evolve="dv/dt = sin(w) - v*w**2\ndw/dt = cos(v)*sin(w) - 0.2*w**3 + 0.1", v=0, w=0)
NEITHER = rb.Neuron(evolve="dv/dt = sin(v) + w**2 - 0.5\ndw/dt = sin(w) - v**2 + 0.3", v=0, w=0)


@pytest.mark.parametrize(
    ("matrix", "name"),
    [
        ([[-1, 0], [0, -2]], "stable node"),
        ([[1, 0], [0, 2]], "unstable node"),
        ([[1, 0], [0, -2]], "saddle"),
        ([[-0.1, 1], [-1, -0.1]], "stable focus"),
        ([[0.1, 1], [-1, 0.1]], "unstable focus"),
        ([[0, 1], [-1, 0]], "center"),
        ([[0, 0], [0, -1]], "saddle-node"),
        ([[-1, 0, 0], [0, 0.1, 1], [0, -1, 0.1]], "saddle"),
    ],
)
def test_stability_has_a_name(matrix, name):
    values, found = name_stability(np.array(matrix, dtype=float))
    assert found == name
    assert np.all(np.diff(values.real) <= 1e-15)


def test_roots_by_scan_miss_neither_pairs_nor_double_ones():
    close = scan_roots(lambda x: (x - 0.3) * (x - 0.3 - 1e-5) * (x + 0.7), -1, 1)
    assert close == pytest.approx([-0.7, 0.3, 0.30001], abs=1e-12)
    assert scan_roots(lambda x: (x - 0.123456) ** 2, -1, 1) == pytest.approx([0.123456], abs=1e-6)
    assert scan_roots(lambda x: 1 / (x - 0.1234), -1, 1) == []  # a pole is no root
    assert scan_roots(lambda x: np.exp(-80 * x) + 0 * x, 0.5, 60) == []


def test_all_fixed_points_where_lines_cross():
    found = rb.phase_plane(PREY, ranges={"v": (-0.5, 1.5), "w": (-0.5, 1.5)})
    places = np.array([(p["v"], p["w"]) for p in found.fixed_points])
    assert places == pytest.approx(np.array([(0, 0), (0.3, 0.7), (1, 0)]), abs=1e-12)
    assert [p.kind for p in found.fixed_points] == ["saddle", "stable focus", "saddle"]
    # v*(1 - v - w) is a vertical line and a slanted one, each whole
    vertical, slanted = sorted(found.nullclines["v"], key=lambda b: np.ptp(b[:, 0]))
    assert np.ptp(vertical[:, 0]) < 1e-12
    assert np.ptp(vertical[:, 1]) == pytest.approx(2.0)
    assert slanted.sum(axis=1) == pytest.approx(np.ones(len(slanted)), abs=1e-9)
    flat, upright = sorted(found.nullclines["w"], key=lambda b: np.ptp(b[:, 1]))
    assert np.ptp(flat[:, 1]) < 1e-12
    assert upright[:, 0] == pytest.approx(np.full(len(upright), 0.3), abs=1e-9)


@pytest.mark.parametrize("model", [PREY, FITZHUGH, WAVES, NEITHER])
def test_nullclines_lie_on_the_zeros_and_fixed_points_on_both(model):
    found = rb.phase_plane(model, ranges={"v": (-3, 3), "w": (-3, 3)})
    order = [found.setting.states.index(s) for s in ("v", "w")]
    for state, branches in found.nullclines.items():
        assert branches
        for branch in branches:
            points = branch if order == [0, 1] else branch[:, ::-1]
            assert np.abs(found.setting.flow(points)[:, found.setting.states.index(state)]).max() < 1e-7
            assert np.sqrt((np.diff(branch, axis=0) ** 2).sum(1)).max() < 0.1  # no leap from branch to branch
    for p in found.fixed_points:
        x = np.array([p[s] for s in found.setting.states])
        assert np.abs(found.setting.flow(x)).max() < 1e-10
        for state in ("v", "w"):
            distance = min(np.hypot(b[:, 0] - p["v"], b[:, 1] - p["w"]).min() for b in found.nullclines[state])
            assert distance < 0.05


@pytest.mark.parametrize("model", [WAVES, NEITHER])
def test_no_fixed_point_is_missed(model):
    # a second road: Newton's method from many random starts
    from scipy.optimize import fsolve

    found = rb.phase_plane(model, ranges={"v": (-3, 3), "w": (-3, 3)})
    ours = np.array([(p["v"], p["w"]) for p in found.fixed_points])
    flow = found.setting.flow
    seen = []
    for start in np.random.default_rng(0).uniform(-3, 3, (150, 2)):
        x, info, ok, _ = fsolve(lambda y: flow(np.asarray(y)), start, full_output=True)
        if ok == 1 and np.abs(info["fvec"]).max() < 1e-10 and np.all(np.abs(x) < 3):
            seen.append(x)
    assert len(ours) == len(np.unique(np.round(seen, 5), axis=0))
    for x in seen:
        assert np.abs(ours - x).max(axis=1).min() < 1e-6


def test_saddle_and_node_meet_at_the_bifurcation():
    edge = rb.bifurcation(rb.Izhikevich()).saddle_node
    below, at, above = (rb.phase_plane(rb.Izhikevich(), I=edge + d).fixed_points for d in (-1e-6, 0.0, 1e-6))
    assert [len(below), len(at), len(above)] == [2, 1, 0]
    assert at[0].kind == "saddle-node"
    assert below[1].kind == "saddle"


def test_bifurcations_of_other_neurons():
    fhn = rb.bifurcation(FITZHUGH, range=(-2, 2))
    v = np.sqrt(1 - 0.08 * 0.8)  # the trace 1 - v^2 - 0.064 is zero
    w = (np.array([-v, v]) + 0.7) / 0.8
    expected = np.array([v - v**3 / 3, -v + v**3 / 3]) + w
    assert [p.current for p in fhn.points] == pytest.approx(expected, rel=1e-9)
    assert {p.kind for p in fhn.points} == {"Andronov-Hopf"}
    assert fhn.lost.loses_rest
    assert rb.bifurcation(rb.EIF()).current == pytest.approx(rb.rheobase(rb.EIF()), rel=1e-12)
    assert rb.bifurcation(rb.QIF()).current == pytest.approx(rb.rheobase(rb.QIF()), rel=1e-12)
    # Hodgkin and Huxley: the eigenvalues really cross there
    hopf = rb.bifurcation(rb.HH()).lost
    rates = [
        rb.gain(rb.HH().replace(threshold=None), [1], I=hopf.current * f).eigenvalues.real.max() for f in (0.98, 0.999)
    ]
    assert rates[0] < rates[1] < 0
    with pytest.raises(rb.DidNotConverge):
        rb.gain(rb.HH(), [1], I=hopf.current * 1.001)


def test_trajectory_runs_from_its_start_with_resets():
    plane = rb.phase_plane(rb.Izhikevich(), I=10)
    t, v, u = plane.trajectory((-70, -14), until="50 ms")
    assert (v[0], u[0]) == (-70, -14)
    assert t[-1] == pytest.approx(50)
    assert v.max() <= 30
    assert np.diff(v).min() < -80
    X, Y, U, V = plane.field(5)
    assert X.shape == Y.shape == U.shape == V.shape == (5, 5)


def test_synapses_at_rest_do_not_count_as_states():
    model = rb.Neuron(
        evolve="tau dv/dt = -v - w + g\ntau_w dw/dt = v - w\ntau_s dg/dt = -g",
        receive="g <- g + w_i",
        tau=10,
        tau_w=30,
        tau_s=5,
        v=0,
        w=0,
        g=0,
    )
    assert len(rb.phase_plane(model).fixed_points) == 1


def test_refusals_name_the_fix():
    with pytest.raises(rb.InputError, match="1 states that move"):
        rb.phase_plane(rb.LIF())
    with pytest.raises(rb.InputError, match="no moving state"):
        rb.phase_plane(rb.AdEx(), x="u")
    with pytest.raises(rb.InputError, match="must be \\(low, high\\)"):
        rb.phase_plane(rb.AdEx(), ranges={"v": (0, -70)})
    with pytest.raises(rb.DidNotConverge, match="no bifurcation for v from"):
        rb.bifurcation(rb.LIF())
