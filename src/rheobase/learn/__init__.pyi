"""Public names of `rheobase.learn`, each with its home; `__init__.py` reads this file."""

from rheobase.learn.account import Account as Account
from rheobase.learn.account import Chip as Chip
from rheobase.learn.account import chips as chips
from rheobase.learn.bridge import lags as lags
from rheobase.learn.bridge import to_network as to_network
from rheobase.learn.conversion.bill import Bill as Bill
from rheobase.learn.conversion.convert import convert as convert
from rheobase.learn.conversion.convert import quantise as quantise
from rheobase.learn.conversion.network import Converted as Converted
from rheobase.learn.conversion.quantise import QuantReLU as QuantReLU
from rheobase.learn.delays import Delays as Delays
from rheobase.learn.layer import Layer as Layer
from rheobase.learn.network_module import NetworkModule as NetworkModule
from rheobase.learn.network_module import from_network as from_network
from rheobase.learn.operations import energy as energy
from rheobase.learn.state import State as State
from rheobase.learn.surrogate import Surrogate as Surrogate
from rheobase.learn.surrogate import arctan as arctan
from rheobase.learn.surrogate import fast_sigmoid as fast_sigmoid
from rheobase.learn.surrogate import gaussian as gaussian
from rheobase.learn.surrogate import multi_gaussian as multi_gaussian
from rheobase.learn.surrogate import straight_through as straight_through
from rheobase.learn.surrogate import superspike as superspike
from rheobase.learn.surrogate import triangle as triangle
