"""Figures: arrays in, axes out. matplotlib is loaded when the first one is drawn."""

from rheobase.plot.diagrams import buckets, table
from rheobase.plot.raster import raster
from rheobase.plot.style import COLOURS, GREY, clean, label, new_axes, save
from rheobase.plot.traces import traces

__all__ = ["COLOURS", "GREY", "buckets", "clean", "label", "new_axes", "raster", "save", "table", "traces"]
