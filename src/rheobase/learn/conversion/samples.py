"""Reading the data that a network is calibrated, measured or billed with: a tensor, a pair, or a loader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rheobase.errors import InputError

__all__ = ["Samples", "read_samples"]


class Samples(NamedTuple):
    """Inputs ``[n, ...]`` and, where they were given, labels ``[n]``."""

    x: Tensor
    y: Tensor | None

    def first(self, most: int) -> Samples:
        """Return at most `most` of them, spread evenly."""
        if len(self.x) <= most:
            return self
        chosen = torch.linspace(0, len(self.x) - 1, most).long()
        return Samples(self.x[chosen], None if self.y is None else self.y[chosen])


def read_samples(data: Any, what: str, most: int = 2048) -> Samples:
    """Return inputs and labels of a tensor, an array, a pair (x, y), or a loader of either.

    Of a loader no more batches are read than give `most` samples.

    Raises
    ------
    InputError
        If there is no sample, a value is not finite, or inputs and labels differ in number.
    """
    if isinstance(data, Tensor) or hasattr(data, "__array__"):
        return _check(torch.as_tensor(data), None, what)
    if (
        isinstance(data, tuple | list)
        and len(data) == 2
        and all(isinstance(d, Tensor) or hasattr(d, "__array__") for d in data)
    ):
        return _check(torch.as_tensor(data[0]), torch.as_tensor(data[1]), what)
    if not isinstance(data, Iterable) or isinstance(data, str | bytes | dict):
        raise InputError(
            f"{what} = {data!r:.60} holds no samples; give a tensor [n, ...], a pair (x, y) or a DataLoader of either"
        )
    parts = []
    count = 0
    for batch in data:
        x, y = (batch[0], batch[1]) if isinstance(batch, tuple | list) and len(batch) > 1 else (batch, None)
        x = x[0] if isinstance(x, tuple | list) and len(x) == 1 else x
        if not isinstance(x, Tensor):
            raise InputError(f"{what}: a batch holds {type(x).__name__}; a loader must give tensors x, or pairs (x, y)")
        parts.append((x, y if isinstance(y, Tensor) else None))
        count += len(x)
        if count >= most:
            break
    if not parts:
        raise InputError(f"{what} is empty; a loader that was used up must be made anew")
    labels = [y for _, y in parts if y is not None]
    return _check(
        torch.cat([x for x, _ in parts]), torch.cat(labels) if len(labels) == len(parts) else None, what
    ).first(most)


def _check(x: Tensor, y: Tensor | None, what: str) -> Samples:
    if x.dim() < 2 or len(x) == 0:
        raise InputError(
            f"{what} has shape {list(x.shape)}; one axis for the samples and one or more for each is wanted"
        )
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    if not bool(torch.isfinite(x).all()):
        at = [int(i) for i in (~torch.isfinite(x)).nonzero()[0]]
        raise InputError(f"{what} holds NaN or an infinite number at {at}; clean it first")
    if y is not None and len(y) != len(x):
        raise InputError(f"{what} has {len(x)} inputs and {len(y)} labels; give one each")
    return Samples(x, y)
