"""The exercises of the course."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from rheobase.analysis.pattern import firing_pattern
from rheobase.analysis.similarity import schreiber
from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import IF, LIF, AdEx, NoisyLIF
from rheobase.network.inputs import ou
from rheobase.network.stimulus import Stimulus
from rheobase.simulation import simulate
from rheobase.teach.exercise import Exercise
from rheobase.teach.hidden import HiddenNeuron
from rheobase.units import to_number

__all__ = ["exercise", "exercises"]

Remarks = tuple[tuple[str, bool, str], ...]


def exercises() -> tuple[str, ...]:
    """Return the names of the exercises, in the order of the course.

    >>> exercises()[0]
    'half-life of a bucket'
    """
    return tuple(_ALL)


def exercise(name: str, seed: int = 0) -> Exercise:
    """Return an exercise.

    Parameters
    ----------
    name : str
        One of `exercises`.
    seed : int
        Another seed, other numbers: one for each student.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    if name not in _ALL:
        raise InputError(f"there is no exercise '{name!s:.60}'.{nearest(str(name), _ALL)} There are: {', '.join(_ALL)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed = {seed!r:.60} must be a whole number from 0")
    return _ALL[name](np.random.default_rng(seed))


def _near(part: str, answer: Any, true: float, unit: str, share: float, low: str, high: str) -> tuple[str, bool, str]:
    """Judge a number: within a share of the true one; `low` and `high` say what a wrong one would mean."""
    value = to_number(answer, unit, part) if unit else float(answer)
    if not math.isfinite(value):
        raise InputError(f"{part} = {answer!r:.60} is no finite number")
    if abs(value - true) <= share * abs(true):
        return part, True, f"within {100 * share:g} %"
    return part, False, low if value < true else high


def _half_life(rng: np.random.Generator) -> Exercise:
    tau = float(rng.integers(5, 40)) * 100.0

    def check(t: Any) -> Remarks:
        low, high = "by then it is still more than half full", "by then it is less than half full"
        return (_near("t", t, tau * math.log(2), "ms", 0.005, low, high),)

    return Exercise(
        "half-life of a bucket",
        f"A bucket leaks with tau = {tau:g} ms:  tau dv/dt = -v.  It is full. After which time t is it half full?",
        ("t",),
        check,
        ("Solve tau dv/dt = -v: v(t) = v(0) exp(-t/tau).", "exp(-t/tau) = 1/2."),
        lambda: {"t": f"{tau * math.log(2)} ms"},
        given={"tau": tau},
    )


def _draw_cell(rng: np.random.Generator) -> tuple[Neuron, dict[str, float]]:
    values = {
        "tau": float(rng.uniform(8, 30)),
        "R": float(rng.uniform(50, 200)),
        "E_L": float(rng.integers(-75, -64)),
        "theta": float(rng.integers(-55, -47)),
    }
    rest = values["E_L"]
    return LIF(t_ref="0 ms").replace(**values, v_r=rest, v=rest), values


def _hidden(rng: np.random.Generator) -> Exercise:
    cell, true = _draw_cell(rng)

    def check(tau: Any, R: Any, theta: Any) -> Remarks:
        return (
            _near("tau", tau, true["tau"], "ms", 0.02, "the neuron is slower", "the neuron is faster"),
            _near("R", R, true["R"], "MOhm", 0.02, "the same current lifts v further", "v is not lifted that far"),
            _near("theta", theta, true["theta"], "mV", 0.005, "v goes higher before a spike", "v never gets there"),
        )

    return Exercise(
        "hidden neuron",
        "There is a LIF neuron in the dish (task.neuron). Find tau, R and theta by injecting currents:\n"
        "task.neuron.inject('0.1 nA', until='200 ms') gives t, v and spikes.",
        ("tau", "R", "theta"),
        check,
        (
            "Inject a small current, and wait: v settles at E_L + R I.",
            "On the way there v covers 63 % of the distance in one tau.",
            "Inject one that is just enough: the largest v before a spike is theta.",
        ),
        lambda: {"tau": f"{true['tau']} ms", "R": f"{true['R']} MOhm", "theta": f"{true['theta']} mV"},
        neuron=HiddenNeuron(cell),
    )


def _minimal_current(rng: np.random.Generator) -> Exercise:
    cell, true = _draw_cell(rng)
    least = (true["theta"] - true["E_L"]) / true["R"]

    def check(I: Any) -> Remarks:
        low, high = "with that current v stays below threshold for ever", "it fires with less, too"
        return (_near("I", I, least, "nA", 0.01, low, high),)

    return Exercise(
        "minimal current",
        "What is the smallest constant current I that makes the neuron in the dish fire, if one waits long enough?",
        ("I",),
        check,
        ("Between a current with spikes and one without lies the answer: halve the gap.", "(theta - E_L)/R."),
        lambda: {"I": f"{least} nA"},
        neuron=HiddenNeuron(cell),
    )


def _chronaxie(rng: np.random.Generator) -> Exercise:
    cell, true = _draw_cell(rng)

    def check(chronaxie: Any) -> Remarks:
        low, high = "at that duration it takes more than twice the rheobase", "a shorter pulse would do"
        return (_near("chronaxie", chronaxie, true["tau"] * math.log(2), "ms", 0.03, low, high),)

    return Exercise(
        "strength and duration",
        "A short pulse must be strong. How short may a pulse of twice the minimal current be, and still fire the\n"
        "neuron in the dish? (That is its chronaxie; rb.step('0.4 nA', on='10 ms', off='15 ms') is a pulse.)",
        ("chronaxie",),
        check,
        (
            "First find the minimal current, then halve and double durations at twice that.",
            "At the end of a pulse of length d, v has risen by R I (1 - exp(-d/tau)).",
        ),
        lambda: {"chronaxie": f"{true['tau'] * math.log(2)} ms"},
        neuron=HiddenNeuron(cell),
    )


