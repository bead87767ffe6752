"""A layer in the settings of real training: several processes, half precision, checkpoints, pieces of a sequence.

Each must give the gradient of the plain run.
"""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402
from rheobase.errors import StaleGraph  # noqa: E402

LIF = rb.Neuron(
    evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta", tau=10, theta=1.0
)
STEPS, BATCH = 20, 8
Y = torch.arange(BATCH) % 5


def make(backend="torch"):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(20, 30), learn.Layer(LIF, dt="1 ms", train=("tau",), backend=backend),
        nn.Linear(30, 5), learn.Layer(LIF, dt="1 ms", backend=backend),
    )  # fmt: skip


def spikes():
    x = torch.rand(BATCH, 20, generator=torch.Generator().manual_seed(1))
    return 3 * learn.encode.rate(x, STEPS, seed=1)


def gradients(net, x=None, y=Y):
    net.zero_grad()
    learn.losses.rate(net(spikes() if x is None else x), y).backward()
    return {k.removeprefix("_orig_mod.").removeprefix("module."): p.grad.clone() for k, p in net.named_parameters()}


def same(a, b, rtol=1e-5):
    assert a.keys() == b.keys()
    for k in b:
        assert b[k].any()
        assert float((a[k] - b[k]).abs().max()) <= rtol * float(b[k].abs().max()), k


class Lightning(nn.Module):
    """What a Lightning module is to its trainer: it never sees states, resets or time."""

    def __init__(self):
        super().__init__()
        self.net = make("auto")

    def training_step(self, batch, batch_index):
        x, y = batch
        return learn.losses.rate(self.net(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


def test_a_trainer_that_knows_nothing_of_spikes():
    model = Lightning()
    loader = [(spikes(), Y)] * 8 + [(spikes()[:, :3], Y[:3])]  # a last batch that is smaller
    optimiser = model.configure_optimizers()
    losses = []
    for k, batch in enumerate(loader * 3):
        loss = model.training_step(batch, k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-2] < 0.5 * losses[0]
    again = Lightning()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.net(spikes()), model.net(spikes()))


def test_the_backends_agree():
    same(gradients(make("numba")), gradients(make("torch")))


def test_autocast_keeps_states_in_single_precision():
    net = make("auto")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, state = net[1](net[0](spikes()), return_state=True)
        assert z.dtype == torch.bfloat16
        assert state.v.dtype == torch.float32
        loss = learn.losses.rate(net(spikes()), Y)
    loss.backward()
    half = {k: p.grad for k, p in net.named_parameters()}
    exact = gradients(make("torch"))
    for k, g in exact.items():
        assert half[k].dtype == torch.float32
        # weights of 8 bits move single spikes, so directions agree, not digits
        assert float(torch.cosine_similarity(half[k].flatten(), g.flatten(), 0)) > 0.8, k


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_checkpointing_in_time_gives_the_same_gradient(backend):
    net = make(backend)
    one, two = net[1], net[3]

    def piece(x, a, b):
        h, a = one(net[0](x), a, return_state=True)
        z, b = two(net[2](h), b, return_state=True)
        return z, a, b

    a, b, out = None, None, []
    for x in spikes().split(5):
        z, a, b = checkpoint(piece, x, a, b, use_reentrant=False)
        out.append(z)
    learn.losses.rate(torch.cat(out), Y).backward()
    same({k: p.grad for k, p in net.named_parameters()}, gradients(make("torch")))


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_truncated_backpropagation_sums_the_gradients_of_its_pieces(backend):
    net = make(backend)
    state, whole = None, torch.zeros_like(net[0].weight)
    for x in spikes().split(5):
        before = None if state is None else state.detach()
        z, state = net[1](net[0](x), before, return_state=True)
        (g,) = torch.autograd.grad(z.sum(), net[0].weight, retain_graph=True)
        whole += g
    full = net[1](net[0](spikes()))
    (g,) = torch.autograd.grad(full.sum(), net[0].weight)
    assert not torch.allclose(whole, g)  # what crosses a border is cut ...
    z, state = None, None
    for x in spikes().split(5):
        y, state = net[1](net[0](x), state, return_state=True)
        z = y.sum() if z is None else z + y.sum()
    (uncut,) = torch.autograd.grad(z, net[0].weight)
    assert torch.allclose(uncut, g, rtol=1e-4, atol=1e-6)  # ... and only that


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_state_whose_graph_is_gone_is_an_error_that_says_so(backend):
    net = make(backend)
    z, state = net[1](net[0](spikes()), return_state=True)
    z.sum().backward()
    z, _ = net[1](net[0](spikes()), state)
    with pytest.raises(StaleGraph, match=r"state = state\.detach\(\)"):
        z.sum().backward()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:torch", "ignore::DeprecationWarning", "ignore::UserWarning:torch")
def test_torch_compile_gives_the_same_gradient():
    net = make("auto")
    same(gradients(torch.compile(net, backend="aot_eager")), gradients(make("torch")))


def work(rank, meet, out):
    """One of two processes: half of the batch."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=2)
    half = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    net = nn.parallel.DistributedDataParallel(make("auto"))
    found = gradients(net, spikes()[:, half], Y[half])
    if rank == 0:
        torch.save(found, out)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
def test_two_processes_give_the_gradient_of_the_whole_batch(tmp_path):
    meet, out = str(tmp_path / "meet"), tmp_path / "gradients.pt"
    command = [sys.executable, __file__]
    both = [subprocess.Popen([*command, str(rank), meet, str(out)], stderr=subprocess.PIPE) for rank in range(2)]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
    same(torch.load(out), gradients(make("torch")))


if __name__ == "__main__":
    work(int(sys.argv[1]), *sys.argv[2:])
