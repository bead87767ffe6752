"""Published networks, ready to run: each function returns a `Network` with the parameters of its paper.

>>> from rheobase import networks
>>> networks.cuba()
<Network: populations E (3200), I (800); 4 projections>
"""

from rheobase.networks.balanced import coba, cuba
from rheobase.networks.brain import sparse_brain
from rheobase.networks.digits import diehl_cook
from rheobase.networks.microcircuit import microcircuit
from rheobase.networks.sparse import brunel

__all__ = ["brunel", "coba", "cuba", "diehl_cook", "microcircuit", "sparse_brain"]
