"""Exercises: the right answer is accepted, wrong ones are not, and what is said leads on."""

import numpy as np
import pytest

import rheobase as rb
from rheobase import teach


@pytest.mark.parametrize("name", teach.exercises())
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_solution_is_right(name, seed):
    task = teach.exercise(name, seed=seed)
    verdict = task.check(**task.solution())
    assert verdict.right, verdict
    assert "right" in repr(verdict)


WRONG = {
    "half-life of a bucket": {"t": "1 ms"},
    "hidden neuron": {"tau": "500 ms", "R": "1 MOhm", "theta": "0 mV"},
    "minimal current": {"I": "5 nA"},
    "strength and duration": {"chronaxie": "90 ms"},
    "a staircase that is a ReLU": {"steps": 10_000, "v0": 0.5},
    "a neuron that bursts": {"neuron": rb.LIF(), "I": "0.3 nA"},
    "make noise harmless": {"I": rb.step("0.22 nA")},
}


@pytest.mark.parametrize("name", teach.exercises())
def test_a_wrong_answer_is_not(name):
    verdict = teach.exercise(name).check(**WRONG[name])
    assert not verdict
    assert "not yet" in repr(verdict)


def test_a_hidden_neuron_can_be_found_by_experiment():
    task = teach.exercise("hidden neuron", seed=11)
    cell = task.neuron
    rest = cell.inject(0.0, until="10 ms").v[-1]
    small = cell.inject(0.02, until="1 s")
    R = (small.v[-1] - rest) / 0.02
    share = (small.v - rest) / (small.v[-1] - rest)
    tau = float(np.interp(1 - np.exp(-1), share, small.t))
    theta = cell.inject(0.2, until="400 ms").v.max()
    assert task.check(tau=tau, R=R, theta=theta)
    assert cell.count == 3
    assert not any(word in repr(cell) for word in ("tau", "theta", "MOhm"))


def test_students_get_numbers_of_their_own():
    given = {teach.exercise("half-life of a bucket", seed=s).given["tau"] for s in range(8)}
    assert len(given) > 3


def test_hints_lead_on_and_end():
    task = teach.exercise("minimal current")
    assert "theta" in task.hint(2)
    with pytest.raises(rb.InputError, match="2 hints"):
        task.hint(3)


def test_mistakes_are_named():
    with pytest.raises(rb.InputError, match="Did you mean 'minimal current'"):
        teach.exercise("minimal curent")
    task = teach.exercise("minimal current")
    with pytest.raises(rb.InputError, match="'i' is not asked for"):
        task.check(i=1)
    with pytest.raises(rb.InputError, match="I is missing"):
        task.check()
    with pytest.raises(rb.UnitMismatch):
        task.check(I="3 mV")
    with pytest.raises(rb.InputError, match="NaN"):
        task.check(I=float("nan"))
    with pytest.raises(rb.InputError, match="10 s"):
        task.neuron.inject(0.1, until="11 s")
    with pytest.raises(rb.InputError, match=r"rb\.Neuron"):
        teach.exercise("a neuron that bursts").check(neuron=3, I=1)
    with pytest.raises(rb.InputError, match="varies"):
        teach.exercise("make noise harmless").check(I=0.3)
    with pytest.raises(rb.InputError, match="seed"):
        teach.exercise("minimal current", seed=-1)
