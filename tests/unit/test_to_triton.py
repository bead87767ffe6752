"""The kernels printed for a GPU: their text, and what it computes where NumPy stands in for Triton."""

from __future__ import annotations

import ast
import math
import sys
from types import ModuleType, SimpleNamespace

import mpmath
import numpy as np
import pytest

import rheobase as rb
from rheobase.derive.layer_step import layer_step
from rheobase.emit.layer_modules import LayerKind
from rheobase.emit.source import load_module, write_module
from rheobase.emit.to_triton import print_triton
from rheobase.emit.triton_functions import print_functions

torch = pytest.importorskip("torch")

from rheobase import learn  # noqa: E402
from rheobase.emit import triton_modules  # noqa: E402
from rheobase.learn import backend, triton_run  # noqa: E402

MODELS = {
    "LIF": (rb.LIF(), "I"),
    "ALIF": (rb.ALIF(), "spikes"),
    "AdEx": (rb.AdEx(), "I"),
    "HH": (rb.HH(), "I"),
    "EscapeLIF": (rb.EscapeLIF(), "I"),
    "COBA": (rb.COBA(), "exc"),
}
SLOPE = "1/(1 + slope*abs(u))**2"


def print_one(neuron, to, real="float32", own=()):
    step = layer_step(neuron, (to,), "auto")
    wanted = frozenset([to, *step.constants])
    kind = LayerKind((to,), "auto", frozenset(own), wanted, neuron.states[:1], SLOPE, ("slope",), False, real)
    return print_triton(neuron, kind).text


# ---------------------------------------------------------------------------------------------- the text


@pytest.mark.parametrize("name", MODELS)
def test_the_text_calls_and_reads_only_what_it_defines(name):
    tree = ast.parse(print_one(*MODELS[name]))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"run", "forward", "backward"} < set(functions)
    for node in functions.values():
        known = {"_tl", "float", *functions, *(a.arg for a in node.args.args)}
        known |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        body = [n for line in node.body for n in ast.walk(line)]
        assert {n.id for n in body if isinstance(n, ast.Name)} <= known
        for call in (n for n in body if isinstance(n, ast.Call)):
            inside = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "_tl"
            assert inside or call.func.id in functions or call.func.id == "float"


def test_the_text_names_its_arguments_in_order():
    text = print_one(*MODELS["LIF"])
    tree = ast.parse(text)
    told = next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and "ARGUMENTS" in text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in told:
            given = [a.arg for a in node.args.args]
            constants = ["_BLOCK"] if node.name == "run" else ["_EVERY", "_BLOCK"]
            assert given == [*told[node.name], "_n", "_total", *constants]


def test_numbers_have_the_type_of_the_kernel():
    narrow, wide = print_one(*MODELS["AdEx"]), print_one(*MODELS["AdEx"], "float64")
    assert "float64" not in narrow.split("ARGUMENTS")[1]
    assert "_tl.float32" not in wide.split("ARGUMENTS")[1]


def test_hostile_names_stay_names():
    cell = rb.Neuron(
        evolve="tau drange/dt = -range + u - float*print/2",
        threshold="range > constexpr",
        reset="range <- range - constexpr",
        refractory="2 ms",
        name='"""\nimport os; os.system("x") \\',
        tau="10 ms", constexpr=1.0, float=0.1, print=0.2,
    )  # fmt: skip
    tree = ast.parse(print_one(cell, "u"))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import) and n.names[0].name == "os"]
    assert "os.system" in ast.get_docstring(tree)


def test_whole_powers_are_products():
    cell = rb.Neuron(evolve="tau dv/dt = -v + k*v**5 + I", threshold="v > 1", reset="v <- 0", tau="10 ms", k=0.1)
    text = print_one(cell, "I")
    assert "_square(_square((v)))" in text
    assert "**" not in text.split("ARGUMENTS")[1]


# ---------------------------------------------------------------------------------------------- NumPy for Triton


class Pointer:
    """Memory and a place in it."""

    def __init__(self, memory, at=0):
        self.memory, self.at = memory, at

    def __add__(self, more):
        return Pointer(self.memory, self.at + more)


def load(pointer, mask=None, other=0):
    if mask is None:
        return pointer.memory[int(pointer.at)]
    at = np.where(mask, pointer.at, 0)
    assert (at >= 0).all()
    return np.where(mask, pointer.memory[at], pointer.memory.dtype.type(other))


