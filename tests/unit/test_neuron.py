"""Neuron: values, the dimension check, equality, print, and what is refused when it is written down."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from rheobase.errors import InputError, RowError, UnitMismatch
from rheobase.model.distribution import exponential, gamma, lognormal, normal, uniform
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import COBA, HH, LIF, AdEx

ROWS = {
    "evolve": "tau dv/dt = E_L - v + R*I",
    "receive": "v <- v + w_i",
    "threshold": "v > theta",
    "reset": "v <- v_r",
    "refractory": "2 ms",
}
VALUES = {"tau": "20 ms", "R": "100 MOhm", "E_L": "-70 mV", "theta": "-50 mV", "v_r": "-70 mV"}


def lif(**changes):
    return Neuron(**{**ROWS, **VALUES, **changes})


# ---------------------------------------------------------------- a value


def test_parts():
    n = lif()
    assert (n.states, n.inputs, n.ports, n.noises, n.size) == (("v",), ("I",), ("spikes",), (), None)
    assert dict(n.refractory) == {"v": "t_ref"}
    assert n.parameters["t_ref"].value == 2.0


def test_it_is_frozen():
    n = lif()
    with pytest.raises(dataclasses.FrozenInstanceError):
        n.evolve = "dv/dt = 0"
    with pytest.raises(TypeError):
        n.parameters["tau"] = 1
    with pytest.raises(TypeError):
        n.receive["spikes"] = "v <- 0"


def test_arrays_are_copied_and_cannot_be_written():
    tau = np.array([10.0, 20.0])
    n = lif(tau=tau)
    tau[0] = 99
    assert n.parameters["tau"].value[0] == 10.0
    with pytest.raises(ValueError, match="read-only"):
        n.parameters["tau"].value[0] = 1.0


def test_equality_and_hash_go_by_meaning_not_by_spelling():
    a, b = lif(R="100 MOhm"), lif(R="0.1 GOhm", evolve="  tau dv/dt = E_L - v + R*I   # membrane\n")
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b, lif(R="101 MOhm")}) == 2
    assert a != "LIF"
    assert a != lif(evolve="tau dv/dt = E_L - v + I*R")


def test_replace_makes_another_and_leaves_the_first():
    a = lif()
    b = a.replace(tau="10 ms", v="-60 mV")
    assert (a.parameters["tau"].value, b.parameters["tau"].value, b.initial["v"].value) == (20.0, 10.0, -60.0)
    assert "v" not in a.initial
    assert a.replace() == a


def test_replace_of_a_row_drops_the_values_that_went_with_it():
    n = lif().replace(threshold=None)
    assert (n.threshold, n.reset, dict(n.refractory)) == (None, None, {})
    assert set(n.parameters) == {"tau", "R", "E_L"}


def test_replace_can_bring_a_row_with_new_names():
    n = lif().replace(
        evolve="tau dv/dt = E_L - v + R*I - w\ntau_w dw/dt = -w", reset="v <- v_r; w <- w + b", tau_w="100 ms", b="1 mV"
    )
    assert n.states == ("v", "w")
    assert n.unit("w") == "mV"


def test_replace_refuses_an_unknown_name():
    with pytest.raises(InputError, match=r"has no 'tua'\. Did you mean 'tau'"):
        lif().replace(tua="10 ms")


def test_replace_none_makes_a_parameter_an_input():
    assert LIF().inputs == ()
    assert LIF().replace(I=None).inputs == ("I",)


def test_copies_are_equal():
    assert copy.copy(lif()) == copy.deepcopy(lif()) == lif()


# ---------------------------------------------------------------- print, text, dict


def test_what_is_printed_reads_back():
    n = lif(name="cell", about="a: b, with commas", reference="A-B et al. (2001) very-hyphenated-" + "word " * 60)
    assert Neuron.from_text(str(n)) == n


def test_values_are_printed_as_typed():
    n = lif(tau="0.02 s", R=[1.0, 2.5], E_L=uniform("-70 mV", "-60 mV"), v_r="-0.07   V")
    for text in ("tau = 0.02 s", "R = [1.0, 2.5]", "E_L = uniform(-70.0 mV, -60.0 mV)", "v_r = -0.07 V"):
        assert text in str(n)
    assert Neuron.from_text(str(n)) == n


def test_a_value_without_unit_stays_without_one():
    n = Neuron(evolve="tau dv/dt = -v", tau=20, v=1)
    assert "tau = 20\n" in str(n) + "\n"
    assert Neuron.from_text(str(n)) == n
    assert n.unit("tau") == ""


def test_dict_is_json_and_reads_back():
    n = lif(tau=np.linspace(10, 30, 100), E_L=normal("-70 mV", "1 mV", low="-75 mV"))
    assert Neuron.from_dict(json.loads(json.dumps(n.to_dict()))) == n


def test_from_dict_does_not_print_a_text_that_contradicts_the_value():
    data = lif().to_dict()
    data["parameters"]["tau"]["text"] = "5 ms"
    assert "tau = 20 ms" in str(Neuron.from_dict(data))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"evolv": "x"}, "Did you mean 'evolve'"),
        ({"parameters": [1]}, "must map"),
        ({"parameters": {"tau": 3}}, "not a quantity"),
        ({"parameters": {"tau": {"value": "20 ms"}}}, "not a number"),
        ({"parameters": {"evolve": {"value": 1}}}, "cannot be the name"),
        ({"initial": {"v": {"distribution": "normal(x, y)"}}}, "not a number"),
        ({"name": "a: b"}, "name="),
    ],
)
def test_dicts_that_are_no_neuron(change, says):
    with pytest.raises(InputError, match=says):
        Neuron.from_dict(lif().to_dict() | change)


def test_text_that_is_no_table():
    for text, says in (
        ("", "at the left margin"),
        ("LIF\nevolve dv/dt", "belongs to no row"),
        ("LIF\n  evlve  x", "belongs to no row"),
    ):
        with pytest.raises(InputError, match=says):
            Neuron.from_text(text)


def test_latex_and_html():
    n = AdEx()
    assert r"\frac{dw}{dt}" in n._repr_latex_()
    assert n._repr_latex_().startswith("$$")
    html = lif(name="<b>")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b><b>" not in html


# ---------------------------------------------------------------- the dimension check


def test_units_of_states_inputs_and_weights_follow_from_the_rows():
    n = lif()
    assert (n.unit("v"), n.unit("I"), n.unit("w_i:spikes"), n.unit("nothing")) == ("mV", "nA", "mV", "")
    assert COBA().unit("w_i:exc") == "uS"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tau": "20 mV"}, "left side"),
        ({"E_L": "-70 nA"}, "nA"),
        ({"theta": "-50 pA"}, "compare"),
        ({"v_r": "-70 ms"}, "right side"),
        ({"refractory": "2 mV"}, "it is a time"),
        ({"evolve": "tau dv/dt = E_L - v + R*I + 3"}, "a number in a row has no unit"),
        ({"evolve": "tau dv/dt = exp(v) - v + E_L + R*I"}, "cannot add mV and 1"),
        ({"evolve": "dv/dt = E_L - v + R*I", "tau": None}, "left side"),
        ({"receive": "v <- v + w_i*tau + R"}, "MOhm"),
        ({"evolve": "tau dv/dt = E_L - v + R*I\nv >= tau"}, "bound"),
        ({"evolve": "tau dv/dt = E_L - v + R*I + max(E_L, tau)"}, "max"),
        ({"evolve": "tau dv/dt = E_L - v + R*I + E_L*tau**v"}, "exponent"),
        ({"threshold": None, "hazard": "exp((v - theta)/theta)", "reset": "v <- v_r"}, "rate"),
    ],
)
def test_units_that_do_not_agree(changes, says):
    with pytest.raises(UnitMismatch, match=says):
        lif(**changes)


def test_the_message_points_and_lists_the_units():
    with pytest.raises(UnitMismatch) as caught:
        lif(evolve="tau dv/dt = E_L - v + R*I + tau")
    text = str(caught.value)
    assert "cannot add ms and mV" in text
    line, marks = text.splitlines()[1:3]
    assert line[marks.index("^") : marks.rindex("^") + 1] == "tau"
    assert "E_L: mV" in text


def test_an_input_takes_up_whatever_unit_is_left():
    assert lif(R="100 MOhm/ms").unit("I") == "pC"


def test_a_model_of_plain_numbers_needs_no_units():
    n = Neuron(
        evolve="dv/dt = 0.04*v**2 + 5*v + 140 - u + I\ndu/dt = a*(b*v - u)",
        threshold="v > 30",
        reset="v <- c; u <- u + d",
        a=0.02,
        b=0.2,
        c=-65,
        d=8,
    )
    assert n.unit("v") == ""


def test_white_noise_has_the_unit_of_one_over_the_root_of_time():
    n = lif(evolve="tau dv/dt = E_L - v + R*I + sigma*sqrt(2*tau)*xi", sigma="1 mV")
    assert n.noises == ("xi",)
    with pytest.raises(UnitMismatch):
        lif(evolve="tau dv/dt = E_L - v + R*I + sigma*xi", sigma="1 mV")


# ---------------------------------------------------------------- refractoriness


@pytest.mark.parametrize(
    ("given", "targets", "time"),
    [
        ("2 ms", {"v": "t_ref"}, 2.0),
        (2, {"v": "t_ref"}, 2.0),
        ("0.002 s", {"v": "t_ref"}, 2.0),
        ({"u": "3 ms"}, {"u": "t_ref"}, 3.0),
        ({"threshold": "5 ms"}, {"threshold": "t_ref"}, 5.0),
        (None, {}, None),
        ("0 ms", {"v": "t_ref"}, 0.0),
    ],
)
def test_forms_of_refractory(given, targets, time):
    n = lif(evolve="tau dv/dt = E_L - v + R*I\ntau du/dt = -u", refractory=given)
    assert dict(n.refractory) == targets
    assert time is None or n.parameters["t_ref"].value == time


def test_refractory_names_a_parameter_or_several_states():
    n = lif(refractory="dead", dead="3 ms")
    assert dict(n.refractory) == {"v": "dead"}
    n = lif(evolve="tau dv/dt = E_L - v + R*I\ntau du/dt = -u", refractory={"v": "2 ms", "u": "1 ms"})
    assert dict(n.refractory) == {"v": "t_ref_v", "u": "t_ref_u"}
    assert Neuron.from_text(str(n)) == n


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"refractory": {"w": "2 ms"}}, RowError, "'w' is no state"),
        ({"refractory": "dead"}, RowError, "'dead'"),
        ({"refractory": "-1 ms"}, InputError, "negative"),
        ({"refractory": "2*tau"}, InputError, "cannot read"),
        ({"refractory": "tau + tau"}, RowError, "not a formula"),
        ({"t_ref": "3 ms"}, RowError, "given twice"),
        ({"threshold": None, "reset": None, "theta": None, "v_r": None}, RowError, "nothing fires"),
    ],
)
def test_refractory_that_cannot_be(changes, error, says):
    with pytest.raises(error, match=says.replace("*", r"\*")):
        lif(**changes)


# ---------------------------------------------------------------- arrays and distributions


def test_arrays_give_the_number_of_neurons():
    assert lif(tau=[10, 20, 30]).size == 3
    assert lif(tau=["10 ms", "0.02 s"]).parameters["tau"].value.tolist() == [10.0, 20.0]
    assert lif(v=np.zeros(5)).size == 5


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"tau": [1, 2], "R": [1, 2, 3]}, InputError, "tau has 2 values and R has 3"),
        ({"tau": [[1, 2]]}, InputError, "one axis"),
        ({"tau": []}, InputError, "empty"),
        ({"tau": ["1 ms", "2 mV"]}, UnitMismatch, "mixes"),
        ({"tau": [1, np.nan]}, InputError, "index 1"),
        ({"tau": [1, -2]}, InputError, "not positive"),
        ({"tau": "many"}, InputError, "not a number"),
        ({"tau": True}, InputError, "not a number"),
        ({"tau": object()}, InputError, "not a number"),
        ({"tau": 10**400}, InputError, "not a number"),
    ],
)
def test_values_that_cannot_be(changes, error, says):
    with pytest.raises(error, match=says):
        lif(**changes)


def test_distributions_are_kept_and_drawn_later():
    q = lif(v=uniform("-60 mV", "-50 mV")).initial["v"]
    drawn = q.draw(1000, np.random.default_rng(1))
    assert drawn.shape == (1000,)
    assert -60 <= drawn.min() < drawn.max() <= -50
    assert q.varies
    with pytest.raises(UnitMismatch):
        lif(v=uniform("1 ms", "2 ms"))
    with pytest.raises(InputError, match="not positive"):
        lif(tau=uniform("-1 ms", "2 ms"))
    for positive in (
        lognormal(3.0, 0.1, unit="ms"),
        gamma(2.0, "10 ms"),
        exponential("20 ms"),
        normal("20 ms", "1 ms"),
    ):
        assert lif(tau=positive).parameters["tau"].value == positive


# ---------------------------------------------------------------- typical mistakes, where they are made


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"tua": "20 ms", "tau": None}, InputError, "'tua' stands in no row. Did you mean 'tau'"),
        ({"Theta": "-50 mV", "theta": None}, RowError, "Did you mean 'theta'|neither a state nor a parameter"),
        ({"threshold": "v > teta"}, RowError, "Did you mean 'theta'"),
        ({"tau": "20"}, None, ""),
        ({"reset": "v = v_r"}, RowError, "a jump is written  v <- v_r"),
        ({"reset": "v += v_r"}, RowError, "v <- v \\+ v_r"),
        ({"evolve": "tau dv/dt <- E_L - v"}, RowError, "belongs to a jump"),
        ({"evolve": "v = E_L - v + R*I"}, RowError, "a state is written  dv/dt"),
        ({"tau": "-20 ms"}, InputError, "not positive"),
        ({"tau": 0}, InputError, "not positive"),
        ({"E_L": float("nan")}, InputError, "NaN"),
        ({"v": float("nan")}, InputError, "NaN"),
        ({"theta": np.inf}, InputError, "threshold=None"),
        ({"tau": "20 MS"}, UnitMismatch, "left side"),
        ({"evolve": "tau dv/dt = E_L - v + R I"}, RowError, "write \\*"),
        ({"evolve": "tau dv/dt = E_L - v + e*I", "R": None}, RowError, "'e' is no constant"),
    ],
)
def test_typical_mistakes(changes, error, says):
    if error is None:  # a number without unit is taken in the coherent unit
        assert lif(**changes).unit("tau") == "ms"
        return
    with pytest.raises(error, match=says):
        lif(**changes)


@pytest.mark.parametrize("value", ["", "a: b", None, 5, "x" * 2000])
def test_names_that_cannot_be_printed(value):
    with pytest.raises(InputError, match="name="):
        lif(name=value)


def test_gates_of_hodgkin_and_huxley_start_at_rest():
    n = HH(v=[-65.0, -40.0])
    assert n.initial["m"].value.shape == (2,)
    assert n.initial["m"].value[1] > n.initial["m"].value[0]


def test_neurons_survive_pickling():
    assert pickle.loads(pickle.dumps(lif(tau=[1.0, 2.0]))) == lif(tau=[1.0, 2.0])
