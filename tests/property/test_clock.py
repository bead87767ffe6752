"""What must hold for the clock engine whatever the numbers are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheobase as rb
from rheobase.engines import clock
from rheobase.engines.population import prepare
from rheobase.engines.result import Recording

LINEAR = rb.Neuron(
    "tau dv/dt = E - v + x + I\ntau_s dx/dt = -x",
    receive="x <- x + w_i",
    threshold="v > 1",
    reset="v <- 0",
    refractory=2.0,
    tau=10.0,
    tau_s=3.0,
    E=0.0,
    v=0.0,
    x=0.0,
)
NOISY = rb.Neuron(
    "tau dv/dt = I - v + s*sqrt(2*tau)*xi + x\ntau_s dx/dt = -x",
    receive="x <- x*0.9 + w_i",
    threshold="v > 1",
    reset="v <- 0",
    refractory=1.0,
    tau=10.0,
    tau_s=3.0,
    s=0.3,
    v=0.0,
    x=0.0,
)
EVENTS = {"I": rb.ou(1.0, 0.5, 3), "spikes": rb.poisson(300, weight=0.2)}
numbers = st.floats(-3, 3, allow_nan=False)
taus = st.floats(0.5, 40)


def _bits(run: rb.Run) -> tuple[bytes, ...]:
    return (
        run.spikes.times.tobytes(),
        run.spikes.neurons.tobytes(),
        *(run.traces[s].tobytes() for s in run.traces),
        *(run.final[s].tobytes() for s in run.final),
    )


@given(taus, taus, numbers, numbers, numbers, numbers, st.sampled_from([0.1, 0.7, 5.0]))
def test_two_steps_are_one_of_twice_the_length(
    tau: float, tau_s: float, v: float, x: float, E: float, I: float, dt: float
) -> None:
    model = LINEAR.replace(threshold=None, tau=tau, tau_s=tau_s, E=E)
    two = rb.simulate(model, 2 * dt, dt=dt, I=I, v=v, x=x).final
    one = rb.simulate(model, 2 * dt, dt=2 * dt, I=I, v=v, x=x).final
    for s in model.states:
        assert two[s][0] == pytest.approx(one[s][0], rel=1e-12, abs=1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.floats(0, 10), min_size=2, max_size=30),
    taus,
    st.floats(0, 5),
    st.sampled_from(["exact", "euler", "rk4"]),
)
def test_more_current_never_makes_fewer_spikes(currents: list[float], tau: float, t_ref: float, method: str) -> None:
    model = LINEAR.replace(tau=tau, t_ref=t_ref)
    counts = rb.simulate(model, 100, dt=0.25, method=method, I=np.sort(currents), record=False).spikes.count
    assert np.all(np.diff(counts) >= 0)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 150), st.floats(-2, 4)), min_size=1, max_size=25), st.integers(1, 50))
def test_later_inputs_make_later_spikes(arrivals: list[tuple[int, float]], shift: int) -> None:
    """At rest the neuron has no clock of its own."""
    steps, weights = np.array([a for a, _ in sorted(arrivals)]), [w for _, w in sorted(arrivals)]
    dt = 0.5
    first = rb.simulate(LINEAR, 100, dt=dt, I=0, spikes=rb.spikes(steps * dt, weight=weights)).spikes[0]
    later = rb.simulate(
        LINEAR, 100 + shift * dt, dt=dt, I=0, spikes=rb.spikes((steps + shift) * dt, weight=weights)
    ).spikes[0]
    np.testing.assert_array_equal(np.rint(later / dt), np.rint(first / dt) + shift)


@settings(max_examples=20)
@given(st.permutations(range(8)), st.integers(0, 2**32 - 1))
def test_order_of_the_neurons_does_not_matter(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    I, tau, v = rng.uniform(0, 3, 8), rng.uniform(5, 20, 8), rng.uniform(0, 1, 8)
    trains = [np.sort(rng.uniform(0, 40, 12)) for _ in range(8)]
    p = np.array(order)

    def run(i: np.ndarray) -> rb.Run:
        return rb.simulate(
            LINEAR,
            50,
            dt=0.5,
            I=I[i],
            tau=tau[i],
            v=v[i],
            spikes=rb.spikes([trains[j] for j in i], weight=0.5),
        )

    plain, mixed = run(np.arange(8)), run(p)
    assert plain.v[p].tobytes() == mixed.v.tobytes()
    for i, j in enumerate(p):
        assert mixed.spikes[i].tobytes() == plain.spikes[int(j)].tobytes()


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["exact", "euler", "rk4", "heun"]))
def test_many_neurons_are_many_runs(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    I, tau, w = rng.uniform(0, 3, 5), rng.uniform(5, 20, 5), rng.uniform(0, 1, 5)
    together = rb.simulate(
        LINEAR, 30, dt=0.5, method=method, I=I, tau=tau, spikes=rb.spikes([[5.0, 9.0]] * 5, weight=w)
    )
    for i in range(5):
        alone = rb.simulate(
            LINEAR, 30, dt=0.5, method=method, I=I[i], tau=tau[i], spikes=rb.spikes([5.0, 9.0], weight=w[i])
        )
        assert alone.spikes[0].tobytes() == together.spikes[i].tobytes()
        assert alone.v.tobytes() == together.v[i].tobytes()


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(513, 1100))
def test_threads_do_not_change_a_bit(seed: int, n: int) -> None:
    runs = [
        rb.simulate(NOISY, 20, engine=rb.Clock(0.5, threads=k), n=n, seed=seed, record="v", **EVENTS) for k in (1, 2, 3)
    ]
    assert _bits(runs[0]) == _bits(runs[1]) == _bits(runs[2])
    assert len(runs[0].spikes.times)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.lists(st.integers(0, 39), min_size=1, unique=True))
def test_recording_does_not_change_a_bit(seed: int, every: int, neurons: list[int]) -> None:
    def run(**options: Any) -> rb.Run:
        return rb.simulate(NOISY, 24, dt=0.5, n=40, seed=seed, **options, **EVENTS)

    full, none = run(record=True), run(record=False)
    part = run(record="v", record_every=every * 0.5, record_neurons=neurons)
    assert full.spikes.times.tobytes() == none.spikes.times.tobytes() == part.spikes.times.tobytes()
    assert full.final["v"].tobytes() == none.final["v"].tobytes() == part.final["v"].tobytes()
    assert part.v.tobytes() == np.ascontiguousarray(full.v[np.sort(neurons)][:, ::every]).tobytes()
    assert part.t.tobytes() == np.ascontiguousarray(full.t[::every]).tobytes()


def _in_pieces(seed: int, cuts: list[int], chunk: int | None) -> Any:
    population = prepare(NOISY, EVENTS, seed, 20)
    run = clock.ClockRun(population, rb.Clock(0.5), Recording(("v",)), 200)
    if chunk is not None:
        run.chunk = chunk
    for k in [*sorted(cuts), 200]:
        run.advance(k)
    return run.result()


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 200), max_size=6), st.integers(1, 300))
def test_pieces_and_chunks_do_not_change_a_bit(seed: int, cuts: list[int], chunk: int) -> None:
    whole = _in_pieces(seed, [], None)
    for other in (_in_pieces(seed, cuts, None), _in_pieces(seed, [], chunk), _in_pieces(seed, cuts, chunk)):
        assert other.spikes.times.tobytes() == whole.spikes.times.tobytes()
        assert other.spikes.neurons.tobytes() == whole.spikes.neurons.tobytes()
        assert other.traces["v"].tobytes() == whole.traces["v"].tobytes()
        assert other.final["x"].tobytes() == whole.final["x"].tobytes()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(5, 60))
def test_a_longer_run_begins_with_the_shorter(seed: int, until: int) -> None:
    short = rb.simulate(NOISY, until, dt=0.5, n=10, seed=seed, **EVENTS)
    long = rb.simulate(NOISY, 80, dt=0.5, n=10, seed=seed, **EVENTS)
    assert long.v[:, : short.v.shape[1]].tobytes() == np.ascontiguousarray(short.v).tobytes()
    inside = long.spikes.times <= until
    assert long.spikes.times[inside].tobytes() == short.spikes.times.tobytes()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_seed_and_nothing_else_decides(seed: int) -> None:
    a, b = (rb.simulate(NOISY, 20, dt=0.5, n=10, seed=seed, **EVENTS) for _ in range(2))
    c = rb.simulate(NOISY, 20, dt=0.5, n=10, seed=seed + 1, **EVENTS)
    assert _bits(a) == _bits(b)
    assert a.v.tobytes() != c.v.tobytes()
    fewer = rb.simulate(NOISY, 20, dt=0.5, n=4, seed=seed, **EVENTS)  # neuron 3 is neuron 3 in any company
    assert fewer.v.tobytes() == np.ascontiguousarray(a.v[:4]).tobytes()
