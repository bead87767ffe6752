"""What an exercise is: a question, perhaps something to experiment with, and a check that tells what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from rheobase.errors import InputError, nearest
from rheobase.teach.hidden import HiddenNeuron

__all__ = ["Exercise", "Verdict"]


@final
@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and what to say of each part of it.

    Attributes
    ----------
    right : bool
        Whether all of it is.
    remarks : tuple of (str, bool, str)
        Part, whether it is right, what to say.
    """

    remarks: tuple[tuple[str, bool, str], ...]

    @property
    def right(self) -> bool:
        return all(ok for _, ok, _ in self.remarks)

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        lines = [
            f"{'right' if ok else 'not yet'}: {part}{f' - {text}' if text else ''}" for part, ok, text in self.remarks
        ]
        return "\n".join(lines)


@final
@dataclass(frozen=True, eq=False)
class Exercise:
    """A question and its check.

    Attributes
    ----------
    name, question : str
    answers : tuple of str
        The names of what `check` wants.
    neuron : HiddenNeuron or Neuron or None
        What to experiment with.
    given : dict
        Numbers that the question speaks of.
    """

    name: str
    question: str
    answers: tuple[str, ...]
    _check: Callable[..., tuple[tuple[str, bool, str], ...]]
    _hints: tuple[str, ...]
    _solution: Callable[[], dict[str, Any]]
    neuron: HiddenNeuron | Any = None
    given: Mapping[str, Any] | None = None

    def check(self, **answer: Any) -> Verdict:
        """Return what is right and what is not yet; the answers are named as the question names them.

        Raises
        ------
        InputError
            If a part is missing, unknown, or no quantity of the right unit.
        """
        for name in answer:
            if name not in self.answers:
                raise InputError(
                    f"{self.name}: '{name}' is not asked for.{nearest(name, self.answers)} {self._wanted()}"
                )
        missing = [name for name in self.answers if name not in answer]
        if missing:
            raise InputError(f"{self.name}: {', '.join(missing)} is missing. {self._wanted()}")
        return Verdict(self._check(**answer))

    def hint(self, k: int = 1) -> str:
        """Return the k-th hint."""
        if not 1 <= k <= len(self._hints):
            raise InputError(f"{self.name} has {len(self._hints)} hints; ask for hint(1) to hint({len(self._hints)})")
        return self._hints[k - 1]

    def solution(self) -> dict[str, Any]:
        """Return an answer that is right."""
        return self._solution()

    def _wanted(self) -> str:
        return f"Answer by check({', '.join(f'{a}=...' for a in self.answers)})"

    def __repr__(self) -> str:
        return f"{self.name}\n\n{self.question}\n\n{self._wanted()}; {len(self._hints)} hints: hint(1)"
