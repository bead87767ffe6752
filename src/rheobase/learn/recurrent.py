"""The recurrent part of a layer in compiled loops: step by step, since each step's spikes arrive in the next.

Products with few spikes go from spike to spike (`rheobase.emit.spike_product`); with many they are BLAS's, as are those
of gradients, which are no spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from rheobase.emit.spike_product import ARRIVE, SPREAD, WIDE, WORTH, spike_products
from rheobase.learn.memory import empty
from rheobase.learn.team import Launch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rheobase.learn.plan import Plan

__all__ = ["go_back", "go_forward"]

_LOOK: Final = 8  # steps between two looks at how many neurons fire


def _few(z: Tensor) -> bool:
    return int(z.count_nonzero()) < WORTH * z.numel()


def _shape(name: str, x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


@contextmanager
def _arriving(plan: Plan, weight: Tensor, given: Tensor, total: Tensor, z: Tensor) -> Iterator[Launch]:
    """Lend what computes the input of steps k0..k1-1 from the spikes of the steps before."""
    batch, size = plan.shape[1], weight.shape[0]
    known = {
        "_size": size,
        "_across": weight.t().contiguous(),
        "_given": given,
        "_z": z,
        "_total": total,
        "_who": empty((batch, size), torch.int32),
        "_many": empty((batch,), torch.int32),
    }

    def make() -> Launch:
        return Launch(spike_products().arrive, ARRIVE, known, _shape, batch * size, size // 16, size, pieces=1)

    launch = plan.reuse("arrive", known, make)
    yield launch
    plan.release("arrive", launch)


def go_forward(plan: Plan, run: Launch, sequences: Sequence[Tensor], rest: Sequence[Tensor]) -> int:
    """Return the bits that the loop returned; `sequences`: what is given, room for the whole input, room for spikes."""
    weight, before = rest
    batch, nan, found, few = plan.shape[1], 0, 0, False
    given, total, z = (x.reshape(plan.total, batch, -1).unbind(0) for x in sequences)
    before, across = before.reshape(batch, -1), weight.t()
    with _arriving(plan, weight, *(x.reshape(plan.total, -1) for x in sequences)) as arrive:
        for k in range(plan.total):
            if k % _LOOK == 1:
                few = _few(before)
            if few and k:
                arrive(k, k + 1)
            else:
                torch.addmm(given[k], before, across, out=total[k])
            found = run(k, k + 1)
            nan |= found & 1
            before = z[k]
    return found | nan


def go_back(
    plan: Plan,
    arrays: dict[str, Any],
    g_arriving: Tensor,
    rest: Sequence[Tensor],
    z: Tensor,
    dz: Tensor | None,
    d_last: Tensor | None,
) -> list[Tensor | None]:
    """Go back step by step; a spike's gradient comes from outside and from the step after, through the weights."""
    weight, before = rest
    batch, total = plan.shape[1], plan.total
    whole, z_whole = (x.reshape(total, batch, -1) for x in (g_arriving, z))
    rows = whole.unbind(0)
    given = None if dz is None else dz.reshape(total, batch, -1).to(weight.dtype).unbind(0)
    sent = torch.zeros_like(rows[0])
    arrays["_all_dz"], arrays["_dz_row"] = sent, 0
    run = plan.launch("backward", arrays)
    for k in range(total - 1, -1, -1):
        if k == total - 1:
            if d_last is not None:
                sent.copy_(d_last.reshape(batch, -1))
            if given is not None:
                sent += given[k]
        elif given is None:
            torch.mm(rows[k + 1], weight, out=sent)
        else:
            torch.addmm(given[k], rows[k + 1], weight, out=sent)
        run(k, k + 1)
    plan.release("backward", run)
    g_weight = rows[0].t() @ before.reshape(batch, -1)
    if total > 1:
        g_weight += _of_weights(plan, whole, z_whole)
    return [g_weight, (rows[0] @ weight).reshape(before.shape)]


def _of_weights(plan: Plan, g: Tensor, z: Tensor) -> Tensor:
    """Return the gradient of the weights: the sum of g[k]' z[k-1]."""
    total, batch, size = z.shape
    if not _few(z[:-1:_LOOK]):
        return g[1:].reshape(-1, size).t() @ z[:-1].reshape(-1, size)
    columns = -(-size // WIDE) * WIDE
    known: dict[str, Any] = {
        "_size": size,
        "_batch": batch,
        "_share": columns,
        "_g": g.reshape(total, -1),
        "_z": z.reshape(total, -1),
        "_out": torch.zeros((size, columns), dtype=g.dtype),
    }
    known |= _memory(torch.get_num_threads(), batch, size, g.dtype)

    def make() -> Launch:
        return Launch(spike_products().spread, SPREAD, known, _shape, columns, batch * total, WIDE, pieces=1)

    launch = plan.reuse("spread", known, make)
    known["_share"] = launch.piece
    launch.place(known)
    launch(1, total)
    plan.release("spread", launch)
    return known["_out"][:, :size].t()


def _memory(threads: int, batch: int, size: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return what each thread works with in `rheobase.emit.spike_product.spread`."""
    return {
        "_row": empty((threads, size), torch.int32),
        "_who": empty((threads, size, batch), torch.int32),
        "_many": empty((threads, size), torch.int32),
        "_tile": empty((threads, batch, WIDE), dtype),
    }
