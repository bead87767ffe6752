"""The teaching kit: exercises that are answered by experiment, and checked by simulation.

>>> from rheobase import teach
>>> task = teach.exercise("minimal current", seed=1)
>>> verdict = task.check(I="0.1 nA")
>>> verdict.right
False
"""

from rheobase.teach.exercise import Exercise, Verdict
from rheobase.teach.hidden import Experiment, HiddenNeuron
from rheobase.teach.tasks import exercise, exercises

__all__ = ["exercises", "exercise", "Exercise", "Verdict", "HiddenNeuron", "Experiment"]
