"""A layer of event-driven neurons as a module of source: rows, kernels, forward and backward, put together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from rheobase.derive.propagate import clamp_sets
from rheobase.emit.loop import write_rows
from rheobase.emit.source import hash_text, read_module, write_module
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["EventPlan", "EventSource", "find_event_layer"]

_HEADER: Final = '''"""A layer of {name}, from event to event and back again, written by rheobase from these rows:

{table}

The mathematics: rheobase.derive.eventprop, rheobase.derive.crossing. Version {digest} of the latter.
"""

from math import atan, cos, cosh, exp, expm1, floor, inf, log, sin, sinh, sqrt, tan, tanh

from rheobase.derive.crossing import first_crossing, glance
from rheobase.derive.modal import pass_modes, propagate_modes, propagate_state

_len, _range = len, range  # a state or parameter may be called so


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    return expm1(x)/x if x != 0.0 else 1.0
'''

_ARGUMENTS: Final = (
    # what arrives: times, neurons, where each element's begin; readings
    *("_in_time", "_in_neuron", "_in_offset", "_read_time", "_read_state", "_read_value"),
    *("_inputs", "_sources", "_weight", "_weight_of", "_delay", "_uniform", "_delay_in", "_delay_own"),
    *("_short_in", "_long_in", "_short_own", "_long_own", "_recurrent", "_width", "_last", "_most"),
    # tables of the flow (see rheobase.derive.crossing), and of its modes where each is one exponential
    *("_f", "_p", "_table", "_layout", "_strict", "_rate", "_seen", "_gain", "_modes", "_quick"),
    *("_kind", "_start", "_first_code"),
    # of each neuron: modes, their time, what is certain, the last event, twice the table (+ 1 if refractory)
    *("_y", "_at", "_safe", "_event", "_code", "_same", "_x", "_work"),
    *("_a_time", "_a_source", "_a_spike", "_fading", "_lane", "_doubt", "_away"),
    *("_r_time", "_r_state", "_record", "_head", "_o_time", "_o_neuron", "_o_record"),
    *("_count", "_windows", "_o_size", "_records_at", "_outs_at", "_tracing", "_trace"),
    *("_until", "_see", "_f_down", "_p_down", "_f_up", "_p_up", "_top_time", "_top_place", "_top_slope", "_matrix"),
)
_BACK: Final = (
    *("_l", "_l_at", "_l_code", "_live", "_carry", "_owed", "_rec", "_l_x", "_l_new", "_x_after", "_f_before"),
    *("_f_after", "_worth", "_g_weight", "_g_delay", "_g_time", "_g_read", "_g_matrix", "_g_normal", "_g_value"),
    *("_g_wait", "_g_start", "_timed", "_collecting", "_leave", "_enter", "_normal"),
    *("_by_weight", "_by_time", "_f_back", "_p_back", "_table_back", "_layout_back", "_fastest", "_knots", "_shares"),
)


@final
@dataclass(frozen=True)
class EventPlan:
    """What the text of a layer depends on.

    Attributes
    ----------
    port : str
        Where spikes arrive.
    kinds : tuple of (name, "scalar" or "neuron")
        How each parameter is stored.
    trained : tuple of str
        Parameters whose gradients are wanted.
    size : int
        Length of the augmented state.
    single, additive : bool
        Whether each mode is one real exponential; whether an arrival adds a multiple of its weight.
    fixed, unseen, deaf : tuple of int
        Modes that do not change in time, that the threshold does not see, and that no arrival changes.
    climbs : bool
        Whether the maximum of a state is read.
    """

    neuron: Neuron
    port: str
    kinds: tuple[tuple[str, str], ...]
    trained: tuple[str, ...]
    size: int
    single: bool
    additive: bool
    fixed: tuple[int, ...]
    unseen: tuple[int, ...]
    deaf: tuple[int, ...]
    climbs: bool


@final
@dataclass(frozen=True)
class EventSource:
    """The file of a layer's module, the arguments of `forward` and `backward`, functions to inline, and the others."""

    path: Path
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    inner: tuple[str, ...]
    apart: tuple[str, ...]


def find_event_layer(plan: EventPlan, digest: str) -> EventSource:
    """Return the source of a layer, printed unless this machine has its file."""

    def derive() -> list[Any]:
        text, *names = _print(plan, digest)
        write_module("event", text)
        return [hash_text(text), *names]

    neuron = plan.neuron
    about = [neuron.name, write_rows(neuron), neuron.rows.texts, [*neuron.refractory.items()], plan.port, plan.kinds]
    more = [
        plan.trained,
        plan.size,
        plan.single,
        plan.additive,
        plan.fixed,
        plan.unseen,
        plan.deaf,
        plan.climbs,
        digest,
    ]
    known = remember("event layer", [about, more], derive)
    text = read_module("event", known[0]) or _print(plan, digest)[0]
    return EventSource(write_module("event", text), *(tuple(names) for names in known[1:5]))


