"""learn.Layer: what it gives, what it refuses, and that nothing is kept inside."""

from __future__ import annotations

import contextvars
import copy
import pickle
import re
import subprocess
import sys
import time
import warnings
import weakref

import numpy as np
import pytest
import torch

import rheobase as rb
from rheobase import learn
from rheobase.emit.layer_modules import step_module

LIF = rb.Neuron(
    evolve="tau dv/dt = -v",
    receive="v <- v + w_i",
    threshold="v > theta",
    reset="v <- v - theta",
    tau="10 ms",
    theta=1.0,
)


def make(**more):
    return learn.Layer(LIF, dt="1 ms", **{"backend": "torch", **more})


def test_spikes_of_a_constant_input_by_hand():
    x = torch.full((6, 1, 1), 0.45, dtype=torch.float64)
    v, spikes = 0.0, []
    for _ in range(6):
        v = v * np.exp(-0.1) + 0.45
        spikes.append(float(v > 1))
        v -= spikes[-1]
    z, state = make()(x, return_state=True)
    assert z.flatten().tolist() == spikes
    assert state.v.item() == pytest.approx(v, rel=1e-14)
    assert state.step == 6


def test_a_sequence_in_pieces_and_step_by_step_gives_the_same():
    layer = make(size=4, recurrent=True)
    x = torch.rand(9, 2, 4)
    whole, end = layer(x, return_state=True)
    first, state = layer(x[:5], return_state=True)
    second, state = layer(x[5:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(state.v, end.v)
    state = layer.start(batch=2)
    steps = []
    for xt in x:
        z, state = layer.step(xt, state)
        steps.append(z)
    assert torch.equal(torch.stack(steps), whole)
    assert torch.equal(layer(x), whole)  # nothing was kept


def test_batch_first_is_the_same_turned():
    x = torch.rand(7, 2, 3)
    a, b = make(), make(batch_first=True)
    assert torch.equal(a(x).transpose(0, 1), b(x.transpose(0, 1)))


def test_readouts():
    x = torch.rand(20, 2, 3, dtype=torch.float64)
    z, v = (make().record(x)[name] for name in ("z", "v"))
    assert torch.equal(make(read="count")(x), z.sum(0))
    assert torch.allclose(make(read="rate")(x), z.sum(0) * 50.0)
    assert torch.equal(make(read="v")(x), v)
    assert torch.equal(make(read="last v")(x), v[-1])
    assert torch.equal(make(read="max v")(x), v.amax(0))
    assert torch.allclose(make(read="mean v")(x), v.mean(0))
    when = make(read="first spike")(x)
    first = torch.where(z.sum(0) > 0, z.argmax(0) + 1, 21).double()
    assert torch.equal(when, first)


def test_first_spike_has_a_gradient_towards_earlier_spikes():
    x = torch.full((10, 1, 1), 0.3, dtype=torch.float64, requires_grad=True)
    make(read="first spike")(x).sum().backward()
    assert (x.grad[:3] < 0).all()


def test_a_readout_neuron_needs_no_threshold():
    out = LIF.replace(threshold=None, reset=None, theta=None)
    assert learn.Layer(out, dt=1, read="last v", backend="torch")(torch.ones(4, 1, 2)).shape == (1, 2)
    with pytest.raises(rb.InputError, match="never fires"):
        learn.Layer(out, dt=1)


def test_trainable_parameters_stay_in_their_range_and_are_seen():
    layer = make(train=("tau", "theta"), size=3, per_neuron=True)
    assert layer.tau.shape == (3,)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1e3)
    layer(torch.rand(10, 2, 3)).sum().backward()
    optimiser.step()
    assert (layer.tau > 0).all()
    again = make(train=("tau", "theta"), size=3, per_neuron=True)
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.tau, layer.tau)
    trained = layer.neuron()
    assert trained.parameters["tau"].value == pytest.approx(layer.tau.detach().numpy())
    assert str(trained.parameters["tau"].dimension) == "ms"


def test_euler_keeps_a_time_constant_above_the_step():
    layer = make(train="tau", method="euler")
    with torch.no_grad():
        next(layer.parameters()).fill_(-50.0)
    assert layer.tau.item() >= 1.0
    with pytest.raises(rb.InputError, match="above the step dt = 20 ms"):
        learn.Layer(LIF, dt="20 ms", method="euler")
    with pytest.warns(UserWarning, match="forgets all within one step"):
        learn.Layer(LIF, dt="20 ms")


def test_trainable_initial_state():
    leaky = LIF.replace(threshold=None, reset=None, theta=None)
    layer = learn.Layer(leaky, dt=1, read="v", train="v", size=2, backend="torch")
    layer.record(torch.zeros(3, 1, 2), ["v"])["v"].sum().backward()
    (p,) = layer.parameters()
    assert p.grad.item() == pytest.approx(2 * sum(np.exp(-0.1 * k) for k in (1, 2, 3)))


