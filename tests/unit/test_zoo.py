"""Every neuron of the zoo: it parses, prints, reads back, has a reference, and says what the paper says."""

import inspect
import json
import math

import numpy as np
import pytest
import sympy

from rheobase.errors import InputError, UnitMismatch
from rheobase.model import zoo
from rheobase.model.algebra import exprel, symbol
from rheobase.model.distribution import uniform
from rheobase.model.neuron import Neuron

FORMS = {
    "LIF tau": lambda **k: zoo.LIF(**k),
    "LIF conductance": lambda **k: zoo.LIF(form="conductance", **k),
    "LIF dimensionless": lambda **k: zoo.LIF(form="dimensionless", **k),
    "LIFexp ports": lambda **k: zoo.LIFexp(tau_e="3 ms", tau_i="7 ms", **k),
    "LIFalpha ports": lambda **k: zoo.LIFalpha(tau_e="3 ms", tau_i="7 ms", **k),
    "LIFbiexp ports": lambda **k: zoo.LIFbiexp(tau_re="1 ms", tau_de="3 ms", tau_ri="1 ms", tau_di="7 ms", **k),
    "QIF canonical": lambda **k: zoo.QIF(form="canonical", **k),
    "HH traub": lambda **k: zoo.HH(form="traub", **k),
    "NoisyLIF ou": lambda **k: zoo.NoisyLIF(form="ou", **k),
    "folded IAF": lambda **k: zoo.fold_leak(zoo.IAF(v_leak=0.1, **k)),
    **{f"GLIF {level}": lambda level=level, **k: zoo.GLIF(level=level, **k) for level in range(1, 6)},
}
NAMES = [n for n in zoo.__all__ if n not in ("fold_leak", "izhikevich_pattern")]
MODELS = {n: getattr(zoo, n) for n in NAMES} | FORMS
PLAIN = {"IF", "IAF", "ALIF", "Izhikevich", "LIF dimensionless", "QIF canonical", "folded IAF"}


def evaluate(neuron, name, **values):
    """The right side of d(name)/dt, solved for it, at the given states and inputs."""
    (flow,) = [f for f in neuron.rows.flows if f.state == name]
    known = {n: q.value for n, q in [*neuron.initial.items(), *neuron.parameters.items()]} | values
    expression = neuron.rows.substitute(flow.value).subs({symbol(k): v for k, v in known.items()})
    return float(expression.replace(exprel, lambda x: sympy.Float(math.expm1(x) / x) if x else sympy.Integer(1)))


@pytest.fixture(params=MODELS)
def model(request):
    return request.param, MODELS[request.param]()


# ---------------------------------------------------------------- all of them


def test_it_is_complete(model):
    name, neuron = model
    assert isinstance(neuron, Neuron)
    assert neuron.reference
    assert neuron.threshold or neuron.hazard
    assert neuron.receive
    assert neuron.inputs == ()  # all that it needs has a value; I may be overridden
    assert neuron.name.startswith(name.split()[-1 if name == "folded IAF" else 0])


def test_it_prints_and_reads_back(model):
    _, neuron = model
    assert Neuron.from_text(str(neuron)) == neuron
    assert Neuron.from_dict(json.loads(json.dumps(neuron.to_dict()))) == neuron
    assert "nan" not in neuron._repr_latex_()
    assert neuron._repr_html_().startswith("<table>")
    assert max(map(len, str(neuron).splitlines())) <= 14 + 112


def test_its_units_are_complete(model):
    name, neuron = model
    if name in PLAIN:
        assert neuron.unit("v") == ""
    else:
        assert None not in neuron.dimensions.values()
        assert neuron.unit("v") == "mV"
        assert neuron.unit("I") == ("" if name == "CUBA" else "nA")


def test_a_wrong_unit_is_refused(model):
    name, _ = model
    if name not in PLAIN:
        with pytest.raises(UnitMismatch):
            MODELS[name](**{"theta" if name == "CUBA" else "I": "1 ms"})


def test_every_state_has_a_start_except_the_bare_lif(model):
    name, neuron = model
    assert set(neuron.initial) == (set() if name.startswith("LIF ") or name == "LIF" else set(neuron.states))


def test_rows_initial_values_and_names_can_be_changed(model):
    name, _ = model
    neuron = MODELS[name](name="mine", v=-1, receive=None)
    assert (neuron.name, neuron.initial["v"].value, neuron.ports) == ("mine", -1.0, ())
    with pytest.raises(InputError, match="tua"):
        MODELS[name](tua=3)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_gives_arguments_source_and_example(name):
    function = getattr(zoo, name)
    text = inspect.getdoc(function)
    for heading in ("Parameters\n", "References\n", "Examples\n", ">>> "):
        assert heading in text, heading
    documented = text.split("Parameters\n")[1].split("\n\n", 1)[0] + text
    for parameter in inspect.signature(function).parameters:
        assert parameter in documented


