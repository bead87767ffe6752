"""From a population to the linear systems that the exact engine runs (`rheobase.derive.affine`)."""

from __future__ import annotations

from rheobase.derive.affine import AffineSystem, assemble_system
from rheobase.derive.facts import ExactFacts, exact_facts
from rheobase.engines.population import Population
from rheobase.network.generators import generate, join

__all__ = ["AffineSystem", "build_system", "check_exact"]


def check_exact(population: Population) -> ExactFacts:
    """Return the affine form of a population, or raise `NotExact` naming what is in the way."""
    return exact_facts(population.neuron, population.inputs)


def build_system(population: Population, until: float) -> AffineSystem:
    """Return the systems of a population, or raise `NotExact`."""
    facts = check_exact(population)
    n = population.n
    parts = [generate(population.inputs[u], until, n, population.key("input", u), u) for u in sorted(population.inputs)]
    whole = join(parts) if parts else None
    return assemble_system(population.neuron, facts, n, population.values, population.initial, parts, whole, until)
