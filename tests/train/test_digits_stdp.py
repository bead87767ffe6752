"""Digits learned by STDP: the accuracy that the example states, for three seeds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("sklearn")
EXAMPLE = Path(__file__).parents[2] / "examples" / "09_digits_stdp.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_stdp", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.train
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_of_five_digits_are_told_right(example: ModuleType, seed: int) -> None:
    """Held-out images; chance is 0.1."""
    found = example.learn(seed)
    assert found["accuracy"] > 0.80
    assert np.all(np.bincount(found["said"], minlength=10) > 20)
    assert np.allclose(found["weights"].sum(axis=0), example.LEARNED["total"], rtol=1e-9)