def test_import_of_all_names():
    assert all(callable(getattr(zoo, n)) for n in zoo.__all__)


# ---------------------------------------------------------------- defaults and forms


def test_lif_is_the_design_example():
    example = Neuron(
        evolve="tau dv/dt = E_L - v + R*I",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r",
        refractory="2 ms",
        tau="20 ms",
        R="100 MOhm",
        E_L="-70 mV",
        theta="-50 mV",
        v_r="-70 mV",
        I="0 nA",
    )
    assert zoo.LIF().replace(name="neuron", reference="") == example


def test_the_form_of_lif_follows_from_its_values():
    assert zoo.LIF(g_L="5 nS") == zoo.LIF(form="conductance", g_L="5 nS")
    a, b = zoo.LIF(tau="20 ms", R="100 MOhm"), zoo.LIF(C="200 pF", g_L="10 nS")
    assert evaluate(a, "v", v=-55.0, I=0.3) == pytest.approx(evaluate(b, "v", v=-55.0, I=0.3), rel=1e-14)
    assert b.parameters["v_r"].value == -65.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zoo.LIF(form="conductanc"), "Did you mean 'conductance'"),
        (lambda: zoo.LIF(C="1 nF", R="1 MOhm"), "has no 'R'"),
        (lambda: zoo.QIF(form="canonical", a=1), "has no 'a'"),
        (lambda: zoo.HH(form="squid", v_T="1 mV"), "has no 'v_T'"),
        (lambda: zoo.NoisyLIF(tau_n="1 ms"), "has no 'tau_n'"),
        (lambda: zoo.GLIF(level=6), "1 to 5"),
        (lambda: zoo.GLIF(level=0), "1 to 5"),
        (lambda: zoo.LIFexp(tau_e="1 ms"), "tau_i must be given"),
        (lambda: zoo.LIFbiexp(tau_re="1 ms", tau_de="2 ms"), "tau_ri and tau_di"),
        (lambda: zoo.izhikevich_pattern("Z"), "A to T"),
        (lambda: zoo.fold_leak(zoo.LIF()), "no constant leak"),
        (lambda: zoo.fold_leak(zoo.IAF(I_bias=uniform(0, 1))), "I_bias"),
    ],
)
def test_forms_and_values_that_are_not_there(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_none_removes_refractoriness_and_makes_the_current_an_input():
    assert not zoo.LIF(refractory=None).refractory
    assert zoo.AdEx(I=None).inputs == ("I",)


def test_values_may_be_arrays():
    assert zoo.LIF(tau=np.array([10.0, 20.0])).size == 2
    assert zoo.Izhikevich(a=[0.02, 0.1], b=[0.2, 0.25]).initial["u"].value.tolist() == [-14.0, -17.5]
    assert zoo.LIFexp(tau_e=["1 ms", "2 ms"], tau_i="7 ms").size == 2


# ---------------------------------------------------------------- what the rows say, against the literature


def test_folding_the_leak_changes_the_sign_that_the_tutorial_prints():
    leaky = zoo.IAF(R=2, v_leak=0.1, I_bias=0.3)
    folded = zoo.fold_leak(leaky)
    assert folded.parameters["I_bias"].value == 0.3 - 0.1 / 2
    assert "v_leak" not in folded.parameters
    assert evaluate(folded, "v", v=0.4) == pytest.approx(evaluate(leaky, "v", v=0.4), rel=1e-15)
    assert folded.rows.bounds == leaky.rows.bounds or len(folded.rows.bounds) == 1


def test_hodgkin_huxley_rates_and_rest():
    """Steady gates at -65 mV as in the 1952 paper (m 0.053, h 0.596, n 0.318) and no singular voltage."""
    n = zoo.HH()
    assert {g: round(n.initial[g].value, 3) for g in "mhn"} == {"m": 0.053, "h": 0.596, "n": 0.318}
    assert abs(evaluate(n, "v")) < 0.05  # at rest but for the rounding of E_L
    for gate in "mhn":
        assert evaluate(n, gate) == pytest.approx(0, abs=1e-15)
    for v in (-40.0, -55.0):  # 0/0 as printed
        at, near = (evaluate(n, "m" if v == -40 else "n", v=x) for x in (v, v + 1e-6))
        assert at == pytest.approx(near, rel=1e-5)
    alpha_m = 0.1 * (-50.0 + 40) / (1 - math.exp(-(-50.0 + 40) / 10))
    assert evaluate(n, "m", v=-50.0, m=0.0) == pytest.approx(alpha_m, rel=1e-14)
    assert evaluate(n, "m", v=-50.0, m=1.0) == pytest.approx(-4 * math.exp(-15 / 18), rel=1e-14)


def test_traub_miles_rates():
    n = zoo.HH(form="traub")
    V = -50.0 + 63.0
    rates = {
        "m": (1.28, 0.28 * (V - 40) / (math.exp((V - 40) / 5) - 1)),  # alpha_m at its 0/0: 0.32 * 4
        "h": (0.128 * math.exp((17 - V) / 18), 4 / (1 + math.exp((40 - V) / 5))),
        "n": (0.032 * (15 - V) / (math.exp((15 - V) / 5) - 1), 0.5 * math.exp((10 - V) / 40)),
    }
    for gate, (alpha, beta) in rates.items():
        assert evaluate(n, gate, v=-50.0, **{gate: 0.0}) == pytest.approx(alpha, rel=1e-13)
        assert evaluate(n, gate, v=-50.0, **{gate: 1.0}) == pytest.approx(-beta, rel=1e-13)


@pytest.mark.parametrize(("rise", "decay"), [(1.0, 5.0), (5.0, 1.0), (2.0, 2.0), (2.0, 2.0 + 1e-9), (0.1, 50.0)])
def test_the_double_exponential_peaks_at_the_weight(rise, decay):
    n = zoo.LIFbiexp(tau_r=rise, tau_d=decay, tau="20 ms")
    jump = n.rows.receive["spikes"][0].value.subs(
        {symbol("y"): 0, symbol("w_i"): 1, symbol("tau_r"): rise, symbol("tau_d"): decay}
    )
    y0 = float(jump.replace(exprel, lambda x: sympy.Float(math.expm1(x) / x) if x else sympy.Integer(1)))
    t = np.linspace(0, 20 * max(rise, decay), 400_001)[1:]
    if abs(rise - decay) > 1e-6:
        current = y0 * rise / (decay - rise) * (np.exp(-t / decay) - np.exp(-t / rise))
    else:
        current = y0 * t / decay * np.exp(-t / decay)
    assert current.max() == pytest.approx(1.0, rel=1e-6)


def test_glif_levels_have_the_parts_of_the_paper():
    assert [len(zoo.GLIF(level=k).states) for k in range(1, 6)] == [3, 4, 5, 6, 7]
    reset = {k: [j.state for j in zoo.GLIF(level=k).rows.reset] for k in range(1, 6)}
    assert reset == {
        1: ["v"],
        2: ["v", "theta_s"],
        3: ["v", "I_1", "I_2"],
        4: ["v", "theta_s", "I_1", "I_2"],
        5: ["v", "theta_s", "I_1", "I_2"],
    }
    assert set(zoo.GLIF().refractory) == {"v", "theta_s", "I_1", "I_2", "theta_v"}


def test_mat_keeps_its_voltage():
    n = zoo.MAT()
    assert "v" not in {j.state for j in n.rows.reset}
    assert dict(n.refractory) == {"threshold": "t_ref"}


# ---------------------------------------------------------------- Izhikevich's twenty patterns


@pytest.mark.parametrize("letter", "ABCDEFGHIJKLMNOPQRST")
def test_izhikevich_patterns_give_the_authors_spikes_in_the_authors_scheme(letter, data):
    """Euler with u after v, the author's step, v > 30 tested after both: the spike lists of his figure."""
    section = json.loads((data / "izhikevich20.json").read_text())["izhikevich2004"]
    (row,) = [r for r in (section["rows"] if isinstance(section, dict) else section) if r["letter"] == letter]
    neuron, stimulus, dt, until, criterion = zoo.izhikevich_pattern(letter)
    p = {n: q.value for n, q in neuron.parameters.items()}
    dv, du = (
        sympy.lambdify(
            [symbol(s) for s in ("v", "u", "I")], f.value.subs({symbol(k): x for k, x in p.items() if k != "I"})
        )
        for f in neuron.rows.flows
    )
    v, u, spikes = neuron.initial["v"].value, neuron.initial["u"].value, []
    for k, current in enumerate(stimulus["samples"]):
        v = v + dt * dv(v, u, current)
        u = u + dt * du(v, u, current)
        if v > p["v_peak"]:
            v, u = p["c"], u + p["d"]
            spikes.append(k * dt)
    assert (dt, until, neuron.about) == (row["dt"], row["T"], row["name"])
    assert criterion
    np.testing.assert_allclose(spikes, row["spikes_figure1_scheme"], atol=1e-9)


def test_the_stimulus_pieces_agree_with_its_samples():
    for letter in "ABCDEFGHIJKLMNOPQRST":
        _, stimulus, dt, until, _ = zoo.izhikevich_pattern(letter)
        t = np.arange(round(until / dt) + 1) * dt
        piece = np.searchsorted(stimulus["starts"], t, side="right") - 1
        start, value, slope = (np.array(stimulus[k])[piece] for k in ("starts", "values", "slopes"))
        inside = np.abs(t[:, None] - np.array(stimulus["starts"])).min(axis=1) > 1e-9
        np.testing.assert_allclose(stimulus["samples"][inside], (value + slope * (t - start))[inside], atol=1e-12)
