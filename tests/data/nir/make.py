"""Writes the NIR files and spikes of this folder with Norse, snnTorch and SpikingJelly themselves.

Run with torch 2.13.0, nir 1.0.8, nirtorch 2.6, norse 1.1.0, snntorch 1.0.0 and spikingjelly 2.0.0, the last four
without their own dependencies (no single resolution satisfies all of them):

    python tests/data/nir/make.py

Each `<name>.nir` is what the program's exporter wrote (for Norse: the graph its importer was given, since its exporter
turns a time constant tau into dt*tau and puts torch tensors into the graph). Each `<name>.npz` holds `x`, the input of
each step, and `z`, the spikes that the program itself produced for it.
"""

from pathlib import Path

import nir
import numpy as np
import torch

HERE = Path(__file__).parent
T, N = 200, 12


def inputs(seed, n=6, rate=0.2):
    rng = np.random.default_rng(seed)
    return (rng.random((T, n)) < rate).astype(np.float32)


def weights(seed, n_out, n_in, scale):
    rng = np.random.default_rng(seed)
    return (rng.normal(0.3, 1.0, (n_out, n_in)) * scale).astype(np.float32)


def save(name, graph, x, z, **more):
    nir.write(HERE / f"{name}.nir", graph)
    z = np.asarray(z, dtype=np.int8)
    np.savez_compressed(HERE / f"{name}.npz", x=x, z=z, **more)
    print(name, "spikes", int(z.sum()), "of", z.size)


# ---------------------------------------------------------------- SpikingJelly
def spikingjelly():
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def run(name, net, x, dt):
        functional.reset_net(net)
        with torch.no_grad():
            z = [net(torch.from_numpy(x[k : k + 1])).numpy()[0] for k in range(T)]
        functional.reset_net(net)
        save(name, export_to_nir(net, torch.from_numpy(x[:1]), dt=dt), x, z, dt=dt)

    def linear(seed, n_out, n_in, scale):
        m = layer.Linear(n_in, n_out, bias=True)
        m.weight.data = torch.from_numpy(weights(seed, n_out, n_in, scale))
        m.bias.data = torch.from_numpy(weights(seed + 100, n_out, 1, 0.05)[:, 0])
        return m

    two = torch.nn.Sequential(
        linear(1, N, 6, 1.0),
        neuron.LIFNode(tau=10.0, decay_input=True, v_threshold=0.1, v_reset=0.0),
        linear(2, 5, N, 1.0),
        neuron.LIFNode(tau=5.0, decay_input=False, v_threshold=1.0, v_reset=0.0),
    )
    run("spikingjelly_lif", two, inputs(1), 1e-3)
    cuba = torch.nn.Sequential(linear(3, N, 6, 0.3), neuron.CUBALIFNode(0.8, 0.9, v_threshold=1.0, v_reset=0.0))
    run("spikingjelly_cuba", cuba, inputs(2), 1e-3)
    if_ = torch.nn.Sequential(linear(4, N, 6, 0.3), neuron.IFNode(v_threshold=1.0, v_reset=0.0))
    run("spikingjelly_if", if_, inputs(3), 1e-3)
    conv = torch.nn.Sequential(
        layer.Conv2d(2, 3, 3, padding=1, bias=True),
        neuron.LIFNode(tau=4.0, decay_input=True, v_threshold=0.1, v_reset=0.0),
        layer.AvgPool2d(2),
        layer.Flatten(),
        linear(5, 4, 3 * 3 * 4, 1.0),
        neuron.LIFNode(tau=4.0, decay_input=True, v_threshold=0.1, v_reset=0.0),
    )
    torch.manual_seed(0)
    conv[0].weight.data = torch.from_numpy(weights(6, 3, 2 * 3 * 3, 1.0).reshape(3, 2, 3, 3))
    conv[0].bias.data = torch.from_numpy(weights(7, 3, 1, 0.05)[:, 0])
    run("spikingjelly_conv", conv, inputs(4, 2 * 6 * 8).reshape(T, 2, 6, 8), 1e-3)


