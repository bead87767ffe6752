"""Our networks, exported for Norse, SpikingJelly and snnTorch, and the spikes that those programs made of the files.

    python tests/data/nir/ours.py write FOLDER     # with rheobase and nir: the files, and our inputs
    python tests/data/nir/ours.py run FOLDER       # with the program: reads the file by its own importer and runs it

The second step leaves `ours.npz` here: for each file `<name>/x`, the input spikes, `<name>/z`, the program's spikes,
and `<name>/<node>`, the weights of the file.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
T = 200
#: program -> its step in ms; snnTorch's is fixed
STEPS = {"norse": 1.0, "spikingjelly": 1.0, "snntorch": 0.1}


def networks():
    """Return (name, program, dt, x, network) of each case."""
    import rheobase as rb

    rng = np.random.default_rng(5)
    for program, dt in STEPS.items():
        cells = {
            "lif": (rb.LIF(refractory=None, tau=f"{10 * dt} ms"), 8.0),
            "dimensionless": (rb.LIF(form="dimensionless", refractory=None, tau=f"{10 * dt} ms"), 0.4),
        }
        if program != "snntorch":  # which reads an IF node as a leaky neuron
            cells["if"] = (rb.IF(), 0.2)
        cells["exp"] = (rb.LIFexp(refractory=None, tau=f"{10 * dt} ms", tau_s=f"{5 * dt} ms"), 1.0)
        for cell, (neuron, w) in cells.items():
            x = rng.random((T, 6)) < 0.2
            net = rb.Network()
            source = net.add("source", 6, rb.spikes([np.flatnonzero(c) * dt for c in x.T]))
            a, b = net.add("a", 8, neuron), net.add("b", 5, neuron)
            net.connect(source, a, matrix=rng.normal(0.4, 1, (6, 8)) * w, delay=dt)
            net.connect(a, b, matrix=rng.normal(0.4, 1, (8, 5)) * w, delay=dt)
            yield f"{program}_{cell}", program, dt, x, net


def write(folder):
    import rheobase as rb

    for name, program, dt, x, net in networks():
        rb.to_nir(net, folder / f"{name}.nir", dt=dt, convention=program)
        np.save(folder / f"{name}.npy", x)


def run(folder):
    import nir
    import torch

    out = {}
    for file in sorted(folder.glob("*.nir")):
        program = file.stem.partition("_")[0]
        graph, x = nir.read(file), np.load(file.with_suffix(".npy")).astype(np.float32)
        if program == "norse":
            from norse.torch.utils.import_nir import from_nir

            net = from_nir(graph, dt=STEPS[program] / 1000)
        elif program == "spikingjelly":
            from spikingjelly.activation_based.nir_exchange import import_from_nir

            net = import_from_nir(graph, dt=STEPS[program] / 1000).float()
        else:
            from snntorch.import_nir import import_from_nir as read

            net = read(graph).float()
        state, z = None, []
        with torch.no_grad():
            for k in range(T):
                y, state = net(torch.from_numpy(x[k : k + 1]), state)
                z.append(y.numpy()[0])
        out[f"{file.stem}/x"], out[f"{file.stem}/z"] = x.astype(np.int8), np.array(z).astype(np.int8)
        for key, node in graph.nodes.items():
            if hasattr(node, "weight"):
                out[f"{file.stem}/{key}"] = node.weight
        print(file.stem, int(np.array(z).sum()))
    np.savez_compressed(HERE / "ours.npz", **out)


if __name__ == "__main__":
    {"write": write, "run": run}[sys.argv[1]](Path(sys.argv[2]))
