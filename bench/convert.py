"""ReLU networks to spikes: accuracy at few steps beside sinabs and SpikingJelly, on the same trained networks.

PEERS=folder python bench/convert.py        # folder/ml: sinabs==3.1.3, spikingjelly==2.0.0 and torch

Accuracy is no timing, so this may run on a busy machine. Binary spikes, the image held at every step, mean test
accuracy over three seeds. Peers are shown at their defaults and at the flags that serve them best.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from peers.relu_networks import MAKE, data, train
from torch import nn

STEPS = (4, 8, 16, 32)
SEEDS = (0, 1, 2)


def accuracy(out: torch.Tensor, y: torch.Tensor) -> float:
    return 100 * float((out.argmax(1) == y).double().mean())


def measure_ours(folder: Path) -> dict[str, dict[str, list[list[float]]]]:
    from rheobase import learn

    found: dict[str, dict[str, list[list[float]]]] = {}
    for kind in MAKE:
        rows = found.setdefault(kind, {})
        for seed in SEEDS:
            net = train(kind, seed)
            torch.save(net.state_dict(), folder / f"{kind}{seed}.pt")
            xa, ya, xb, yb = data(seed)
            with torch.no_grad():
                rows.setdefault("ReLU network", []).append([accuracy(net(xb), yb)] * len(STEPS))
            ways = {
                "rheobase, defaults": lambda t, net=net, xa=xa, ya=ya: learn.convert(net, (xa, ya), steps=t),
                "rheobase, no training (tune=0)": lambda t, net=net, xa=xa: learn.convert(net, xa, steps=t),
            }
            for name, convert in ways.items():
                begin = perf_counter()
                with torch.no_grad():
                    rows.setdefault(name, []).append([accuracy(convert(t)[0](xb), yb) for t in STEPS])
                seconds[kind, name] = seconds.get((kind, name), 0) + (perf_counter() - begin) / len(STEPS) / len(SEEDS)
    return found


seconds: dict[tuple[str, str], float] = {}


def measure_peers(folder: Path) -> dict[str, dict[str, list[list[float]]]]:
    """Run in the peers' environment on the networks that were saved."""
    import copy
    import warnings

    warnings.filterwarnings("ignore")
    import sinabs.from_torch
    from sinabs.activation import SingleSpike
    from sinabs.utils import normalize_weights
    from spikingjelly.activation_based import ann2snn, functional

    def curve(step: nn.Module, x: torch.Tensor, y: torch.Tensor) -> list[float]:
        total, out = torch.zeros(()), []
        with torch.no_grad():
            for t in range(1, max(STEPS) + 1):
                total = total + step(x)
                out += [accuracy(total, y)] if t in STEPS else []
        return out

    found: dict[str, dict[str, list[list[float]]]] = {}
    for kind in MAKE:
        rows = found.setdefault(kind, {})
        for seed in SEEDS:
            xa, ya, xb, yb = data(seed)
            net = MAKE[kind]()
            net.load_state_dict(torch.load(folder / f"{kind}{seed}.pt"))
            net.eval()
            for name, normal in (("sinabs, single spikes", False), ("sinabs, single spikes, normalize_weights", True)):
                copied = copy.deepcopy(net)
                if normal:
                    outs = [n for n, m in copied.named_children() if isinstance(m, nn.ReLU)]
                    weights = [n for n, m in copied.named_children() if isinstance(m, nn.Linear | nn.Conv2d)]
                    normalize_weights(copied, xa[:512], output_layers=outs, param_layers=weights[: len(outs)])
                spiking = sinabs.from_torch.from_model(copied, batch_size=len(xb), spike_fn=SingleSpike).spiking_model
                rows.setdefault(name, []).append(curve(spiking.eval(), xb, yb))
            loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(xa, ya), batch_size=128)
            recipes = {
                "SpikingJelly, default (Max)": ann2snn.RateCodingRecipe(loader, mode="Max"),
                "SpikingJelly, 99.9%": ann2snn.RateCodingRecipe(loader, mode="99.9%"),
                "SpikingJelly, channel_wise, half_threshold": ann2snn.RateCodingRecipe(
                    loader, mode="Max", channel_wise=True, half_threshold=True
                ),
                "SpikingJelly, LocalThresholdBalancing": ann2snn.LocalThresholdBalancingRecipe(loader),
            }
            for name, recipe in recipes.items():
                spiking = ann2snn.FXConverter(recipe=recipe).convert(copy.deepcopy(net)).eval()
                functional.reset_net(spiking)
                rows.setdefault(name, []).append(curve(spiking, xb, yb))
    return found


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--peers":
        Path(sys.argv[2], "peers.json").write_text(json.dumps(measure_peers(Path(sys.argv[2]))))
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measure_ours(folder)
        python = Path(os.environ.get("PEERS", "."), "ml", "bin", "python")
        if python.exists():
            done = subprocess.run(
                [python, __file__, "--peers", folder],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PYTHONPATH": ""},
            )
            if done.returncode == 0:
                for kind, rows in json.loads((folder / "peers.json").read_text()).items():
                    found[kind] |= rows
            else:
                print("the peers did not run:", done.stderr.strip().splitlines()[-1])
    for kind, rows in found.items():
        print(f"\n{kind}: mean test accuracy (%) of {len(SEEDS)} seeds, binary spikes")
        print(f"{'':46}" + "".join(f"{f'T={t}':>8}" for t in STEPS) + "   s to convert")
        for name, values in rows.items():
            time = seconds.get((kind, name))
            print(f"{name:46}" + "".join(f"{v:8.2f}" for v in np.mean(values, 0)) + (f"{time:8.1f}" if time else ""))
        peers = [np.mean(v, 0) for n, v in rows.items() if n.startswith(("sinabs", "SpikingJelly"))]
        if peers:
            ours = np.mean(rows["rheobase, defaults"], 0)
            print(
                f"{'ours less the best of the others at each T':46}"
                + "".join(f"{v:+8.2f}" for v in ours - np.max(peers, 0))
            )


if __name__ == "__main__":
    main()
