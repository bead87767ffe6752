"""Which neurons of two populations are joined: the rules, as frozen values that run nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.quantity import Quantity
from rheobase.network.values import DistanceFunction, read_count
from rheobase.units import strip_units, to_number

__all__ = [
    "AllToAll",
    "Distance",
    "InDegree",
    "OneToOne",
    "OutDegree",
    "Pairs",
    "Probability",
    "Rule",
    "Total",
    "Where",
    "read_matrix",
    "read_rule",
]

#: Every rule by its keyword, with an example for messages.
KEYWORDS: Final = {
    "p": "p=0.02",
    "indegree": "indegree=100",
    "outdegree": "outdegree=100",
    "total": "total=10_000",
    "one_to_one": "one_to_one=True",
    "all_to_all": "all_to_all=True",
    "pairs": "pairs=(i, j)",
    "matrix": "matrix=W",
    "where": "where=f(i, j)",
    "distance": "distance=f(d)",
}


@final
@dataclass(frozen=True)
class OneToOne:
    """Neuron i of the source to neuron i of the target."""

    def __str__(self) -> str:
        return "one-to-one"


@final
@dataclass(frozen=True)
class AllToAll:
    """Every pair."""

    def __str__(self) -> str:
        return "all-to-all"


@final
@dataclass(frozen=True)
class Probability:
    """Each pair, independently, with probability `p`."""

    p: float

    def __str__(self) -> str:
        return f"random, each pair with p = {self.p:g}"


@final
@dataclass(frozen=True)
class InDegree:
    """Each target from `k` sources drawn at random."""

    k: int
    multapses: bool

    def __str__(self) -> str:
        return f"random, fixed in-degree {self.k}{_again(self.multapses)}"


@final
@dataclass(frozen=True)
class OutDegree:
    """Each source to `k` targets drawn at random."""

    k: int
    multapses: bool

    def __str__(self) -> str:
        return f"random, fixed out-degree {self.k}{_again(self.multapses)}"


@final
@dataclass(frozen=True)
class Total:
    """`count` synapses, each between a pair drawn at random."""

    count: int
    multapses: bool

    def __str__(self) -> str:
        return f"random, {self.count} synapses in total{_again(self.multapses)}"


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Synapse m from pre[m] to post[m], numbers within the source and the target."""

    pre: np.ndarray
    post: np.ndarray

    def __str__(self) -> str:
        return f"{len(self.pre)} given pairs"


@final
@dataclass(frozen=True)
class Where:
    """The pairs for which a function of (i, j) is true, or each with the probability it returns."""

    function: Callable[[np.ndarray, np.ndarray], Any]

    def __str__(self) -> str:
        return f"where {getattr(self.function, '__name__', 'f')}(i, j)"


@final
@dataclass(frozen=True)
class Distance:
    """Each pair with a probability that depends on its distance; none further apart than `reach`."""

    function: DistanceFunction
    reach: float | None

    def __str__(self) -> str:
        reach = f", reach {self.reach:g}" if self.reach is not None else ""
        return f"random, p = {getattr(self.function, '__name__', 'f')}(distance){reach}"


Rule = OneToOne | AllToAll | Probability | InDegree | OutDegree | Total | Pairs | Where | Distance


def _again(multapses: bool) -> str:
    return ", multapses" if multapses else ", no multapses"


def read_rule(given: Mapping[str, Any], size: tuple[int, int], multapses: bool | None, reach: Any, what: str) -> Rule:
    """Return the one rule among the keywords of `connect`; `size` is (n_source, n_target).

    Raises
    ------
    InputError
        If there is no rule, more than one, or its value cannot be used.
    """
    chosen = {k: v for k, v in given.items() if v is not None and v is not False}
    for name in ("one_to_one", "all_to_all"):
        if given.get(name) not in (None, False, True):
            raise InputError(f"{what}: {name} = {given[name]!r:.40} must be True")
    if len(chosen) != 1:
        said = f"the rules {' and '.join(chosen)} are given" if chosen else "no rule is given"
        raise InputError(f"{what}: {said}; give exactly one of {', '.join(KEYWORDS.values())}")
    name, value = next(iter(chosen.items()))
    if multapses is not None and not isinstance(multapses, bool | np.bool_):
        raise InputError(f"{what}: multapses = {multapses!r:.40} must be True or False")
    if multapses and name not in ("indegree", "outdegree", "total", "pairs", "matrix"):
        raise InputError(
            f"{what}: {name}= joins each pair at most once; leave multapses out, or draw by indegree= or total="
        )
    if reach is not None and name != "distance":
        raise InputError(f"{what}: reach= belongs to distance=; {name}= does not ask how far apart two neurons are")
    again = True if multapses is None else bool(multapses)
    match name:
        case "p":
            return _probability(value, what)
        case "indegree":
            return InDegree(read_count(value, f"{what}: indegree", 0), again)
        case "outdegree":
            return OutDegree(read_count(value, f"{what}: outdegree", 0), again)
        case "total":
            return Total(read_count(value, f"{what}: total", 0), again)
        case "one_to_one":
            if size[0] != size[1]:
                raise InputError(
                    f"{what}: one_to_one joins parts of one size, but these have {size[0]} and"
                    f" {size[1]} neurons; take a slice, such as E[:100]"
                )
            return OneToOne()
        case "all_to_all":
            return AllToAll()
        case "where" | "distance" if not callable(value):
            arguments = "(i, j)" if name == "where" else "(d)"
            raise InputError(
                f"{what}: {name} = {value!r:.40} must be a function of {arguments}, arrays, that returns a probability"
            )
        case "where":
            return Where(value)
        case "distance":
            far = None if reach is None else to_number(reach, "um", f"{what}: reach")
            if far is not None and not far >= 0:
                raise InputError(f"{what}: reach = {far:g} is negative")
            return Distance(value, far)
    rule = value if isinstance(value, Pairs) else _pairs(value, size, what)  # a matrix was read into pairs before
    if multapses is False and len(np.unique(rule.pre * size[1] + rule.post)) != len(rule.pre):
        raise InputError(f"{what}: {name}= holds a pair twice; remove it, or say multapses=True")
    return rule


