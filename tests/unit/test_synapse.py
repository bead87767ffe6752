"""Synapse: rows, values, errors; and what `connect` refuses."""

import pickle
from typing import Any

import numpy as np
import pytest

import rheobase as rb

PAIR = rb.stdp(w_max="2 mV")


DIFFERING = rb.stdp(A_plus=[0.1, 0.2], tau_plus=rb.uniform("10 ms", "20 ms"), x=[0.0, 1.0])


@pytest.mark.parametrize(
    "synapse", [PAIR, DIFFERING, rb.static(), rb.triplet_stdp(), rb.tsodyks_markram(tau_facil="50 ms")]
)
def test_a_synapse_reads_back(synapse: rb.Synapse) -> None:
    again = rb.Synapse.from_dict(synapse.to_dict())
    assert again == synapse
    assert hash(again) == hash(synapse)
    assert str(again) == str(synapse)
    assert pickle.loads(pickle.dumps(synapse)) == synapse
    assert synapse.replace(name="other") != synapse


def test_what_differs_between_synapses_is_told() -> None:
    assert DIFFERING.varying == ("A_plus", "tau_plus", "x")
    assert PAIR.varying == ()
    assert DIFFERING.value("A_minus") == 0.0105
    with pytest.raises(rb.InputError, match=r"A_plus = \[0.1, 0.2\] differs between synapses"):
        DIFFERING.value("A_plus")
    for U in ([0.5, 1.5], rb.normal(0.5, 0.1), rb.normal(0.5, 0.1, low=0)):
        with pytest.raises(rb.InputError, match="must lie between 0 and 1"):
            rb.tsodyks_markram(U=U)
    assert rb.tsodyks_markram(U=rb.normal(0.5, 0.1, low=0, high=1)).varying == ("U",)


def test_units_are_found_from_the_rows() -> None:
    assert {n: PAIR.dimensions[n].unit for n in ("w", "w_i", "w_max", "tau_plus")} == {  # type: ignore[union-attr]
        "w": "mV",
        "w_i": "mV",
        "w_max": "mV",
        "tau_plus": "ms",
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"evolve": "tau dx/dt = -x*x", "tau": 5}, "not linear in the states"),
        ({"evolve": "tau dx/dt = max(-x, 0)", "tau": 5}, "not linear in the states"),
        ({"evolve": "dx/dt = t"}, "'t' cannot stand in a synapse"),
        ({"evolve": "dx/dt = xi"}, "'xi' cannot stand in a synapse"),
        ({"on_pre": "w = w + 1"}, "a jump is written"),
        ({"on_pre": "w <- w + q"}, "'q' is neither a state nor a parameter"),
        ({"on_pre": "z <- z + 1"}, "has no dz/dt in the evolve row"),
        ({"on_post": "w_i <- w"}, "has no dw_i/dt in the evolve row"),
        ({"on_pre": "w <- w_i + 1"}, "w_i is what arrives"),
        ({"on_pre": "w <- w*(1"}, "brackets do not match"),
        ({"on_pre": "w <- __import__('os')"}, "on_pre row"),
        ({"evolve": "q >= 0"}, "'q' is no state"),
    ],
)
def test_mistakes_in_rows_are_pointed_at(rows: dict[str, Any], message: str) -> None:
    with pytest.raises(rb.RowError, match=message.replace("(", r"\(")) as error:
        rb.Synapse(**rows)
    assert "^" in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"on_pre": "w <- w + c", "c": np.inf}, "not finite"),
        ({"on_pre": "w <- w + c", "c": [1.0, np.inf]}, "not finite"),
        ({"evolve": "tau dx/dt = -x", "tau": rb.normal("5 ms", "1 ms")}, "bound it from below"),
        ({"on_pre": "w <- w + c", "c": 1, "d": 2}, "'d' stands in no row"),
        ({"evolve": "tau dx/dt = -x", "tau": -1}, "not positive"),
        ({"on_pre": "w <- w/2", "w": 1}, "leave w= out"),
        ({"delay": "nowhere"}, "'axonal' or 'dendritic'"),
    ],
)
def test_mistakes_in_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(rb.InputError, match=message):
        rb.Synapse(**values)