def store(pointer, value, mask):
    at = np.broadcast_to(pointer.at, mask.shape)[mask]
    assert value.dtype == pointer.memory.dtype
    assert (at >= 0).all()
    pointer.memory[at] = np.broadcast_to(value, mask.shape)[mask]


def where(condition, yes, no):
    out = np.where(condition, yes, no)
    if type(yes) is type(no) and type(yes) in (int, float):  # as Triton takes two numbers
        return out.astype(np.int32 if type(yes) is int else np.float32)
    return out


class Kernel:
    """A function that is started once for every block of a grid."""

    place = 0

    def __init__(self, function):
        self.function = function

    def __call__(self, *values):
        return self.function(*values)

    def __getitem__(self, grid):
        def start(*values, num_warps=0, enable_fp_fusion=True, **constants):
            assert not enable_fp_fusion
            given = [Pointer(x.view(-1).numpy()) if isinstance(x, torch.Tensor) else x for x in values]
            for Kernel.place in range(*grid):
                self.function(*given, **constants)

        return start


def stand_in():
    """Return modules that are called as Triton's and compute with NumPy."""
    top, language = ModuleType("triton"), ModuleType("triton.language")
    top.jit = lambda function=None, **_: Kernel if function is None else Kernel(function)
    top.language, language.constexpr = language, int
    operations = {
        "load": load, "store": store, "where": where, "program_id": lambda axis: Kernel.place,
        "arange": lambda a, b: np.arange(a, b, dtype=np.int32), "cast": lambda x, kind: kind(x),
        "full": lambda shape, x, kind: np.full(shape, x, kind), "debug_barrier": lambda: None, "range": range,
        "broadcast_to": np.broadcast_to, "int32": np.int32, "int64": np.int64, "float32": np.float32,
        "float64": np.float64, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "sqrt": np.sqrt,
        "abs": np.abs, "floor": np.floor, "minimum": np.minimum, "maximum": np.maximum,
    }  # fmt: skip
    for name, operation in operations.items():
        setattr(language, name, operation)
    return {"triton": top, "triton.language": language}


@pytest.fixture
def numpy_for_triton(monkeypatch):
    for name, module in stand_in().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(triton_modules, "_known", {})
    monkeypatch.setattr(triton_modules, "load_module", lambda path, flavour: load_module(path, "numpy"))
    monkeypatch.setattr(triton_run, "_installed", lambda: True)
    monkeypatch.setattr(backend, "fault_of_triton", lambda device: None)


FUNCTIONS = {
    "_tan": mpmath.tan,
    "_tanh": mpmath.tanh,
    "_sinh": mpmath.sinh,
    "_cosh": mpmath.cosh,
    "_atan": mpmath.atan,
    "_sign": mpmath.sign,
    "_expm1": mpmath.expm1,
    "_exprel": lambda x: mpmath.expm1(x) / x if x else mpmath.mpf(1),
    "_exprel_slope": lambda x: (mpmath.exp(x) - mpmath.expm1(x) / x) / x if x else mpmath.mpf(0.5),
}


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_functions_keep_their_digits(numpy_for_triton, real):
    module = load_module(write_module("functions", print_functions(real)), "numpy")
    x = np.concatenate([np.geomspace(1e-9, 20, 150), -np.geomspace(1e-9, 20, 150), [0.0, 0.5, -0.5, 1.0]]).astype(real)
    few = 8 * np.finfo(real).eps
    with mpmath.workdps(40):
        for name, exact in FUNCTIONS.items():
            found = getattr(module, name)(x)
            want = np.array([float(exact(mpmath.mpf(float(a)))) for a in x])
            size = np.abs(want) * (1 + np.abs(x) if name == "_tan" else 1)  # of a tangent near its poles
            np.testing.assert_array_less(np.abs(found - want), 2 * few * size + 1e-30, err_msg=name)


def test_powers():
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_in().items():
            patch.setitem(sys.modules, name, module)
        power = load_module(write_module("functions", print_functions("float64")), "numpy")._power
    pairs = [(2.0, 0.5), (-2.0, 3.0), (-2.0, 4.0), (-2.0, -3.0), (0.0, 2.5), (0.0, 0.0), (5.0, -1.5), (1e-3, 7.0)]
    for x, y in pairs:
        assert power(np.float64(x), np.float64(y)) == pytest.approx(math.pow(x, y), rel=1e-13)
    assert power(np.float64(0.0), np.float64(-1.0)) == math.inf
    with np.errstate(invalid="ignore"):
        assert math.isnan(power(np.float64(-2.0), np.float64(0.5)))


# ---------------------------------------------------------------------------------------------- gradients


