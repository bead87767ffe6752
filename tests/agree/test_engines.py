"""The compiled clock loop, the same loop as plain Python, and the reference loop give the same bits."""

import math
from typing import Any

import numpy as np
import pytest

import rheobase as rb
from rheobase.engines import clock
from rheobase.engines.result import Recording

TRAIN = rb.spikes([0.0, 0.3, 0.3, 2.0, 2.05, 7.1, 7.1, 7.1, 12.0], weight=[1, 2, -1, 3, 1, 4, 4, 4, 2])


def _drive(level: float) -> Any:
    """A current that has a step, a slope and a wave."""
    return rb.step(level, on=2, off=25) + rb.ramp(0, 0.2 * level, on=5, off=20) + rb.sine(0.1 * level, 80)


# Exact-method neurons with everything the zoo offers, then the others; level of current, port -> weight of
# Poisson spikes.
ZOO: dict[str, tuple[Any, dict[str, Any]]] = {
    "IF": (rb.IF, {"spikes": rb.poisson(800, weight=0.3)}),
    "IAF": (rb.IAF, {"spikes": rb.poisson(500, weight=0.2)}),
    "LIF": (rb.LIF, {"I": _drive(0.4), "spikes": rb.poisson(800, weight="2 mV")}),
    "LIFexp": (rb.LIFexp, {"I": 0.25, "spikes": rb.poisson(800, weight="0.2 nA")}),
    "LIFalpha": (rb.LIFalpha, {"I": _drive(0.4), "spikes": rb.poisson(800, weight="0.2 nA")}),
    "LIFbiexp": (rb.LIFbiexp, {"I": 0.2, "spikes": rb.poisson(800, weight="0.2 nA")}),
    "CUBA": (rb.CUBA, {"exc": rb.poisson(900, weight="1.62 mV"), "inh": rb.poisson(300, weight="-9 mV")}),
    "COBA": (
        rb.COBA,
        {"I": _drive(0.3), "exc": rb.poisson(900, weight="6 nS"), "inh": rb.poisson(300, weight="67 nS")},
    ),
    "ALIF": (rb.ALIF, {"spikes": rb.poisson(900, weight=0.4)}),
    "LIFsfa": (rb.LIFsfa, {"I": _drive(0.8)}),
    "MAT": (rb.MAT, {"I": _drive(0.8), "exc": rb.poisson(300, weight="0.1 nA")}),
    "MihalasNiebur": (rb.MihalasNiebur, {}),
    "GLIF1": (lambda: rb.GLIF(level=1), {"I": _drive(0.4)}),
    "GLIF3": (lambda: rb.GLIF(level=3), {"I": _drive(0.4), "spikes": rb.poisson(300, weight="0.1 nA")}),
    "GLIF5": (lambda: rb.GLIF(level=5), {"I": _drive(0.4)}),
    "QIF": (rb.QIF, {}),
    "EIF": (rb.EIF, {"I": _drive(0.5)}),
    "AdEx": (rb.AdEx, {"I": _drive(0.9)}),
    "Izhikevich": (rb.Izhikevich, {"I": _drive(15.0)}),
    "Izhikevich2007": (rb.Izhikevich2007, {"I": _drive(0.4)}),
    "HH": (rb.HH, {"I": _drive(0.5)}),
    "EscapeLIF": (rb.EscapeLIF, {"I": _drive(0.3)}),
    "SRM": (rb.SRM, {"I": _drive(0.4), "spikes": rb.poisson(200, weight=0.3)}),
    "NoisyLIF": (rb.NoisyLIF, {"I": _drive(0.3)}),
    "NoisyLIF coloured": (lambda: rb.NoisyLIF(form="ou"), {"I": _drive(0.3)}),
}


def _neuron(evolve: str, **rows: Any) -> rb.Neuron:
    return rb.Neuron(evolve, **{"threshold": "v > 1", "reset": "v <- 0", "tau": 10.0} | rows)