def test_names_can_be_greek_or_those_of_functions_of_python() -> None:
    synapse = rb.Synapse(
        evolve="τ dx/dt = -x; τ dz/dt = x*int - z", on_pre="x <- x + len", **{"τ": 5, "int": 1, "len": 2}
    )
    net = rb.Network()
    source, E = net.add("source", 1, rb.spikes([1.0, 3.0])), net.add("E", 1, rb.LIF(), I=0)
    net.connect(source, E, one_to_one=True, weight=2, delay=1, synapse=synapse, name="s")
    run = rb.simulate(net, until="4 ms", seed=1)
    assert run.weights("s", "x")[0] == pytest.approx(2 + 2 * np.exp(-0.4))
    assert run.weights("s", "z")[0] == pytest.approx(2 * 0.4 * np.exp(-0.4))


def test_mistakes_in_units_are_pointed_at() -> None:
    with pytest.raises(rb.UnitMismatch, match="on_pre row"):
        rb.Synapse(on_pre="w <- w + c; w_i <- w + d", c="1 mV", d="1 nA")
    with pytest.raises(rb.InputError, match="rule ="):
        rb.stdp(rule="none")
    with pytest.raises(rb.InputError, match="pairing ="):
        rb.stdp(pairing="some")
    with pytest.raises(rb.InputError, match="U ="):
        rb.tsodyks_markram(U=2)


def connect(**how: Any) -> rb.Network:
    net = rb.Network()
    E = net.add("E", 3, rb.LIF(), I=0)
    net.connect(E, E, all_to_all=True, **({"weight": "1 mV", "delay": "1 ms", "name": "EE"} | how))
    return net


def test_connect_reads_a_synapse() -> None:
    with pytest.raises(rb.InputError, match=r"write stdp\(\)"):
        connect(synapse=rb.stdp)
    with pytest.raises(rb.InputError, match="plastic = 'no'"):
        connect(synapse=PAIR, plastic="no")
    with pytest.raises(rb.UnitMismatch, match="w of STDP is in nA"):
        connect(synapse=rb.stdp(w_max="1 nA"))
    assert not connect(synapse=rb.static()).projections[0].is_plastic
    assert not connect(synapse=PAIR, plastic=False).projections[0].is_plastic


def test_what_a_run_says() -> None:
    net = connect(synapse=PAIR)
    run = rb.simulate(net, until="5 ms", seed=1)
    assert run.weights("EE").tolist() == [1.0] * 9
    assert run.weights(net.projections[0], "x").tolist() == [0.0] * 9
    with pytest.raises(rb.NotRecorded, match="no projection 'EI'"):
        run.weights("EI")
    with pytest.raises(rb.NotRecorded, match="have no 'z'"):
        run.weights("EE", "z")
    with pytest.raises(rb.NotExact, match="plastic"):
        rb.simulate(net, until="5 ms", engine=rb.Exact())
    static = rb.simulate(connect(synapse=PAIR, plastic=False), until="5 ms", engine=rb.Exact())
    assert static.weights("EE").tolist() == [1.0] * 9


@pytest.mark.parametrize("until", ["10 ms", "2 s"])  # as plain Python, compiled
@pytest.mark.parametrize(
    "row", ["w <- w/(w - 1)", "w <- exp(1000*w)", "w <- log(w - 1)", "w <- sqrt(-w)", "w <- w + w/b"]
)
def test_a_state_that_cannot_be_computed_is_an_error(row: str, until: str) -> None:
    net = rb.Network()
    source, E = net.add("source", 1, rb.spikes([1.0, 3.0])), net.add("E", 1, rb.LIF(), I=0)
    values = {"b": 0} if "b" in row else {}
    net.connect(source, E, one_to_one=True, weight=1, delay=1, synapse=rb.Synapse(on_pre=row, **values))
    engine = rb.Clock(dt=0.1)
    with pytest.raises(rb.InputError, match=r"of a synapse is not finite|plastic synapse cannot be computed"):
        rb.simulate(net, until=until, engine=engine, record=False)


def test_a_state_that_runs_away_is_an_error() -> None:
    net = rb.Network()
    source, E = net.add("source", 1, rb.spikes(np.arange(1.0, 40.0))), net.add("E", 1, rb.LIF(theta=1e300), I=0)
    net.connect(source, E, one_to_one=True, weight=2, delay=1, synapse=rb.Synapse(on_pre="w_i <- 0; w <- w**4"))
    with pytest.raises(rb.InputError, match="not finite any more"):
        rb.simulate(net, until="50 ms", engine=rb.Clock(precision="mixed"))
