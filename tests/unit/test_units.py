"""Units are read exactly once, at the door."""

from fractions import Fraction

import numpy as np
import pytest

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import read_quantity
from rheobase.units import DIMENSIONLESS, parse_quantity, parse_unit, strip_units, to_number

# ---------------------------------------------------------------- symbols, prefixes, powers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20 ms", 20.0),
        ("0.02 s", 20.0),
        ("20000 us", 20.0),
        ("20000 µs", 20.0),
        ("20000 μs", 20.0),
        ("1 min", 60000.0),
        ("1 h", 3.6e6),
        ("-70 mV", -70.0),
        ("-0.07 V", -70.0),
        ("200 pA", 0.2),
        ("0.2nA", 0.2),
        ("1 uA", 1000.0),
        ("200 pF", 0.2),
        ("1 nF", 1.0),
        ("10 nS", 0.01),
        ("1 S", 1e6),
        ("100 MOhm", 100.0),
        ("0.1 GOhm", 100.0),
        ("1 kohm", 1e-3),
        ("1 MΩ", 1.0),
        ("5 Hz", 0.005),
        ("1 kHz", 1.0),
        ("1 /ms", 1.0),
        ("1/ms", 1.0),
        ("1 uF/cm**2", 1e-5),
        ("1 mS/cm^2", 1e-5),
        ("3 mV/ms", 3.0),
        ("1 mM", 1.0),
        ("50 %", 0.5),
        ("1e-3 s", 1.0),
        (".5 ms", 0.5),
        ("+3 ms", 3.0),
        ("0/ms", 0.0),
        ("1 pC", 1.0),
        ("2 mV*ms**(1/2)", 2.0),
        ("-inf mV", -np.inf),
    ],
)
def test_values_in_the_coherent_unit(text, value):
    assert parse_quantity(text)[0] == value


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("200 pA", "0.2 nA"),
        ("0.1 ms", "100 us"),
        ("0.3 V", "300 mV"),
        ("70.6 mV", "0.0706 V"),
        ("58.72 pF", "0.05872 nF"),
        ("1.1 nS", "0.0011 uS"),
        ("0.7 Hz", "0.0007 kHz"),
    ],
)
def test_the_same_quantity_is_the_same_float_whatever_the_prefix(a, b):
    assert parse_quantity(a) == parse_quantity(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("MOhm*nF", "ms"),
        ("MOhm*nA", "mV"),
        ("nF*mV/ms", "nA"),
        ("uS*mV", "nA"),
        ("1/MOhm", "uS"),
        ("nA*ms", "pC"),
        ("kHz*ms", "1"),
        ("mS*mV/ms", "uS*V/ms"),
    ],
)
def test_the_set_is_coherent(a, b):
    assert parse_unit(a) == parse_unit(b)


def test_a_number_without_unit_has_no_dimension_and_a_pure_number_has_one():
    assert parse_quantity("3")[1] is None
    assert parse_quantity("3 1")[1] == DIMENSIONLESS
    assert not DIMENSIONLESS


@pytest.mark.parametrize(
    "unit",
    [
        "ms",
        "mV",
        "nA",
        "MOhm",
        "uS",
        "nF",
        "kHz",
        "pC",
        "mV/ms",
        "nA/ms",
        "mM",
        "1/mV",
        "mV**2",
        "mV*ms**(1/2)",
        "nA/mV**2",
        "nA/um**2",
        "mV/ms**2",
        "1",
    ],
)
def test_the_unit_of_a_dimension_reads_back(unit):
    factor, dimension = parse_unit(unit)
    assert factor == 1
    assert parse_unit(dimension.unit) == (1, dimension)


