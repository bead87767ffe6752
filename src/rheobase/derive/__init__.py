"""MATHEMATICS that follows from the rows: structure, flow, integration steps, crossings."""
