"""What holds for the doctests in src/ as well as for the tests: no window is opened, no torch is demanded."""

import os
from importlib.util import find_spec

# before anything imports matplotlib; by assignment, since a desktop may have set its own
os.environ["MPLBACKEND"] = "Agg"

# torch.nn.Module is a base class there: without torch, an optional extra, these cannot even be imported
collect_ignore = [] if find_spec("torch") else ["src/rheobase/learn", "src/rheobase/emit/to_torch.py"]
collect_ignore += [] if find_spec("anywidget") else ["src/rheobase/explorer/widget.py"]
