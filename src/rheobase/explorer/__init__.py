"""explore(model): the page on which a neuron is played with: a file, served on this machine, or in a notebook."""

from rheobase.explorer.open import Explorer, explore

__all__ = ["Explorer", "explore"]
