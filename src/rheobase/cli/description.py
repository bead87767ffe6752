"""A TOML file -> what to simulate: a neuron or a network, its values, and how it is run.

The tables are the arguments of the library, under the same names, so that who knows one knows the other:

    model = "LIF"                                              # of the zoo, or rows in a table [neuron]
    until = "150 ms"                                           # and dt, engine, method, precision, seed, n, record

    [values]                                                   # parameters, initial values, inputs, spikes at ports
    tau = "10 ms"
    I = { step = "0.3 nA", on = "20 ms", off = "120 ms" }      # rb.step("0.3 nA", on="20 ms", off="120 ms")

A network has [[population]] and [[connect]] in place of `model`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import rheobase as rb
from rheobase.errors import InputError, nearest

__all__ = ["Description", "find_model", "read_description", "read_value"]

#: What a table such as ``{ step = ..., on = ... }`` may call; the first value is the first argument.
_MAKERS: Final = {
    "stimulus": ("step", "pulses", "ramp", "sine", "zap", "decay", "sampled", "noise", "ou"),
    "spikes": ("poisson", "spikes"),
    "distribution": ("uniform", "normal", "lognormal", "exponential", "gamma"),
    "synapse": ("static", "tsodyks_markram", "stdp", "triplet_stdp", "reward_stdp"),
}
_ENGINES: Final = ("exact", "clock", "precise", "reference")
_RUN: Final = ("until", "dt", "engine", "method", "precision", "threads", "seed", "record", "record_every")
_ROWS: Final = ("evolve", "receive", "threshold", "reset", "hazard", "refractory", "name")


@final
@dataclass(frozen=True)
class Description:
    """What a file, or the command line, asks for: ``simulate(model, **run, **values)``."""

    model: Any
    values: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_network(self) -> bool:
        """Whether there are populations."""
        return isinstance(self.model, rb.Network)


def read_description(path: Path) -> Description:
    """Return what a TOML file describes.

    Raises
    ------
    InputError
        If the file is missing or no TOML (the line is named), or has a word that is not known here.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    run: dict[str, Any] = {k: table.pop(k) for k in _RUN if k in table}
    if "population" in table or "connect" in table:
        _know(table, ("population", "connect"), path.name)
        return Description(_network(table, path.parent), {}, _engine(run))
    _know(table, ("model", "neuron", "values", "n"), path.name)
    if ("model" in table) == ("neuron" in table):
        raise InputError(f"{path.name}: give either model = 'LIF', a neuron of the zoo, or a table [neuron] of rows")
    if "n" in table:
        run["n"] = table["n"]
    values = read_values(_table(table.get("values", {}), "values"), path.parent)
    if "model" in table:
        return Description(find_model(table["model"]), values, _engine(run))
    rows = _table(table["neuron"], "neuron")
    _know(rows, _ROWS, "[neuron]", "; values stand in [values]")
    return Description(*_own_neuron(rows, values), _engine(run))