# name: neuron, what simulate is given, method
DRAWN: dict[str, tuple[rb.Neuron, dict[str, Any], str]] = {
    "several ports, one not additive, written first": (
        _neuron("tau dv/dt = -v", receive={"gain": "v <- v*(1 + w_i)", "add": "v <- v + w_i"}, threshold="v > 3"),
        {"gain": rb.spikes([1, 2, 2, 5], weight=[0.5, -0.3, 0.2, 1.0]), "add": rb.poisson(2000, weight=0.3)},
        "auto",
    ),
    "several ports, one not additive, in the middle": (
        _neuron(
            "tau dv/dt = -v",
            receive={"a": "v <- v + w_i", "gain": "v <- v*w_i", "b": "v <- v + 2*w_i"},
            threshold="v > 3",
        ),
        {p: rb.spikes([1, 2, 2, 5, 5.0], weight=0.7) for p in ("a", "gain", "b")},
        "auto",
    ),
    "two that are not additive": (
        _neuron(
            "tau dv/dt = -v\ntau dg/dt = -g",
            receive={"x": "g <- g + w_i*(1 - g); v <- v + g", "y": "v <- v - w_i*v"},
        ),
        {"x": rb.poisson(3000, weight=0.2), "y": rb.poisson(500, weight=0.1)},
        "auto",
    ),
    "deliveries at time zero": (
        _neuron("tau dv/dt = -v + s\ntau ds/dt = -s", receive="v <- v + a*w_i*exp(-t); s <- s + w_i*v", a=0.2),
        {"spikes": TRAIN},
        "auto",
    ),
    "clamps of two states with times of their own": (
        _neuron(
            "tau dv/dt = I - v + u\ntau du/dt = b - u",
            receive="u <- u + w_i; v <- v + w_i",
            refractory={"v": "t_v", "u": "t_u"},
            t_v=2.0,
            t_u=[0.5, 3.0, 5.0],
            b=0.3,
        ),
        {"I": [1.2, 1.5, 3.0], "spikes": rb.poisson(500, weight=0.1)},
        "auto",
    ),
    "a clamp and a suspended threshold": (
        _neuron(
            "tau dv/dt = I - v\ntau dw/dt = v - w",
            refractory={"w": 1.0, "threshold": 2.5},
            reset="v <- v - 1",
        ),
        {"I": 2.0},
        "rk4",
    ),
    "no refractoriness shorter than half a step": (
        _neuron("tau dv/dt = I - v", refractory={"v": 0.04}),
        {"I": 3.0},
        "auto",
    ),
    "bounds": (
        _neuron(
            "tau dv/dt = I - v\nv >= low\nv <= high*(1 + 0.1*low)\ntau dw/dt = v - w",
            receive="v <- v + w_i",
            threshold="w > 0.1",
            reset="w <- -0.1",
            low=-0.5,
            high=[0.6, 0.7, 0.8],
        ),
        {"I": _drive(3.0), "spikes": rb.poisson(800, weight=-0.5)},
        "auto",
    ),
    "t in every row": (
        _neuron(
            "tau dv/dt = I*(1 + sin(t)) - v",
            receive="v <- v + w_i*cos(t)",
            threshold="v > 1 + 0.01*t",
            reset="v <- -0.1*sin(3*t)",
        ),
        {"I": 1.5, "spikes": rb.poisson(500, weight=0.1)},
        "auto",
    ),
    "input in threshold and reset": (
        _neuron("tau dv/dt = I - v", threshold="v > 0.5 + 0.1*I", reset="v <- 0.1*I"),
        {"I": _drive(3.0)},
        "auto",
    ),
    "a threshold that varies in time": (
        _neuron("tau dv/dt = I - v", threshold="v > theta", theta=1.0),
        {"I": 2.0, "theta": rb.sine(0.5, 100, offset=1.0)},
        "auto",
    ),
    "derived names": (
        _neuron(
            "g = a*v**2 + b\nh = g*(1 - g)\ntau dv/dt = I*h + 0.5 - v\ntau dw/dt = g - w",
            threshold="v + g > 1",
            a=0.2,
            b=0.3,
        ),
        {"I": _drive(1.5)},
        "auto",
    ),
    "names that generated code might use": (
        rb.Neuron(
            "k drange/dt = row*i - range + r\ni dlen/dt = -len + range",
            threshold="range > float",
            reset="range <- min_",
            refractory={"range": "hi"},
            receive={"flow": "len <- len + w_i", "lo": "range <- range*w_i + out"},
            k=10.0,
            i=5.0,
            r=0.5,
            row=[0.2, 0.3, 0.4],
            float=1.0,
            min_=0.1,
            hi=1.0,
            out=0.01,
        ),
        {"flow": rb.poisson(300, weight=0.1), "lo": rb.poisson(300, weight=1.05)},
        "auto",
    ),
    "states that end alike": (
        rb.Neuron(
            "tau da/dt = I - a\ntau db/dt = a - b\ntau da_b/dt = b - a_b",
            threshold="a_b > 0.5",
            reset="a <- 0; b <- 0; a_b <- 0",
            refractory={"a": 1.0, "b": 2.0, "a_b": 3.0},
            tau=5.0,
        ),
        {"I": [1.0, 2.0, 3.0]},
        "auto",
    ),
    "powers and roots": (
        _neuron(
            "tau dv/dt = 0.5 + (v + 0.3)**3 - (v + 0.1)**7 + 2**v - 1.5*v "
            "+ sqrt(v + 2) - (v + 3)**-2 + (v + 2)**1.5/9 + exp(v)**2/50"
        ),
        {},
        "euler",
    ),
    "functions of the notation": (
        _neuron(
            "tau dv/dt = I + tanh(v) - sinh(v)/3 + cosh(v)/9 + arctan(v) "
            "- tan(v/4) + log(v + 3) + sin(v)*cos(v) + abs(v - 0.3)"
            " + exprel(v) - 3*v + min(v, 0.2, w) - max(v, w)"
            " + where(v > 0.5, 0.1*v, -0.1) + floor(3*v)/10 + sign(v)/9\n"
            "tau dw/dt = v - w"
        ),
        {"I": _drive(2.0)},
        "rk4",
    ),
    "multiplicative noise": (
        _neuron("tau dv/dt = I - v + s*v*sqrt(2*tau)*xi", threshold="v > 1.1", s=0.4),
        {"I": [0.9, 1.1, 1.3]},
        "auto",
    ),
    "two noises, one shared": (
        _neuron(
            "tau dv/dt = I - v + w + s*sqrt(2*tau)*xi\ntau dw/dt = -w + s*sqrt(tau)*(xi + xi_2)",
            s=0.3,
            refractory=2.0,
        ),
        {"I": _drive(1.0)},
        "auto",
    ),
    "noise, Heun": (
        _neuron("tau dv/dt = I - v**3 + s*sqrt(2*tau)*xi", s=[0.1, 0.3, 0.5]),
        {"I": 0.8},
        "heun",
    ),
    "noise, sequential Euler": (
        _neuron("tau dv/dt = I - v + w + s*xi\ntau dw/dt = v - 2*w", s=1.0),
        {"I": 1.2},
        "sequential euler",
    ),
    "hazard with a clamp and a port": (
        rb.Neuron(
            "tau dv/dt = I - v",
            hazard="exp((v - 1)/d)/tau_0",
            reset="v <- 0",
            refractory=1.5,
            receive="v <- v*w_i",
            tau=10.0,
            d=0.3,
            tau_0=[1.0, 2.0, 5.0],
        ),
        {"I": _drive(1.2), "spikes": rb.poisson(300, weight=1.2)},
        "auto",
    ),
    "hazard with noise": (
        rb.Neuron(
            "tau dv/dt = I - v + s*sqrt(2*tau)*xi",
            hazard="h*exp(v + 0.01*t)",
            reset="v <- v - 1",
            tau=10.0,
            s=0.2,
            h=0.1,
        ),
        {"I": 1.0},
        "auto",
    ),
    "noisy inputs": (
        _neuron("tau dv/dt = I + J - v", receive="v <- v + w_i"),
        {
            "I": rb.ou(1, 0.5, 3),
            "J": rb.noise(0.5, 1, every=0.3),
            "spikes": rb.poisson(rb.sine(500, 50, offset=500), weight=0.1),
        },
        "auto",
    ),
    "drawn parameters and starts": (
        _neuron("tau dv/dt = I - v", tau=rb.uniform(5, 20), v=rb.normal(0.5, 0.1)),
        {"I": rb.normal(1.5, 0.2)},
        "auto",
    ),
    "no threshold": (rb.Neuron("tau dv/dt = I - v\ntau dw/dt = v - w", tau=5.0), {"I": _drive(1.0)}, "heun"),
}