def _probability(value: Any, what: str) -> Probability:
    if np.ndim(value) > 0:
        raise InputError(
            f"{what}: p = {value!r:.40} must be one number; for one a pair write where=lambda i, j: p[i, j]"
        )
    p = to_number(value, "1", f"{what}: p")
    if not 0.0 <= p <= 1.0:
        raise InputError(f"{what}: p = {p:g} is no probability; give a number from 0 to 1")
    return Probability(p)


def _pairs(value: Any, size: tuple[int, int], what: str) -> Pairs:
    try:
        pre, post = value
    except (TypeError, ValueError):
        raise InputError(f"{what}: pairs must be two arrays, (i, j): synapse m goes from i[m] to j[m]") from None
    arrays = []
    for array, n, side in ((pre, size[0], "source"), (post, size[1], "target")):
        a = np.atleast_1d(np.asarray(array))
        if a.size == 0:
            a = a.astype(np.int64)
        if a.dtype.kind not in "iu" or a.ndim != 1:
            raise InputError(
                f"{what}: pairs must be numbers of neurons, 0, 1, 2, ...; those of the {side} are"
                f" {a.dtype} of shape {a.shape}"
            )
        out = np.flatnonzero((a < 0) | (a >= n))
        if len(out):
            raise InputError(f"{what}: pairs[{out[0]}] names neuron {a[out[0]]} of the {side}, which has 0 to {n - 1}")
        arrays.append(a.astype(np.int64))
    if len(arrays[0]) != len(arrays[1]):
        raise InputError(
            f"{what}: pairs has {len(arrays[0])} sources and {len(arrays[1])} targets; it needs one each a synapse"
        )
    return Pairs(*arrays)


def read_matrix(matrix: Any, size: tuple[int, int], what: str) -> tuple[Pairs, Quantity | None]:
    """Return the pairs that a matrix (n_source, n_target) joins, and its entries; None if they are only True.

    Of a dense matrix every entry but 0 is a synapse, of a sparse one every stored entry.
    """
    stripped = None if hasattr(matrix, "tocoo") else strip_units(matrix)
    unit = stripped[1] if stripped else None
    if hasattr(matrix, "tocoo"):
        shape, sparse = matrix.shape, matrix.tocoo()
        rows, columns, entries = sparse.row, sparse.col, np.asarray(sparse.data)
    else:
        dense = np.asarray(stripped[0] if stripped else matrix)
        shape = dense.shape
        if dense.ndim != 2 or dense.dtype.kind not in "bifu":
            raise InputError(
                f"{what}: matrix must hold numbers, of shape {size}, dense or sparse; it is"
                f" {dense.dtype} of shape {shape}"
            )
        rows, columns = np.nonzero(dense)
        entries = dense[rows, columns]
    if tuple(shape) != size:
        turned = "; give its transpose, matrix.T" if tuple(shape)[::-1] == size else ""
        raise InputError(
            f"{what}: matrix has shape {tuple(shape)}, but source and target have {size[0]} and"
            f" {size[1]} neurons{turned}"
        )
    if entries.dtype.kind == "f" and np.isnan(entries).any():
        at = int(np.flatnonzero(np.isnan(entries))[0])
        raise InputError(f"{what}: matrix[{rows[at]}, {columns[at]}] is NaN; give a number")
    pairs = Pairs(rows.astype(np.int64), columns.astype(np.int64))
    return pairs, None if entries.dtype.kind == "b" else Quantity(entries.astype(float), unit)
