"""NIR, the neuromorphic intermediate representation: networks from its graphs and graphs of networks."""

from rheobase.exchange.nir.convention import Convention, conventions
from rheobase.exchange.nir.exporting import to_nir
from rheobase.exchange.nir.file import read_graph
from rheobase.exchange.nir.graph import Graph, Node
from rheobase.exchange.nir.importing import Imported, from_nir, import_nir

__all__ = ["Convention", "Graph", "Imported", "Node", "conventions", "from_nir", "import_nir", "read_graph", "to_nir"]