def _own_neuron(rows: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a neuron and what is left for `simulate`: plain values belong to the neuron, all else to the run."""
    ports = rows.get("receive", ())
    ports = {"spikes"} if isinstance(ports, str) else set(ports)
    if "evolve" not in rows:
        raise InputError("[neuron] has no row 'evolve'; give for example evolve = 'tau dv/dt = I - v'")
    own: dict[str, Any] = {
        k: v for k, v in values.items() if isinstance(v, int | float | str | list) and k not in ports
    }
    return rb.Neuron(**rows, **own), {k: v for k, v in values.items() if k not in own}


def find_model(name: Any) -> Any:
    """Return a neuron of the zoo by its name.

    >>> find_model("LIF").name
    'LIF'
    """
    from rheobase.model.zoo import NEURONS

    if not isinstance(name, str) or name not in NEURONS:
        known = f"{nearest(str(name), NEURONS)} It has: {', '.join(NEURONS)}"
        raise InputError(f"there is no neuron {name!r:.60} in the zoo.{known}")
    return NEURONS[name]()


def read_values(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values of a table, with its own tables made into stimuli, sources and distributions."""
    return {name: read_value(name, value, folder) for name, value in table.items()}


def read_value(name: str, value: Any, folder: Path) -> Any:
    """Return what a value stands for: itself, or what a table such as ``{ step = "0.3 nA", on = "20 ms" }`` makes.

    >>> read_value("v", {"uniform": ["-60 mV", "-50 mV"]}, Path(".")) == rb.uniform("-60 mV", "-50 mV")
    True
    """
    if not isinstance(value, Mapping):
        return value
    more = dict(value)
    if "file" in more:
        path = folder / str(more.pop("file"))
        return _call(rb.read_current, name, [path], more)
    known = [word for words in _MAKERS.values() for word in words]
    found = [word for word in known if word in more]
    if len(found) != 1:
        words = ", ".join(known)
        raise InputError(f"{name}: a table has one of these words, or file = 'current.csv': {words}")
    first = more.pop(found[0])
    several = found[0] in _MAKERS["distribution"] and isinstance(first, list)
    arguments = first if several else [] if first is True else [first]
    return _call(getattr(rb, found[0]), name, arguments, more)


def _call(maker: Callable[..., Any], name: str, arguments: list[Any], more: Mapping[str, Any]) -> Any:
    try:
        return maker(*arguments, **more)
    except TypeError as error:  # a wrong keyword: Python's own words name it
        text = str(error).replace(f"{maker.__name__}()", f"rb.{maker.__name__}")
        raise InputError(f"{name}: {text}") from None


def _network(table: Mapping[str, Any], folder: Path) -> rb.Network:
    net = rb.Network()
    for k, entry in enumerate(_tables(table.get("population", []), "population")):
        where = f"[[population]] {k + 1}"
        for word in ("name", "n"):
            if word not in entry:
                raise InputError(f"{where}: give {word} =")
        name, n, model = entry.pop("name"), entry.pop("n"), entry.pop("model", None)
        rows = entry.pop("neuron", None)
        values = read_values(_table(entry.pop("values", {}), f"{where}: values"), folder)
        _know(entry, ("model", "neuron", "values"), where, "; values of the neurons stand in values = {...}")
        if isinstance(model, Mapping):
            net.add(name, n, read_value(f"{where}: model", model, folder), **values)
        elif rows is not None:
            own, left = _own_neuron(_table(rows, f"{where}: neuron"), values)
            net.add(name, n, own, **left)
        else:
            net.add(name, n, find_model(model), **values)
    for k, entry in enumerate(_tables(table.get("connect", []), "connect")):
        where = f"[[connect]] {k + 1}"
        if "source" not in entry or "target" not in entry:
            raise InputError(f"{where}: give source = and target =, the names of populations")
        how = read_values({key: x for key, x in entry.items() if key not in ("source", "target")}, folder)
        _call(net.connect, where, [entry["source"], entry["target"]], how)
    return net


def _engine(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `simulate` that say how: an engine where its name is given."""
    out = {k: v for k, v in run.items() if k in ("until", "seed", "record", "record_every", "n")}
    name = str(run.get("engine", "")).lower()
    if name and name not in _ENGINES:
        raise InputError(
            f"engine = '{name}' is not known.{nearest(name, _ENGINES)} It is one of: {', '.join(_ENGINES)}"
        )
    clock = {k: run[k] for k in ("dt", "method", "threads", "precision") if k in run}
    if name in ("exact", "precise") and clock:
        raise InputError(f"engine = '{name}' has no {next(iter(clock))}; leave it out, or take engine = 'clock'")
    if name == "reference":
        out["engine"] = _call(rb.Reference, "engine", [], clock)
    elif name or clock:
        out["engine"] = {"exact": rb.Exact, "precise": rb.Precise}.get(name, lambda: rb.Clock(**clock))()
    return out


def _know(table: Mapping[str, Any], known: tuple[str, ...], where: str, more: str = "") -> None:
    for key in table:
        if key not in known:
            words = (*known, *_RUN) if where.endswith(".toml") else known
            raise InputError(f"{where}: '{key}' is not known.{nearest(key, words)} There are: {', '.join(words)}{more}")


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a table, such as [{name}]")
    return dict(value)


def _tables(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise InputError(f"a network has one [[{name}]] or more (with two brackets)")
    return [_table(entry, name) for entry in value]