def _bursts(rng: np.random.Generator) -> Exercise:
    def check(neuron: Any, I: Any) -> Remarks:
        if not isinstance(neuron, Neuron):
            raise InputError("neuron must be a rb.Neuron, of the zoo or of your own rows")
        run = simulate(neuron, I=I, until="1.5 s", dt="0.05 ms", record=False, seed=1)
        if len(run.spikes[0]) == 0:
            return (("neuron", False, "it is silent; give it more current"),)
        pattern = firing_pattern(run, on=100.0)
        groups = [b for b in pattern.bursts if len(b) >= 2]
        good = "burst" in str(pattern) and len(groups) >= 3
        return (("neuron", good, f"it shows: {pattern}, {len(groups)} groups of spikes"),)

    return Exercise(
        "a neuron that bursts",
        "Design a neuron that answers a constant current with groups of spikes: at least three groups of two or more\n"
        "within 1.5 s. Any rows will do.",
        ("neuron", "I"),
        check,
        (
            "A slow variable that each spike pushes up, and a reset above where it began: AdEx has both.",
            "In rb.AdEx raise v_r towards -48 mV, and let b and tau_w be large enough to end a burst.",
        ),
        lambda: {"neuron": AdEx(v_r="-48 mV", tau_w="120 ms", b="0.1 nA", a="2 nS"), "I": "0.8 nA"},
    )


def _harmless(rng: np.random.Generator) -> Exercise:
    cell = NoisyLIF(sigma="1.5 mV", tau="20 ms")

    def check(I: Any) -> Remarks:
        if not isinstance(I, Stimulus):
            raise InputError(
                "I must be a stimulus that varies in time, such as rb.ou(...), rb.sine(...), rb.pulses(...)"
            )
        levels = np.asarray(I.start(0.1, 1, 1)(0, 20_000)).ravel()
        mean = float(np.mean(levels))
        trials = simulate(cell, I=I, n=20, until="2 s", dt="0.1 ms", record=False, seed=3)
        rate = float(np.mean(trials.rate()))
        r = schreiber([trials.spikes[i] for i in range(20)], sigma=2.0, start=200.0, until=2000.0) if rate else 0.0
        return (
            ("mean", abs(mean) <= 0.25, f"the mean current is {mean:.3g} nA, at most 0.25 nA is allowed"),
            ("rate", 2 <= rate <= 100, f"{rate:.3g} Hz, wanted 2 to 100"),
            ("reliability", r >= 0.7, f"{r:.2f} over 20 trials, wanted 0.7"),
        )

    return Exercise(
        "make noise harmless",
        "A noisy neuron (rb.NoisyLIF(sigma='1.5 mV')) driven by a constant current fires at new times in each trial.\n"
        "Find a current I(t), of mean 0.25 nA at most, with which 20 trials fire at the same times (reliability 0.7).",
        ("I",),
        check,
        (
            "What varies from trial to trial matters when v crosses the threshold slowly.",
            "Let the current itself fluctuate, the same in each trial: rb.ou(..., frozen=True) or short pulses.",
        ),
        lambda: {"I": ou("0.1 nA", "0.4 nA", tau="3 ms", frozen=5)},
        neuron=cell,
    )


def _staircase(rng: np.random.Generator) -> Exercise:
    wanted = float(rng.choice([0.01, 0.02, 0.04]))

    def check(steps: Any, v0: Any) -> Remarks:
        count = int(to_number(steps, "1", "steps"))
        if not 1 <= count <= 10_000:
            raise InputError(f"steps = {count} must lie in 1 .. 10000")
        x = np.linspace(0.0, 1.0, 1001)
        cell = IF(theta=1.0, reset="v <- v - theta", threshold="v >= theta")
        run = simulate(cell, I=x, v=float(v0), until=float(count), dt=1.0, record=False)
        error = float(np.max(np.abs(run.rate() / 1000.0 - x)))
        best = math.ceil(round(1 / (2 * wanted), 9))
        return (
            ("error", error <= wanted + 1e-9, f"the largest distance from the ReLU is {error:.4f}, wanted {wanted:g}"),
            ("steps", count <= best, "as few as can be" if count <= best else "there is a way with fewer steps"),
        )

    return Exercise(
        "a staircase that is a ReLU",
        "An integrate-and-fire neuron (threshold 1, reset by subtraction) with input x counts spikes in some steps;\n"
        "spikes/steps is a staircase under the line x. How many steps, and which v(0) = v0, keep it within "
        f"{wanted:g}\nof x for every x from 0 to 1, with as few steps as possible?",
        ("steps", "v0"),
        check,
        ("From v0 = 0 the count is rounded down: the error reaches 1/steps.", "Rounding to the nearest halves it."),
        lambda: {"steps": math.ceil(round(1 / (2 * wanted), 9)), "v0": 0.5},
        given={"error": wanted},
    )


_ALL: Final[dict[str, Callable[[np.random.Generator], Exercise]]] = {
    "half-life of a bucket": _half_life,
    "hidden neuron": _hidden,
    "minimal current": _minimal_current,
    "strength and duration": _chronaxie,
    "a staircase that is a ReLU": _staircase,
    "a neuron that bursts": _bursts,
    "make noise harmless": _harmless,
}
