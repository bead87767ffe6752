"""Make a neuron of the zoo from its published rows and the changes a caller asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron

__all__ = ["BOOK", "Value", "assemble", "pick"]

#: A number (coherent unit), a text with unit, a list or array with one value a neuron, a `Distribution`,
#: another library's quantity; None stands for "no value".
Value: TypeAlias = Any

BOOK: Final = "Gerstner, Kistler, Naud & Paninski (2014) Neuronal Dynamics, doi:10.1017/CBO9781107447615"


def assemble(changes: Mapping[str, Any], **fields: Any) -> Neuron:
    """Return the neuron of `fields`, with rows, initial values and names replaced as `changes` says.

    Raises
    ------
    InputError
        If a change names nothing that the neuron has.
    """
    neuron = Neuron(**fields)
    return neuron.replace(**changes) if changes else neuron


def pick(
    model: str, form: str, forms: Mapping[str, Mapping[str, Value]], given: Mapping[str, Value]
) -> dict[str, Value]:
    """Return the values of one form of a model: those given, or the form's defaults where ``...`` is given.

    Raises
    ------
    InputError
        If there is no such form, or a value is given that this form does not have.
    """
    if form not in forms:
        near = nearest(str(form), forms)
        raise InputError(f"{model} has no form={form!r}.{near} Forms: {', '.join(forms)}")
    out = dict(forms[form])
    for name, value in given.items():
        if value is ...:
            continue
        if name not in out:
            raise InputError(f"{model}(form={form!r}) has no '{name}'; its values are {', '.join(out)}")
        out[name] = value
    return out