METHODS = {
    "euler": "1",
    "sequential euler": "1",
    "heun": "2",
    "rk4": "4",
    "exponential euler": "1",
    "exact": "exact",
}


def _compare(
    model: rb.Neuron,
    given: dict[str, Any],
    method: str,
    patch: pytest.MonkeyPatch,
    until: float = 30.0,
    dt: float = 0.1,
) -> Any:
    sized = any(getattr(x, "size", None) == 3 or isinstance(x, list) for x in given.values()) or model.size
    n = None if sized else 3
    runs = []
    for small in (0, 10**9):
        patch.setattr(clock, "_SMALL", small)
        runs.append(rb.simulate(model, until, engine=rb.Clock(dt, method), seed=5, n=n, record=True, **given))
    runs.append(rb.simulate(model, until, engine=rb.Reference(dt, method), seed=5, n=n, record=True, **given))
    for other in runs[1:]:
        assert other.method == runs[0].method
        assert other.spikes.times.tobytes() == runs[0].spikes.times.tobytes()
        assert other.spikes.neurons.tobytes() == runs[0].spikes.neurons.tobytes()
        for s in model.states:
            a, b = runs[0].traces[s] + 0.0, other.traces[s] + 0.0  # -0.0 is 0.0
            assert a.tobytes() == b.tobytes(), f"{s} differs by {np.abs(a - b).max()} first at {np.argwhere(a != b)[0]}"
            assert (runs[0].final[s] + 0.0).tobytes() == (other.final[s] + 0.0).tobytes()
    return runs[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_zoo_runs_alike_compiled_plain_and_in_the_reference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, given = ZOO[name]
    _compare(make(), given, "auto", monkeypatch)


@pytest.mark.parametrize("name", ["LIF", "COBA", "AdEx", "EscapeLIF"])
def test_four_of_the_zoo_run_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, given = ZOO[name]
    run = _compare(make(), given, "auto", monkeypatch)
    assert len(run.spikes.times) > 0


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_neurons_run_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, given, method = DRAWN[name]
    run = _compare(model, given, method, monkeypatch)
    if model.threshold or model.hazard:
        assert len(run.spikes.times) >= 3, "a test of engines needs spikes"


@pytest.mark.parametrize("method", METHODS)
def test_methods_run_alike(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _neuron(
        "tau dv/dt = I - v + 0.5*w\ntau_w dw/dt = -w - 0.3*v",
        tau_w=30.0,
        receive="w <- w + w_i",
        refractory=1.0,
    )
    run = _compare(model, {"I": _drive(1.6), "spikes": rb.poisson(300, weight=0.2)}, method, monkeypatch, dt=0.25)
    assert (run.method, run.order) == (method, METHODS[method])
    assert len(run.spikes.times) > 3


def test_a_parameter_may_have_the_name_of_a_function_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is by exponentials, of which those with small arguments are computed by a function of their own."""
    model = _neuron("tau dv/dt = exprel_near*(E - v) + w*(2 - v)\ntau dw/dt = 0.2 - w", exprel_near=0.5, E=1.5)
    run = _compare(model, {}, "exponential euler", monkeypatch)
    assert len(run.spikes.times) > 3


def test_reset_row_sees_the_time_of_the_spike() -> None:
    model = rb.Neuron(
        "tau dv/dt = 2 - v\ntau dlast/dt = 0*last", threshold="v > 1", reset="v <- 0; last <- t", tau=10.0
    )
    for engine in (rb.Clock(0.1), rb.Reference(0.1)):
        run = rb.simulate(model, 20, engine=engine)
        assert run.last[-1] == run.spikes[0][-1]


def test_threshold_row_sees_the_time_at_which_it_is_tested() -> None:
    model = rb.Neuron(
        "tau dv/dt = -v",
        threshold="v + t >= 3",
        reset="v <- 0",
        refractory={"threshold": 100.0},
        tau=10.0,
        v=0.0,
    )
    for engine in (rb.Clock(0.5), rb.Reference(0.5)):
        assert rb.simulate(model, 20, engine=engine).spikes[0].tolist() == [3.0]


def test_a_large_population_is_the_reference_neuron_by_neuron() -> None:
    """More than one block of neurons, threads, and chunks; every hundredth neuron against the reference
    loop."""
    model = rb.Neuron(
        "tau dv/dt = I - v + s*sqrt(2*tau)*xi",
        receive="v <- v*(1 + w_i)",
        threshold="v > 1",
        reset="v <- 0",
        refractory=1.0,
        tau=10.0,
        s=0.1,
    )
    n = 600
    given = {"I": np.linspace(0.8, 1.5, n), "spikes": rb.poisson(200, weight=0.05), "seed": 7}
    whole = rb.simulate(
        model, 10, engine=rb.Clock(0.1, threads=2), record="v", record_neurons=np.arange(0, n, 100), **given
    )
    slow = rb.simulate(model, 10, engine=rb.Reference(0.1), record="v", record_neurons=np.arange(0, n, 100), **given)
    assert whole.spikes.times.tobytes() == slow.spikes.times.tobytes()
    assert whole.v.tobytes() == slow.v.tobytes()


def test_plain_python_goes_on_compiled_where_it_would_raise() -> None:
    """1/0 and exp(1000) are inf in compiled code, errors in Python: short runs must not depend on that."""
    model = rb.Neuron(
        "tau dv/dt = I - v + 1/(1 + exp((v_h - v)/d))",
        threshold="v > 1",
        reset="v <- 0",
        tau=10.0,
        v_h=0.5,
        d=1e-5,
    )
    short = rb.simulate(model, 50, engine=rb.Clock(0.1, "euler"), I=0.8)  # fewer steps than it takes to compile
    long = rb.simulate(model, 50, engine=rb.Clock(0.1, "euler"), I=np.full(200, 0.8))
    assert len(short.spikes[0]) == 3
    assert short.spikes[0].tobytes() == long.spikes[199].tobytes()


def test_overflow_is_an_error_that_names_the_state() -> None:
    model = rb.Neuron("tau dv/dt = v**3 + 1", tau=1.0)
    for engine in (rb.Clock(0.1, "euler"), rb.Reference(0.1, "euler")):
        with pytest.raises(rb.InputError, match=r"overflow.*smaller dt"):
            rb.simulate(model, 50, engine=engine)


def test_recording_options_agree_between_engines() -> None:
    model, given = rb.LIF(), {"I": np.linspace(0.2, 0.4, 5)}
    options = {"record": "v", "record_every": "0.5 ms", "record_neurons": [3, 1]}
    a = rb.simulate(model, 20, engine=rb.Clock(0.1), **options, **given)
    b = rb.simulate(model, 20, engine=rb.Reference(0.1), **options, **given)
    assert a.v.shape == (2, 41)
    assert a.t.tobytes() == b.t.tobytes()
    assert a.v.tobytes() == b.v.tobytes()


def test_spikes_of_one_step_come_one_by_one_where_the_row_does_not_add() -> None:
    """Three Poisson spikes in a step at v <- v + w (1 - v) leave 1 - (1 - w)**3, not 3 w."""
    model = rb.Neuron("tau dv/dt = 0*v", receive="v <- v + w_i*(1 - v)", tau=1.0, v=0.0)
    run = rb.simulate(model, 50, engine=rb.Clock(1.0), spikes=rb.poisson(3000, weight=0.1), seed=2)
    total = math.log1p(-run.v[-1]) / math.log(0.9)
    assert total == pytest.approx(round(total), abs=1e-6)
    assert 110 < total < 190  # mean 150, standard deviation 12


def test_split_advance_gives_the_same_bits() -> None:
    from rheobase.engines.population import prepare

    model = _neuron("tau dv/dt = I - v + s*xi", s=1.0, receive="v <- v + w_i", refractory=1.0)
    whole, pieces = [], []
    for cuts, out in (([200], whole), ([1, 2, 7, 8, 100, 101, 199, 200], pieces)):
        p = prepare(model, {"I": rb.ou(1, 0.5, 3), "spikes": rb.poisson(300, weight=0.1)}, 4, 30)
        run = clock.ClockRun(p, rb.Clock(0.1), Recording(("v",)), 200)
        for k in cuts:
            run.advance(k)
        out.append(run.result())
    assert whole[0].spikes.times.tobytes() == pieces[0].spikes.times.tobytes()
    assert whole[0].traces["v"].tobytes() == pieces[0].traces["v"].tobytes()
