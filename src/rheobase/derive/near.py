"""Steps whose exponentials have small arguments: the same numbers in half the time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, final

import sympy

from rheobase.derive.integrate import Step
from rheobase.model.algebra import exprel, symbol

__all__ = ["NEAR", "exprel_near", "near_step"]

#: Arguments below which `exprel_near` holds: there exp needs no power of two, which begins at log(2)/2.
NEAR: Final = 0.34


@final
class exprel_near(sympy.Function):  # noqa: N801  (the name is what gets printed)
    """`exprel` of an argument smaller than `NEAR`."""

    nargs = (1,)


def near_step(step: Step, states: Collection[str], fixed: Collection[str]) -> tuple[Step, tuple[Any, ...]] | None:
    """Return the step for neurons whose arguments of exprel are all small, and these arguments; None if it has none.

    dt times a leak is small in nearly every neuron at nearly every step, but only a look at the states tells. Asked are
    arguments that a look is cheap for: sums and products of states, parameters and dt.

    Parameters
    ----------
    states : collection of str
        The neuron's states, as they are when the step begins.
    fixed : collection of str
        Names that are the same for all neurons: what depends on nothing else is computed once, not for each neuron.

    Examples
    --------
    >>> from rheobase.derive.integrate import derive_step
    >>> from rheobase.derive.structure import analyse
    >>> from rheobase.model.zoo import COBA
    >>> cell = COBA()
    >>> step = derive_step(cell, analyse(cell, ()), "exponential euler")
    >>> near_step(step, cell.states, {*cell.parameters, "dt"})[1]
    (dt*(-g_L - g_e - g_i)/C,)
    """
    asked: dict[Any, None] = {}
    branches = {}
    for clamped, statements in step.branches.items():
        whole: dict[Any, Any] = {}  # what the names of common parts stand for
        out = []
        for name, e in statements:
            places = {}
            for call in e.atoms(exprel):
                argument = call.args[0].xreplace(whole)
                if _is_cheap(argument, states, fixed):
                    places[call] = exprel_near(call.args[0])
                    asked[argument] = None
            out.append((name, e.xreplace(places)))
            whole[symbol(name)] = e.xreplace(whole)
        branches[clamped] = tuple(out)
    return (replace(step, branches=branches), tuple(asked)) if asked else None


def _is_cheap(argument: Any, states: Collection[str], fixed: Collection[str]) -> bool:
    names = {s.name for s in argument.free_symbols}
    if argument.has(sympy.Function) or argument.has(sympy.Piecewise) or "dt" not in names:
        return False
    known = all(not n.startswith("_") for n in names)
    return known and not names <= {*fixed} - {*states}
