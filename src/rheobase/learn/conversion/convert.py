"""convert(net, calibrate): a ReLU network becomes a network of spiking neurons, with a bill."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from rheobase.errors import InputError, NotConvertible, nearest
from rheobase.learn.conversion.absorb import absorb
from rheobase.learn.conversion.bill import Bill, make_bill
from rheobase.learn.conversion.firing import Firing, MaxOfSums, Rectify, integrator
from rheobase.learn.conversion.fold import fold
from rheobase.learn.conversion.network import Converted
from rheobase.learn.conversion.quantise import QuantReLU, read_count
from rheobase.learn.conversion.rules import MAX_FUNCTIONS, Rectifier, function_name
from rheobase.learn.conversion.samples import Samples, read_samples
from rheobase.learn.conversion.threshold import (
    RULES,
    Activations,
    by_channel,
    choose_threshold,
    observe,
    read_rule,
)
from rheobase.learn.conversion.trace import FIRE, MAX, check_samples, kind, title, trace
from rheobase.learn.conversion.tune import choose_epochs, tune_body
from rheobase.learn.layer import Layer
from rheobase.model.neuron import Neuron

__all__ = ["convert", "quantise"]

_JUDGED: Final = 512  # calibration samples that recipes are compared on


def convert(
    net: nn.Module,
    calibrate: Any,
    neuron: Neuron | None = None,
    steps: int = 64,
    *,
    threshold: str = "auto",
    per_channel: bool = True,
    correct: str = "auto",
    tune: int | str = "auto",
    firing: str = "together",
    test: Any = None,
    absorb_scales: bool = True,
) -> tuple[Converted, Bill]:
    """Return a spiking network that says what a trained ReLU network says, and the bill for it.

    A ReLU becomes integrate-and-fire neurons with reset by subtraction, whose spikes times theta have the
    activation as their mean; affine operations stay and act on every step; a maximum is taken of sums over time.

    Parameters
    ----------
    net : Module
        Linear, Conv, ReLU (as module, function or method), average and maximum pooling, BatchNorm, Dropout, Flatten,
        sums, concatenations and reshapes, in any forward method without branches on the data. Softmax or Sigmoid may
        stand at the end. `QuantReLU` keeps its trained threshold. The network is not changed.
    calibrate : tensor, (x, y) or loader
        Inputs like those in use, ``[n, ...]``; thresholds are chosen from the activations they cause. Of a loader, 2048
        samples are read. For labels see `tune`.
    neuron : Neuron, optional
        A perfect integrator, ``rb.IF()``; its reset becomes ``v <- v - theta``, its start theta/2.
    steps : int
        T, how many steps of time the result is to be good at.
    threshold : str
        "max", a percentile such as "99.9%", "error" (least squared error at T), or "auto": each is tried on the
        calibration data, and that with the least error of the output is taken.
    per_channel : bool
        A threshold for each channel, or one a layer.
    correct : str
        "none"; "bias": each channel's mean error on the calibration data is taken off its bias, layer after layer
        (Li et al. 2021); "auto": what leaves the least error of the output.
    tune : int or "auto"
        Epochs of training on the labels of the calibration data, with every ReLU rounded as spikes will round it
        (`QuantReLU` of T levels): it makes up for few steps. "auto" trains 10 epochs where there are 500 labelled
        samples or more, 20 of each class, and the network is small; else, and with 0, no weight is changed.
    firing : str
        "together": all layers in every step, T steps in all. "delayed": a layer fires when it has all of its input,
        T steps after the layer before it.
    test : tensor, (x, y) or loader, optional
        What the bill is measured on; the calibration data if not given, which flatters.
    absorb_scales : bool
        Multiply thresholds into the weights, so that what travels are spikes of size 1.

    Returns
    -------
    snn : Converted
        A Module: ``snn(x)`` in place of ``net(x)``.
    report : Bill
        ``print(report)``, ``report.plot()``.

    Notes
    -----
    *Zero mismatch.* With firing="delayed" every neuron's count is ``clip(floor(T u/theta + 1/2), 0, T)``, where u
    is what a `QuantReLU` of as many levels receives. So, for a network of `QuantReLU(levels=L)` converted
    with steps=L, counts equal the quantised activations and outputs differ by rounding errors of the sums; only where
    such an error meets an exact tie can a count differ. With firing="together" this holds for the first layer alone,
    whose input is constant: a later neuron that has fired cannot take its spike back when inhibition comes late.

    Raises
    ------
    NotConvertible
        With every layer that spikes cannot say, by name.
    InputError
        For data that are empty or not finite, or an option that is not known.

    References
    ----------
    Rueckauer et al. (2017) Front. Neurosci. 11:682; Sengupta et al. (2019) Front. Neurosci. 13:95; Bu et al. (2022)
    ICLR; Li et al. (2021) ICML.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> x = torch.rand(200, 4)
    >>> snn, report = learn.convert(net, calibrate=x, steps=32)
    >>> snn(x).shape == net(x).shape, bool(report.error[-1] < 0.1)
    (True, True)
    """
    steps = read_count(steps, "steps")
    rule, correct = read_rule(threshold), _read_choice("correct", correct, ("auto", "none", "bias"))
    firing = _read_choice("firing", firing, ("together", "delayed"))
    layer, unit, notes = integrator(neuron)
    prepared = _prepare(net, read_samples(calibrate, "calibrate"))
    original = prepared.body
    measured = read_samples(test, "test") if test is not None else prepared.samples
    epochs = choose_epochs(tune, original, prepared.samples)
    if epochs and rule == "auto":
        prepared = _tune(prepared, steps, epochs, per_channel)
    fixed = all(isinstance(m, QuantReLU) for m in prepared.rectifiers.values())
    rules = [rule] if rule != "auto" or fixed else list(RULES)
    rules = ["trained"] if fixed and rule == "auto" else rules
    corrections = [correct] if correct != "auto" else ["none"] if firing == "delayed" else ["none", "bias"]
    best: tuple[float, Converted, str] | None = None
    few = prepared.samples.first(_JUDGED)
    goal = prepared.body(few.x)
    with torch.no_grad():
        for r, c in itertools.product(rules, corrections):
            made = _assemble(prepared, r, steps, per_channel, layer, unit, firing, rule == "auto")
            if c == "bias":
                _correct_bias(made, prepared, few)
            error = float((made(few.x) - goal).square().mean()) if len(rules) * len(corrections) > 1 else 0.0
            if best is None or error < best[0]:
                best = (error, made, f"threshold={r!r}, correct={c!r}")
    assert best is not None
    _, snn, recipe = best
    notes = [*prepared.notes, *notes, f"recipe: {recipe}"]
    if absorb_scales:
        notes += absorb(snn.body)
    snn.train(net.training)
    with torch.no_grad():
        bill = make_bill(original, prepared.body, snn, measured, "test" if test is not None else "calibration", notes)
    return snn, bill


def _tune(prepared: _Prepared, steps: int, epochs: int, per_channel: bool) -> _Prepared:
    """Return it trained with its rectifiers rounded to `steps` levels."""
    body = _copy(prepared.body)
    _round(body, prepared, steps, per_channel)
    note = tune_body(body, prepared.samples, epochs)
    with torch.no_grad():
        seen, _ = observe(body, prepared.samples.x)
    return _Prepared(body, prepared.samples, seen, [*prepared.notes, note])


def _copy(body: fx.GraphModule) -> fx.GraphModule:
    """Return a copy with what is noted at its nodes."""
    made = copy.deepcopy(body)
    for node, old in zip(made.graph.nodes, body.graph.nodes, strict=True):
        node.meta = dict(old.meta)
    return made


def _round(body: fx.GraphModule, prepared: _Prepared, levels: int, per_channel: bool) -> None:
    """Put a `QuantReLU` in place of every ReLU."""
    for name, module in prepared.rectifiers.items():
        if isinstance(module, Rectify):
            seen = prepared.seen[name]
            theta = choose_threshold("error", seen, levels, per_channel, module.cap)
            body.set_submodule(name, QuantReLU(levels, seen.broadcast(theta)))


def quantise(net: nn.Module, calibrate: Any, levels: int = 8, *, per_channel: bool = True) -> nn.Module:
    """Return a copy of a ReLU network with a `QuantReLU` in place of every ReLU, ready to be trained on.

    Batch norm is folded and dropout removed, as in `convert`. Thresholds have the least squared error at `levels` on
    the calibration data. A few epochs of training win back what the rounding costs; then
    ``learn.convert(quantised, x, steps=levels, firing="delayed")`` says the same in spikes, without mismatch.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> x = torch.rand(100, 4)
    >>> net = learn.quantise(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), x, levels=4)
    >>> snn, _ = learn.convert(net, x, steps=4, firing="delayed")
    >>> bool(torch.allclose(snn(x), net(x), atol=1e-6))
    True
    """
    levels = read_count(levels, "levels")
    prepared = _prepare(net, read_samples(calibrate, "calibrate"))
    _round(prepared.body, prepared, levels, per_channel)
    for p in prepared.body.parameters():
        p.requires_grad_(True)
    return prepared.body.train(net.training)


@final
@dataclass(frozen=True, eq=False)
class _Prepared:
    """A traced and folded network, and what its rectifiers gave."""

    body: fx.GraphModule
    samples: Samples
    seen: dict[str, Activations]
    notes: list[str]

    @property
    def rectifiers(self) -> dict[str, nn.Module]:
        return {n: m for n, m in self.body.named_modules() if isinstance(m, Rectify | QuantReLU)}


def _prepare(net: nn.Module, samples: Samples) -> _Prepared:
    """Return the graph with a module for each rectifier and maximum, and its activations."""
    body = trace(net)
    like = next((p for p in body.parameters() if p.is_floating_point()), None)
    x = samples.x if like is None else samples.x.to(device=like.device, dtype=like.dtype)
    samples = Samples(x, None if samples.y is None else samples.y.to(x.device))
    with torch.no_grad():
        try:
            wanted = body(x[:4])
        except RuntimeError as error:
            raise InputError(
                f"the network cannot be given what calibrate holds, samples of shape {list(x.shape[1:])}:"
                f" {(str(error).splitlines() or [''])[0]:.160}"
            ) from None
        if not isinstance(wanted, Tensor) or not bool(torch.isfinite(wanted).all()):
            raise InputError(
                "the network itself returns NaN or infinite numbers for the calibration data; mend it first"
            )
        check_samples(body, x)
        ShapeProp(body).propagate(x[:2])
        notes = fold(body)
        _name_modules(body)
        ShapeProp(body).propagate(x[:2])
        if not torch.allclose(body(x[:4]), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()) + 1e-6):
            raise NotConvertible("folding changed what the network says; please report this network")
        seen, _ = observe(body, x)
    if not seen:
        raise NotConvertible(f"{type(net).__name__} has no ReLU, so there is nothing that could spike")
    return _Prepared(body, samples, seen, notes)


def _name_modules(body: fx.GraphModule) -> None:
    """Put a module of its own in place of every rectifier and every maximum."""
    for i, node in enumerate([n for n in body.graph.nodes if kind(n) in (FIRE, MAX)]):
        if kind(node) == FIRE:
            found: Rectifier = node.meta["rectifier"]
            module: nn.Module = copy.deepcopy(found.quantised) if found.quantised is not None else Rectify(found.cap)
        elif node.op == "call_module":
            module = copy.deepcopy(body.get_submodule(str(node.target)))
            node.meta["title"] = title(node)
        else:
            module = _Pool(node)
            node.meta["title"] = title(node)
        name = f"{'relu' if kind(node) == FIRE else 'max'}_{i}"
        while hasattr(body, name):
            name += "_"
        body.add_submodule(name, module)
        before = node.args[0]
        node.op, node.target, node.args, node.kwargs = "call_module", name, (before,), {}
    body.graph.lint()
    body.recompile()
    body.delete_all_unused_submodules()


@final
class _Pool(nn.Module):
    """A maximum that was called as a function."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__()
        assert callable(node.target)
        assert function_name(node.target) in MAX_FUNCTIONS
        self.pool, self.args, self.options = node.target, tuple(node.args[1:]), dict(node.kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled values."""
        out: Tensor = self.pool(x, *self.args, **self.options)
        return out


def _assemble(
    prepared: _Prepared,
    rule: str,
    steps: int,
    per_channel: bool,
    layer: Layer,
    unit: float,
    firing: str,
    trained: bool,
) -> Converted:
    """Return the graph with neurons in place of the rectifiers, their thresholds by one rule (or as `trained`)."""
    body = _copy(prepared.body)
    for node in body.graph.nodes:
        if node.op != "call_module":
            continue
        name = str(node.target)
        module = body.get_submodule(name)
        if isinstance(module, QuantReLU) and trained:
            theta = module.theta.detach()
            if module.levels != steps and firing == "delayed":
                raise InputError(
                    f"steps = {steps}, but {node.meta['title']} has {module.levels} levels; with firing='delayed'"
                    f" convert with steps={module.levels}"
                )
        elif isinstance(module, Rectify | QuantReLU):
            cap = module.cap if isinstance(module, Rectify) else float("inf")
            seen = prepared.seen[name]
            theta = seen.broadcast(choose_threshold(rule, seen, steps, per_channel, cap))
        else:
            if kind(node) == MAX:
                body.set_submodule(name, MaxOfSums(module))
            continue
        made = Firing(copy.deepcopy(layer), theta, torch.zeros_like(theta), unit, firing == "delayed")
        body.set_submodule(name, made.to(theta.device))
    return Converted(body, steps, firing)


def _correct_bias(snn: Converted, prepared: _Prepared, few: Samples) -> None:
    """Shift what each layer receives by its channels' mean error, in the order of the network, in one pass."""
    seen, _ = observe(prepared.body, few.x)
    means = {str(n.meta["title"]): seen[str(n.target)] for n in snn.body.graph.nodes if str(n.target) in seen}

    def fire(name: str, u: Tensor, module: Firing) -> Tensor:
        error = means[name].mean - by_channel(module(u).mean(0)).mean(1)
        shift = module.shift + means[name].broadcast(error if module.theta.dim() else error.mean())
        module.shift = shift
        module.offset = shift * module.unit / module.theta
        again: Tensor = module(u)
        return again

    snn.walk(few.x, None, fire)


def _read_choice(what: str, given: Any, known: tuple[str, ...]) -> str:
    if given not in known:
        raise InputError(
            f"{what} = {given!r:.60} is unknown.{nearest(str(given), known)} Choose of: {', '.join(known)}"
        )
    return str(given)
