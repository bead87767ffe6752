"""How conditions are printed for arrays: element by element, with & | ~ and a function that chooses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import sympy
from sympy.printing.pycode import PythonCodePrinter

__all__ = ["Elementwise"]


class Elementwise(PythonCodePrinter, ABC):
    """SymPy's Python printer for arrays: Python's own ``and``, ``or``, ``not`` and ``if`` take one truth only."""

    #: the function of (condition, yes, no)
    where: ClassVar[str]

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "strict": False})

    @abstractmethod
    def _print_Function(self, e: Any) -> str:
        """Return the call of a function of one argument."""

    def _named(self, e: Any) -> str:  # SymPy's printer knows a way of its own for each of these
        return self._print_Function(e)

    _print_exp = _print_log = _print_Abs = _print_floor = _print_sign = _named
    _print_sin = _print_cos = _print_tan = _print_sinh = _print_cosh = _print_tanh = _print_atan = _named

    def _print_And(self, e: Any) -> str:
        return "(" + " & ".join(self._print(a) for a in sorted(e.args, key=sympy.default_sort_key)) + ")"

    def _print_Or(self, e: Any) -> str:
        return "(" + " | ".join(self._print(a) for a in sorted(e.args, key=sympy.default_sort_key)) + ")"

    def _print_Not(self, e: Any) -> str:
        return f"(~{self._print(e.args[0])})"

    def _print_Piecewise(self, e: Any) -> str:
        text = self._print(e.args[-1][0])
        for value, condition in reversed(e.args[:-1]):
            text = f"{self.where}({self._print(condition)}, {self._print(value)}, {text})"
        return text
