"""Numbers from remembered texts are those of the symbols they were written from, bit for bit."""

import numpy as np
import pytest
import sympy

import rheobase as rb
from rheobase.derive.additive import port_gains
from rheobase.derive.evaluate import evaluate
from rheobase.derive.structure import analyse
from rheobase.derive.write import write_expression
from rheobase.model.algebra import symbol
from rheobase.model.compute import compute_text
from rheobase.model.expression import normalise, parse_condition, parse_number

rng = np.random.Generator(np.random.Philox(7))
MODELS = [rb.LIF, rb.LIFexp, rb.CUBA, rb.COBA, rb.ALIF, rb.AdEx, rb.EIF, rb.QIF, rb.Izhikevich, rb.HH, rb.EscapeLIF]


def both(expression, values):
    """The value by SymPy's tree and the value of the text."""
    with np.errstate(all="ignore"):
        return (
            np.asarray(evaluate(expression, values), dtype=float),
            np.asarray(compute_text(write_expression(expression), values), dtype=float),
        )


def same(expression, values):
    one, two = np.broadcast_arrays(*both(expression, values))
    return one.tobytes() == two.tobytes()


@pytest.mark.parametrize("make", MODELS)
def test_flow_and_slopes_of_the_zoo(make):
    neuron = make()
    structure = analyse(neuron, neuron.inputs)
    names = {*neuron.states, *neuron.parameters, *neuron.inputs, "t"}
    values = {n: rng.uniform(0.5, 2.0, 7) for n in names}
    flow = sympy.Matrix(structure.drift)
    for e in [*flow, *flow.jacobian(structure.states)]:
        assert same(e, values), e


@pytest.mark.parametrize(
    "text",
    [
        "-v**2", "(-v)**2", "2**-v", "v**u**2", "-(v - u)/(v*u)", "1/(v/u)", "v - (u - v)", "1e-3*v", "0.1 + v + 0.7*u",
        "sqrt(abs(v))", "exp(-v)*log(2 + u**2)", "where(v > 0 and not u >= 1, v, where(v < 0 or u == v, u, 3))",
        "min(v, u, 1)", "max(v, 2*u)", "sign(v)*floor(3*u)", "exprel(v)", "exprel(0*v + u)", "tanh(v) + arctan(u)",
        "sin(v)*cos(u)/tan(v)", "where(v != 0, 1/v, 0)", "-1*(-2)*(-v)", "v**0.5", "v**-0.5", "(v + 1)**-3",
        " + ".join(f"{i}.5*v**{i}*u" for i in range(1, 50)),
    ],
)  # fmt: skip
def test_expressions_and_their_slopes(text):
    clean = normalise(text)
    e = parse_number(clean.part(0, len(clean.text)), "evolve").value
    values = {"v": np.array([-1.3, 0.0, 0.25, 1.0, 2.0]), "u": np.array([0.7, 0.0, 1.0, -0.25, 3.0])}
    for x in (e, e.diff(symbol("v")), e.diff(symbol("u"))):
        if not x.has(sympy.Derivative, sympy.Subs):
            one, two = np.broadcast_arrays(*both(x, values))
            np.testing.assert_allclose(two, one, rtol=1e-14)


@pytest.mark.parametrize("text", ["v > 1", "v >= u and u < 1", "not (v > 0 or u <= 1)", "v == u", "v - u != 1"])
def test_conditions(text):
    e = parse_condition(normalise(text), "threshold").value
    assert same(e, {"v": np.array([0.0, 1.0, 2.0, 3.0]), "u": np.array([0.0, 0.5, 1.0, 3.0])})


def test_every_float_comes_back():
    for x in rng.normal(size=200) * 10.0 ** rng.integers(-300, 300, 200):
        assert float(compute_text(write_expression(sympy.Float(x) * symbol("v")), {"v": 1.0})) == float(sympy.Float(x))


def test_gains_of_ports():
    neuron = rb.LIFbiexp()
    gain = port_gains(neuron, "spikes", {"tau_r": 2.0, "tau_d": 5.0})["y"]
    assert gain == pytest.approx(float(np.exp(np.log(0.4) / (0.4 - 1.0))), rel=1e-14)
    assert port_gains(neuron, "spikes", {"tau_r": np.array([1.0, 2.0]), "tau_d": 5.0}) is None
    rows = {"a": "v <- v + 2*w_i", "b": "v <- v + w_i*v", "c": "v <- v + w_i*t"}
    neuron = rb.Neuron(evolve="dv/dt = -v", receive=rows)
    assert [port_gains(neuron, p, {}) for p in rows] == [{"v": 2.0}, None, None]
