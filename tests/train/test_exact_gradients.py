"""Networks trained by exact gradients of spike times reach their stated accuracy."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")


def load_example():
    path = Path(__file__).parents[2] / "examples" / "11_exact_gradients.py"
    spec = importlib.util.spec_from_file_location("example_11", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.train
def test_digits_in_a_latency_code():
    pytest.importorskip("sklearn")
    example = load_example()
    assert np.mean([example.train_digits(seed) for seed in range(3)]) >= 0.95


@pytest.mark.train
def test_an_order_of_spikes_is_learnt_by_delays_alone():
    layer, start, accuracy = load_example().learn_order()
    assert accuracy > 0.99
    assert np.abs(layer.delay.detach().numpy() - start).max() > 2.0
