"""Recording of networks: what is asked for is kept, in memory and in a file; files survive what ends a run."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import rheobase as rb
from rheobase import cli
from rheobase.engines import stream as stream_module
from rheobase.engines.network import _NetworkRun

STATES = {"E": True, "I": True}  # which states are recorded is part of the compiled code: few combinations, here
WANTED = {
    "E": rb.Record(["v", "g_e"], every="0.5 ms", neurons=[3, 0, 7]),
    "I": rb.Record(True, every="0.3 ms", start="5.1 ms", stop="40 ms", reduce="mean"),
    "P": rb.Record(spikes=slice(0, 10, 2)),
}


def make(n: int = 400) -> rb.Network:
    """Two populations that share a loop, one with a loop of its own, and sources; delays of several steps."""
    net = rb.Network()
    cells = [net.add(name, m, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV")) for name, m in (("E", n), ("I", n // 4))]
    other = net.add("L", 50, rb.LIFexp(), I="0.25 nA", v=rb.uniform("-70 mV", "-50 mV"))
    source = net.add("P", 20, rb.poisson("300 Hz"))
    net.connect(cells[0], [*cells], to="exc", p=0.1, weight="1.6 mV", delay=rb.uniform("0.5 ms", "2 ms"))
    net.connect(cells[1], [*cells], to="inh", p=0.1, weight="-9 mV", delay="0.8 ms")
    net.connect(source, cells[0], to="exc", p=0.2, weight="2 mV", delay="1.5 ms")
    net.connect(cells[0], other, p=0.05, weight="0.05 nA", delay="1 ms")
    return net


def run(until: float = 60, record: object = None, **how: object) -> rb.NetworkRun:
    return rb.simulate(make(), until=until, seed=3, record=record, **how)


@pytest.fixture(scope="module")
def whole() -> rb.NetworkRun:
    return run(record=STATES)


def expect_same(a: rb.NetworkRun, b: rb.NetworkRun) -> None:
    """Every bit of two runs of which the same was recorded."""
    assert [*a.populations] == [*b.populations]
    for name in a.populations:
        x, y = a[name], b[name]
        s, t = (x, y) if isinstance(x, rb.Spikes) else (x.spikes, y.spikes)
        assert s.times.tobytes() == t.times.tobytes()
        assert np.array_equal(s.neurons, t.neurons)
        assert (s.kept is None) == (t.kept is None)
        if isinstance(x, rb.Run):
            assert x.t.tobytes() == y.t.tobytes()
            assert [*x.traces] == [*y.traces]
            for state in x.traces:
                assert x.traces[state].tobytes() == y.traces[state].tobytes(), (name, state)
            for state in x.final:
                assert x.final[state].tobytes() == y.final[state].tobytes()


# ------------------------------------------------------------------ what is kept
def test_subsets_windows_and_means_are_those_of_the_whole_recording(whole: rb.NetworkRun):
    part = run(record=WANTED)
    every5 = np.arange(0, 601, 5)
    assert [*part["E"].traces] == ["v", "g_e"]
    assert part["E"].v.shape == (3, 121)
    assert np.array_equal(part["E"].v, whole["E"].v[[0, 3, 7]][:, every5])
    steps = np.arange(51, 401, 3)
    assert np.array_equal(part["I"].t, steps * 0.1)
    assert part["I"].v.shape == steps.shape
    assert np.allclose(part["I"].v, whole["I"].v[:, steps].mean(axis=0), rtol=1e-14)
    assert part["L"].traces == {}
    kept = np.isin(whole["P"].neurons, [0, 2, 4, 6, 8])
    assert np.array_equal(part["P"].times, whole["P"].times[kept])
    assert np.array_equal(part["E"].spikes.times, whole["E"].spikes.times)


def test_spikes_that_were_not_recorded_are_not_zero(whole: rb.NetworkRun):
    part = run(record={"E": rb.Record(spikes=[1, 5]), "I": rb.Record(spikes=False)})
    assert np.array_equal(part["E"].spikes[5], whole["E"].spikes[5])
    with pytest.raises(rb.NotRecorded, match="spikes of neuron 2 were not recorded"):
        part["E"].spikes[2]
    assert np.isnan(part["E"].rate()[2])
    assert part["E"].rate()[5] == whole["E"].rate()[5]
    assert part.rate()["E"] == pytest.approx(np.mean(whole["E"].rate()[[1, 5]]))
    assert np.isnan(part.rate()["I"])
    assert [*rb.network_statistics(part, start=5)] == ["E", "L"]
    assert len(rb.cv(part["E"])) == 2
    assert part.spikes.kept is not None
    assert "2 of 400" in repr(part["E"].spikes)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"record": {"Q": "v"}}, "there is no population 'Q'"),
        ({"record": {"E": "u"}}, "'u' is no state of E"),
        ({"record": {"P": "v"}}, "It is a source of spikes"),
        ({"record": {"E": rb.Record("v", neurons=[400])}}, "E has neurons 0 to 399"),
        ({"record": {"E": rb.Record(spikes=[-1])}}, "spikes: E has neurons 0 to 399"),
        ({"record": rb.Record("v", start=100)}, "after the end at 60 ms"),
        ({"record": rb.Record(True, every=0.25)}, r"record_every = 0.25 ms is not a whole number of steps"),
        ({"record": {"E": rb.Record("v")}, "record_every": 1}, r"do not go with rb.Record"),
        ({"record": {"E": "v"}, "record_neurons": {"A": [1]}}, "there is no population 'A'"),
    ],
)
def test_what_cannot_be_recorded_is_said_before_the_run(how: dict[str, object], message: str):
    with pytest.raises(rb.InputError, match=message):
        run(**how)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"start": -1}, "start = -1 ms"),
        ({"start": 5, "stop": 4}, "comes before start"),
        ({"every": 0}, "every = 0 ms is not positive"),
        ({"reduce": "median"}, "'mean'"),
        ({"states": 3}, "states = 3"),
        ({"every": "1 mV"}, "every"),
    ],
)
def test_a_record_is_checked_when_it_is_made(how: dict[str, object], message: str):
    with pytest.raises(rb.RheobaseError, match=message):
        rb.Record(**how)


def test_exact_networks_record_the_same_things():
    net = rb.Network()
    cells = net.add("E", 30, rb.LIF(), I=rb.uniform("0.2 nA", "0.3 nA"))
    net.connect(cells, cells, p=0.2, weight="0.5 mV", delay="1 ms")
    everything = rb.simulate(net, until=50, seed=1, engine=rb.Exact(), record=True, record_every=1)
    which = rb.Record("v", every=1, start=10, stop=20, reduce="mean", spikes=[4])
    part = rb.simulate(net, until=50, seed=1, engine=rb.Exact(), record=which)
    assert np.allclose(part["E"].v, everything["E"].v[:, 10:21].mean(axis=0), rtol=1e-14)
    assert np.array_equal(part["E"].spikes[4], everything["E"].spikes[4])
    with pytest.raises(rb.InputError, match="multiples of 1 ms"):
        rb.simulate(net, until=50, engine=rb.Exact(), record=rb.Record("v", every=1, start=0.5))
    with pytest.raises(rb.InputError, match=r"goes with rb.Clock"):
        rb.simulate(net, until=50, engine=rb.Exact(), record_to="never.rheo")


# ------------------------------------------------------------------ the same bits
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk", [7, 64, None])
def test_recording_streaming_chunks_and_threads_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, chunk: int | None
):
    expected, plain = run(record=WANTED), run()
    plan = _NetworkRun._make_logs

    def cut(self: _NetworkRun) -> None:
        if chunk:
            for cells in self.groups:
                monkeypatch.setattr(type(cells.tap), "fit", lambda tap, most: min(chunk, most))
        plan(self)

    monkeypatch.setattr(_NetworkRun, "_make_logs", cut)
    engine = rb.Clock(threads=threads)
    expect_same(expected, run(record=WANTED, engine=engine))
    streamed = run(record=WANTED, engine=engine, record_to=tmp_path / "run.rheo")
    expect_same(expected, streamed)
    expect_same(expected, rb.load(tmp_path / "run.rheo"))
    assert streamed["E"].spikes.times.tobytes() == plain["E"].spikes.times.tobytes()
    assert streamed["L"].final["v"].tobytes() == plain["L"].final["v"].tobytes()


def test_what_was_not_recorded_is_in_flight_all_the_same(tmp_path: Path):
    record = {"E": rb.Record(spikes=False), "P": rb.Record(spikes=False), "I": WANTED["I"]}
    expected, half = run(record=record), run(30, record=record)
    expect_same(expected, half.resume(until=60))
    half.checkpoint(tmp_path / "half.npz")
    expect_same(expected, rb.restore(tmp_path / "half.npz", make()).resume(until=60))


def test_a_recording_is_looked_at_as_a_fresh_run_is(tmp_path: Path):
    fresh = run(record=WANTED)
    run(record=WANTED, record_to=tmp_path / "run.rheo")
    back = rb.load(tmp_path / "run.rheo")
    assert back.to_pandas().equals(fresh.to_pandas())
    assert back["E"].to_pandas().equals(fresh["E"].to_pandas())
    assert str(rb.network_statistics(back, start=10)) == str(rb.network_statistics(fresh, start=10))
    assert back.rate() == pytest.approx(fresh.rate())
    assert back["E"].model == fresh["E"].model
    assert back.raster().get_xlim() == fresh.raster().get_xlim()
    back.plot()
    back["I"].plot("v")
    assert (back.until, back.seed, back.offsets, back.path) == (60, 3, fresh.offsets, tmp_path / "run.rheo")
    saved = rb.load(back["I"].save(tmp_path / "I"))
    assert np.array_equal(saved.v, fresh["I"].v)
    with pytest.raises(rb.InputError, match="read from a file does not go on"):
        back.resume(until=70)
    with pytest.raises(rb.InputError, match="holds no state of it"):
        back.checkpoint(tmp_path / "x")


def test_a_streamed_run_goes_on_in_its_file(tmp_path: Path):
    path = tmp_path / "run.rheo"
    first = run(20, record=WANTED, record_to=path)
    second = first.resume(until=33, threads=2).resume(until=60)
    expected = run(record=WANTED)
    expect_same(expected, second)
    expect_same(expected, rb.load(path))
    expect_same(run(20, record=WANTED), first)  # which still reads what it had
    with pytest.raises(rb.InputError, match="no longer as this run left it"):
        first.resume(until=40)
    with pytest.raises(rb.InputError, match="already reached"):
        second.resume(until=10)
    expect_same(expected, rb.load(path))


def test_a_streamed_run_goes_on_from_a_checkpoint_at_any_moment(tmp_path: Path):
    """The file may hold more than the checkpoint, as after a kill; what follows the checkpoint is computed anew."""
    expected, rng = run(record=WANTED), np.random.default_rng()
    for i, split in enumerate(np.round(rng.uniform(6, 58, 4), 1)):
        folder = tmp_path / str(i)
        folder.mkdir()
        first = run(float(split), record=WANTED, record_to=folder / "run.rheo")
        file = first.checkpoint(folder / "half.npz")
        if i % 2:
            first.resume(until=float(split) + 0.5 + 0.1 * int(rng.integers(5)))
        moved = folder.rename(tmp_path / f"{i}, moved")
        back = rb.restore(moved / file.name, make())
        assert back.until == pytest.approx(split)
        expect_same(run(float(split), record=WANTED), back)
        expect_same(expected, back.resume(until=split + 0.1).resume(until=60))
        expect_same(expected, rb.load(moved / "run.rheo"))


def test_a_checkpoint_and_its_recording_belong_together(tmp_path: Path):
    path = tmp_path / "run.rheo"
    first = run(20, record=WANTED, record_to=path)
    file = first.checkpoint(tmp_path / "half.npz")
    other = path.rename(tmp_path / "elsewhere.rheo")
    with pytest.raises(rb.InputError, match=r"there is no file .*record_to="):
        rb.restore(file, make())
    assert rb.restore(file, make(), record_to=other).resume(until=21).until == pytest.approx(21)
    run(10, record=WANTED, record_to=path)
    with pytest.raises(rb.InputError, match="holds no piece that ends at step 200"):
        rb.restore(file, make())
    rb.simulate(make(), until=20, seed=4, record=WANTED, record_to=path, overwrite=True)
    with pytest.raises(rb.InputError, match="recording of another run"):
        rb.restore(file, make())
    in_memory = run(20).checkpoint(tmp_path / "memory.npz")
    with pytest.raises(rb.InputError, match="leave record_to= out"):
        rb.restore(in_memory, make(), record_to=path)


def test_a_streamed_run_knows_its_weights(tmp_path: Path):
    def plastic() -> rb.Network:
        net = make()
        net.connect("P", "E", to="exc", p=0.5, weight="1 mV", delay=1, synapse=rb.stdp(w_max="3 mV"), name="s")
        return net

    expected = rb.simulate(plastic(), until=60, seed=3)
    first = rb.simulate(plastic(), until=25, seed=3, record_to=tmp_path / "run.rheo")
    file = first.checkpoint(tmp_path / "half.npz")
    last = rb.restore(file, plastic()).resume(until=60)
    assert np.ptp(expected.weights("s")) > 0.1
    assert np.array_equal(expected.weights("s"), last.weights("s"))


def test_memory_does_not_grow_with_a_streamed_run(tmp_path: Path):
    import tracemalloc

    rb.simulate(make(), until=1, seed=1, record=STATES)
    peaks = []
    for until in (100, 800):
        tracemalloc.start()
        rb.simulate(make(), until=until, seed=1, record={"E": True}, record_to=tmp_path / f"{until}.rheo")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (tmp_path / "800.rheo").stat().st_size > 50e6
    assert peaks[1] < peaks[0] + 5e6


# ------------------------------------------------------------------ other programs
def test_recordings_become_hdf5_and_npz(tmp_path: Path):
    a = run(record=WANTED, record_to=tmp_path / "run.rheo")
    done = CliRunner().invoke(cli.app, ["convert", str(tmp_path / "run.rheo"), str(tmp_path / "run.h5")])
    assert done.exit_code == 0, done.output
    assert "MB" in done.output
    rb.convert_recording(tmp_path / "run.rheo", tmp_path / "run.npz")
    with h5py.File(tmp_path / "run.h5") as h5, np.load(tmp_path / "run.npz") as npz:
        for data in (h5, npz):
            assert np.array_equal(data["E/spikes/times"][:], a["E"].spikes.times)
            assert np.array_equal(data["E/spikes/neurons"][:], a["E"].spikes.neurons)
            assert np.array_equal(data["E/traces/v"][:], a["E"].v.T)
            assert np.array_equal(data["E/neurons"][:], [0, 3, 7])
            assert np.array_equal(data["I/t"][:], a["I"].t)
            assert np.array_equal(data["L/final/v"][:], a["L"].final["v"])
            assert np.array_equal(data["P/spiking"][:], [0, 2, 4, 6, 8])
        assert '"seed": 3' in h5.attrs["head"]
    again = ["convert", str(tmp_path / "run.rheo"), str(tmp_path / "run.h5")]
    refused = CliRunner().invoke(cli.app, again)
    assert refused.exit_code == 1
    assert "exists already" in refused.output
    assert CliRunner().invoke(cli.app, [*again, "--overwrite"]).exit_code == 0
    for target, message in (("run.mat", r"\.h5, \.hdf5 or \.npz"), ("no/run.h5", "there is no folder")):
        with pytest.raises(rb.InputError, match=message):
            rb.convert_recording(tmp_path / "run.rheo", tmp_path / target)
    with pytest.raises(rb.InputError, match="is HDF5"):
        rb.load(tmp_path / "run.h5")
    with pytest.raises(rb.InputError, match="no recording of rheobase"):
        rb.convert_recording(tmp_path / "run.npz", tmp_path / "other.h5")


def test_populations_of_any_name_are_converted(tmp_path: Path):
    net = rb.Network()
    for name in ("a/b", "a_b", ".", "head"):
        net.add(name, 3, rb.LIF(), I="0.3 nA")
    a = rb.simulate(net, until=50, seed=1, record_to=tmp_path / "run.rheo")
    rb.convert_recording(a.path, tmp_path / "run.npz")
    rb.convert_recording(a.path, tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as h5, np.load(tmp_path / "run.npz") as npz:
        assert sorted(h5) == ["_", "a_b", "a_b_", "head"]
        assert np.array_equal(npz["a_b_/spikes/times"], a["a/b"].spikes.times)


@pytest.mark.parametrize("precision", ["mixed", "float32"])
def test_other_precisions_are_recorded(tmp_path: Path, precision: str):
    how = {"record": WANTED, "engine": rb.Clock(precision=precision)}
    expect_same(run(**how), run(**how, record_to=tmp_path / "run.rheo"))


def test_plain_python_streams_too(tmp_path: Path):
    net = rb.Network()
    cells = net.add("E", 5, rb.LIF(), I="0.3 nA")
    net.connect(cells, cells, all_to_all=True, weight="1 mV", delay="1 ms")
    kept = rb.simulate(net, until=50, seed=1, record=True)
    expect_same(kept, rb.simulate(net, until=50, seed=1, record=True, record_to=tmp_path / "run.rheo"))


# ------------------------------------------------------------------ what goes wrong
def test_files_that_cannot_be_written_are_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*given: object) -> None:
        raise AssertionError("the run has begun")

    monkeypatch.setattr("rheobase.engines.network.run_network", never)
    (tmp_path / "old.rheo").write_bytes(b"precious")
    cases = [("old.rheo", "exists already"), ("no/run.rheo", "no folder"), (".", "is a folder"), ("run.h5", "run.rheo")]
    for name, message in cases:
        with pytest.raises(rb.InputError, match=message):
            run(record_to=tmp_path / name)
    with pytest.raises(rb.InputError, match="no path"):
        run(record_to=3)
    monkeypatch.setattr(stream_module.os, "access", lambda *given: False)
    with pytest.raises(rb.InputError, match="cannot be written"):
        run(record_to=tmp_path / "run.rheo")
    monkeypatch.undo()
    monkeypatch.setattr(stream_module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(rb.InputError, match=r"take .* GB, but .* GB are free"):
        run(record={"E": True}, record_to=tmp_path / "run.rheo")
    with pytest.raises(rb.InputError, match="of a network"):
        rb.simulate(rb.LIF(), I=0.3, until=10, record_to=tmp_path / "run.rheo")
    assert (tmp_path / "old.rheo").read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["old.rheo"]


def test_a_file_is_replaced_only_if_that_is_asked_for(tmp_path: Path):
    path = tmp_path / "run.rheo"
    run(10, record_to=path)
    run(20, record_to=path, overwrite=True)
    assert rb.load(path).until == 20
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("room", [0, 10_000, 200_000])
def test_a_full_disk_loses_nothing_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: rb.NetworkRun, room: int
):
    class Full(stream_module.FileIO):
        def write(self, data: memoryview) -> int:
            left = room - (self.seek(0, 2) - self.begin)
            if left <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data[: max(1, min(left, 5000))])

    def open_full(path: Path) -> Full:
        file = Full(path, "ab")
        file.begin = file.seek(0, 2)
        return file

    monkeypatch.setattr(stream_module, "_open", open_full)
    path = tmp_path / "run.rheo"
    monkeypatch.setattr("rheobase.engines.record._ROOM", 1e5)  # short chunks
    with pytest.raises(rb.InputError, match=r"cannot write into .*run\.rheo: No space left.* the file holds"):
        run(record={"E": True}, record_to=path)
    with pytest.warns(UserWarning, match="did not come to its end"):
        back = rb.load(path)
    assert (back.until > 0) == (room > 100_000)
    expect_begin(back, whole)


def test_a_limit_of_the_system_is_told(tmp_path: Path):
    """As under a quota: the process may not write files above 300 kB."""
    path = tmp_path / "run.rheo"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    rb.simulate(make(), until=1, seed=3, record={"E": True})  # compiled files are written before
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(rb.InputError, match=r"cannot write into .*run\.rheo"):
            run(200, record={"E": True}, record_to=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.warns(UserWarning, match="of 200 ms"):
        assert rb.load(path).until >= 0


def expect_begin(back: rb.NetworkRun, whole: rb.NetworkRun) -> None:
    """A recording holds all that happened until it breaks off."""
    for name in whole.populations:
        a, b = (x if isinstance(x, rb.Spikes) else x.spikes for x in (whole[name], back[name]))
        early = a.times <= back.until
        assert a.times[early].tobytes() == b.times.tobytes()
        assert np.array_equal(a.neurons[early], b.neurons)
    v = back["E"].v
    assert np.array_equal(v, whole["E"].v[:, : v.shape[1]])
    assert v.shape[1] == (round(back.until / 0.1) + 1 if v.size else 0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recording") / "run.rheo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rheobase.engines.record._ROOM", 2e5)
        run(record={"E": True}, record_to=path)
    return path.read_bytes()


def test_any_cut_leaves_what_is_whole(tmp_path: Path, recording: bytes, whole: rb.NetworkRun):
    path, rng, reached = tmp_path / "cut.rheo", np.random.default_rng(1), []
    begun = recording.index(b"\xf5rec", 20)  # the second frame's marker
    for size in [0, 5, 100, begun, begun + 50, *sorted(rng.integers(begun, len(recording), 12))]:
        path.write_bytes(recording[: int(size)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if size < begun:
                with pytest.raises(rb.InputError, match=r"cut off before|no file of rheobase"):
                    rb.load(path)
                continue
            back = rb.load(path)
        expect_begin(back, whole)
        reached.append(back.until)
    assert reached == sorted(reached)
    assert reached[-1] > 40


def test_zeros_at_the_end_are_left_out(tmp_path: Path, recording: bytes, whole: rb.NetworkRun):
    """What some file systems leave behind when the power fails."""
    path = tmp_path / "zeros.rheo"
    path.write_bytes(recording[:400_000] + bytes(5000))
    with pytest.warns(UserWarning, match="did not come to its end"):
        expect_begin(rb.load(path), whole)


def test_damage_in_the_middle_is_an_error_and_can_be_left_out(tmp_path: Path, recording: bytes, whole: rb.NetworkRun):
    path = tmp_path / "bad.rheo"
    for at in np.random.default_rng(2).integers(len(recording) // 3, len(recording) * 2 // 3, 5):
        path.write_bytes(recording[:at] + bytes([recording[at] ^ 255]) + recording[at + 1 :])
        with pytest.raises(rb.InputError, match=r"bad\.rheo is damaged at byte \d+"):
            rb.load(path)
        with pytest.warns(UserWarning, match="did not come to its end"):
            back = rb.load(path, salvage=True)
        assert 0 < back.until < 60
        expect_begin(back, whole)


def test_files_of_another_kind_are_named(tmp_path: Path, recording: bytes):
    cases = {
        "text.rheo": (b"hello", "no file of rheobase"),
        "newer.rheo": (recording[:8] + b"\x02" + recording[9:], "newer rheobase"),
        "empty.rheo": (b"", "no file of rheobase"),
        "begun.rheo": (recording[:100], "cut off before its description"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(rb.InputError, match=rf"{name}.*{message}"):
            rb.load(tmp_path / name)
    with pytest.raises(rb.InputError, match="there is no file"):
        rb.load(tmp_path / "none.rheo")
    with pytest.raises(rb.InputError, match="cannot read"):
        rb.load(tmp_path)


def test_ctrl_c_leaves_a_good_file(tmp_path: Path):
    path = tmp_path / "run.rheo"
    run(10)  # compiled before
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match=r"interrupted at .*run\.rheo holds all until then"):
        stopped = rb.simulate(make(), until="10000 s", seed=3, record_to=path)
    back = rb.load(path)
    assert 0 < back.until == stopped.until < 1e7
    expect_same(back, rb.simulate(make(), until=back.until, seed=3))


_PROGRAM = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import rheobase as rb
from test_recording import STATES, make
net, how = make(), {"seed": 3, "record": STATES, "engine": rb.Clock(threads=1)}
rb.simulate(net, until=1, **how)
for line in sys.stdin:  # a child for each file: it has all that is loaded and compiled
    child = os.fork()
    if child == 0:
        rb.simulate(net, until=1e5, record_to=line.strip(), **how)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


def test_what_a_killed_run_has_recorded_is_whole(tmp_path: Path):
    """20 processes are killed, each at a random moment of its run."""
    rng, reached = np.random.default_rng(), {}
    program = [sys.executable, "-c", _PROGRAM, str(Path(__file__).parent)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for i in range(20):
            path = tmp_path / f"{i}.rheo"
            print(path, file=process.stdin, flush=True)
            child = int(process.stdout.readline())
            while not path.exists():
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.4))
            os.kill(child, signal.SIGKILL)
            assert process.stdout.readline() == "killed\n"
            with pytest.warns(UserWarning, match="did not come to its end"):
                reached[path] = rb.load(path)
        process.stdin.close()
    longest = max(back.until for back in reached.values())
    assert longest > 10
    whole = rb.simulate(make(), until=longest, seed=3, record=STATES)
    for back in reached.values():
        expect_begin(back, whole)
