"""Exact networks in pieces: resumed, read from a file in another process, always the bits of an unbroken run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import rheobase as rb
from rheobase.engines import exact_groups, exact_network, exact_state

WHOLE: Final = 60.0


def two_groups() -> rb.Network:
    """Two kinds of rows, drawn delays, a sine, Poisson spikes at a port, refractoriness."""
    net = rb.Network()
    e = net.add("E", 60, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    i = net.add("I", 15, rb.LIF(), I=rb.sine("0.15 nA", "20 Hz", offset="0.2 nA"), spikes=rb.poisson("200 Hz", 0.5))
    net.connect(e, e, to="exc", p=0.2, weight="1.62 mV", delay=rb.uniform("0.8 ms", "3 ms"))
    net.connect(e, i, indegree=10, weight="0.3 mV", delay="1 ms")
    net.connect(i, e, to="inh", p=0.2, weight="-3 mV", delay="1.2 ms")
    return net


def sources() -> rb.Network:
    """Trains, Poisson spikes and a rate that varies as populations; several delays; noise that is held; a pulse."""
    net = rb.Network()
    trains = net.add("trains", 5, rb.spikes([[1.0, 9.5, 30.0, 41.7], [], [2.5], [20.0, 20.0], [59.9]]))
    steady = net.add("steady", 20, rb.poisson("300 Hz"))
    varying = net.add("varying", 20, rb.poisson(rb.sine("150 Hz", "40 Hz", offset="200 Hz"), on="3 ms", off="55 ms"))
    E = net.add("E", 40, rb.LIFexp(tau_s="3 ms", refractory="2 ms"), I=rb.noise("0.1 nA", "0.05 nA", every="1.7 ms"))
    late = net.add("late", 10, rb.LIF(), I=rb.pulses("0.5 nA", ["5 ms", "31 ms"], "12 ms"))
    for k, source in enumerate((trains, steady, varying)):
        delay = (0.0305, rb.uniform("0.5 ms", "12 ms"), "25 ms")[k]
        net.connect(source, E, indegree=3, weight="0.15 nA", delay=delay)
    net.connect(E, E, p=0.1, weight="-0.05 nA", delay=rb.uniform("0.4 ms", "30 ms"))
    net.connect(E, late, p=0.2, weight="2 mV", delay="0.4 ms")
    return net


def quadratic() -> rb.Network:
    net = rb.Network()
    Q = net.add("Q", 30, rb.QIF(), I=rb.uniform("0.1 nA", "0.9 nA"))
    net.connect(Q, Q, p=0.2, weight="0.5 mV", delay=rb.uniform("1 ms", "4 ms"))
    return net


def turning() -> rb.Network:
    """Oscillating modes, two clamps that end at different times, a port that does not add, a threshold that adapts."""
    net = rb.Network()
    spiral = rb.Neuron(
        evolve="tau dv/dt = -v - k*u + I\ntau_u du/dt = v - u",
        receive="v <- v + w_i",
        threshold="v >= theta",
        reset="v <- v_r\nu <- u + 0.2",
        refractory={"threshold": "1 ms"},
        **{"tau": 8.0, "tau_u": 6.0, "k": 3.0, "theta": 1.0, "v_r": 0.0},
    )
    equal = rb.Neuron(
        evolve="tau dv/dt = -v + s + I\ntau ds/dt = -s",
        receive={"a": "s <- s + w_i", "b": "v <- v + w_i*(1 - v)"},
        threshold="v >= theta",
        reset="v <- v_r",
        refractory={"v": "1 ms", "s": "0.5 ms"},
        **{"tau": 8.0, "theta": 1.0, "v_r": 0.0},
    )
    A = net.add("A", 10, spiral, I=np.linspace(2.0, 9.0, 10))
    B = net.add("B", 10, equal, I=np.linspace(0.5, 3.0, 10))
    C = net.add("C", 6, rb.ALIF(), I=np.linspace(0.3, 0.9, 6))
    net.connect(A, B, to="a", p=0.4, weight=0.3, delay=rb.uniform(0.7, 9.0))
    net.connect(B, B, to="b", p=0.4, weight=0.2, delay=1.3)
    net.connect(B, A, p=0.4, weight=-0.2, delay=rb.uniform(0.7, 2.0))
    net.connect(C, A, p=0.4, weight=0.1, delay=2.0)
    return net


def unconnected() -> rb.Network:
    """No projection between neurons, so that nothing but the engine decides how wide a window is."""
    net = rb.Network()
    net.add("cells", 12, rb.ALIF(), I=rb.sine(0.8, "20 Hz", offset=np.linspace(0.2, 0.9, 12)))
    return net


NETWORKS: Final[dict[str, Callable[[], rb.Network]]] = {
    f.__name__: f for f in (two_groups, sources, quadratic, turning, unconnected)
}


def record(name: str) -> Any:
    """Return what is recorded: of some a subset of neurons, a window, a mean, and few spikes."""
    if name == "two_groups":
        return {
            "E": rb.Record("v", every="0.5 ms", neurons=[3, 17, 40], start="5 ms", stop="50 ms", spikes=[1, 2, 3]),
            "I": rb.Record("v", every="0.5 ms", reduce="mean"),
        }
    return True if name != "sources" else None


def digest(run: rb.NetworkRun) -> str:
    """Return what tells runs apart, to the bit."""
    found = hashlib.blake2b(digest_size=16)
    for p in run.populations.values():
        spikes = p.spikes if isinstance(p, rb.Run) else p
        for x in (spikes.times, spikes.neurons.astype(np.int64)):
            found.update(x.tobytes())
        if isinstance(p, rb.Run):
            for x in (p.t, *p.traces.values(), *p.final.values()):
                found.update(np.ascontiguousarray(x).tobytes())
    return found.hexdigest()


def run(name: str, until: float, threads: int | None = 1) -> rb.NetworkRun:
    return rb.simulate(NETWORKS[name](), until=until, engine=rb.Exact(threads=threads), seed=3, record=record(name))


def assert_same(a: rb.NetworkRun, b: rb.NetworkRun) -> None:
    assert a.until == b.until
    for name, x in a.populations.items():
        y = b[name]
        if isinstance(x, rb.Run) and isinstance(y, rb.Run):
            assert x.t.tobytes() == y.t.tobytes()
            for what, p, q in (("trace", x.traces, y.traces), ("final", x.final, y.final)):
                for s in p:
                    assert p[s].tobytes() == q[s].tobytes(), (name, what, s)
            x, y = x.spikes, y.spikes
        assert x.times.tobytes() == y.times.tobytes(), name
        assert np.array_equal(x.neurons, y.neurons), name
    assert digest(a) == digest(b)


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_have_the_bits_of_an_unbroken_run(name: str) -> None:
    """Stops inside windows, at their ends, at a spike, at a sample, twice in one window, twice at one time."""
    whole = run(name, WHOLE)
    fired = np.concatenate([p.spikes.times for p in whole.populations.values() if isinstance(p, rb.Run)])
    assert len(fired) > 20
    piece = run(name, 5.05)
    for end in sorted([7.31, 7.32, 7.32, 20.0, float(fired[len(fired) // 3]), 44.4, WHOLE]):
        piece = piece.resume(until=end)
        assert piece.until == end
        for p, x in whole.populations.items():
            y = piece[p]
            if isinstance(x, rb.Run) and isinstance(y, rb.Run):  # all of it so far
                assert x.spikes.times[x.spikes.times <= end].tobytes() == y.spikes.times.tobytes()
                for s in y.traces:
                    assert y.traces[s].tobytes() == np.ascontiguousarray(x.traces[s][..., : len(y.t)]).tobytes()
    assert_same(whole, piece)


def test_another_process_goes_on(tmp_path: Path) -> None:
    """Through a file and back: two threads there, one here; the file that comes back goes on here."""
    first = run("two_groups", 21.37)
    file = first.checkpoint(tmp_path / "first")
    back = rb.restore(file, NETWORKS["two_groups"]())
    assert_same(first, back)
    assert back.engine == "Exact()"
    command = [sys.executable, __file__, "two_groups", str(file), "40.01", "2", str(tmp_path / "second.npz")]
    there, until = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (there, until) == (digest(run("two_groups", 40.01)), 40.01)
    assert_same(run("two_groups", WHOLE), rb.restore(tmp_path / "second.npz", NETWORKS["two_groups"]()).resume(WHOLE))


def test_threads_and_compiled_code_change_no_bit_of_a_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = run("two_groups", WHOLE)
    file = run("two_groups", 10.3, threads=2).checkpoint(tmp_path / "x.npz")
    monkeypatch.setattr(exact_network, "COMPILING", -1.0)
    compiled = rb.restore(file, NETWORKS["two_groups"]())
    assert_same(plain, compiled.resume(30, threads=3).resume(30.001, threads=1).resume(WHOLE))


def test_long_runs_go_round_the_calendar() -> None:
    """2,000 windows and more lie between the pieces; neurons that fire alone are noted for windows far off."""

    def make() -> rb.Network:
        net = rb.Network()
        cells = net.add("cells", 4, rb.LIF(tau=[10.0, 100.0, 40.0, 200.0]), I=np.array([0.1, 0.21, 0.3, 0.5]))
        net.connect(cells, cells, one_to_one=True, weight="-0.01 mV", delay="0.1 ms")
        return net

    whole = rb.simulate(make(), until=700, engine=rb.Exact(threads=1), seed=1)
    pieces = rb.simulate(make(), until=1, engine=rb.Exact(threads=1), seed=1).resume(250.05).resume(700)
    assert len(whole.spikes.times) > 20
    assert_same(whole, pieces)


def test_ctrl_c_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_network, "COMPILING", np.inf)
    monkeypatch.setattr(exact_network, "waiting", lambda _: np.inf)
    net, engine = rb.networks.cuba(50), rb.Exact(threads=1)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="interrupted at"):
        stopped = rb.simulate(net, until="500 s", engine=engine, seed=1, record="v", record_every="10 ms")
    assert 0 < stopped.until < 5e5
    assert stopped["E"].until == stopped.until
    assert stopped["E"].t[-1] <= stopped.until < stopped["E"].t[-1] + 10
    later = stopped.until + 5.0
    whole = rb.simulate(net, until=later, engine=engine, seed=1, record="v", record_every="10 ms")
    assert_same(whole, stopped.resume(until=later))


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rb.simulate(NETWORKS["quadratic"](), until=20, engine=rb.Exact(threads=1), seed=3, progress=True)
    assert "100%" in capsys.readouterr().err


def test_more_spikes_under_way_than_expected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Delays of 30 ms and many spikes: room is made while it runs, and where it goes on."""
    monkeypatch.setattr(exact_groups, "_LEAST", 1)
    monkeypatch.setattr(exact_groups, "_ROOM", 3)
    cell = rb.LIF(refractory="1 ms")

    def make() -> rb.Network:
        net = rb.Network()
        cells = net.add("cells", 20, cell, I="2 nA")
        net.connect(cells, cells, p=0.3, weight="0.01 mV", delay=rb.uniform("3 ms", "60 ms"))
        return net

    first = rb.simulate(make(), until=70, engine=rb.Exact(threads=1), seed=1)
    back = rb.restore(first.checkpoint(tmp_path / "x"), make())
    monkeypatch.undo()
    whole = rb.simulate(make(), until=100, engine=rb.Exact(threads=1), seed=1)
    assert_same(whole, back.resume(100))
    assert_same(whole, first.resume(100))


