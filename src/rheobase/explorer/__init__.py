"""explore(model): the page on which a neuron is played with, as a file, from a server on this machine, or in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rheobase.errors import InputError
from rheobase.explorer.assets import build_document
from rheobase.explorer.catalogue import describe_catalogue
from rheobase.explorer.describe import describe_neuron
from rheobase.model.neuron import Neuron

__all__ = ["build_page"]


def build_page(model: Neuron | None = None, served: dict[str, Any] | None = None) -> tuple[str, str]:
    """Return the page as one HTML text, and its content security policy."""
    catalogue = describe_catalogue()
    models, programs = [*catalogue["models"]], [*catalogue["programs"]]
    first, tab = "LIF", "bucket"
    if model is not None:
        first, tab = _add(model, models, programs), "neuron"
    told = {"model": first, "tab": tab, "served": served}
    return build_document(models, programs, told, "rheobase" if model is None else f"{model.name} – rheobase")


def _add(model: Neuron, models: list[dict[str, Any]], programs: list[str]) -> str:
    """Add a model of the caller's to those of the page; return its identifier."""
    if not isinstance(model, Neuron):
        raise InputError(f"explore wants a Neuron, not {type(model).__name__}; take one such as rb.LIF()")
    described, program = describe_neuron(model)
    values = "\n".join(f"{n} = {q}" for n, q in [*model.parameters.items(), *model.initial.items()])
    described |= {"id": "own", "group": "own", "python": "", "label": model.name, "given": values}
    described["program"] = programs.index(program) if program in programs else len(programs)
    if program not in programs:
        programs.append(program)
    models.insert(0, described)
    return "own"
