"""Rows that are equal, found by numbers: the same answer as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from rheobase.derive.propagate import find_unique


@pytest.mark.parametrize("shape", [(1, 3), (200, 1), (200, 6), (5, 0)], ids=str)
@pytest.mark.parametrize("values", [1, 2, 40])
def test_unique_rows(shape: tuple[int, int], values: int) -> None:
    rows = np.random.default_rng(1).integers(0, values, shape) * 0.1 - 0.3
    first, which = find_unique(rows)
    known, inverse = np.unique(rows, axis=0, return_inverse=True)
    assert np.array_equal(rows[first], known)
    assert np.array_equal(which, inverse.reshape(-1))
    assert np.array_equal(rows[first][which], rows)


def test_no_rows() -> None:
    assert [len(x) for x in find_unique(np.zeros((0, 3)))] == [0, 0]
