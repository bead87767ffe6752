"""`rheobase fi` and `rheobase compare`: questions asked of a neuron."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

import rheobase as rb
from rheobase.cli.messages import fail
from rheobase.cli.run import Model, Settings, choose_model, read_settings
from rheobase.errors import InputError, RheobaseError

__all__ = ["compare", "fi"]

_ENGINES: Final = ("exact", "precise", "clock")


def fi(
    model: Model,
    settings: Settings = None,
    low: Annotated[str | None, typer.Option("--from", help="The first current, such as '0 nA'.")] = None,
    high: Annotated[str | None, typer.Option("--to", help="The last current; by default 3 times the rheobase.")] = None,
    points: Annotated[int, typer.Option(min=2, max=100_000, help="How many currents.")] = 31,
    until: Annotated[str, typer.Option(help="How long each one is on.")] = "1 s",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the curve: .csv, .png, .svg, .pdf.")] = None,
) -> None:
    """Print the rheobase and the f-I curve of a neuron.

    \b
    rheobase fi LIF
    rheobase fi AdEx -s tau_w="100 ms" --from "0.4 nA" --to "1 nA" --out curve.png
    """  # noqa: D301
    try:
        asked = read_settings(choose_model(model), settings or [])
        if asked.is_network:
            raise InputError("an f-I curve is a neuron's; give a file with model = or [neuron]")
        currents = None
        if low is not None or high is not None:
            from rheobase.units import to_number

            unit = asked.model.unit("I")
            first = to_number(low or 0.0, unit, "--from") if unit else float(low or 0.0)
            last = 3.0 * rb.rheobase(asked.model, **asked.values) if high is None else None
            last = last if last is not None else to_number(high, unit, "--to") if unit else float(high or 0)
            currents = np.linspace(first, last, points)
        curve = rb.fi_curve(asked.model, currents=currents, until=until, **asked.values)
        least = rb.rheobase(asked.model, **asked.values)
        if out is not None:
            _write_curve(curve, out)
    except (RheobaseError, OSError, ValueError) as error:
        raise fail(str(error)) from None
    typer.echo(f"rheobase of {curve.model}: {least:.6g} {curve.unit}")
    every = max(1, len(curve.I) // 12)
    top = max(float(curve.f.max()), 1e-9)
    for current, rate in zip(curve.I[::every], curve.f[::every], strict=True):
        typer.echo(f"{current:10.4g} {curve.unit:<4}{rate:9.2f} Hz  {'#' * round(40 * rate / top)}")
    if out is not None:
        typer.echo(f"{out}: {len(curve.I)} currents")


def _write_curve(curve: Any, out: Path) -> None:
    if out.suffix.lower() == ".csv":
        with out.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([f"{curve.input} ({curve.unit})", "rate (Hz)"])
            table.writerows([repr(float(i)), repr(float(f))] for i, f in zip(curve.I, curve.f, strict=True))
        return
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"{out}: a curve is written as .csv, .png, .svg or .pdf")
    import matplotlib

    matplotlib.use("Agg")
    from rheobase import plot

    plot.save(curve.plot().figure, out)


def compare(
    model: Model,
    settings: Settings = None,
    engines: Annotated[
        list[str] | None,
        typer.Option("--engine", "-e", help="exact, precise, or clock:0.1ms. May be repeated."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="How long.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes random numbers repeatable.")] = None,
) -> None:
    """Say what differs between ways of running the same model, and by how much.

    \b
    rheobase compare LIF -s I="0.3 nA" --until "100 ms"
    rheobase compare AdEx -s I="0.8 nA" --until "100 ms" -e precise -e clock:0.1ms -e clock:0.01ms
    """  # noqa: D301
    try:
        asked = read_settings(choose_model(model), settings or [])
        end = until or asked.run.get("until")
        if end is None:
            raise InputError('how long? give --until "100 ms"')
        chosen = [_engine(text) for text in engines] if engines else None
        more = {} if seed is None else {"seed": seed}
        typer.echo(repr(rb.compare(asked.model, engines=chosen, until=end, **more, **asked.values)))
    except RheobaseError as error:
        raise fail(str(error)) from None


def _engine(text: str) -> Any:
    name, _, step = text.partition(":")
    if name == "exact" and not step:
        return rb.Exact()
    if name == "precise" and not step:
        return rb.Precise()
    if name == "clock":
        return rb.Clock(dt=step or "0.1 ms")
    raise InputError(f"--engine '{text}' is not known; there are {', '.join(_ENGINES)}, and clock:0.05ms for a step")
