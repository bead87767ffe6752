"""Prints networks as scripts of Brian2 and PyNN, runs them there, and keeps the spikes.

    python tests/data/scripts/make.py write FOLDER                 # with rheobase: the scripts, here as .txt and there
    PYTHON_OF_BRIAN2 tests/data/scripts/make.py run FOLDER brian2  # runs them, writes brian2.json here
    PYTHON_OF_PYNN tests/data/scripts/make.py run FOLDER pynn      # the same on pyNN.nest

Brian2 2.9.0; PyNN 0.13.0 on NEST 3.10.0.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
UNTIL, SEED = "80 ms", 3


def networks():
    """Return name -> network."""
    import rheobase as rb

    out = {}
    cells = {
        "lif": (rb.LIF(), 9.0, {"I": 0.22}),
        "exp": (rb.LIFexp(), 0.7, {}),
        "cuba": (rb.CUBA(E_L="-52 mV"), 9.0, {}),
        "alif": (rb.ALIF(), 0.5, {"I": rb.step(0.6, on="5 ms", off="70 ms")}),
    }
    for name, (cell, w, values) in cells.items():
        rng = np.random.default_rng(11)
        net = rb.Network()
        source = net.add("source", 4, rb.spikes([np.unique(rng.uniform(1, 75, 12).round(1)) for _ in range(4)]))
        a, b = net.add("a", 5, cell, **values), net.add("b", 3, cell, **values)
        to = {"to": "exc"} if name == "cuba" else {}
        net.connect(source, a, matrix=abs(rng.normal(0.6, 0.5, (4, 5))) * w, delay="1.5 ms", **to)
        net.connect(a, b, all_to_all=True, weight=0.4 * w, delay="0.7 ms", **to)
        back = {"to": "inh"} if name == "cuba" else {}
        net.connect(b, a[:3], one_to_one=True, weight=-0.3 * w, delay="2 ms", **back)
        out[name] = net
    return out


def scripts():
    """Return (file name, text) of each script."""
    import rheobase as rb

    for name, net in networks().items():
        yield f"brian2_{name}", rb.to_brian2(net, until=UNTIL, seed=SEED)
        if name != "alif":  # an adaptive threshold is no standard cell of PyNN
            yield f"pynn_{name}", rb.to_pynn(net, until=UNTIL, seed=SEED)


def write(folder):
    for name, text in scripts():
        (HERE / f"{name}.txt").write_text(text)
        (folder / f"{name}.py").write_text(text)


def run(folder, program):
    out = {}
    for file in sorted(folder.glob(f"{program}_*.py")):
        spikes = runpy.run_path(str(file))["spikes"]
        kept = {}
        for name, found in spikes.items():
            if program == "brian2":
                times, neurons = (np.asarray(x) for x in found)
                found = [np.sort(times[neurons == i]) for i in range({"a": 5, "b": 3}[name])]
            kept[name] = [[round(float(t), 6) for t in train] for train in found]
        out[file.stem] = kept
        print(file.stem, {n: sum(map(len, x)) for n, x in kept.items()})
    (HERE / f"{program}.json").write_text(json.dumps(out, indent=0) + "\n")


if __name__ == "__main__":
    {"write": write, "run": run}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
