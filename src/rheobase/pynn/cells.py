"""PyNN's standard cells as rows. Units are PyNN's, which are ours: ms, mV, nA, nF, uS; a few are in nS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

from pyNN.standardmodels import build_translations, cells

from rheobase.errors import InputError

__all__ = [
    "CELLS",
    "EIF_cond_alpha_isfa_ista",
    "EIF_cond_exp_isfa_ista",
    "HH_cond_exp",
    "IF_cond_alpha",
    "IF_cond_exp",
    "IF_cond_exp_gsfa_grr",
    "IF_curr_alpha",
    "IF_curr_delta",
    "IF_curr_exp",
    "IF_facets_hardware1",
    "Izhikevich",
    "SpikeSourceArray",
    "SpikeSourceGamma",
    "SpikeSourcePoisson",
    "SpikeSourcePoissonRefractory",
    "Table",
]

_E: Final = "2.718281828459045"  # an alpha function of peak w begins with the slope e w/tau
_LEAK: Final = "tau_m dv/dt = v_rest - v + tau_m/cm*({} + i_offset + i_inj)"
_CURRENT: Final = "isyn_exc + isyn_inh"
_CONDUCTANCE: Final = "gsyn_exc*(e_rev_E - v) + gsyn_inh*(e_rev_I - v)"
_CURRENT_V: Final = "gsyn_exc*(e_rev_E - vc) + gsyn_inh*(e_rev_I - vc)"


def _exponential(x: str) -> tuple[str, dict[str, str]]:
    rows = f"tau_syn_E d{x}_exc/dt = -{x}_exc\ntau_syn_I d{x}_inh/dt = -{x}_inh"
    return rows, {"excitatory": f"{x}_exc <- {x}_exc + w_i", "inhibitory": f"{x}_inh <- {x}_inh + w_i"}


def _alpha(x: str) -> tuple[str, dict[str, str]]:
    rows = "\n".join(
        f"tau_syn_{T} d{x}_{s}/dt = j_{s} - {x}_{s}\ntau_syn_{T} dj_{s}/dt = -j_{s}"
        for T, s in (("E", "exc"), ("I", "inh"))
    )
    return rows, {p: f"j_{s} <- j_{s} + {_E}*w_i" for p, s in (("excitatory", "exc"), ("inhibitory", "inh"))}


@final
@dataclass(frozen=True)
class Table:
    """The rows of a cell type.

    `clamp` names the parameter that is the refractory time of v; `fixed` are values that PyNN has no parameter for,
    `states` PyNN's names of states that have others here.
    """

    evolve: str
    receive: dict[str, str]
    threshold: str
    reset: str | None
    clamp: tuple[str, str] | None = ("v", "tau_refrac")
    fixed: tuple[tuple[str, float], ...] = ()
    states: tuple[tuple[str, str], ...] = ()


def _leaky(synapses: tuple[str, dict[str, str]], current: str) -> Table:
    rows, receive = synapses
    return Table(f"{_LEAK.format(current)}\n{rows}", receive, "v >= v_thresh", "v <- v_reset")


def _adaptive(synapses: tuple[str, dict[str, str]]) -> Table:
    rows, receive = synapses
    upstroke = "cm/tau_m*(v_rest - vc + delta_T*exp((vc - v_thresh)/delta_T))"
    evolve = f"""cm dv/dt = {upstroke} - w + {_CURRENT_V} + i_offset + i_inj
