"""What an engine has to know of a neuron's equations, as names and texts: derived by SymPy once, then remembered.

The symbols themselves are in `rheobase.derive.structure` and its neighbours, which are imported only where an
answer is not known yet. Texts are in the notation of the rows (see `rheobase.model.compute`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, final

from rheobase.errors import NotExact
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["ExactFacts", "RestFacts", "StepFacts", "exact_facts", "rest_facts", "step_facts"]

#: how a structural zero is written
ZERO: Final = "0.0"

Texts = tuple[tuple[str, ...], ...]


@final
@dataclass(frozen=True)
class RestFacts:
    """The flow and its jacobian, the threshold condition, and for each jump of the reset its state and value.

    A jump whose value contains states has None.
    """

    drift: tuple[str, ...]
    jacobian: Texts
    threshold: str | None
    reset: tuple[tuple[str, str | None], ...]


@final
@dataclass(frozen=True)
class StepFacts:
    """How a neuron is advanced by a step: `rheobase.derive.integrate.Step` without its formulas.

    For the method "exact" also drift = a x + b u + c, the factors of the noises, and which states (numbers)
    the noise reaches.
    """

    method: str
    order: str
    states: tuple[str, ...]
    coefficients: tuple[str, ...]
    normals: int
    a: Texts
    b: Texts
    c: Texts
    noise: Texts
    noisy: tuple[int, ...]


@final
@dataclass(frozen=True)
class ExactFacts:
    """drift = a x + b u + c, and the neuron fires where slope . x + level > 0 (or >= 0, unless `strict`).

    Without a threshold `slope` is empty. Where `bend` is not zero the drift of the only state is quadratic instead,
    bend (x - middle)^2 + b u + c.
    """

    a: Texts
    b: Texts
    c: tuple[str, ...]
    slope: tuple[str, ...]
    level: str
    strict: bool
    bend: str
    middle: str


def rest_facts(neuron: Neuron) -> RestFacts:
    """Return what `rheobase.derive.rest` computes the state at rest from."""

    def derive() -> Any:
        from rheobase.derive.symbolic import describe_rest

        return describe_rest(neuron)

    drift, jacobian, threshold, reset = remember("rest", neuron.rows.texts, derive)
    return RestFacts(tuple(drift), _texts(jacobian), threshold, tuple((s, text) for s, text in reset))


def step_facts(neuron: Neuron, inputs: Collection[str], method: str = "auto") -> StepFacts:
    """Return how a neuron is advanced when `inputs` vary in time (see `rheobase.derive.integrate` for methods).

    >>> from rheobase.model.zoo import LIF
    >>> step_facts(LIF(), ["I"]).a
    (('-1.0*tau**-1.0',),)
    """
    varying = sorted(inputs)

    def derive() -> Any:
        from rheobase.derive.symbolic import describe_step

        return describe_step(neuron, varying, method)

    about = [neuron.rows.texts, [*neuron.refractory.items()], varying, str(method)]
    known = remember("step", about, derive)
    return StepFacts(
        known["method"],
        known["order"],
        neuron.states,
        tuple(known["coefficients"]),
        known["normals"],
        _texts(known["a"]),
        _texts(known["b"]),
        _texts(known["c"]),
        _texts(known["noise"]),
        tuple(known["noisy"]),
    )


def exact_facts(neuron: Neuron, inputs: Collection[str]) -> ExactFacts:
    """Return the affine form of a neuron, or raise `NotExact` naming what is in the way."""
    varying = sorted(inputs)

    def derive() -> Any:
        from rheobase.derive.symbolic import describe_exact

        try:
            return describe_exact(neuron, varying)
        except NotExact as error:
            return {"refused": str(error)}

    known = remember("exact", [neuron.rows.texts, varying], derive)
    if "refused" in known:
        raise NotExact(known["refused"])
    return ExactFacts(
        _texts(known["a"]),
        _texts(known["b"]),
        tuple(known["c"]),
        tuple(known["slope"]),
        known["level"],
        known["strict"],
        known["bend"],
        known["middle"],
    )


def _texts(matrix: list[list[str]]) -> Texts:
    return tuple(tuple(row) for row in matrix)
