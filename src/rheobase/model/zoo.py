from rheobase.model.neuron import Neuron
def LIF(**k):
    return Neuron(**{**dict(evolve="tau dv/dt = E_L - v + R*I", receive="v <- v + w_i", threshold="v > theta",
       reset="v <- v_r", refractory="2 ms", name="LIF", tau="20 ms", R="100 MOhm", E_L="-70 mV", theta="-50 mV", v_r="-70 mV", I="0 nA"), **k})
def ALIF(**k):
    return Neuron(**{**dict(evolve="tau dv/dt = R*I - v\ntau_a dtheta/dt = theta_0 - theta", receive="v <- v + w_i", threshold="v > theta",
       reset="v <- 0; theta <- theta + delta", name="ALIF", tau="15 ms", tau_a="50 ms", R=4, theta_0=1, delta=0.4, I=0), **k})
