"""NeuroML 2 cells and NESTML texts: written, read back, and refused where they are something else."""

import xml.etree.ElementTree as ElementTree

import pytest

import rheobase as rb
from rheobase.errors import InputError, NotExportable, UnitMismatch

CELLS = {
    "iafCell": rb.LIF(form="conductance", refractory=None, name="cell"),
    "iafRefCell": rb.LIF(form="conductance", refractory="3 ms", name="cell"),
    "adExIaFCell": rb.AdEx(name="cell", refractory="1 ms"),
    "izhikevich2007Cell": rb.Izhikevich2007(name="cell"),
}


@pytest.mark.parametrize("tag", CELLS)
def test_a_cell_comes_back(tag, tmp_path):
    cell = CELLS[tag]
    text = rb.to_neuroml(cell, tmp_path / "cell.nml")
    root = ElementTree.fromstring(text)
    assert root[0].tag.partition("}")[2] == tag
    for source in (text, tmp_path / "cell.nml"):
        back = rb.from_neuroml(source)["cell"]
        assert back.evolve == cell.evolve
        for name, q in cell.parameters.items():
            assert back.parameters[name].value == pytest.approx(q.value, rel=1e-15, abs=1e-15), name
    first = rb.simulate(cell, I="0.6 nA", until="150 ms", dt="0.1 ms")
    second = rb.simulate(back, I="0.6 nA", until="150 ms", dt="0.1 ms")
    assert first.spikes[0].tolist() == second.spikes[0].tolist() != []


def test_any_rows_that_are_a_lif_are_an_iaf_cell():
    text = rb.to_neuroml(rb.LIF(tau="20 ms", R="100 MOhm", refractory=None))
    assert 'leakReversal="-70.0mV" thresh="-50.0mV" reset="-70.0mV" C="0.2nF" leakConductance="0.01uS"' in text


def test_currents_are_pulses():
    text = rb.to_neuroml(CELLS["iafCell"], I=rb.step("0.3 nA", on="20 ms", off="120 ms"))
    assert '<pulseGenerator id="pulse" delay="20.0ms" duration="100.0ms" amplitude="0.3nA"/>' in text
    assert '<explicitInput target="cells[0]" input="pulse"/>' in text
    constant = rb.to_neuroml(CELLS["iafCell"], I="0.3 nA")
    assert rb.from_neuroml(constant)["cell"].parameters["I"].value == 0.3
    with pytest.raises(NotExportable, match="not one rectangle"):
        rb.to_neuroml(CELLS["iafCell"], I=rb.ramp(0, 1, on=0, off=10))


@pytest.mark.parametrize(
    ("neuron", "said"),
    [
        (rb.ALIF(), "no iafCell"),
        (rb.LIF(form="dimensionless"), "no units"),
        (rb.LIF(threshold="v >= theta"), "equality"),
        (rb.LIF(reset="v <- v + theta"), "reset row"),
        (rb.LIF(v="-60 mV"), "starts at its leakReversal"),
        (rb.AdEx(w="0.1 nA"), "starts at EL"),
        (rb.Izhikevich2007(u="10 pA"), "starts with u = 0"),
        (rb.LIF(tau=[10.0, 20.0]), "2 neurons"),
    ],
)
def test_what_neuroml_cannot_say_is_told(neuron, said):
    with pytest.raises(NotExportable, match=said):
        rb.to_neuroml(neuron)


GOOD = rb.to_neuroml(CELLS["iafCell"])
BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><neuroml>&b;</neuroml>'


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (BOMB, InputError, "declares a document type or entities"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><neuroml/>', InputError, "document type"),
        (GOOD[: len(GOOD) // 2], InputError, "truncated or no XML"),
        ("<html/>", InputError, "no NeuroML document"),
        ("<neuroml><hhCell id='a'/></neuroml>", InputError, "it has hhCell"),
        ("<neuroml>" * 200 + "</neuroml>" * 200, InputError, "deep"),
        (GOOD.replace('C="0.2nF"', ""), InputError, "lacks 'C'"),
        (GOOD.replace('C="0.2nF"', 'C="0.2mV"'), UnitMismatch, "is no nF"),
        (GOOD.replace('C="0.2nF"', 'C="nan nF"'), InputError, "not a number with a unit"),
        (GOOD.replace('C="0.2nF"', 'C="-0.2nF"'), InputError, "not positive"),
        (GOOD.replace('C="0.2nF"', "C=\"__import__('os')\""), InputError, "not a number with a unit"),
    ],
)
def test_bad_documents_are_refused(text, error, said):
    with pytest.raises(error, match=said):
        rb.from_neuroml(text)


def test_a_missing_file_and_one_that_is_there(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        rb.from_neuroml(tmp_path / "no.nml")
    for write in (rb.to_neuroml, rb.to_nestml):
        write(CELLS["iafCell"], tmp_path / "a.nml")
        with pytest.raises(InputError, match="is there already"):
            write(CELLS["iafCell"], tmp_path / "a.nml")
        (tmp_path / "a.nml").unlink()


# ------------------------------------------------------------------ NESTML; all of these pass NESTML 9.0.0's own checks
ZOO = [rb.LIF(), rb.AdEx(), rb.LIFexp(), rb.Izhikevich(), rb.CUBA(), rb.COBA(), rb.IF(), rb.QIF(), rb.MAT(), rb.IAF()]


@pytest.mark.parametrize("neuron", ZOO, ids=[n.name for n in ZOO])
def test_nestml_holds_every_row(neuron):
    text = rb.to_nestml(neuron)
    for state in neuron.states:
        assert f"{state}' = " in text
    for name in neuron.parameters:
        assert f"        {name} " in text
    for port in neuron.ports:
        assert f"onReceive({port}):" in text
    assert text.count("emit_spike()") == 1
    waits = any(neuron.parameters[n].value > 0 for n in neuron.refractory.values())
    assert ("steps(" in text) == waits


def test_nestml_in_full():
    assert (
        rb.to_nestml(rb.LIF()).split("update:")[1]
        == """
        if held > 0:
            held -= 1
        else:
            integrate_odes()

    onReceive(spikes):
        if held == 0:
            v = v + (spikes * 1 s * 1 mV)

    onCondition(held == 0 and (v > theta)):
        held = n_held
        v = v_r
        emit_spike()
"""
    )
    assert "v = max(v, v_min)" in rb.to_nestml(rb.IAF())
    where = rb.Neuron(evolve="tau dv/dt = where(v > 1, sqrt(v), max(1, 2, v)) - v", tau=3.0)
    assert "((v > 1) ? (((v) ** 0.5)) : (max(max(1, 2), v))) - v" in rb.to_nestml(where)


def test_what_nestml_cannot_say_is_told():
    with pytest.raises(NotExportable, match=r"white noise.*"):
        rb.to_nestml(rb.NoisyLIF(sigma="1 mV"))
    with pytest.raises(NotExportable, match="a hazard"):
        rb.to_nestml(rb.EscapeLIF())
    with pytest.raises(NotExportable, match="exprel"):
        rb.to_nestml(rb.HH())