tau_w dw/dt = a/1000*(vc - v_rest) - w
{rows}
vc = min(v, v_spike)"""
    return Table(evolve, receive, "v >= v_spike", "v <- v_reset; w <- w + b")


_HH: Final = f"""cm dv/dt = i_leak + i_Na + i_K + {_CONDUCTANCE} + i_offset + i_inj
dm_Na/dt = alpha_m*(1 - m_Na) - beta_m*m_Na
dh_Na/dt = alpha_h*(1 - h_Na) - beta_h*h_Na
dn_K/dt = alpha_n*(1 - n_K) - beta_n*n_K
{_exponential("gsyn")[0]}
i_leak = g_leak*(e_rev_leak - v)
i_Na = gbar_Na*m_Na**3*h_Na*(e_rev_Na - v)
i_K = gbar_K*n_K**4*(e_rev_K - v)
V = v - v_offset
alpha_m = 1.28/exprel((13 - V)/4)
beta_m = 1.4/exprel((V - 40)/5)
alpha_h = 0.128*exp((17 - V)/18)
beta_h = 4/(1 + exp((40 - V)/5))
alpha_n = 0.16/exprel((15 - V)/5)
beta_n = 0.5*exp((10 - V)/40)"""

_GSFA: Final = f"""tau_m dv/dt = v_rest - v + tau_m/cm*({_CONDUCTANCE} + i_s + i_r + i_offset + i_inj)
{_exponential("gsyn")[0]}
tau_sfa dg_s/dt = -g_s
tau_rr dg_r/dt = -g_r
i_s = g_s/1000*(e_rev_sfa - v)
i_r = g_r/1000*(e_rev_rr - v)"""

_FACETS: Final = f"""cm dv/dt = g_leak/1000*(v_rest - v) + {_CONDUCTANCE} + i_inj
{_exponential("gsyn")[0]}"""

#: PyNN's name -> its rows
_TABLES: Final[dict[str, Table]] = {
    "IF_curr_exp": _leaky(_exponential("isyn"), _CURRENT),
    "IF_curr_alpha": _leaky(_alpha("isyn"), _CURRENT),
    "IF_curr_delta": Table(
        "tau_m dv/dt = v_rest - v + tau_m/cm*(i_offset + i_inj)",
        {"excitatory": "v <- v + w_i", "inhibitory": "v <- v + w_i"},
        "v >= v_thresh",
        "v <- v_reset",
    ),
    "IF_cond_exp": _leaky(_exponential("gsyn"), _CONDUCTANCE),
    "IF_cond_alpha": _leaky(_alpha("gsyn"), _CONDUCTANCE),
    "EIF_cond_exp_isfa_ista": _adaptive(_exponential("gsyn")),
    "EIF_cond_alpha_isfa_ista": _adaptive(_alpha("gsyn")),
    "IF_cond_exp_gsfa_grr": Table(
        _GSFA, _exponential("gsyn")[1], "v >= v_thresh", "v <- v_reset; g_s <- g_s + q_sfa; g_r <- g_r + q_rr"
    ),
    "IF_facets_hardware1": Table(
        _FACETS,
        _exponential("gsyn")[1],
        "v >= v_thresh",
        "v <- v_reset",
        fixed=(("cm", 0.2), ("tau_refrac", 1.0), ("e_rev_E", 0.0)),
    ),
    "HH_cond_exp": Table(
        _HH,
        _exponential("gsyn")[1],
        "v > v_spike",
        None,
        ("threshold", "tau_refrac"),
        (("v_spike", 0.0), ("tau_refrac", 2.0)),
    ),
    "Izhikevich": Table(
        "dv/dt = 0.04*v**2 + 5*v + 140 - u + 1000*(i_offset + i_inj)\ndu/dt = a*(b*v - u)",
        {"excitatory": "v <- v + w_i", "inhibitory": "v <- v + w_i"},
        "v >= v_spike",
        "v <- c; u <- u + d",
        None,
        (("v_spike", 30.0),),
    ),
}


def _make(name: str, injectable: bool = True) -> Any:
    """Return PyNN's class of that name with rows in place of another program's names."""
    base = getattr(cells, name)
    same = build_translations(*((p, p) for p in base.default_parameters))
    own = {"__doc__": base.__doc__, "translations": same, "table": _TABLES.get(name), "injectable": injectable}
    return type(name, (base,), own)


IF_curr_exp, IF_curr_alpha, IF_curr_delta = _make("IF_curr_exp"), _make("IF_curr_alpha"), _make("IF_curr_delta")
IF_cond_exp, IF_cond_alpha = _make("IF_cond_exp"), _make("IF_cond_alpha")
EIF_cond_exp_isfa_ista, EIF_cond_alpha_isfa_ista = _make("EIF_cond_exp_isfa_ista"), _make("EIF_cond_alpha_isfa_ista")
IF_cond_exp_gsfa_grr, IF_facets_hardware1 = _make("IF_cond_exp_gsfa_grr"), _make("IF_facets_hardware1")
HH_cond_exp, Izhikevich = _make("HH_cond_exp"), _make("Izhikevich")
SpikeSourcePoisson, SpikeSourceArray = _make("SpikeSourcePoisson", False), _make("SpikeSourceArray", False)
SpikeSourcePoissonRefractory = _make("SpikeSourcePoissonRefractory", False)
SpikeSourceGamma = _make("SpikeSourceGamma", False)
_SOURCES: Final = (SpikeSourcePoisson, SpikeSourceArray, SpikeSourcePoissonRefractory, SpikeSourceGamma)

CELLS: Final = {c.__name__: c for c in (*(globals()[n] for n in _TABLES), *_SOURCES)}


def table_of(celltype: Any) -> Table:
    """Return the rows of a cell type.

    Raises
    ------
    InputError
        If it has none.
    """
    table = getattr(celltype, "table", None)
    if not isinstance(table, Table):
        raise InputError(f"{type(celltype).__name__} does not run on rheobase; these do: {', '.join(CELLS)}")
    return table