def test_dimensions_multiply_divide_and_have_powers():
    ms, mV = parse_unit("ms")[1], parse_unit("mV")[1]
    assert (mV / ms) * ms == mV
    assert mV ** Fraction(1, 2) * mV ** Fraction(1, 2) == mV
    assert str(mV / ms) == "mV/ms"


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("20 mss", "unknown unit 'mss'"),
        ("20 mv", "Did you mean"),
        ("ms", "not a number"),
        ("", "not a number"),
        ("20 ms ms", "join symbols"),
        ("1 mV**99", "too large"),
        ("1 mV**", "cannot read"),
        ("1 /", "cannot read"),
        ("1e400 ms", "range"),
        ("1e999999999 ms", "range"),
        ("1_000 ms", "cannot read"),
        ("0x10 ms", "unknown"),
        ("nan ms", "not a number"),
        ("1 mV**(1/0)", "cannot read"),
        ("٣ ms", "not a number"),
        ("1 cm**(1/2)", "fractional"),
        ("1 " + "m" * 300, "not a number"),
        ("1 2 ms", "cannot read"),
    ],
)
def test_texts_that_are_no_quantity(text, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")) as caught:
        parse_quantity(text, "tau")
    assert len(str(caught.value)) < 400


def test_to_number_converts_checks_and_names_the_argument():
    assert to_number("1 s", "ms", "until") == 1000.0
    assert to_number(5, "ms", "dt") == 5.0
    assert to_number(np.float32(0.5), "ms", "dt") == 0.5
    with pytest.raises(UnitMismatch, match=r"until = '1 mV' is in mV, but until is measured in ms"):
        to_number("1 mV", "ms", "until")
    with pytest.raises(InputError, match="until is NaN"):
        to_number(float("nan"), "ms", "until")
    with pytest.raises(InputError, match=r"until = None.*20 ms"):
        to_number(None, "ms", "until")


# ---------------------------------------------------------------- other libraries' quantities


class Namespace:
    """An object with the given attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def like_pint(magnitude, **powers):
    """As pint: dimensionality maps '[mass]' and its kin to powers; to_base_units gives SI."""
    base = Namespace(magnitude=magnitude, dimensionality={f"[{k}]": v for k, v in powers.items()})
    return Namespace(to_base_units=lambda: base, dimensionality=base.dimensionality)


def like_quantities(magnitude, **powers):
    """As quantities (and Neo): simplified is SI, its dimensionality maps unit objects to powers."""
    units = {Namespace(symbol=k): v for k, v in powers.items()}
    simplified = Namespace(magnitude=magnitude, dimensionality=units)
    return Namespace(rescale=None, simplified=simplified)


def like_astropy(magnitude, **powers):
    """As astropy: si.unit.bases and powers."""
    bases = [Namespace(to_string=lambda k=k: k) for k in powers]
    si = Namespace(value=magnitude, unit=Namespace(bases=bases, powers=[*powers.values()]))
    return Namespace(to_value=None, si=si)


class LikeBrian(np.ndarray):
    """As Brian2: an ndarray of SI values with dim._dims, powers of m, kg, s, A, K, mol, cd."""


def like_brian(magnitude, **powers):
    out = np.array(magnitude, dtype=float).view(LikeBrian)
    out.dim = Namespace(_dims=tuple(powers.get(k, 0) for k in ("m", "kg", "s", "A", "K", "mol", "cd")))
    return out


VOLT = {"m": 2, "kg": 1, "s": -3, "A": -1}
AMP = {"A": 1}
FARAD = {"m": -2, "kg": -1, "s": 4, "A": 2}
NAMES = {"m": "length", "kg": "mass", "s": "time", "A": "current"}
MAKERS = {
    "pint": lambda x, d: like_pint(x, **{NAMES[k]: float(v) for k, v in d.items()}),
    "quantities": lambda x, d: like_quantities(x, **d),
    "astropy": lambda x, d: like_astropy(x, **d),
    "brian2": lambda x, d: like_brian(x, **d),
}


@pytest.mark.parametrize("library", MAKERS)
@pytest.mark.parametrize(
    ("si", "powers", "value", "unit"),
    [
        (0.02, {"s": 1}, 20.0, "ms"),
        (-0.07, VOLT, -70.0, "mV"),
        (2e-10, AMP, 0.2, "nA"),
        (2e-10, FARAD, 0.2, "nF"),
        (40.0, {"s": -1}, 0.04, "kHz"),
    ],
)
def test_quantities_of_other_libraries(library, si, powers, value, unit):
    number, dimension = strip_units(MAKERS[library](si, powers))
    assert float(number) == pytest.approx(value, rel=1e-14)
    assert dimension.unit == unit


@pytest.mark.parametrize("library", MAKERS)
def test_arrays_of_other_libraries_become_parameters(library):
    q = read_quantity(MAKERS[library](np.array([0.01, 0.02]), {"s": 1}), "tau")
    np.testing.assert_allclose(q.value, [10.0, 20.0], rtol=1e-14)
    assert type(q.value) is np.ndarray
    assert q.dimension.unit == "ms"


@pytest.mark.parametrize("library", MAKERS)
def test_a_wrong_dimension_of_another_library_is_refused(library):
    with pytest.raises(UnitMismatch, match="measured in ms"):
        to_number(MAKERS[library](1.0, VOLT), "ms", "until")


def test_dimensionless_quantities_and_units_no_neuron_has():
    assert strip_units(like_pint(3.0)) == (3.0, DIMENSIONLESS)
    with pytest.raises(InputError, match="'K'"):
        strip_units(like_brian(300.0, K=1))


@pytest.mark.parametrize("value", [1, 1.5, np.arange(3), [1, 2], None, object()])
def test_plain_values_have_no_units_to_strip(value):
    assert strip_units(value) is None
