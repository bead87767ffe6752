"""Figures: arrays in, axes out. matplotlib is loaded when the first one is drawn."""

from rheobase.plot.diagrams import buckets, table
from rheobase.plot.populations import population_colours, populations, rates, spectrum
from rheobase.plot.raster import raster
from rheobase.plot.style import COLOURS, GREY, clean, label, new_axes, save
from rheobase.plot.traces import traces
from rheobase.plot.weights import weight_histogram, weight_matrix

__all__ = [
    "COLOURS",
    "GREY",
    "buckets",
    "clean",
    "label",
    "new_axes",
    "population_colours",
    "populations",
    "raster",
    "rates",
    "save",
    "spectrum",
    "table",
    "traces",
    "weight_histogram",
    "weight_matrix",
]
