"""A run as one file of arrays and JSON, no pickles: written and read back."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.run.single import Run

__all__ = ["read_run", "write_run"]


def write_run(run: Run, path: str | Path) -> Path:
    """Write a run to one ``.npz`` file and return its path."""
    path = Path(path)
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    head = {
        "format": "rheobase run",
        "version": 1,
        "model": run.model.to_dict(),
        "n": run.n,
        "single": run.single,
        "until": run.until,
        "seed": run.seed,
        "engine": run.engine,
        "method": run.method,
        "order": run.order,
        "seconds": dict(run.seconds),
        "reduced": run.reduced,
    }
    arrays = {"times": run.spikes.times, "neurons": run.spikes.neurons, "t": run.t}
    arrays |= {} if run.recorded is None else {"recorded": run.recorded}
    arrays |= {} if run.spikes.kept is None else {"kept": run.spikes.kept}
    arrays |= {f"value {s}": np.asarray(x) for s, x in run.values.items()}
    arrays |= {f"trace {s}": x for s, x in run.traces.items()} | {f"final {s}": x for s, x in run.final.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    return path


def read_run(path: str | Path) -> Run:
    """Return the run that `Run.save` wrote.

    Raises
    ------
    InputError
        If the file is missing, truncated, or something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            if head.get("format") != "rheobase run" or head.get("version") != 1:
                raise InputError(f"{path} holds no run of rheobase, or one of a newer version")
            arrays = {k: data[k] for k in data.files if k != "head"}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, json.JSONDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is truncated or no file of rheobase ({type(error).__name__})") from None
    n = int(head["n"])
    return Run(
        Neuron.from_dict(head["model"]),
        n,
        bool(head["single"]),
        float(head["until"]),
        int(head["seed"]),
        Spikes(arrays["times"], arrays["neurons"], n, arrays.get("kept")),
        arrays["t"],
        {k.removeprefix("trace "): x for k, x in arrays.items() if k.startswith("trace ")},
        {k.removeprefix("final "): x for k, x in arrays.items() if k.startswith("final ")},
        head["engine"],
        head["method"],
        head["order"],
        head["seconds"],
        {k.removeprefix("value "): x if x.ndim else float(x) for k, x in arrays.items() if k.startswith("value ")},
        arrays.get("recorded"),
        head.get("reduced"),
    )