def _print(plan: EventPlan, digest: str) -> tuple[str, list[str], list[str], list[str], list[str]]:
    from rheobase.derive.integrate import Step
    from rheobase.emit import event_backward as back
    from rheobase.emit import event_top as top
    from rheobase.emit.event_forward import ADVANCE, forward_parts
    from rheobase.emit.event_neuron import NEURON
    from rheobase.emit.event_rows import back_functions, lines_of_rows
    from rheobase.emit.event_seek import fill
    from rheobase.emit.exact_loop import drop_flows
    from rheobase.emit.to_python import row_functions

    neuron, size = plan.neuron, plan.size
    nothing = Step("none", "", {c: () for c in clamp_sets(neuron)})
    functions, calls = row_functions(neuron, nothing)
    backwards, back_calls = back_functions(neuron, plan.port, plan.trained)
    rows = lines_of_rows(plan, calls, back_calls)
    forward = forward_parts(plan)
    if neuron.rows.threshold is None:
        forward["search"] = "_safe[_i] = inf"
    moving = [k for k in range(size) if k not in plan.fixed]
    single_flow = "\n".join(f"_l[_i, {k}] *= exp(_rate[_row, {k}]*_wait)" for k in moving) or "pass"
    arrive_back = back.ARRIVE_ADDITIVE.strip()
    if not plan.additive:
        arrive_back = back.ARRIVE_ANY.strip().replace("{receive}", rows["receive_back"])
    places = {**forward, **{k: v for k, v in rows.items() if k in ("mode", "left", "arrive", "reset", "release")}}
    text = _indented(
        _indented(
            NEURON.replace("{functions}", forward["functions"].strip("\n"))
            + (top.CLIMB if plan.climbs else "")
            + ADVANCE.replace("{sweep}", forward["sweep"].strip("\n")),
            places,
        ),
        places,
    )  # twice: the search holds the reset
    if forward["sweep"]:  # which has it built in
        begin = text.index("def _settle(")
        settle = text[begin : text.index("\n\n\n", begin)].replace("def _settle(", "def _settle_here(", 1)
        text = text.replace("def _sweep(", f"{settle}\n\n\ndef _sweep(", 1)
    text += _indented(
        back.BACKWARD,
        {
            "flow": single_flow if plan.single else back.FLOW_GENERAL.strip(),
            "collect": (back.COLLECT_SINGLE if plan.single else back.COLLECT_GENERAL).strip(),
            "arrive": arrive_back,
            "reset": rows["reset_back"],
            "release": rows["release_back"],
            "quick": back.quick_back(moving, [k for k in range(size) if k not in plan.deaf])
            if plan.single and plan.additive
            else "pass",
            "top": top.TOP.strip() if plan.climbs else "_place = -1",
            "descend": top.DESCEND.strip() if plan.climbs else "pass",
            "edge": top.EDGE.strip() if plan.climbs else "pass",
        },
    )
    parameters = sorted({name for name, _ in plan.kinds if re.search(rf"(?<!\w){name}(?!\w)", rows["used"])})
    arguments = [*_ARGUMENTS, *(f"_left_{s}" for s in neuron.refractory), *parameters, *_BACK]
    text, used = _pass_on(text, arguments)
    text = fill(
        text,
        {
            "size": str(size),
            "square": str(size * size),
            "states": str(len(neuron.states)),
            "begins": "_len(_safe)" if plan.trained else "0",
            "skip": "False and " if plan.climbs else "",
        },
    )
    header = _HEADER.format(
        name=neuron.name.replace('"', "'").replace("\\", "/"), table=write_rows(neuron), digest=digest
    )
    text = header + "\n".join([*drop_flows(functions), *backwards]) + text
    defined = re.findall(r"^def (\w+)", text, re.MULTILINE)
    apart = {
        "_climb",
        "_gather",
        "_fade",
        "_sort",
        "_element",
        "_settle",
        "_advance",
        "_collect",
    }
    inner = [name for name in defined if name not in (*apart, "forward", "backward")]
    ends = [["_from_b", "_to_b", *used[name]] for name in ("forward", "backward")]
    return text, ends[0], ends[1], inner, [d for d in defined if d in apart]


def _pass_on(text: str, arguments: Sequence[str]) -> tuple[str, dict[str, list[str]]]:
    """Put in the place of ``{arguments}`` those that a function or what it calls needs; return them by function."""
    bodies = {}
    for part in re.split(r"^(?=def )", text, flags=re.MULTILINE)[1:]:
        bodies[part[4 : part.index("(")]] = part
    words = {name: set(re.findall(r"\w+", body)) for name, body in bodies.items()}
    needs = {name: set(arguments) & found for name, found in words.items()}
    for name in bodies:  # a function calls those above it only
        for other in bodies:
            if other in words[name] and other != name:
                needs[name] |= needs[other]
    ordered = {name: [a for a in arguments if a in needs[name]] for name in bodies}

    def call(match: re.Match[str]) -> str:
        return f"{match[1]}({match[2]}{', '.join(ordered[match[1]])}"

    names = "|".join(sorted(bodies, key=len, reverse=True))
    text = re.sub(rf"(?<!\w)({names})\(([^(){{}}]*)\{{arguments\}}", call, text)
    return text, ordered


def _indented(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with lines put in where ``{name}`` stands alone, as deep as it stands there."""

    def put(match: re.Match[str]) -> str:
        text = parts.get(match[2])
        if text is None:
            return match[0]
        return "\n".join(match[1] + line if line.strip() else line for line in (text or "pass").splitlines())

    return re.sub(r"^( *)\{(\w+)\}$", put, template, flags=re.MULTILINE)