def gradients(neuron, to, high, shape, train, dtype=torch.float64, **more):
    torch.manual_seed(3)
    x = (torch.rand(shape, dtype=torch.float64) * high).to(dtype).requires_grad_()
    weigh = torch.randn(shape, dtype=torch.float64).to(dtype)
    layer = learn.Layer(neuron, dt="0.5 ms", to=to, train=train, **more)
    layer = layer.double() if dtype == torch.float64 else layer
    z, state = layer(x, return_state=True)
    ((z * weigh).sum() + sum(v.sin().sum() for v in state.values.values())).backward()
    out = {"z": z, **state.values, **state.left, "dx": x.grad}
    return {name: x.detach() for name, x in out.items()} | {name: p.grad for name, p in layer.named_parameters()}


ODD = rb.Neuron(
    evolve="tau dv/dt = -v + abs(v)**k*sign(v) + floor(v)/3 + where(v > 0.5 or v < -2, 1, 0)*exprel(v)"
    " + max(0, v)**1.5 + tan(v/9) + arctan(v) + log(2 + v*v) + I",
    threshold="not (v < 1)", reset="v <- 0", refractory={"threshold": 2.0}, tau="10 ms", k=1.3,
)  # fmt: skip

CASES = [
    (rb.LIF(), "I", 3.0, (70, 2, 70), ("tau", "theta"), {}),
    (rb.LIF(reset="v <- v - (theta - v_r)"), "spikes", 9.0, (33, 1, 3), ("tau", "R", "v"), {"detach_reset": True}),
    (rb.ALIF(), "spikes", 1.2, (40, 3, 50), ("tau", "delta"), {"per_neuron": True, "size": 50, "store": "states"}),
    (rb.EscapeLIF(), "I", 0.6, (40, 2, 3), ("theta",), {}),
    (ODD, "I", 3.0, (40, 2, 3), ("tau", "k"), {"method": "euler"}),
    (rb.AdEx(), "I", 3.0, (20, 2, 3), ("C", "a", "b"), {"gradient": learn.multi_gaussian()}),
]


@pytest.mark.parametrize("i", range(len(CASES)))
def test_kernels_equal_autograd_of_the_reference(numpy_for_triton, i):
    *case, more = CASES[i]
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        a, b = (gradients(*case, dtype, backend=way, **more) for way in ("torch", "triton"))
        assert torch.equal(a["z"], b["z"])
        assert 0 < a["z"].sum() < a["z"].numel()
        for name, x in a.items():
            assert x.dtype == b[name].dtype
            assert float((x - b[name]).abs().max()) <= rtol * max(float(x.abs().max()), 1e-12), name


def test_traces_states_and_pieces(numpy_for_triton):
    """A sequence in two pieces, with traces and without gradients, is the whole sequence."""
    cell, x = rb.ALIF(), torch.rand(50, 2, 5, dtype=torch.float64)
    one, two = (learn.Layer(cell, dt=1, backend=way) for way in ("torch", "triton"))
    whole = one.record(x)
    with torch.no_grad():
        z, state = two(x[:20], return_state=True)
        kept = {name: trace.clone() for name, trace in state.values.items()}
        rest = two.record(x[20:], state=state)
        assert all(torch.equal(kept[name], state.values[name]) for name in kept)  # a state is not written into
    assert torch.equal(torch.cat([z, rest["z"]]), whole["z"])
    for s in cell.states:
        torch.testing.assert_close(rest[s], whole[s][20:], rtol=1e-12, atol=1e-12)


def test_gradients_go_back_through_a_state_once(numpy_for_triton):
    found = {}
    for way in ("torch", "triton"):
        torch.manual_seed(2)
        x = (torch.rand(3, 50, 4, dtype=torch.float64) * 2).requires_grad_()  # [batch, time, neurons]
        layer = learn.Layer(rb.ALIF(), dt=1, train="tau", batch_first=True, backend=way).double()
        first, state = layer(x[:, :20], return_state=True)
        second, state = layer(x[:, 20:], state)
        loss = first.sum() + second.mean() + state.v.sum()
        loss.backward()
        found[way] = [x.grad, next(layer.parameters()).grad]
        with pytest.raises(rb.StaleGraph, match=r"state.detach\(\)"):
            layer(x[:, :5], state)[0].sum().backward()
    for a, b in zip(*found.values(), strict=True):
        assert a.abs().sum() > 0
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_time_in_the_rows(numpy_for_triton):
    cell = rb.Neuron(evolve="tau dv/dt = -v + I*(1 + sin(t/tau)/2)", threshold="v > 1", reset="v <- 0", tau="10 ms")
    a, b = (gradients(cell, "I", 4.0, (40, 2, 3), ("tau",), backend=way) for way in ("torch", "triton"))
    assert a["z"].sum() > 0
    assert torch.equal(a["z"], b["z"])
    torch.testing.assert_close(a["dx"], b["dx"], rtol=1e-10, atol=1e-12)


