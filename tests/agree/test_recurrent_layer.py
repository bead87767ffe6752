"""The recurrent part of a layer: products from spike to spike against those of torch, on any number of threads."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402
from rheobase.emit import spike_product  # noqa: E402
from rheobase.learn import recurrent, team  # noqa: E402

CELL = rb.Neuron(evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v >= 1", reset="v <- v - 1", tau="10 ms")


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def outcome(backend, size, drive, dtype, batch=6):
    torch.manual_seed(0)
    x = (torch.rand(20, batch, size, dtype=torch.float64) * drive).to(dtype).requires_grad_()
    weights = (torch.randn(size, size, dtype=torch.float64) * 0.2 / size**0.5).to(dtype)
    weigh = torch.randn(20, batch, size, dtype=torch.float64).to(dtype)
    layer = learn.Layer(CELL, dt=1.0, recurrent=weights, size=size, gradient=learn.arctan(2), backend=backend)
    layer = layer.double() if dtype == torch.float64 else layer
    z = layer(x)
    (z * weigh).sum().backward()
    return [y.detach().double() for y in (z, x.grad, *(p.grad for p in layer.parameters()))]


@pytest.mark.parametrize("size", [1, 5, 20, 100])  # numbers alone, a part of a vector, all kinds together
@pytest.mark.parametrize(("drive", "few"), [(0.3, True), (1.9, False)])
def test_layers_equal_the_reference(size, drive, few, monkeypatch):
    used = []
    look = recurrent._few
    monkeypatch.setattr(recurrent, "_few", lambda z: used.append(look(z)) or used[-1])
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        a, b = (outcome(backend, size, drive, dtype) for backend in ("torch", "numba"))
        assert a[0].sum() > 0
        assert torch.equal(a[0], b[0])
        for x, y in zip(a[1:], b[1:], strict=True):
            assert float((x - y).abs().max()) <= rtol * float(x.abs().max())
    assert few in used  # this way of computing was taken


def test_threads_do_not_change_a_bit(threads, monkeypatch):
    monkeypatch.setattr(team, "_WORTH", 1)  # a second thread pays at once
    found = []
    for n in (1, 2):
        threads(n)
        found.append(outcome("numba", 192, 0.3, torch.float32, batch=64))
    assert all(torch.equal(x, y) for x, y in zip(*found, strict=True))


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_compiled_products_equal_the_plain_text(real):
    rng = np.random.default_rng(1)
    T, B, n = 3, 4, 85
    z = (rng.random((T, B * n)) < 0.2).astype(real)
    given, g = (rng.standard_normal((T, B * n)).astype(real) for _ in range(2))
    across = rng.standard_normal((n, n)).astype(real)
    found = []
    for module in (spike_product, spike_product.spike_products()):
        total, who, many = np.zeros_like(given), np.zeros((B, n), np.int32), np.zeros(B, np.int32)
        module.arrive(0, B * n, 1, T, n, across, given, z, total, who, many)
        out = np.zeros((n, 128), real)
        row, of, count = np.zeros((2, n), np.int32), np.zeros((2, n, B), np.int32), np.zeros((2, n), np.int32)
        tile = np.zeros((2, B, spike_product.WIDE), real)
        for lo in (0, 64):
            module.spread(lo, lo + 64, 1, T, n, B, 64, g, z, out, row, of, count, tile)
        found.append((total[1:], out[:, :n]))
    assert module.arrive.machine_code(0, n, 1, 2, n, across, given, z, total, who, many) is not None
    spikes = z.reshape(T, B, n)[:-1].astype(float)
    right = (
        given.reshape(T, B, n)[1:] + spikes @ across.astype(float),
        np.einsum("kbj,kbi->ji", spikes, g.reshape(T, B, n)[1:].astype(float)),
    )
    for plain, compiled, exact in zip(*found, right, strict=True):
        for x in (plain, compiled):
            np.testing.assert_allclose(x.reshape(exact.shape), exact, atol=20 * np.finfo(real).eps)
