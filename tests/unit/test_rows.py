"""The four rows: what may be written, and where the caret points when something else is."""

import pytest
import sympy

from rheobase.errors import RowError
from rheobase.model.algebra import symbol
from rheobase.model.expression import FUNCTIONS, Clean, normalise, parse_number
from rheobase.model.neuron import Neuron
from rheobase.model.rows import parse_rows


def rows(evolve="dv/dt = -v", receive=None, threshold=None, reset=None, hazard=None):
    return parse_rows(evolve, receive, threshold, reset, hazard)


def value(text):
    """The SymPy value of an expression with plain names."""
    clean = normalise(text)
    return parse_number(clean.part(0, len(clean.text)), "evolve").value


def caret(error):
    """The characters under the caret of an error message."""
    *_, line, marks = str(error).splitlines()
    return line[marks.index("^") : marks.rindex("^") + 1]


# ---------------------------------------------------------------- what may be written


@pytest.mark.parametrize(
    "line",
    [
        "tau dv/dt = E - v",
        "tau*dv/dt = E - v",
        "tau * dv / dt = E - v",
        "tau v' = E - v",
        "τ dv/dt = E − v",
        "tau dv/dt=E-v",
    ],
)
def test_spellings_of_a_flow_mean_the_same(line):
    (flow,) = rows(line).flows
    tau, E, v = symbol("tau"), symbol("E"), symbol("v")
    assert flow.state == "v"
    assert sympy.simplify(flow.value - (E - v) / tau) == 0


def test_a_coefficient_may_be_an_expression():
    (flow,) = rows("(C/g) dv/dt = -v").flows
    assert flow.value == -symbol("v") * symbol("g") / symbol("C")


def test_flow_without_coefficient_has_none():
    assert rows("dv/dt = -v").flows[0].coefficient is None


@pytest.mark.parametrize("separator", ["\n", "; ", " ;\n\n", "   # a comment\n"])
def test_lines_are_separated_by_newline_or_semicolon(separator):
    assert rows(f"dv/dt = -v{separator}du/dt = v").states == ("v", "u")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a^2", "a**2"),
        ("a²", "a**2"),
        ("a·b", "a*b"),
        ("a×b÷c", "a*b/c"),
        ("−a", "-a"),
        ("Δ_T", "Delta_T"),
        ("θ + τ_m", "theta + tau_m"),
        ("x₁", "x1"),
        ("λ", "lambda_"),
        ("Ω", "Omega"),
    ],
)
def test_typographic_signs_and_greek_letters_are_plain_names(text, same):
    assert value(text) == value(same)


def test_unicode_comparison_and_arrow():
    r = rows("dv/dt = -v", "v ← v + w_i", "v ≥ θ", "v ← 0")
    assert r.threshold.value == sympy.Ge(symbol("v"), symbol("theta"))
    assert r.receive["spikes"][0].value == symbol("v") + symbol("w_i")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_parses(name):
    count = FUNCTIONS[name][0]
    arguments = ["v > 0" if name == "where" else "v", "u", "w"][: count or 2]
    expression = value(f"{name}({', '.join(arguments)})")
    assert symbol("v") in expression.free_symbols


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2**3", 8.0),
        ("2**-1", 0.5),
        ("1/3", 1 / 3),
        ("exp(1)", 2.718281828459045),
        ("exprel(0)", 1.0),
        ("min(3, 1, 2)", 1.0),
        ("floor(-0.5)", -1.0),
        ("sign(-3)", -1.0),
        ("pi", 3.141592653589793),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("sqrt(2)**2", 2.0),
    ],
)
def test_constants_are_computed_in_floating_point(text, number):
    assert float(value(text)) == pytest.approx(number, rel=1e-15)


def test_letters_that_sympy_reads_as_constants_are_plain_names():
    """SymPy's own parser takes I for the imaginary unit, E for Euler's number, S, N, Q, O for objects."""
    assert {s.name for s in value("I + E*S + N - Q + O*beta + gamma + zeta").free_symbols} == {
        "I",
        "E",
        "S",
        "N",
        "Q",
        "O",
        "beta",
        "gamma",
        "zeta",
    }


def test_the_precedence_is_that_of_mathematics():
    assert float(value("-2**2")) == -4
    assert float(value("2**3**2 / 64")) == 8
    assert float(value("1 - 2 - 3")) == -4