def test_an_input_called_as_a_random_number(numpy_for_triton):
    cell = rb.Neuron(evolve="tau dv/dt = -v + u", hazard="rho*exp(v)", reset="v <- 0", tau="10 ms", rho=0.5)
    a, b = (gradients(cell, "u", 4.0, (20, 2, 3), ("tau",), backend=way) for way in ("torch", "triton"))
    assert torch.equal(a["z"], b["z"])
    torch.testing.assert_close(a["dx"], b["dx"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_readout_and_several_inputs(numpy_for_triton, dtype):
    cell = rb.CUBA(threshold=None, reset=None, refractory=None)
    found = {}
    for way in ("torch", "triton"):
        torch.manual_seed(0)
        x = {port: torch.rand(40, 2, 3).to(dtype).requires_grad_() for port in ("exc", "inh")}
        layer = learn.Layer(cell, dt=1, read="max v", train="v", size=3, per_neuron=True, backend=way)
        layer(x).sum().backward()
        found[way] = [*(v.grad for v in x.values()), next(layer.parameters()).grad]
    for a, b in zip(*found.values(), strict=True):
        assert a.abs().sum() > 0
        torch.testing.assert_close(a, b, rtol=1e-3 if a.dtype == torch.float16 else 1e-5, atol=1e-6)


def test_what_is_not_finite_is_told(numpy_for_triton):
    layer = learn.Layer(rb.LIF(), dt=1, to="I", backend="triton")
    x = torch.zeros(5, 2, 3)
    x[2, 1, 0] = math.nan
    with pytest.raises(rb.InputError, match="NaN or infinite at time 2, batch 1"):
        layer(x)


# ---------------------------------------------------------------------------------------------- who runs what


def job(device, recurrent=None):
    return SimpleNamespace(fed={"I": SimpleNamespace(device=torch.device(device))}, recurrent=recurrent)


def test_a_gpu_gets_triton_and_a_cpu_numba(numpy_for_triton):
    assert backend.choose_backend("auto", job("cuda")) == "triton"
    assert backend.choose_backend("auto", job("cpu")) == "numba"
    assert backend.choose_backend("auto", job("mps")) == "torch"
    assert backend.choose_backend("torch", job("cuda")) == "torch"
    assert backend.choose_backend("auto", job("cuda", recurrent=torch.nn.Linear(3, 3))) == "torch"


def test_a_fault_is_told_and_the_reference_runs(numpy_for_triton, monkeypatch):
    monkeypatch.setattr(backend, "fault_of_triton", lambda device: "Triton does not run on cuda: no C compiler")
    backend._warn.cache_clear()
    with pytest.warns(UserWarning, match="no C compiler. Plain torch operations run instead"):
        assert backend.choose_backend("auto", job("cuda")) == "torch"
    assert backend.choose_backend("auto", job("cuda")) == "torch"  # said once
    with pytest.raises(rb.InputError, match="no C compiler; use backend='auto'"):
        backend.choose_backend("triton", job("cuda"))


@pytest.mark.parametrize(
    ("device", "recurrent", "installed", "told"),
    [
        ("cpu", None, True, "the tensors are on cpu, where only Triton's interpreter runs"),
        ("cpu", None, False, "Triton is not installed"),
        ("meta", None, True, "the tensors are on meta"),
        ("cuda", torch.nn.Linear(3, 3), True, "a recurrent layer multiplies by its weights between two steps"),
    ],
)
def test_what_triton_cannot_run_is_refused(monkeypatch, device, recurrent, installed, told):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(triton_run, "_installed", lambda: installed)
    with pytest.raises(rb.InputError, match=told):
        backend.choose_backend("triton", job(device, recurrent))


def test_the_smallest_kernel_finds_faults(numpy_for_triton, monkeypatch):
    triton_run.fault_of_triton.cache_clear()
    monkeypatch.setattr(triton_run, "probe_module", lambda interpreted: 1 / 0)
    fault = triton_run.fault_of_triton(torch.device("cpu"))
    triton_run.fault_of_triton.cache_clear()
    assert fault == "Triton does not run on cpu: ZeroDivisionError: division by zero"
