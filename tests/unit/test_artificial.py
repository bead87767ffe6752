import json

import numpy as np
import pytest

from rheobase.errors import InputError
from rheobase.model.artificial import ACTIVATIONS, ArtificialNeuron


def test_batch_is_the_single_calls():
    rng = np.random.default_rng(0)
    W, b, x = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(7, 3))
    for f in ACTIVATIONS:
        layer = ArtificialNeuron(W, b, f)
        assert layer(x).shape == (7, 4)
        assert layer(x) == pytest.approx(np.array([layer(row) for row in x]), rel=1e-13)


def test_one_neuron_has_no_axis():
    cell = ArtificialNeuron([1.0, -2.0], 0.5, "linear")
    assert cell([1.0, 1.0]) == -0.5
    assert cell(np.ones((3, 2))).shape == (3,)
    assert (cell.n_in, cell.n_out) == (2, 1)


def test_activations_are_what_they_are_called():
    z = np.array([-2.0, 0.0, 3.0])
    cell = {f: ArtificialNeuron(np.eye(3), 0.0, f)(z) for f in ACTIVATIONS}
    assert cell["relu"].tolist() == [0, 0, 3]
    assert cell["step"].tolist() == [0, 0, 1]
    assert cell["linear"].tolist() == z.tolist()
    assert cell["sigmoid"] == pytest.approx(1 / (1 + np.exp(-z)), rel=1e-15)
    assert cell["softplus"] == pytest.approx(np.log(1 + np.exp(z)), rel=1e-14)
    assert cell["tanh"] == pytest.approx(np.tanh(z))


def test_far_out_nothing_overflows_and_no_digits_are_lost():
    z = np.array([-1000.0, -700.0, -40.0, 40.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        y = ArtificialNeuron(np.eye(5), 0.0, "sigmoid")(z)
        s = ArtificialNeuron(np.eye(5), 0.0, "softplus")(z)
    assert y == pytest.approx([0.0, np.exp(-700.0), np.exp(-40.0), 1.0, 1.0], rel=1e-13, abs=0)
    assert s == pytest.approx([0.0, np.exp(-700.0), np.exp(-40.0), 40.0, 1000.0], rel=1e-13, abs=0)


def test_round_trip_through_json():
    layer = ArtificialNeuron([[0.1, 0.2], [1 / 3, -4.0]], [0.5, -0.5], "softplus")
    again = ArtificialNeuron.from_dict(json.loads(json.dumps(layer.to_dict())))
    assert again == layer
    assert hash(again) == hash(layer)
    assert again != ArtificialNeuron(layer.W, layer.b, "relu")


def test_it_is_frozen_and_owns_its_weights():
    W = np.ones((2, 2))
    layer = ArtificialNeuron(W)
    W[0, 0] = 9.0
    assert layer.W[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.W[0, 0] = 2.0
    with pytest.raises(AttributeError):
        layer.f = "tanh"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, np.nan]],), r"W is nan at index \(0, 1\)"),
        (([[1.0, 2.0], [3.0]],), "W = .* is no array of numbers"),
        ((3.0,), r"W has shape \(\); give \(n_out, n_in\)"),
        (([[1.0, 2.0]], [1.0, 2.0]), r"b has shape \(2,\).*give b as one number, or \(1,\)"),
        (([1.0, 2.0], np.inf), "b is inf"),
        (([1.0, 2.0], 0.0, "Relu"), "Did you mean 'relu'"),
    ],
)
def test_mistakes_in_the_making(arguments, message):
    with pytest.raises(InputError, match=message):
        ArtificialNeuron(*arguments)


def test_mistakes_in_the_call():
    layer = ArtificialNeuron(np.ones((2, 3)))
    with pytest.raises(InputError, match=r"x has shape \(2,\); give \(3,\) or \(batch, 3\)"):
        layer([1.0, 2.0])
    with pytest.raises(InputError, match=r"transpose it: x\.T"):
        layer(np.ones((3, 5)))
    with pytest.raises(InputError, match="x is nan at index 1"):
        layer([0.0, np.nan, 1.0])
    with pytest.raises(InputError, match="'w' is no part"):
        ArtificialNeuron.from_dict({"W": [1.0], "w": [2.0]})
