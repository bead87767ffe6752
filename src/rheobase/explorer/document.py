"""The page for a model: all that every page offers, and the model itself."""

from __future__ import annotations

from typing import Any

from rheobase.errors import InputError
from rheobase.explorer.assets import build_document
from rheobase.explorer.catalogue import describe_catalogue
from rheobase.explorer.describe import describe_neuron
from rheobase.model.neuron import Neuron

__all__ = ["build_page"]


def build_page(model: Neuron | str | None = None, served: dict[str, Any] | None = None) -> tuple[str, str]:
    """Return the page as one HTML text, and its content security policy.

    Parameters
    ----------
    model : Neuron or str, optional
        What the page opens with: a neuron, or the name of one that every page offers. Without it, the buckets.
    served : dict, optional
        What the page has to know of the server it comes from.
    """
    catalogue = describe_catalogue()
    models, programs = [*catalogue["models"]], [*catalogue["programs"]]
    first, tab, title = "LIF", "bucket", "rheobase"
    if isinstance(model, str):
        first, tab, title = model, "neuron", f"{model} – rheobase"
    elif model is not None:
        first, tab, title = _add(model, models, programs), "neuron", f"{model.name} – rheobase"
    told = {"model": first, "tab": tab, "served": served}
    return build_document(models, programs, told, title)


def _fields(model: Neuron) -> dict[str, str]:
    """Return a neuron as the texts of the page's fields (see `rheobase.explorer.worker.read_rows`)."""
    receive = [f"{port}: {line}" for port, text in model.receive.items() for line in text.splitlines()]
    return {
        "evolve": model.evolve,
        "receive": model.receive["spikes"] if model.ports == ("spikes",) else "\n".join(receive),
        "threshold": model.threshold or "",
        "hazard": model.hazard or "",
        "reset": model.reset or "",
        "refractory": "\n".join(f"{state}: {time}" for state, time in model.refractory.items()),
        "values": "\n".join(f"{n} = {q}" for n, q in [*model.parameters.items(), *model.initial.items()]),
    }


def _add(model: Neuron, models: list[dict[str, Any]], programs: list[str]) -> str:
    """Add a model of the caller's to those of the page; return its identifier."""
    if not isinstance(model, Neuron):
        raise InputError(f"explore wants a Neuron, not {type(model).__name__}; take one such as rb.LIF()")
    described, program = describe_neuron(model)
    described |= {"id": "own", "group": "own", "python": "", "label": model.name, "given": _fields(model)}
    if program not in programs:
        programs.append(program)
    models.insert(0, described | {"program": programs.index(program)})
    return "own"
