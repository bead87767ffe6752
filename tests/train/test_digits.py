"""Handwritten digits by surrogate gradients, as in the example: the accuracy that the README states, three seeds."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

EXAMPLE = Path(__file__).parents[2] / "examples" / "12_digits_surrogate.py"


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("example_digits", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_digits"] = module  # where its dataclass looks for its own module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["example_digits"]


@pytest.mark.train
@pytest.mark.parametrize(("code", "least"), [("rate", 0.97), ("latency", 0.95)])
def test_digits_reach_the_stated_accuracy(digits, code, least):
    found = [digits.train(code, seed=seed).accuracy for seed in range(3)]
    assert sum(found) / 3 >= least, found


@pytest.mark.train
def test_the_trained_network_is_healthy(digits):
    net = digits.train("rate", epochs=3).net
    found = digits.look(net)
    assert not [f for f in found.findings if f.severity > 1], found
    assert found.layers[0].dead < 0.3