def test_gradient_through_the_reset_can_be_left_out():
    grads = []
    for detach in (False, True):
        x = torch.full((12, 1, 1), 0.4, dtype=torch.float64, requires_grad=True)
        make(detach_reset=detach, gradient=learn.triangle())(x).sum().backward()
        grads.append(x.grad)
    assert not torch.allclose(*grads)


def test_half_precision_in_states_in_single():
    z, state = make()(torch.full((5, 1, 2), 0.6, dtype=torch.bfloat16), return_state=True)
    assert z.dtype == torch.bfloat16
    assert state.v.dtype == torch.float32
    x = torch.full((5, 1, 1), 6e4, dtype=torch.float16, requires_grad=True)
    make(gradient=learn.fast_sigmoid(100))(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_autocast():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), make())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = net(torch.rand(6, 2, 4))
    z.float().sum().backward()
    assert net[0].weight.grad.dtype == torch.float32


def test_checkpointing_in_time_gives_the_same_gradients():
    from torch.utils.checkpoint import checkpoint

    grads = []
    for again in (False, True):
        layer, x = make(), (torch.linspace(0, 1, 24).reshape(12, 1, 2)).requires_grad_()
        state, total = layer.start(1, 2), 0.0
        for part in x.split(4):
            z, state = checkpoint(layer, part, state, use_reentrant=False) if again else layer(part, state)
            total = total + z.sum()
        total.backward()
        grads.append(x.grad)
    assert torch.equal(*grads)


class Mark:
    """Something that can be watched until nobody holds it."""


def test_distributed_data_parallel(tmp_path):
    from torch import distributed

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        net = torch.nn.parallel.DistributedDataParallel(
            torch.nn.Sequential(torch.nn.Linear(4, 3), make(train="tau", size=3))
        )
        kept = contextvars.ContextVar("kept")
        mark = Mark()
        token = kept.set(mark)
        net(torch.rand(5, 2, 4)).sum().backward()
        kept.reset(token)
        assert all(p.grad is not None for p in net.parameters())
        # torch's own race, about once in 40 times: gloo's thread lets go of what it was given, a copy of the context
        # of backward(), a little after backward() is done, and needs the interpreter's lock for it, while the end of
        # the group waits for that thread with the lock held; so the end has to wait here
        held, mark, until = weakref.ref(mark), None, time.monotonic() + 60
        while held() is not None and time.monotonic() < until:
            time.sleep(0.001)
        assert held() is None
    finally:
        distributed.destroy_process_group()


def test_copies_and_pickles():
    layer = make(train="tau", gradient=learn.arctan())
    x = torch.rand(8, 1, 2)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), layer(x))
    _, state = layer(x, return_state=True)
    assert torch.equal(pickle.loads(pickle.dumps(state.detach())).v, state.v)


def test_a_dict_feeds_several_places():
    layer = learn.Layer(rb.COBA(), dt="0.5 ms", backend="torch")
    x = torch.rand(10, 1, 2) * 0.02
    assert layer({"exc": x, "inh": x / 2}).shape == x.shape
    with pytest.raises(rb.InputError, match="Say which"):
        layer(x)


def test_a_stale_graph_says_detach():
    layer = make(train="tau")
    z, state = layer(torch.rand(5, 1, 2), return_state=True)
    z.sum().backward()
    z, _ = layer(torch.rand(5, 1, 2), state)
    with pytest.raises(rb.StaleGraph, match=r"state\.detach\(\)"):
        z.sum().backward()
    z, _ = layer(torch.rand(5, 1, 2), state.detach())
    z.sum().backward()


def test_states_of_others_are_refused():
    layer, x = make(), torch.rand(5, 2, 3)
    with pytest.raises(rb.InputError, match="batch of 4"):
        layer(x, layer.start(4, 3))
    with pytest.raises(rb.InputError, match="batch_first=True"):
        layer(x, layer.start(5, 3))
    other = learn.Layer(rb.ALIF(), dt=1, backend="torch").start(2, 3)
    with pytest.raises(rb.InputError, match="another layer"):
        layer(x, other)
    with pytest.raises(rb.InputError, match=r"layer\.start"):
        layer.step(x[0], None)
    with pytest.raises(rb.InputError, match="batch = None must be a whole number of samples"):
        layer.start(None, 3)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.rand(5, 3), "unsqueeze"),
        (torch.ones(5, 2, 3, dtype=torch.int64), "x.float()"),
        (torch.rand(0, 2, 3), "empty"),
        (torch.tensor([[[0.1]], [[float("nan")]], [[0.1]]]), "NaN or infinite at time 1, batch 0"),
        (np.zeros((5, 2, 3)), "a tensor"),
        ({"spike": torch.rand(5, 2, 3)}, "Did you mean 'spikes'"),
    ],
)
def test_input_that_cannot_be_meant(x, said):
    with pytest.raises(rb.InputError, match=re.escape(said)):
        make()(x)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"train": "tua"}, "Did you mean 'tau'"),
        ({"train": "tau", "per_neuron": True}, "size=128"),
        ({"gradient": learn.arctan}, "with brackets"),
        ({"gradient": "fastsigmoid"}, "Did you mean 'fast_sigmoid'? Call one, gradient=learn.fast_sigmoid(25)"),
        ({"gradient": "arctan"}, "Call one, gradient=learn.arctan()"),
        ({"store": "bit"}, "Did you mean 'bits'"),
        ({"train": 3}, "train = 3 must be names"),
        ({"size": "33"}, "a number of neurons or a tuple of them"),
        ({"scale": "a"}, "scale = 'a' must be a number"),
        ({"read": "first spikes"}, "Did you mean 'first spike'"),
        ({"recurrent": True}, "size=128"),
        ({"recurrent": torch.ones(2, 3), "size": 3}, "[3, 3] is wanted"),
        ({"to": "spike"}, "Did you mean 'spikes'"),
        ({"backend": "cuda"}, "Choose of"),
        ({"size": 0}, "at least 1"),
        ({"scale": -1}, "positive"),
        ({"method": "exakt"}, "Did you mean 'exact'"),
    ],
)
def test_arguments_that_cannot_be_meant(more, said):
    with pytest.raises(rb.InputError, match=re.escape(said)):
        make(**more)


