"""One layer, forward and backward, in one process.  usage: layer.py VARIANT CONFIG [THREADS]

Warms up and prints a line of JSON; then measures once and prints another for each line of its standard input.

The same equation everywhere it can be said: v <- 0.9 v + x, a spike at v >= 1, v <- v - 1; slope of a spike by arctan.
"""

import json
import os
import sys
import time

VARIANT, CONFIG = sys.argv[1:3]
THREADS = int(sys.argv[3]) if len(sys.argv) > 3 else 2
T, B, N, KIND = {
    "A": (500, 16, 4096, "layer"),
    "B": (500, 16, 512, "layer"),
    "C": (100, 128, 512, "layer"),
    "D": (100, 128, 512, "linear"),
    "E": (100, 128, 512, "recurrent"),
}[CONFIG]
BETA = 0.9
SOME = 10  # steps of the first call
SLICE, SLOW = 0.6, 3.0  # seconds of one measurement; a call that takes longer is warmed up once only


def memory(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key))


def warm_up(run):
    """Call until what is compiled is compiled: the last two calls took about as long; return the first's time."""
    times = []
    while len(times) < 2 or (len(times) < 12 and times[-1] < 0.8 * times[-2]):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
        if times[-1] > SLOW and len(times) == 1 and VARIANT not in ("compiled", "snntorch", "spyx"):
            break
    return times[0]


def report(run, small):
    """Answer each line of standard input by the times (ms) of a few calls and the peak of memory (MB) above `small`.

    `small` is called before, on the first steps only: what importing and compiling take is not counted.
    """
    small()
    base = memory("VmRSS")
    first = warm_up(run)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # forget the peak so far
    except OSError:
        pass
    print(json.dumps({"first": first}), flush=True)
    for _ in sys.stdin:
        times, cpu, begin = [], [], time.perf_counter()
        while not times or (time.perf_counter() - begin < SLICE and len(times) < 50):
            start, busy = time.perf_counter(), time.process_time()
            run()
            times.append(1e3 * (time.perf_counter() - start))
            cpu.append(1e3 * (time.process_time() - busy))
        print(json.dumps({"ms": times, "cpu": cpu, "MB": memory("VmHWM") - base}), flush=True)


def spyx():
    if hasattr(os, "sched_setaffinity"):  # JAX takes a thread for each core that it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    import jax
    import jax.numpy as jnp
    import numpy as np
    import spyx.axn as axn
    import spyx.nn as snn
    from flax import nnx

    rng = np.random.default_rng(0)
    x = rng.random((T, B, N), dtype=np.float32) * 0.3 if KIND == "layer" else (rng.random((T, B, N)) < 0.1)
    x = jnp.asarray(x, dtype=jnp.float32)
    g = jnp.asarray(rng.standard_normal((T, B, N)), dtype=jnp.float32)
    w = jnp.asarray(rng.standard_normal((N, N)) * 0.06 + 0.002, dtype=jnp.float32)
    kind = snn.RLIF if KIND == "recurrent" else snn.LIF
    split, rest = nnx.split(kind((N,), beta=BETA, threshold=1.0, activation=axn.arctan(), rngs=nnx.Rngs(0)))

    def layer(x, rest):
        cell = nnx.merge(split, rest)
        return jax.lax.scan(lambda v, xt: cell(xt, v)[::-1], cell.initial_state(B), x)[1]

    def loss(x, w, rest):
        return (layer(x if KIND == "layer" else x @ w.T, rest) * g[: len(x)]).sum()

    wanted = {"layer": (0,), "linear": (1,), "recurrent": (1, 2)}[KIND]
    step = jax.jit(jax.grad(loss, argnums=wanted))
    report(*(lambda x=x: jax.block_until_ready(step(x, w, rest)) for x in (x, x[:SOME])))


if VARIANT == "spyx":
    spyx()
    sys.exit()

import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(THREADS)
torch.manual_seed(0)
x = torch.rand(T, B, N) * 0.3 if KIND == "layer" else (torch.rand(T, B, N) < 0.1).float()
g = torch.randn(T, B, N)
linear, back = nn.Linear(N, N, bias=False), nn.Linear(N, N, bias=False)
with torch.no_grad():
    linear.weight.copy_(torch.randn(N, N) * 0.06 + 0.002)
    back.weight.copy_(torch.randn(N, N) * 0.03)
x.requires_grad_(KIND == "layer")


def floor():
    """Three passes over memory (A, B, C); the matrix products alone (D, E)."""
    w, v = linear.weight.detach(), back.weight.detach()
    if KIND == "layer":
        with torch.no_grad():
            y, z = torch.zeros_like(x), torch.zeros_like(x)

        def run():
            with torch.no_grad():
                torch.mul(x, 0.5, out=y)
                torch.mul(y, 0.5, out=z)
                torch.mul(g, 0.5, out=y)
    else:

        def run():
            flat, turned = x.reshape(T * B, N), g.reshape(T * B, N)
            made = [flat @ w.T]
            if KIND == "recurrent":
                for t in range(T):
                    torch.mm(g[t], v.T)
                for t in range(T):
                    torch.mm(g[t], v)
                made.append(turned.T @ turned)
            made.append(turned.T @ flat)

    report(run, run)


