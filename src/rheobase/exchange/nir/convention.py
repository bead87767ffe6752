"""How a NIR graph is put on a grid: the file gives equations, each program its own steps.

One step takes the input S_k, held over it, and gives v_{k+1}; what differs between programs is told by five switches.
With d = exp(-dt/tau):

========== ================================================= =================================================
method     LI, LIF                                           CubaLI, CubaLIF
========== ================================================= =================================================
exact      v <- d v + (1 - d)(v_leak + r S)                  the solution of both equations
euler      v <- v + dt/tau (v_leak - v + r S)                I <- I + dt/tau_syn (w_in S - I), then v with that I
expdecay   v <- d v + (1 - d) v_leak + dt/tau r S            I <- d I + dt/tau_syn w_in S, then v with that I
========== ================================================= =================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final, final

from rheobase.errors import InputError, nearest

__all__ = ["Convention", "conventions", "read_convention"]

_CHOICES: Final = {
    "method": ("exact", "euler", "expdecay"),
    "reset": ("value", "zero", "subtract", "late subtract"),
    "fires": ("above", "at"),
    "start": ("leak", "zero", "reset"),
}


@final
@dataclass(frozen=True)
class Convention:
    """The switches by which programs differ.

    Attributes
    ----------
    method : {"exact", "euler", "expdecay"}
        The table above.
    reset : {"value", "zero", "subtract", "late subtract"}
        After a spike v is set to v_reset, or to 0 whatever the file says, or v_threshold is taken off; late: only after
        the decay of the next step, as snnTorch's ``reset_delay`` does.
    fires : {"above", "at"}
        Whether ``v > v_threshold`` or ``v >= v_threshold`` fires.
    start : {"leak", "zero", "reset"}
        v at the beginning: v_leak, 0 or v_reset.
    shift : int
        Steps by which a spike is seen later than the step in which v crossed.
    """

    method: str = "exact"
    reset: str = "value"
    fires: str = "above"
    start: str = "leak"
    shift: int = 0

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} = {value!r:.60} is none of {', '.join(known)}.{nearest(str(value), known)}")
        if not isinstance(self.shift, int) or isinstance(self.shift, bool) or not 0 <= self.shift <= 1000:
            raise InputError(f"shift = {self.shift!r:.60} must be a whole number of steps from 0")


#: The programs that took part in the NIR paper's comparison (Pedersen et al. 2024), and what their steps are.
conventions: Final[Mapping[str, Convention]] = MappingProxyType(
    {
        "nir": Convention(),
        "norse": Convention("euler", "zero"),
        "snntorch": Convention("euler", "zero", start="zero"),
        "spikingjelly": Convention("euler", fires="at", start="reset"),
        "spinnaker2": Convention("euler", start="zero"),
        "lava": Convention("euler", start="zero", shift=1),
        "nengo": Convention("exact", start="zero"),
        "sinabs": Convention("expdecay", "subtract", "at", "zero"),
        "rockpool": Convention("expdecay", "subtract", start="zero"),
        "spyx": Convention("euler", "late subtract", start="zero", shift=1),
        "exact subtract": Convention("exact", "subtract"),
    }
)


def read_convention(given: str | Convention | None, switches: Mapping[str, Any]) -> Convention:
    """Return a convention by name, with single switches changed.

    Raises
    ------
    InputError
        If there is no such name or switch.
    """
    if isinstance(given, Convention):
        found = given
    else:
        name = "nir" if given is None else given
        if not isinstance(name, str) or name not in conventions:
            raise InputError(
                f"there is no convention {name!r:.60}.{nearest(str(name), conventions)} There are:"
                f" {', '.join(conventions)}"
            )
        found = conventions[name]
    known = [f.name for f in fields(Convention)]
    for switch in switches:
        if switch not in known:
            raise InputError(f"from_nir has no argument '{switch:.60}'.{nearest(switch, known)}")
    return replace(found, **{k: v for k, v in switches.items() if v is not None})
