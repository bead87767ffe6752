"""Products of spikes and weights that go from spike to spike, compiled.

A product by BLAS costs the same for no spike as for all; here each spike adds one row. With a seventh of the neurons
firing that takes two fifths (forward) and a third (gradient of the weights) of the time.

Rows of time hold the neurons of all samples, one sample after another: ``z[k, b*size + i]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from rheobase.emit.to_numba import compiled_module

__all__ = ["ARRIVE", "SPREAD", "WIDE", "WORTH", "spike_products"]

#: Numbers of a row that are summed at once: as many as fit into the registers.
WIDE: Final = 64
_NARROW: Final = 16
#: Part of the neurons that fires from which on BLAS is faster.
WORTH: Final = 0.3

_FIRST: Final = ("_lo", "_hi", "_k0", "_k1")
#: Arguments of `arrive` and of `spread`.
ARRIVE: Final = (*_FIRST, "_size", "_across", "_given", "_z", "_total", "_who", "_many")
SPREAD: Final = (*_FIRST, "_size", "_batch", "_share", "_g", "_z", "_out", "_row", "_who", "_many", "_tile")


def _adder(width: int) -> Callable[..., None]:
    """Return what adds the sum of listed rows to `width` numbers of a row; compiled code does so in registers."""

    def add(out, r, i, rows, k, listed, l, count):  # type: ignore[no-untyped-def]
        for q in range(count):
            for n in range(width):
                out[r, i + n] += rows[listed[l, q], k + n]

    return add


_add_wide, _add_narrow = _adder(WIDE), _adder(_NARROW)


def _list_firing(z, k, begin, size, listed, l):  # type: ignore[no-untyped-def]
    """Write down which of `size` neurons from `begin` on fired at step k; return how many."""
    fired, many = z[k, begin : begin + size], 0
    for j in range(size):
        listed[l, many] = j
        many += 1 if fired[j] != 0 else 0
    return many


def arrive(_lo, _hi, _k0, _k1, _size, _across, _given, _z, _total, _who, _many):  # type: ignore[no-untyped-def]
    """``total[k] = given[k] + z[k-1] @ across`` for the samples that neurons _lo.._hi-1 are the whole of.

    `_who` and `_many` are memory for the neurons of each sample that fire, and how many they are.
    """
    wide, narrow = _size - _size % WIDE, _size - _size % _NARROW
    first, last = _lo // _size, _hi // _size
    for k in range(_k0, _k1):
        for b in range(first, last):
            _many[b] = _list_firing(_z, k - 1, b * _size, _size, _who, b)
        for i in range(_lo, _hi):
            _total[k, i] = _given[k, i]
        for at in range(0, wide, WIDE):
            for b in range(first, last):
                _add_wide(_total, k, b * _size + at, _across, at, _who, b, _many[b])
        for at in range(wide, narrow, _NARROW):
            for b in range(first, last):
                _add_narrow(_total, k, b * _size + at, _across, at, _who, b, _many[b])
        for b in range(first, last):
            for q in range(_many[b]):
                j = _who[b, q]
                for i in range(narrow, _size):
                    _total[k, b * _size + i] += _across[j, i]
    return 0


def spread(_lo, _hi, _k0, _k1, _size, _batch, _share, _g, _z, _out, _row, _who, _many, _tile):  # type: ignore[no-untyped-def]
    """``out[j, i] += sum of z[k-1, b, j]*g[k, b, i] over k and b``, for the columns _lo.._hi-1 of `out`.

    Columns come by whole shares, each with memory of its own for the samples in which a neuron fires, and for a part of
    `g` that stays in the cache. `out` has as many columns as `WIDE` divides; those beyond `_size` mean nothing.
    """
    me = _lo // _share
    for k in range(_k0, _k1):
        for j in range(_size):
            _many[me, j] = 0
        for b in range(_batch):
            for q in range(_list_firing(_z, k - 1, b * _size, _size, _row, me)):
                j = _row[me, q]
                _who[me, j, _many[me, j]] = b
                _many[me, j] += 1
        for at in range(_lo, _hi, WIDE):
            there = min(WIDE, _size - at)
            for b in range(_batch):
                for i in range(there):
                    _tile[me, b, i] = _g[k, b * _size + at + i]
            for j in range(_size):
                if _many[me, j] > 0:
                    _add_wide(_out, j, at, _tile[me], 0, _who[me], j, _many[me, j])
    return 0


@lru_cache(maxsize=1)
def spike_products() -> Any:
    """Return this module with `arrive` and `spread` compiled."""

    def given() -> Mapping[str, Callable[..., Any]]:
        from rheobase.emit.intrinsics import row_adder

        return {"_add_wide": row_adder(WIDE), "_add_narrow": row_adder(_NARROW)}

    return compiled_module(Path(__file__), ("_list_firing",), ("arrive", "spread"), given)