# ---------------------------------------------------------------- snnTorch
def snntorch():
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def linear(seed, n_out, n_in, scale):
        m = torch.nn.Linear(n_in, n_out, bias=True)
        m.weight.data = torch.from_numpy(weights(seed, n_out, n_in, scale))
        m.bias.data = torch.from_numpy(weights(seed + 100, n_out, 1, 0.02)[:, 0])
        return m

    def run(name, net, x):
        for m in net.modules():
            if hasattr(m, "reset_mem"):
                m.reset_mem()
        with torch.no_grad():
            z = []
            for k in range(T):
                h = torch.from_numpy(x[k : k + 1])
                for m in net:
                    h = m(h)
                    h = h[0] if isinstance(h, tuple) else h
                z.append(h.numpy()[0].copy())
        for m in net.modules():
            if hasattr(m, "reset_mem"):
                m.reset_mem()
        save(name, export_to_nir(net, torch.from_numpy(x[:1]), ignore_dims=[0]), x, z, dt=1e-4)

    def leaky(n, beta, reset="zero", delay=False):
        return snn.Leaky(
            beta=torch.full((n,), beta),
            threshold=torch.full((n,), 1.0),
            reset_mechanism=reset,
            init_hidden=True,
            reset_delay=delay,
        )

    run(
        "snntorch_leaky",
        torch.nn.Sequential(linear(11, N, 6, 0.5), leaky(N, 0.9), linear(12, 5, N, 0.5), leaky(5, 0.8)),
        inputs(11),
    )
    run("snntorch_subtract", torch.nn.Sequential(linear(13, N, 6, 0.5), leaky(N, 0.9, "subtract", True)), inputs(12))
    synaptic = snn.Synaptic(
        alpha=torch.full((N,), 0.8),
        beta=torch.full((N,), 0.9),
        threshold=torch.full((N,), 1.0),
        reset_mechanism="zero",
        init_hidden=True,
        reset_delay=False,
    )
    torch.manual_seed(1)
    recurrent = snn.RLeaky(
        beta=torch.full((N,), 0.9),
        threshold=torch.full((N,), 1.0),
        linear_features=N,
        all_to_all=True,
        reset_mechanism="zero",
        init_hidden=True,
        reset_delay=False,
    )
    recurrent.recurrent.weight.data = torch.from_numpy(weights(16, N, N, 0.2))
    recurrent.recurrent.bias.data[:] = 0.0
    run("snntorch_recurrent", torch.nn.Sequential(linear(15, N, 6, 0.5), recurrent), inputs(14))
    run("snntorch_synaptic", torch.nn.Sequential(linear(14, N, 6, 0.2), synaptic), inputs(13))


# ---------------------------------------------------------------- Norse
def norse():
    from norse.torch.utils.import_nir import from_nir

    def run(name, graph, x, dt):
        net = from_nir(graph, dt=dt)
        state, z = None, []
        with torch.no_grad():
            for k in range(T):
                out, state = net(torch.from_numpy(x[k : k + 1]), state)
                z.append(out.numpy()[0].copy())
        save(name, graph, x, z, dt=dt)

    def full(n, **values):
        return {k: np.full(n, v, dtype=np.float32) for k, v in values.items()}

    def affine(seed, n_out, n_in, scale):
        return nir.Affine(weights(seed, n_out, n_in, scale), weights(seed + 100, n_out, 1, 0.05)[:, 0])

    lif = nir.NIRGraph.from_list(
        affine(21, N, 6, 1.0),
        nir.LIF(**full(N, tau=0.01, r=1.0, v_leak=0.0, v_threshold=0.1, v_reset=0.0)),
        affine(22, 5, N, 1.0),
        nir.LIF(**full(5, tau=0.005, r=1.0, v_leak=0.02, v_threshold=0.1, v_reset=0.0)),
    )
    run("norse_lif", lif, inputs(21), 1e-3)
    cuba = nir.NIRGraph.from_list(
        affine(23, N, 6, 1.0),
        nir.CubaLIF(**full(N, tau_mem=0.01, tau_syn=0.005, r=1.0, v_leak=0.0, v_threshold=0.1, v_reset=0.0, w_in=1.0)),
    )
    run("norse_cuba", cuba, inputs(22), 1e-3)


if __name__ == "__main__":
    for make in (spikingjelly, snntorch, norse):
        try:
            make()
        except ImportError as error:
            print(error)
