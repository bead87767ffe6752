"""WHAT a neuron is: the four rows, their values, and the zoo of published models."""
