"""The run that is written in all formats: here our own readers read it, in tests/agree those of other libraries."""

import rheobase as rb


def run_network() -> rb.NetworkRun:
    """Return a run of a source, four neurons of which two are recorded, and two that are silent."""
    net = rb.Network()
    source = net.add("source", 3, rb.poisson("200 Hz"))
    a = net.add("a", 4, rb.LIF(), I=[0.2, 0.25, 0.3, 0.35])
    net.add("quiet", 2, rb.LIF())
    net.connect(source, a, all_to_all=True, weight="2 mV", delay="1 ms")
    return rb.simulate(net, until="60 ms", dt="0.1 ms", seed=1, record={"a": rb.Record("v", neurons=[1, 3])})
