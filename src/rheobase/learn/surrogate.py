"""Pseudo-derivatives: what stands for the slope of a spike, each one formula and one reference.

A spike is a step of the threshold function g, whose slope is zero or infinite. Training puts a bump h in its place:
dz/dg = h(u)/s, u = g/s, with s the distance from rest to threshold, so that one slope suits a membrane in mV and one
without units. The spike itself stays 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from rheobase.errors import InputError, RowError, nearest
from rheobase.model.expression import Expression, normalise, parse_number
from rheobase.remember import remember

__all__ = [
    "SURROGATES",
    "Surrogate",
    "arctan",
    "fast_sigmoid",
    "gaussian",
    "multi_gaussian",
    "straight_through",
    "superspike",
    "triangle",
]


#: the functions below that make one
SURROGATES: Final = (
    "fast_sigmoid",
    "superspike",
    "arctan",
    "triangle",
    "gaussian",
    "multi_gaussian",
    "straight_through",
)


@final
@dataclass(frozen=True, init=False)
class Surrogate:
    """The slope of a spike as a formula of `u`, the threshold function in units of the distance from rest.

    Parameters
    ----------
    text : str
        The formula, in the notation of the rows: ``"1/(1 + slope*abs(u))**2"``.
    name, reference : str, optional
        For print.
    **values : float
        The numbers that stand in it beside `u`.

    Raises
    ------
    InputError
        If a name has no value or a value no name.
    RowError
        If the text is no formula of the notation.

    Examples
    --------
    >>> box = Surrogate("where(abs(u) < width/2, 1/width, 0)", name="box", width=0.5)
    >>> box
    box(width=0.5)
    """

    text: str
    values: Mapping[str, float]
    name: str
    reference: str

    def __init__(self, text: str, *, name: str = "surrogate", reference: str = "", **values: float) -> None:
        found = _read(text)
        numbers = {}
        for key, x in values.items():
            try:
                numbers[key] = float(x)
            except (TypeError, ValueError):
                raise InputError(f"{name}: {key} = {x!r:.60} must be a number") from None
            if not math.isfinite(numbers[key]):
                raise InputError(f"{name}: {key} = {x} is not finite")
        for missing in sorted(found.names - {"u", *numbers}):
            close = nearest(missing, ["u", *numbers])
            raise InputError(f"{name}: '{missing:.60}' has no value.{close} The threshold function is called u")
        for unused in sorted(set(numbers) - found.names):
            raise InputError(f"{name}: '{unused:.60}' stands nowhere in {text!r:.200}")
        if "t" in found.names or "w_i" in found.names:
            raise RowError("gradient", "a slope is a formula of u alone", text)
        for key, value in (
            ("text", " ".join(text.split())),
            ("values", MappingProxyType(numbers)),
            ("name", name),
            ("reference", reference),
        ):
            object.__setattr__(self, key, value)

    def slope(self, u: Any) -> Any:
        """Return the slope at `u`, a tensor.

        >>> import torch
        >>> fast_sigmoid(1).slope(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.2500])
        """
        import torch

        from rheobase.emit.layer_modules import slope_module

        u = torch.as_tensor(u)
        out = slope_module(self.text, tuple(self.values)).slope(u, *self.values.values())
        return out if isinstance(out, torch.Tensor) else torch.full_like(u, float(out))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v:g}' for k, v in self.values.items())})"

    def __hash__(self) -> int:
        return hash((self.text, *self.values.items()))

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return _again, (self.text, self.name, self.reference, dict(self.values))


def _read(text: str) -> Expression:
    """Return a checked formula; what takes SymPy to check is checked when the text is seen for the first time."""

    def check() -> bool:
        parse_number(normalise(text), "gradient")
        return True

    remember("sound slope", text, check)
    return parse_number(normalise(text), "gradient", sound=True)


def _again(text: str, name: str, reference: str, values: dict[str, float]) -> Surrogate:
    return Surrogate(text, name=name, reference=reference, **values)


def _positive(name: str, key: str, x: float) -> float:
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise InputError(f"{name}({key}={x!r:.60}) must be a number") from None
    if not 0 < value < math.inf:
        raise InputError(f"{name}({key}={value:g}) must be positive and finite")
    return value


def fast_sigmoid(slope: float = 25.0) -> Surrogate:
    """``h(u) = 1/(1 + slope |u|)^2``, the derivative of the fast sigmoid ``u/(1 + slope |u|)``.

    Zenke & Vogels (2021) Neural Comput. 33:899-925, doi:10.1162/neco_a_01367.

    >>> fast_sigmoid(25)
    fast_sigmoid(slope=25)
    """
    return Surrogate(
        "1/(1 + slope*abs(u))**2",
        name="fast_sigmoid",
        reference="Zenke & Vogels (2021) Neural Comput. 33:899-925, doi:10.1162/neco_a_01367",
        slope=_positive("fast_sigmoid", "slope", slope),
    )


def superspike(beta: float = 10.0) -> Surrogate:
    """``h(u) = 1/(1 + beta |u|)^2`` with a smaller slope: the fast sigmoid as SuperSpike introduced it.

    Zenke & Ganguli (2018) Neural Comput. 30:1514-1541, doi:10.1162/neco_a_01086.
    """
    return Surrogate(
        "1/(1 + beta*abs(u))**2",
        name="superspike",
        reference="Zenke & Ganguli (2018) Neural Comput. 30:1514-1541, doi:10.1162/neco_a_01086",
        beta=_positive("superspike", "beta", beta),
    )


def arctan(alpha: float = 2.0) -> Surrogate:
    """h(u) = (alpha/2)/(1 + (pi alpha u/2)^2), the derivative of arctan(pi alpha u/2)/pi + 1/2.

    Fang et al. (2021) ICCV, arXiv:2007.05785.
    """
    return Surrogate(
        "alpha/2/(1 + (pi/2*alpha*u)**2)",
        name="arctan",
        reference="Fang et al. (2021) ICCV, arXiv:2007.05785",
        alpha=_positive("arctan", "alpha", alpha),
    )


def triangle(height: float = 0.3, width: float = 1.0) -> Surrogate:
    """``h(u) = height max(0, 1 - |u|/width)``.

    Bellec et al. (2018) NeurIPS, arXiv:1803.09574, where the height damps the gradient; Esser et al. (2016) PNAS
    113:11441-11446, doi:10.1073/pnas.1604850113.
    """
    return Surrogate(
        "height*max(0, 1 - abs(u)/width)",
        name="triangle",
        reference="Bellec et al. (2018) NeurIPS, arXiv:1803.09574",
        height=_positive("triangle", "height", height),
        width=_positive("triangle", "width", width),
    )


def gaussian(sigma: float = 0.5) -> Surrogate:
    """h(u) = exp(-u^2/(2 sigma^2))/(sqrt(2 pi) sigma).

    Yin, Corradi & Bohte (2020) ICONS, arXiv:2005.11633.
    """
    return Surrogate(
        "exp(-(u/sigma)**2/2)/(sigma*sqrt(2*pi))",
        name="gaussian",
        reference="Yin, Corradi & Bohte (2020) ICONS, arXiv:2005.11633",
        sigma=_positive("gaussian", "sigma", sigma),
    )


def multi_gaussian(sigma: float = 0.5, height: float = 0.15, scale: float = 6.0) -> Surrogate:
    """(1 + height) N(u; 0, sigma) - height N(u; sigma, scale sigma) - height N(u; -sigma, scale sigma).

    N(u; m, s) is the normal density; far from threshold the slope is negative.
    Yin, Corradi & Bohte (2021) Nat. Mach. Intell. 3:905-913, doi:10.1038/s42256-021-00397-w.
    """
    wide = "exp(-((u {} sigma)/(scale*sigma))**2/2)/(scale*sigma*sqrt(2*pi))"
    return Surrogate(
        f"(1 + height)*exp(-(u/sigma)**2/2)/(sigma*sqrt(2*pi)) - height*({wide.format('-')} + {wide.format('+')})",
        name="multi_gaussian",
        reference="Yin, Corradi & Bohte (2021) Nat. Mach. Intell. 3:905-913, doi:10.1038/s42256-021-00397-w",
        sigma=_positive("multi_gaussian", "sigma", sigma),
        height=_positive("multi_gaussian", "height", height),
        scale=_positive("multi_gaussian", "scale", scale),
    )


def straight_through() -> Surrogate:
    """h(u) = 1: the gradient passes as if there were no threshold.

    Bengio, Leonard & Courville (2013) arXiv:1308.3432.
    """
    return Surrogate("1", name="straight_through", reference="Bengio, Leonard & Courville (2013) arXiv:1308.3432")
