"""Run and NetworkRun: what a simulation gives back, and how it was computed."""

from rheobase.run.file import read_run
from rheobase.run.network import NetworkRun
from rheobase.run.single import Run

__all__ = ["NetworkRun", "Run", "read_run"]