def test_neurons_that_are_not_joined_may_fire_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_groups, "_LEAST", 1)
    net = rb.Network()
    net.add("cells", 5, rb.LIF(), I="0.5 nA")
    assert len(rb.simulate(net, until=600, engine=rb.Exact(threads=1), seed=1).spikes.times) > 5 * 16


def test_what_cannot_go_on_is_told(tmp_path: Path) -> None:
    make = NETWORKS["quadratic"]
    first = run("quadratic", 20)
    with pytest.raises(rb.InputError, match="already reached 20 ms; give a later until"):
        first.resume(until=19.9)
    path = first.checkpoint(tmp_path / "x.npz")
    with pytest.raises(rb.InputError, match="another network"):
        rb.restore(path, make().replace({"Q.I": "0.5 nA"}))
    with pytest.raises(rb.InputError, match="leave record_to= out"):
        rb.restore(path, make(), record_to=tmp_path / "x.rheo")
    with pytest.raises(rb.InputError, match="cannot write"):
        first.checkpoint(tmp_path / "no folder" / "x.npz")
    whole = path.read_bytes()
    for size in (0, 100, 500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(rb.InputError, match="truncated"):
            rb.restore(path, make())
    path.write_bytes(whole)
    with np.load(path) as data:
        arrays = dict(data)
    head = json.loads(str(arrays["head"]))
    hostile: list[tuple[dict[str, Any], str]] = [
        ({"modes 0": arrays["modes 0"][:-1]}, "'modes 0' has the shape"),
        ({"modes 0": None}, "no 'modes 0'"),
        ({"at _begin0": np.zeros((3, 3), dtype=np.int64)}, "'at _begin0' has the shape"),
        ({"flight neurons 0": np.zeros(1000, dtype=np.int32)}, "'flight neurons 0' has the shape"),
        ({"head": np.array(json.dumps(head | {"version": 4}))}, "newer version"),
        ({"head": np.array(json.dumps(head | {"exact": {"window": 3, "until": 20.0, "threads": 1}}))}, "window 3"),
        ({"head": np.array(json.dumps(head | {"exact": {"window": 3}}))}, "truncated or no checkpoint"),
        ({"head": np.array(json.dumps(head | {"exact": [1, 2]}))}, "truncated or no checkpoint"),
    ]
    for change, message in hostile:
        np.savez(path, **{k: x for k, x in (arrays | change).items() if x is not None})
        with pytest.raises(rb.InputError, match=message):
            rb.restore(path, make())


def test_other_linear_algebra_goes_on_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices that were taken apart otherwise: the states are kept beside the modes, and it says so."""
    whole, first = run("turning", WHOLE), run("turning", 30)
    monkeypatch.setattr(exact_state, "_digest", lambda group: np.zeros(16, dtype=np.uint8))
    with pytest.warns(UserWarning, match="to rounding error, not bit for bit"):
        found = first.resume(WHOLE)
    assert len(found.spikes.times) == len(whole.spikes.times)
    np.testing.assert_allclose(found.spikes.times, whole.spikes.times, rtol=0, atol=1e-9)
    for s, x in whole["A"].final.items():
        np.testing.assert_allclose(found["A"].final[s], x, rtol=1e-9)


if __name__ == "__main__":
    which, file, end, threads, to = sys.argv[1:]
    there = rb.restore(file, NETWORKS[which]()).resume(until=float(end), threads=int(threads))
    there.checkpoint(to)
    print(json.dumps([digest(there), there.until]))