class ATan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx, grad):
        (u,) = ctx.saved_tensors
        return grad / (1 + (torch.pi * u) ** 2)


def step(v, s, xt):
    if KIND == "recurrent":
        xt = xt + back(s)
    v = BETA * v + xt
    s = ATan.apply(v - 1.0)
    return v - s, s


def start():
    return torch.zeros(B, N), torch.zeros(B, N)


def plain(x):
    (v, s), out = start(), []
    for xt in x.unbind(0):
        v, s = step(v, s, xt)
        out.append(s)
    return torch.stack(out)


def make():
    """Return the layer, and where its own linear map replaces ours, that one."""
    if VARIANT == "rheobase":
        import rheobase as rb
        from rheobase import learn

        cell = rb.Neuron(
            evolve="tau dv/dt = -v",
            receive="v <- v + w_i",
            threshold="v >= 1",
            reset="v <- v - 1",
            tau=-1.0 / torch.log(torch.tensor(BETA, dtype=torch.float64)).item(),
        )
        more = {"recurrent": back, "size": N} if KIND == "recurrent" else {}
        return learn.Layer(cell, dt=1.0, gradient=learn.arctan(2), **more)
    if VARIANT == "plain":
        return plain
    if VARIANT == "compiled":  # ten steps at a time

        def chunk(v, s, xs):
            out = []
            for t in range(10):
                v, s = step(v, s, xs[t])
                out.append(s)
            return v, s, torch.stack(out)

        fast = torch.compile(chunk)

        def layer(x):
            (v, s), out = start(), []
            for xs in x.split(10):
                v, s, z = fast(v, s, xs)
                out.append(z)
            return torch.cat(out)

        return layer
    if VARIANT == "snntorch":
        import snntorch

        if KIND == "recurrent":
            cell = snntorch.RLeaky(beta=BETA, linear_features=N, threshold=1.0)
            cell.recurrent = back

            def layer(x):
                s, m, out = torch.zeros(B, N), torch.zeros(B, N), []
                for xt in x.unbind(0):
                    s, m = cell(xt, s, m)
                    out.append(s)
                return torch.stack(out)

            return layer
        cell = torch.compile(snntorch.Leaky(beta=BETA, threshold=1.0))

        def layer(x):
            m, out = torch.zeros(B, N), []
            for xt in x.unbind(0):
                s, m = cell(xt, m)
                out.append(s)
            return torch.stack(out)

        return layer
    if VARIANT == "spikingjelly":
        from spikingjelly.activation_based import functional, neuron, surrogate
        from spikingjelly.activation_based import layer as layers

        cell = neuron.LIFNode(
            tau=10.0, decay_input=False, v_reset=None, surrogate_function=surrogate.ATan(), step_mode="m"
        )
        if KIND == "recurrent":
            cell.step_mode = "s"
            cell = layers.LinearRecurrentContainer(cell, in_features=N, out_features=N, bias=False, step_mode="m")

        def layer(x):
            functional.reset_net(cell)
            return cell(x)

        return layer
    if VARIANT == "norse":
        import norse.torch as norse

        p = norse.LIFParameters(tau_mem_inv=torch.tensor(100.0), tau_syn_inv=torch.tensor(1000.0))
        if KIND == "recurrent":
            cell = norse.LIFRecurrent(N, N, p=p)
        else:
            cell = norse.LIF(p=p)
        return lambda x: cell(x)[0]
    if VARIANT == "sinabs":
        import sinabs.layers as layers
        from sinabs.activation import SingleSpike

        more = {
            "tau_mem": -1 / torch.log(torch.tensor(BETA)),
            "spike_threshold": torch.tensor(1.0),
            "spike_fn": SingleSpike,
            "norm_input": False,
        }
        cell = layers.LIFRecurrent(rec_connect=back, **more) if KIND == "recurrent" else layers.LIF(**more)
        cell.tau_mem.requires_grad_(False)

        def layer(x):
            cell.reset_states()
            return cell(x.transpose(0, 1)).transpose(0, 1)

        return layer
    raise SystemExit(f"unknown variant {VARIANT}")


if VARIANT == "floor":
    floor()
    sys.exit()
layer = make()


def run(x=x, g=g):
    x.grad = None
    linear.zero_grad(set_to_none=True)
    back.zero_grad(set_to_none=True)
    layer(x if KIND == "layer" else linear(x)).backward(g)


report(run, lambda: run(x[:SOME].detach().requires_grad_(KIND == "layer"), g[:SOME]))
