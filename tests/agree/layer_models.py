"""What layers are compared on: surrogates, and neurons of the zoo with what they are fed and what is trained."""

import rheobase as rb
from rheobase import learn

SURROGATES = [
    learn.fast_sigmoid(2),
    learn.arctan(),
    learn.triangle(),
    learn.gaussian(),
    learn.multi_gaussian(),
    learn.straight_through(),
    learn.superspike(3),
]


def zoo(current: float, upstroke: float) -> list[tuple[rb.Neuron, str, float, tuple[str, ...]]]:
    """Return model, where x arrives, how large it is, what is trained; the two sizes are those of LIF and EIF."""
    return [
        (rb.LIF(), "spikes", 9.0, ("tau", "theta", "v_r", "E_L")),
        (rb.LIF(refractory=None), "I", current, ("tau", "R")),
        (rb.LIFexp(), "spikes", 0.6, ("tau", "tau_s")),
        (rb.LIFalpha(), "spikes", 0.6, ("tau",)),
        (rb.LIFbiexp(), "spikes", 0.6, ()),
        (rb.ALIF(), "spikes", 1.2, ("tau", "tau_a", "delta", "theta_0")),
        (rb.LIFsfa(), "spikes", 9.0, ()),
        (rb.IF(), "spikes", 0.7, ("theta",)),
        (rb.QIF(), "I", 2.0, ()),
        (rb.EIF(), "I", upstroke, ("Delta_T",)),
        (rb.AdEx(), "I", 3.0, ("C", "a", "b", "tau_w")),
        (rb.Izhikevich(), "I", 25.0, ("a", "b", "c", "d")),
        (rb.COBA(), "exc", 0.01, ("tau_e", "E_e")),
        (rb.CUBA(), "exc", 3.0, ()),
        (rb.MAT(), "exc", 2.0, ("tau_1", "omega")),
    ]
