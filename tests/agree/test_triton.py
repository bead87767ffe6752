"""Triton's kernels against autograd of the reference: in its interpreter, on a GPU; and that they compile without one.

Needs Triton, which no other test does: ``pip install 'rheobase[triton]'``, or PyTorch for CUDA.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from tests.agree.layer_models import SURROGATES, zoo

import rheobase as rb
from rheobase import learn
from rheobase.derive.layer_step import layer_step
from rheobase.emit import triton_modules
from rheobase.emit.layer_modules import LayerKind

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install 'rheobase[triton]'"
)

SUBTRACTED = rb.Neuron(
    evolve="tau dv/dt = -v\ntau_s ds/dt = -s\nv >= -0.5",
    receive="s <- s + w_i*(2 - s)/2\nv <- v + s/4",
    threshold="v >= theta",
    reset="v <- v - theta",
    refractory=1.0,
    tau=9.0, tau_s=4.0, theta=0.8, name="own, subtracted",
)  # fmt: skip
CURVED = rb.Neuron(
    evolve="tau dv/dt = -v + tanh(k*v) + arctan(v) - exp(-v*v)/3 + sinh(v/4)*cosh(v/5) + I*(1 + cos(t/tau)/2)",
    threshold="v > 1.5",
    reset="v <- 0.2*v",
    tau=12.0, k=0.7, name="own, curved",
)  # fmt: skip
CUBIC = rb.Neuron(
    evolve="tau dv/dt = v - v**3/3 - w + I\ntau_w dw/dt = v + a - b*w",
    threshold="v > 1 and w < 2",
    reset="v <- -abs(v)\nw <- w + sign(v)*d + min(w, 0.3)",
    refractory={"threshold": 1.5},
    tau=4.0, tau_w=12.5, a=0.7, b=0.8, d=0.2, name="own, cubic",
)  # fmt: skip

ZOO = zoo(3.0, 3.0)
#: model, where x arrives, how large it is, what is trained
MODELS = [
    *ZOO[:2],
    (rb.LIF(reset="v <- v - (theta - v_r)"), "I", 3.0, ("tau", "theta", "v")),
    *ZOO[2:],
    (rb.HH(), "I", 40.0, ("g_Na",)),
    (rb.EscapeLIF(), "I", 1.0, ("theta",)),
    (SUBTRACTED, "spikes", 1.0, ("tau", "tau_s", "theta")),
    (CURVED, "I", 4.0, ("tau", "k")),
    (CUBIC, "I", 3.0, ("a", "b", "d", "tau_w")),
]


def gradients(neuron, to, high, train, dtype, shape=(34, 2, 3), device="cpu", seed=0, **more):
    torch.manual_seed(seed)
    x = (torch.rand(shape, dtype=torch.float64) * 1.1 * high - 0.1 * high).to(device, dtype).requires_grad_()
    weigh = torch.randn(shape, dtype=torch.float64).to(device, dtype)
    layer = learn.Layer(neuron, dt="0.5 ms", to=to, train=train, **more).to(device)
    layer = layer.double() if dtype == torch.float64 else layer
    torch.manual_seed(seed)  # what a hazard draws
    z, state = layer(x, return_state=True)
    ((z * weigh).sum() + sum(((i + 1) * v.sin()).sum() for i, v in enumerate(state.values.values()))).backward()
    out = {"z": z, **state.values, **state.left, "dx": x.grad}
    return {name: v.detach() for name, v in out.items()} | {name: p.grad for name, p in layer.named_parameters()}


def largest(x):
    return float(x.abs().max())


def assert_agree(model, **more):
    """Demand 1e-10 in float64, 1e-5 in float32 or, where the reference itself loses more, five times that."""
    exact = gradients(*model, torch.float64, backend="torch", **more)
    found = gradients(*model, torch.float64, backend="triton", **more)
    narrow, narrow_found = (gradients(*model, torch.float32, backend=way, **more) for way in ("torch", "triton"))
    assert torch.equal(exact["z"], found["z"])
    assert torch.equal(narrow["z"], narrow_found["z"])
    for name, x in exact.items():
        assert largest(x - found[name]) <= 1e-10 * max(largest(x), 1e-12), name
        y = narrow[name]
        lost = 5 * largest(x - y) if torch.equal(exact["z"].float(), narrow["z"]) else 0.0
        assert largest(y - narrow_found[name]) <= max(1e-5 * max(largest(y), 1e-12), lost), name


def settings(i):
    return {
        "gradient": SURROGATES[i % len(SURROGATES)],
        "detach_reset": i % 5 == 4,
        "store": "states" if i % 3 == 2 else "bits",
        "seed": i,
        "method": "euler" if MODELS[i][0] is CURVED else "auto",
    }


@pytest.fixture
def interpreted(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.mark.parametrize(
    "i", [pytest.param(i, marks=() if i == 0 else pytest.mark.slow, id=m[0].name) for i, m in enumerate(MODELS)]
)
def test_kernels_equal_autograd_of_the_reference(interpreted, i):
    assert_agree(MODELS[i], **settings(i))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1, 1), (31, 1, 128), (32, 3, 50), (33, 1, 129), (65, 2, 5, 13)])
@pytest.mark.parametrize("per_neuron", [False, True])
def test_any_number_of_steps_and_neurons(interpreted, shape, per_neuron):
    more = {"per_neuron": per_neuron, "size": shape[2:]}
    assert_agree(MODELS[0], shape=shape, **more)


def test_the_models_do_fire():
    some = [gradients(*m, torch.float64, backend="torch", seed=i)["z"].mean() for i, m in enumerate(MODELS)]
    assert all(0 < x < 1 for x in some), some


# ---------------------------------------------------------------------------------------------- without the interpreter


def compile_for_a_gpu(neuron, to, real, capability):
    """Return the assembly text of the kernels, for a card that need not be there."""
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    step = layer_step(neuron, (to,), "auto")
    wanted, kept = frozenset([to, *step.constants]), neuron.states[:1]
    kind = LayerKind((to,), "auto", frozenset(), wanted, kept, "1/(1 + slope*abs(u))**2", ("slope",), False, real)
    module = triton_modules.triton_module(neuron, kind)

    def type_of(argument):
        if argument in ("_n", "_total", "_dzrow") or argument.startswith("_dtrow_"):
            return "i32"
        whole = ("_bits", "_flags", "_steps_", "_startleft_", "_finalleft_", "_keepleft_", "_wasleft_")
        return "*i32" if argument.startswith(whole) else {"float32": "*fp32", "float64": "*fp64"}[real]

    out = {}
    for name in ("run", "forward", "backward"):
        kernel = getattr(module, name)
        constants = {"_EVERY": 32, "_BLOCK": 128}
        constants = {a: x for a, x in constants.items() if a in kernel.arg_names}
        types = {a: "constexpr" if a in constants else type_of(a) for a in kernel.arg_names}
        target, options = GPUTarget("cuda", capability, 32), {"num_warps": 4, "enable_fp_fusion": False}
        out[name] = compile_kernel(ASTSource(kernel, types, constants), target=target, options=options).asm["ptx"]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("i", [0, 2, 6, 11, 16, 17, 18, 19, 20], ids=lambda i: MODELS[i][0].name)
def test_kernels_compile_for_a_gpu_that_is_not_there(monkeypatch, i, real):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    made = compile_for_a_gpu(*MODELS[i][:2], real, 80)
    for name, text in made.items():
        assert f".entry {name}(" in text
        assert ".target sm_80" in text


# ---------------------------------------------------------------------------------------------- on a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("i", range(len(MODELS)), ids=lambda i: MODELS[i][0].name)
def test_a_gpu_agrees_with_the_reference(i):
    if MODELS[i][0].rows.hazard is not None:
        pytest.skip("a GPU draws other random numbers in one piece than step by step")
    assert_agree(MODELS[i], device="cuda", shape=(70, 3, 50), **settings(i))


@pytest.mark.gpu
def test_a_gpu_takes_triton_by_itself():
    layer = learn.Layer(rb.LIF(), dt=1, to="I").cuda()
    x = torch.rand(20, 2, 300, device="cuda")
    assert torch.equal(layer(x), learn.Layer(rb.LIF(), dt=1, to="I", backend="torch")(x))