# ---------------------------------------------------------------- derived names, bounds, ports, order


def test_derived_names_are_sorted_by_use():
    r = rows("dv/dt = b - v\nb = 2*a\na = v + 1")
    assert [n for n, _ in r.derived] == ["a", "b"]
    assert sympy.expand(r.substitute(r.flows[0].value)) == symbol("v") + 2


def test_a_derived_name_is_neither_state_nor_input():
    r = rows("dv/dt = a\na = k*v")
    assert r.states == ("v",)
    assert set(r.names()) == {"k"}


def test_bounds():
    low, high = rows("dv/dt = I\nv >= v_min\nv <= 1").bounds
    assert (low.state, low.side, low.right.text) == ("v", ">=", "v_min")
    assert (high.state, high.side, high.right.text) == ("v", "<=", "1")


def test_ports_keep_their_order_and_rows():
    r = rows("dv/dt = -v\ndg/dt = -g", {"exc": "v <- v + w_i", "inh": "g <- g + w_i"})
    assert list(r.receive) == ["exc", "inh"]
    assert [j.state for j in r.receive["inh"]] == ["g"]


def test_a_single_receive_row_is_the_port_spikes():
    assert list(rows(receive="v <- v + w_i").receive) == ["spikes"]


def test_jumps_keep_the_order_in_which_they_are_written():
    """The second line must see what the first has done, so the order is meaning, not layout."""
    r = rows("dv/dt = -v\ndu/dt = -u", None, "v > 1", "u <- u + v; v <- 0; u <- u - v")
    assert [(j.state, j.right.text) for j in r.reset] == [("u", "u + v"), ("v", "0"), ("u", "u - v")]


def test_white_noise_and_its_independent_kin():
    r = rows("tau dv/dt = -v + s*sqrt(tau)*xi\ndu/dt = xi_2")
    assert set(r.names()) == {"tau", "s"}


# ---------------------------------------------------------------- errors and their carets

ERRORS = [
    # keyword, text, row named in the message, word in the message, characters under the caret
    ("evolve", "dv/dt = -v + foo(v)", "evolve", "not a function", "foo(v)"),
    ("evolve", "dv/dt = -v + ex(v)", "evolve", "Did you mean 'exp'?", "ex(v)"),
    ("evolve", "dv/dt = v.real", "evolve", "a dot", "v.real"),
    ("evolve", "dv/dt = v[0]", "evolve", "round brackets", "["),
    ("evolve", "dv/dt = a b", "evolve", "side by side", None),
    ("evolve", "dv/dt = 2v", "evolve", "write *", None),
    ("evolve", "dv/dt = (v", "evolve", "brackets do not match", None),
    ("evolve", "dv/dt = 1/0", "evolve", "division by zero", "1/0"),
    ("evolve", "dv/dt = v**99", "evolve", "larger than 64", "v**99"),
    ("evolve", "dv/dt = v > 1", "evolve", "where(", "v > 1"),
    ("evolve", "dv/dt = v if v else 1", "evolve", "where(", "v if v else 1"),
    ("evolve", "dv/dt = v // 2", "evolve", "floor", "v // 2"),
    ("evolve", "dv/dt = v % 2", "evolve", "'%'", "%"),
    ("evolve", "dv/dt = 1e999*v", "evolve", "too large", "1e999"),
    ("evolve", "dv/dt = exp(1000)*v", "evolve", "cannot be computed", None),
    ("evolve", "dv/dt = sqrt(-v**2)", "evolve", "no real number", None),
    ("evolve", "dv/dt = ", "evolve", "nothing is written", None),
    ("evolve", "dv/dt <- v", "evolve", "'<-' belongs to a jump", "<-"),
    ("evolve", "dv/dt = -v\ndv/dt = v", "evolve", "twice", "v"),
    ("evolve", "dv/dt = a\na = b\nb = a", "evolve", "through itself", None),
    ("evolve", "dv/dt = -v\nv = 2", "evolve", "both", None),
    ("evolve", "dt/dt = 1", "evolve", "reserved", "t"),
    ("evolve", "dexp/dt = 1", "evolve", "function", "exp"),
    ("evolve", "dif/dt = 1", "evolve", "not allowed", "if"),
    ("evolve", "dv/dt = -v\nu >= 0", "evolve", "cannot be bounded", None),
    ("evolve", "dv/dt = -v\nv >= v + 1", "evolve", "must not contain states", None),
    ("evolve", "0 dv/dt = -v", "evolve", "zero", None),
    ("evolve", "dv/dt = w_i", "evolve", "receive row only", None),
    ("evolve", "dv/dt = xi**2", "evolve", "white noise", None),
    ("evolve", "dv/dt = v + dt", "evolve", "step", None),
    ("evolve", "dv/dt = max(v)", "evolve", "2 to 16", "max(v)"),
    ("receive", "v += w_i", "receive", "v <- v + w_i", "+="),
    ("receive", "v = v + w_i", "receive", "'=' belongs to a flow", "="),
    ("receive", "u <- u + w_i", "receive", "no du/dt", "u"),
    ("receive", "", "receive", "empty", None),
    ("threshold", "v = 1", "threshold", "cannot stand here", "="),
    ("threshold", "v", "threshold", "a condition is wanted", "v"),
    ("threshold", "v == 1", "threshold", "no step meets", None),
    ("threshold", "0 < v < 1", "threshold", "two things at a time", "0 < v < 1"),
    ("threshold", "2 > 1", "threshold", "no state", None),
    ("threshold", "v > 1\nv > 2", "threshold", "one condition", None),
    ("threshold", "v > xi", "threshold", "evolve row only", None),
    ("hazard", "v > 1", "hazard", "comparison", "v > 1"),
    ("hazard", "w_i", "hazard", "receive row only", None),
]


