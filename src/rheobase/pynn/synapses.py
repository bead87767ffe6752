"""PyNN's synapse types as rows."""

from __future__ import annotations

from typing import Any, Final

from pyNN.standardmodels import build_translations, synapses

from rheobase.errors import InputError
from rheobase.model.plasticity import tsodyks_markram
from rheobase.model.synapse import Synapse
from rheobase.pynn import simulator

__all__ = [
    "AdditivePotentiationMultiplicativeDepression",
    "AdditiveWeightDependence",
    "GutigWeightDependence",
    "MultiplicativeWeightDependence",
    "STDPMechanism",
    "SpikePairRule",
    "StaticSynapse",
    "TsodyksMarkramSynapse",
    "Vogels2011Rule",
    "rows_of",
]


def _same(base: Any, *more: str) -> Any:
    names = dict.fromkeys((*base.default_parameters, *more))
    return build_translations(*((name, name) for name in names))


class StaticSynapse(synapses.StaticSynapse):
    """A fixed weight and delay."""

    __doc__ = synapses.StaticSynapse.__doc__
    translations = _same(synapses.StaticSynapse)

    def _get_minimum_delay(self) -> float:
        return simulator.state.shortest or simulator.state.dt


class TsodyksMarkramSynapse(synapses.TsodyksMarkramSynapse):
    """Short-term plasticity."""

    __doc__ = synapses.TsodyksMarkramSynapse.__doc__
    translations = _same(synapses.TsodyksMarkramSynapse)

    def _get_minimum_delay(self) -> float:
        return simulator.state.shortest or simulator.state.dt


class STDPMechanism(synapses.STDPMechanism):
    """Spike-timing-dependent plasticity of two components."""

    __doc__ = synapses.STDPMechanism.__doc__
    base_translations = build_translations(
        ("weight", "weight"), ("delay", "delay"), ("dendritic_delay_fraction", "dendritic_delay_fraction")
    )

    def __init__(
        self,
        timing_dependence: Any = None,
        weight_dependence: Any = None,
        voltage_dependence: Any = None,
        dendritic_delay_fraction: float = 1.0,
        weight: Any = 0.0,
        delay: Any = None,
    ) -> None:
        if float(dendritic_delay_fraction) not in (0.0, 1.0):
            raise InputError(
                f"dendritic_delay_fraction = {dendritic_delay_fraction!r:.40}: the delay lies in the dendrite (1) or"
                " in the axon (0)"
            )
        super().__init__(
            timing_dependence, weight_dependence, voltage_dependence, dendritic_delay_fraction, weight, delay
        )

    def _get_minimum_delay(self) -> float:
        return simulator.state.shortest or simulator.state.dt


class SpikePairRule(synapses.SpikePairRule):
    """All pairs of spikes count."""

    __doc__ = synapses.SpikePairRule.__doc__
    translations = _same(synapses.SpikePairRule)


class Vogels2011Rule(synapses.Vogels2011Rule):
    """Inhibitory plasticity."""

    __doc__ = synapses.Vogels2011Rule.__doc__
    translations = _same(synapses.Vogels2011Rule)


class AdditiveWeightDependence(synapses.AdditiveWeightDependence):
    """Changes do not depend on the weight."""

    __doc__ = synapses.AdditiveWeightDependence.__doc__
    translations = _same(synapses.AdditiveWeightDependence)
    changes = ("A_minus*w_max", "A_plus*w_max")


class MultiplicativeWeightDependence(synapses.MultiplicativeWeightDependence):
    """Changes grow with the distance from the bound."""

    __doc__ = synapses.MultiplicativeWeightDependence.__doc__
    translations = _same(synapses.MultiplicativeWeightDependence)
    changes = ("A_minus*(w - w_min)", "A_plus*(w_max - w)")


class AdditivePotentiationMultiplicativeDepression(synapses.AdditivePotentiationMultiplicativeDepression):
    """Potentiation of fixed size, depression in proportion to the weight."""

    __doc__ = synapses.AdditivePotentiationMultiplicativeDepression.__doc__
    translations = _same(synapses.AdditivePotentiationMultiplicativeDepression)
    changes = ("A_minus*(w - w_min)", "A_plus*w_max")


class GutigWeightDependence(synapses.GutigWeightDependence):
    """Changes grow with a power of the distance from the bound."""

    __doc__ = synapses.GutigWeightDependence.__doc__
    translations = _same(synapses.GutigWeightDependence)
    changes = (
        "A_minus*w_max*(max(w - w_min, 0)/w_max)**mu_minus",
        "A_plus*w_max*(max(w_max - w, 0)/w_max)**mu_plus",
    )


_PAIR: Final = "tau_plus dx/dt = -x\ntau_minus dy/dt = -y\nw >= w_min\nw <= w_max"
_VOGELS: Final = "tau dx/dt = -x\ntau dy/dt = -y\nw >= w_min\nw <= w_max"


def rows_of(kind: Any, values: dict[str, Any]) -> Synapse | None:
    """Return the rows of a synapse type with its values; None for a static one.

    Raises
    ------
    InputError
        If the type has no rows here.
    """
    if isinstance(kind, StaticSynapse):
        return None
    if isinstance(kind, TsodyksMarkramSynapse):
        return tsodyks_markram(U=values["U"], tau_rec=values["tau_rec"], tau_facil=values["tau_facil"])
    if not isinstance(kind, STDPMechanism):
        raise InputError(f"{type(kind).__name__} does not run on rheobase")
    delay = "dendritic" if float(kind.dendritic_delay_fraction) else "axonal"
    rule, weights = kind.timing_dependence, kind.weight_dependence
    known = {k: v for k, v in values.items() if k not in ("weight", "delay", "dendritic_delay_fraction")}
    if isinstance(rule, Vogels2011Rule):
        depression = "2*rho*tau/1000"  # rho in Hz
        on_pre = f"w <- w + w_max*eta*(y - {depression})\nx <- x + 1"
        on_post = "w <- w + w_max*eta*x\ny <- y + 1"
        return Synapse(evolve=_VOGELS, on_pre=on_pre, on_post=on_post, delay=delay, name="Vogels", **known)
    if not isinstance(rule, SpikePairRule) or not hasattr(weights, "changes"):
        raise InputError(f"STDP with {type(rule).__name__} and {type(weights).__name__} does not run on rheobase")
    down, up = weights.changes
    on_pre, on_post = f"w <- w - {down}*y\nx <- x + 1", f"w <- w + {up}*x\ny <- y + 1"
    return Synapse(evolve=_PAIR, on_pre=on_pre, on_post=on_post, delay=delay, name="STDP", **known)