def test_wrong_number_of_neurons():
    with pytest.raises(rb.InputError, match=r"\[4\] neurons, but the layer has \[3\]"):
        make(size=3)(torch.rand(5, 2, 4))


def test_a_refractory_time_cannot_be_trained_and_is_counted_in_steps():
    cell = LIF.replace(refractory="3 ms")
    with pytest.raises(rb.InputError, match="no gradient"):
        learn.Layer(cell, dt=1, train="t_ref")
    z = learn.Layer(cell, dt=1, backend="torch")(torch.full((12, 1, 1), 2.0))
    assert z.flatten().nonzero().flatten().tolist() == [0, 4, 8]


def test_surrogates_of_scale():
    """A membrane in mV trains like one without units: the slope sees distances from rest to threshold."""
    grads = []
    for cell, w in ((LIF.replace(reset="v <- v_r", v_r=0.0), 1.0), (rb.LIF(tau=10, refractory=None), 20.0)):
        x = torch.full((10, 1, 1), 0.4, dtype=torch.float64, requires_grad=True)
        learn.Layer(cell, dt=1, backend="torch")(x * w).sum().backward()
        grads.append(x.grad)
    assert torch.allclose(*grads)


def test_without_torch_the_error_says_how_to_install_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'torch' else find(n, *a)\n"
        "from rheobase import learn; print(learn.arctan(2))\n"
        "try: learn.Layer\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "arctan(alpha=2)" in out
    assert "pip install rheobase[torch]" in out


def test_torch_compile_breaks_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler
        net = torch.nn.Sequential(torch.nn.Linear(4, 3), make())
        x = torch.rand(6, 2, 4)
        assert torch.equal(torch.compile(net, backend="eager")(x), net(x))


@pytest.mark.parametrize("train", ["tau", "theta"])
def test_what_a_step_takes_is_where_the_parameters_are(train):
    """As on a GPU; the device "meta" has shapes and no numbers, and refuses what is elsewhere."""
    cell = rb.Neuron(
        evolve="tau dv/dt = -v + s\ntau_s ds/dt = -s", receive="s <- s + w_i", threshold="v > theta", reset="v <- 0",
        tau=[10.0, 20.0], tau_s=5.0, theta=1.0,
    )  # fmt: skip
    layer = learn.Layer(cell, dt=1, size=2, train=train, per_neuron=True, backend="torch")
    module = step_module(cell, ("spikes",), layer.method)
    values = layer.values.to("meta") if train == "tau" else layer.values
    told = values.constants(module, ("spikes",))
    where = "meta" if train == "tau" else "cpu"
    assert {x.device.type for x in told.values() if isinstance(x, torch.Tensor) and x.dim()} == {where}


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_time_constants_of_each_neuron(backend):
    x = torch.rand(40, 2, 1, generator=torch.Generator().manual_seed(1)).expand(40, 2, 2)
    both = learn.Layer(LIF.replace(tau=[5.0, 20.0]), dt=1, size=2, backend=backend)(x)
    each = [learn.Layer(LIF.replace(tau=tau), dt=1, backend=backend)(x[..., :1]) for tau in (5.0, 20.0)]
    assert torch.equal(both, torch.cat(each, -1))
    assert not torch.equal(*each)


def test_an_input_may_have_the_name_of_a_random_number():
    """A neuron with a hazard draws numbers that are called u inside."""
    cell = rb.Neuron("tau dv/dt = -v + u", hazard="rho*exp(v)", reset="v <- 0", tau=10.0, rho=0.1)
    x = torch.rand(20, 3, 4, generator=torch.Generator().manual_seed(0))
    found = []
    for backend in ("numba", "torch"):
        torch.manual_seed(1)
        found.append(learn.Layer(cell, dt="1 ms", backend=backend)(x))
    assert torch.equal(*found)
    assert 0 < found[0].sum() < found[0].numel()