@pytest.mark.parametrize(("key", "text", "row", "says", "under"), ERRORS)
def test_errors_name_the_row_the_fix_and_the_place(key, text, row, says, under):
    with pytest.raises(RowError) as caught:
        rows(**{key: text})
    assert caught.value.row == row
    assert str(caught.value).startswith(f"{row} row: ")
    assert says in str(caught.value)
    if under is not None:
        assert caret(caught.value) == under


def test_the_caret_counts_characters_as_typed():
    """Greek letters become several characters inside; the caret must stay under the mistake."""
    with pytest.raises(RowError) as caught:
        rows("τ dv/dt = θ − foo(v)")
    assert caret(caught.value) == "foo(v)"
    assert caught.value.column == "τ dv/dt = θ − foo(v)".index("foo")


def test_a_long_line_is_shown_as_a_window_around_the_mistake():
    line = "dv/dt = " + "+".join(f"a{i}" for i in range(50)) + " + foo(v)"
    with pytest.raises(RowError) as caught:
        rows(line)
    assert caret(caught.value).startswith("foo(v)")
    assert max(map(len, str(caught.value).splitlines()[1:])) < 120


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"threshold": "v > 1", "hazard": "exp(v)"}, "not both"),
        ({"reset": "v <- 0"}, "nothing that fires"),
        ({"evolve": "a = 2"}, "no state"),
        ({"receive": {"v": "v <- v + w_i"}}, "cannot name a port"),
        ({"receive": {"my port": "v <- v + w_i"}}, "cannot name a port"),
        ({"receive": 3}, "a text, or a dict"),
    ],
)
def test_rows_that_do_not_go_together(arguments, says):
    with pytest.raises(RowError, match=says):
        rows(**arguments)


def test_definitions_that_grow_exponentially_are_refused_and_deep_ones_are_not():
    laughs = "dv/dt = a30\na0 = v\n" + "\n".join(f"a{i + 1} = a{i} + a{i}*v" for i in range(30))
    with pytest.raises(RowError, match="5000 are the most"):
        rows(laughs)
    ladder = "dv/dt = a30\na0 = v\n" + "\n".join(f"a{i + 1} = a{i} + 1" for i in range(30))
    assert rows(ladder).substitute(symbol("a30")) == symbol("v") + 30


def test_clean_part_points_into_the_line_as_typed():
    clean = normalise("θ+ v")
    part = Clean(clean.text, (*clean.columns, 4), clean.line).part(6, 8)
    assert (part.text, part.column(0)) == ("v", 3)


def test_a_neuron_shows_the_same_error():
    with pytest.raises(RowError, match="Did you mean 'theta'"):
        Neuron(evolve="dv/dt = -v", threshold="v > thet", theta=1)
