"""Units: ``"20 ms"`` is read once at the door, inside are plain floats in one coherent set.

The set is PyNN's: ms, mV, nA, nF, MOhm, uS, kHz. It is coherent (MOhm * nF = ms, MOhm * nA = mV,
nF * mV / ms = nA), so no row ever needs a conversion factor.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, final

from rheobase.errors import InputError, UnitMismatch, nearest

__all__ = ["DIMENSIONLESS", "Dimension", "parse_quantity", "parse_unit", "strip_units", "to_number"]

_BASES: Final = ("ms", "mV", "nA", "um", "amol")


@final
@dataclass(frozen=True, repr=False)
class Dimension:
    """Exponents of time, voltage, current, length and amount of substance.

    >>> parse_unit("nS")[1] == parse_unit("nA/mV")[1]
    True
    """

    exponents: tuple[Fraction, ...] = (Fraction(0),) * len(_BASES)

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(tuple(a + b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return self * other**-1

    def __pow__(self, power: int | Fraction) -> Dimension:
        return Dimension(tuple(a * Fraction(power) for a in self.exponents))

    def __bool__(self) -> bool:
        return any(self.exponents)

    @property
    def unit(self) -> str:
        """The coherent unit of this dimension, such as ``mV`` or ``nA/ms``; ``"1"`` if dimensionless.

        >>> parse_unit("kOhm*uF")[1].unit
        'ms'
        """
        for name in _NAMED:
            if self == parse_unit(name)[1]:
                return name
        for name in _NAMED:  # a named unit per time: mV/ms
            if self == parse_unit(name)[1] / parse_unit("ms")[1]:
                return f"{name}/ms"

        def power(base: str, e: Fraction) -> str:
            return base if e == 1 else f"{base}**{e}" if e.denominator == 1 else f"{base}**({e})"

        above = [power(b, e) for b, e in zip(_BASES, self.exponents, strict=True) if e > 0]
        below = [power(b, -e) for b, e in zip(_BASES, self.exponents, strict=True) if e < 0]
        return "/".join(["*".join(above) or "1", *below])

    def __str__(self) -> str:
        return self.unit

    def __repr__(self) -> str:
        return f"Dimension({self.unit!r})"


def _dimension(**exponents: int) -> Dimension:
    names = ("time", "voltage", "current", "length", "amount")
    return Dimension(tuple(Fraction(exponents.get(n, 0)) for n in names))


DIMENSIONLESS: Final = Dimension()
_NAMED: Final = ("1", "ms", "mV", "nA", "MOhm", "uS", "nF", "kHz", "pC", "um", "mM", "nA/um**2")

# Symbol -> (dimension, power of ten of the SI unit in the coherent set). Volt: 1 V = 1e3 mV.
_SI: Final[dict[str, tuple[Dimension, int]]] = {
    "s": (_dimension(time=1), 3),
    "V": (_dimension(voltage=1), 3),
    "A": (_dimension(current=1), 9),
    "Ohm": (_dimension(voltage=1, current=-1), -6),
    "S": (_dimension(voltage=-1, current=1), 6),
    "F": (_dimension(voltage=-1, current=1, time=1), 9),
    "C": (_dimension(current=1, time=1), 12),
    "Hz": (_dimension(time=-1), -3),
    "m": (_dimension(length=1), 6),
    "mol": (_dimension(amount=1), 18),
    "M": (_dimension(amount=1, length=-3), 3),  # 1 mM = 1 amol/um**3
    "W": (_dimension(voltage=1, current=1), 12),
    "J": (_dimension(voltage=1, current=1, time=1), 15),
}
_ALIASES: Final = {
    "ohm": "Ohm",
    "\u03a9": "Ohm",  # Greek capital omega
    "\u2126": "Ohm",  # the ohm sign
    "siemens": "S",
    "volt": "V",
    "amp": "A",
    "second": "s",
    "seconds": "s",
    "sec": "s",
    "farad": "F",
    "hertz": "Hz",
    "metre": "m",
    "meter": "m",
}
_PREFIXES: Final = {
    "": 0,
    "a": -18,
    "f": -15,
    "p": -12,
    "n": -9,
    "u": -6,
    "µ": -6,
    "μ": -6,
    "m": -3,
    "c": -2,
    "k": 3,
    "M": 6,
    "G": 9,
}
_OTHER: Final[dict[str, tuple[Fraction, Dimension]]] = {
    "1": (Fraction(1), DIMENSIONLESS),
    "": (Fraction(1), DIMENSIONLESS),
    "%": (Fraction(1, 100), DIMENSIONLESS),
    "rad": (Fraction(1), DIMENSIONLESS),
    "min": (Fraction(60_000), _dimension(time=1)),
    "h": (Fraction(3_600_000), _dimension(time=1)),
}
_NUMBER: Final = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf)\s*(.*)", re.DOTALL)
_FACTOR: Final = re.compile(
    r"\s*([A-Za-zΩΩµμ%]+|1)\s*(?:(?:\*\*|\^)\s*(?:\(\s*(-?[0-9]{1,9})\s*/\s*([1-9][0-9]{0,9})\s*\)|(-?[0-9]{1,9})))?\s*"
)


def _atom(symbol: str, whole: str) -> tuple[Fraction, Dimension]:
    if symbol in _OTHER:
        return _OTHER[symbol]
    for prefix, power in _PREFIXES.items():
        rest = symbol[len(prefix) :]
        name = _ALIASES.get(rest, rest)
        if symbol.startswith(prefix) and name in _SI:
            dimension, ten = _SI[name]
            return Fraction(10) ** (power + ten), dimension
    known = [*_OTHER, *(p + u for p in _PREFIXES for u in [*_SI, *_ALIASES])]
    raise InputError(f"unknown unit '{symbol}' in '{whole}'.{nearest(symbol, known)}")


def parse_unit(text: str) -> tuple[Fraction, Dimension]:
    """Return the factor to the coherent unit, and the dimension, of a unit text.

    Parameters
    ----------
    text : str
        A product or quotient of symbols with SI prefixes and powers: ``"nS"``, ``"mV/ms"``,
        ``"uF/cm**2"``, ``"1/ms"``.

    Raises
    ------
    InputError
        If a symbol is unknown; the nearest known one is named.

    Examples
    --------
    >>> parse_unit("pA")
    (Fraction(1, 1000), Dimension('nA'))
    >>> parse_unit("mS*mV/ms")[1].unit
    'nA/ms'
    """
    if len(text) > 200:
        raise InputError(f"a unit of {len(text)} characters: '{text[:30]}...'; write for example 'mV/ms'")
    rest, factor, dimension = text.strip(), Fraction(1), DIMENSIONLESS
    if not rest:
        return factor, dimension
    sign = 1
    if rest[0] == "/":
        rest, sign = rest[1:], -1
    while True:
        match = _FACTOR.match(rest)
        if match is None:
            raise InputError(f"cannot read '{text}' as a unit; write for example 'mV', 'nS' or 'mV/ms'")
        symbol, top, bottom, whole = match.groups()
        power = sign * (Fraction(int(top), int(bottom)) if top else Fraction(int(whole or 1)))
        if abs(power) > 20:
            raise InputError(f"the power {power} in the unit '{text}' is too large")
        f, d = _atom(symbol, text)
        if power.denominator != 1 and f != 1:
            raise InputError(f"'{text}': a fractional power needs a coherent unit such as ms or mV")
        factor *= f ** int(power) if power.denominator == 1 else 1
        dimension *= d**power
        rest = rest[match.end() :]
        if not rest:
            return factor, dimension
        if rest[0] not in "*/·":
            raise InputError(f"cannot read '{text}' as a unit; join symbols by * or /, as in 'mV/ms'")
        sign = -1 if rest[0] == "/" else 1
        rest = rest[1:]


def parse_quantity(text: str, name: str = "value") -> tuple[float, Dimension | None]:
    """Return value (in the coherent unit) and dimension of a text such as ``"20 ms"``.

    The number is converted in exact rational arithmetic and rounded once, so ``"200 pA"`` is the same
    float as ``"0.2 nA"``. A text without unit has the dimension None (plain number).

    >>> parse_quantity("200 pA")[0], parse_quantity("-70mV")[0], parse_quantity("3")[1]
    (0.2, -70.0, None)
    """
    match = _NUMBER.fullmatch(text) if len(text) <= 300 else None
    if match is None:
        raise InputError(f"{name} = '{text[:40]}' is not a number with a unit; write for example '20 ms'")
    number, unit = match.groups()
    factor, dimension = parse_unit(unit)
    if number.endswith("inf"):
        value = math.inf if number[0] != "-" else -math.inf
    else:
        try:
            value = float(Fraction(Decimal(number)) * factor) if abs(_exponent(number)) < 400 else math.nan
        except (InvalidOperation, OverflowError):
            value = math.nan
        if math.isnan(value):
            raise InputError(f"{name} = '{text[:40]}' is outside the range of floating-point numbers")
    return value, dimension if unit.strip() else None


def _exponent(number: str) -> int:
    """Return the decimal exponent, so that '1e999999999' is refused before it becomes a huge integer."""
    tail = re.split("[eE]", number)
    return int(tail[1]) if len(tail) == 2 and len(tail[1]) < 8 else (10**6 if len(tail) == 2 else 0)


def strip_units(value: Any) -> tuple[Any, Dimension] | None:
    """Return (magnitude in the coherent unit, dimension) of another library's quantity, or None.

    Pint, quantities (and Neo), astropy and Brian2 objects are told by their attributes, without importing
    the library. They must be asked before any ``float()`` or ``asarray()``: three of the four are ndarray
    subclasses that drop or change the unit silently.
    """
    si: dict[str, Fraction]
    if hasattr(value, "to_base_units") and hasattr(value, "dimensionality"):  # pint
        base = value.to_base_units()
        names: dict[Any, str] = {"[length]": "m", "[mass]": "kg", "[time]": "s", "[current]": "A", "[substance]": "mol"}
        si = {names.get(k, str(k)): Fraction(v).limit_denominator(12) for k, v in dict(base.dimensionality).items()}
        return _from_si(base.magnitude, si)
    if hasattr(value, "rescale") and hasattr(value, "simplified"):  # quantities, Neo
        base = value.simplified
        si = {u.symbol: Fraction(p).limit_denominator(12) for u, p in base.dimensionality.items()}
        return _from_si(base.magnitude, si)
    if hasattr(value, "to_value") and hasattr(value, "si"):  # astropy
        base = value.si
        si = {
            u.to_string(): Fraction(p).limit_denominator(12)
            for u, p in zip(base.unit.bases, base.unit.powers, strict=True)
        }
        return _from_si(base.value, si)
    if hasattr(value, "dim") and hasattr(value.dim, "_dims"):  # brian2: SI values
        import numpy as np

        order = ("m", "kg", "s", "A", "K", "mol", "cd")
        si = {u: Fraction(p).limit_denominator(12) for u, p in zip(order, value.dim._dims, strict=True) if p}
        return _from_si(np.array(value, dtype=float, copy=True, subok=False), si)
    return None


def _from_si(magnitude: Any, si: dict[str, Fraction]) -> tuple[Any, Dimension]:
    # kg = V A s**3 / m**2 brings SI's mechanical bases to the electrical ones used here
    table = {"s": {"s": 1}, "A": {"A": 1}, "m": {"m": 1}, "mol": {"mol": 1}, "kg": {"V": 1, "A": 1, "s": 3, "m": -2}}
    factor, dimension = 1.0, DIMENSIONLESS
    for base, power in si.items():
        if base not in table:
            raise InputError(f"a quantity in units of '{base}' cannot be used in a neuron")
        for symbol, times in table[base].items():
            d, ten = _SI[symbol]
            dimension *= d ** (power * times)
            factor *= 10.0 ** float(ten * power * times)
    return magnitude * factor, dimension


def to_number(value: Any, unit: str, name: str) -> float:
    """Return `value` as a finite float in the coherent unit of `unit`.

    Parameters
    ----------
    value : float, str or quantity
        ``20``, ``"20 ms"``, or an object of a unit library. A plain number is taken in the coherent unit.
    unit : str
        A unit of the dimension that is wanted, such as ``"ms"``.
    name : str
        The argument's name, for the message.

    Raises
    ------
    UnitMismatch
        If the dimension is another one.
    InputError
        If it is no number, or NaN.

    Examples
    --------
    >>> to_number("1 s", "ms", "until"), to_number(5, "ms", "dt")
    (1000.0, 5.0)
    """
    wanted = parse_unit(unit)[1]
    dimension: Dimension | None
    stripped = None if isinstance(value, str | int | float) else strip_units(value)
    if isinstance(value, str):
        number, dimension = parse_quantity(value, name)
    elif stripped is not None:
        number, dimension = float(stripped[0]), stripped[1]
    else:
        try:
            number, dimension = float(value), None
        except (TypeError, ValueError):
            raise InputError(f"{name} = {value!r} is not a number; write for example '20 {wanted.unit}'") from None
    if dimension is not None and dimension != wanted:
        raise UnitMismatch(f"{name} = {value!r} is in {dimension.unit}, but {name} is measured in {wanted.unit}")
    if math.isnan(number):
        raise InputError(f"{name} is NaN; give a number in {wanted.unit}")
    return number
