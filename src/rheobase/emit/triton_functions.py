"""The functions of the rows in Triton's own operations, so that its interpreter runs them as a GPU does."""

from __future__ import annotations

from typing import Final

__all__ = ["FUNCTIONS", "print_functions", "print_probe"]

#: How the functions of the rows are called in a kernel.
FUNCTIONS: Final = {
    "exp": "_tl.exp",
    "log": "_tl.log",
    "sin": "_tl.sin",
    "cos": "_tl.cos",
    "floor": "_tl.floor",
    "Abs": "_tl.abs",
    "tan": "_tan",
    "sinh": "_sinh",
    "cosh": "_cosh",
    "tanh": "_tanh",
    "atan": "_atan",
    "sign": "_sign",
    "exprel": "_exprel",
    "exprel_slope": "_exprel_slope",
}

# exprel near 0 as (u - 1)/log(u) with u = exp(x): errors of u cancel. Higham (2002) Accuracy and Stability of
# Numerical Algorithms, 2nd ed., section 1.14.1.
_IMPORTS: Final = """
import triton as _triton
import triton.language as _tl
from triton.language import constexpr
"""

_TEXT: Final = (
    _IMPORTS
    + '''


@_triton.jit
def _square(x):
    """x times x."""
    return x*x


@_triton.jit
def _sign(x):
    """1, 0 or -1."""
    return _tl.where(x > 0.0, 1.0, 0.0) - _tl.where(x < 0.0, 1.0, 0.0)


@_triton.jit
def _power(x, y):
    """x**y; x may be negative where y is whole."""
    half = y*0.5
    whole = _tl.floor(y) == y
    odd = whole & (_tl.floor(half) != half)
    base = _tl.where(whole, _tl.abs(x), x)
    some = base != 0.0
    size = _tl.exp(y*_tl.log(_tl.where(some, base, 1.0)))
    none = _tl.where(y > 0.0, 0.0, _tl.where(y == 0.0, 1.0, float("inf")))
    return _tl.where(some, size, none)*_tl.where(odd & (x < 0.0), -1.0, 1.0)


@_triton.jit
def _exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    near = _tl.abs(x) < 0.5
    u = _tl.exp(x)
    flat = u == 1.0
    low = _tl.where(near, _tl.log(_tl.where(near & (u != 1.0), u, 2.0)), _tl.where(near, 1.0, x))
    return _tl.where(flat, 1.0, (u - 1.0)/low)


@_triton.jit
def _exprel_slope(x):
    """The derivative of exprel; by its series near 0, where the quotient would lose its digits."""
    near = _tl.abs(x) < 0.5
    y = _tl.where(near, x, 0.5)
    far = _tl.where(near, 1.0, x)
    return _tl.where(near, {series}, (_tl.exp(far) - _exprel(far))/far)


@_triton.jit
def _expm1(x):
    """exp(x) - 1, precise near 0."""
    return _exprel(x)*x


@_triton.jit
def _tan(x):
    """The tangent."""
    return _tl.sin(x)/_tl.cos(x)


@_triton.jit
def _tanh(x):
    """The hyperbolic tangent."""
    e = _expm1(-2.0*_tl.abs(x))
    return _sign(x)*(-e/(e + 2.0))


@_triton.jit
def _sinh(x):
    """The hyperbolic sine."""
    e = _expm1(_tl.abs(x))
    return _sign(x)*(0.5*(e + e/(e + 1.0)))


@_triton.jit
def _cosh(x):
    """The hyperbolic cosine."""
    return 0.5*(_tl.exp(x) + _tl.exp(-x))


@_triton.jit
def _atan(x):
    """The angle of a tangent: halved twice, then by its series."""
    a = _tl.abs(x)
    turned = a > 1.0
    y = _tl.where(turned, 1.0/_tl.where(turned, a, 1.0), a)
    y = y/(1.0 + _tl.sqrt(1.0 + y*y))
    y = y/(1.0 + _tl.sqrt(1.0 + y*y))
    s = y*y
    angle = 4.0*y*({angle})
    return _sign(x)*_tl.where(turned, {quarter} - angle, angle)
'''
)

_PROBE: Final = (
    '"""Whether Triton compiles and runs anything here."""\n'
    + _IMPORTS
    + '''

@_triton.jit
def probe(_x, _BLOCK: constexpr):
    """Write 1, 2, 3..."""
    _i = _tl.arange(0, _BLOCK)
    _tl.store(_x + _i, _i + 1)
'''
)


def _horner(terms: list[float], x: str) -> str:
    text = repr(terms[-1])
    for term in reversed(terms[:-1]):
        text = f"({text}*{x} + {term!r})"
    return text


def print_functions(real: str) -> str:
    """Return the text of the functions; `real` is "float32" or "float64".

    >>> "def _tanh(x):" in print_functions("float64")
    True
    """
    terms, factorial = [], 1.0
    for n in range(1, 11 if real == "float32" else 19):  # sum of n x**(n - 1)/(n + 1)!
        factorial *= n + 1
        terms.append(n / factorial)
    angles = [(-1.0) ** n / (2 * n + 1) for n in range(5 if real == "float32" else 12)]
    return _TEXT.format(series=_horner(terms, "y"), angle=_horner(angles, "s"), quarter=repr(1.5707963267948966))


def print_probe() -> str:
    """Return a module with the smallest kernel, ``probe(x, _BLOCK)``, by which it is known whether any runs."""
    return _PROBE
