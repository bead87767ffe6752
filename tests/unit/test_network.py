"""Networks as descriptions: what can be said, what is refused and how, and the tables of a paper."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

import rheobase as rb
from rheobase.errors import InputError, UnitMismatch
from rheobase.network.connect import build
from rheobase.network.network import Network, Part, Projection
from rheobase.network.rule import InDegree, Pairs, Probability, Total

LIF = rb.Neuron(
    evolve="tau dv/dt = E_L - v + R*I",
    receive="v <- v + w_i",
    threshold="v > theta",
    reset="v <- v_r",
    refractory="2 ms",
    name="LIF",
    tau="20 ms",
    R="100 MOhm",
    E_L="-70 mV",
    theta="-50 mV",
    v_r="-70 mV",
)
BLIND = LIF.replace(receive="v <- 0.5*v", name="blind")
DEAF = LIF.replace(receive=None, name="deaf")


def make() -> tuple[Network, Part, Part]:
    net = Network()
    E = net.add("E", 10, LIF, I="0.3 nA", positions=np.arange(10.0))
    I = net.add("I", 4, rb.CUBA())
    return net, E, I


def test_cuba_network_of_the_manual():
    net = Network()
    E = net.add("E", 3200, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    I = net.add("I", 800, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    both = net.connect(E, [E, I], to="exc", p=0.02, weight="1.62 mV", delay="0.1 ms")
    one = net.connect(I, E, to="inh", p=0.02, weight="-9 mV", delay="0.1 ms")
    assert isinstance(both, list)
    assert isinstance(one, Projection)
    assert [(p.source.name, p.target.name, p.port, p.index) for p in net.projections] == [
        ("E", "E", "exc", 0),
        ("E", "I", "exc", 1),
        ("I", "E", "inh", 2),
    ]
    assert both[0].rule == Probability(0.02)
    assert one.weight.value == -9.0
    assert one.delay.value == 0.1
    assert one.name == "I to E (inh)"
    assert net["E"] is E
    assert "E" in net
    assert [*net.populations] == ["E", "I"]


def test_values_are_kept_in_coherent_units_and_cannot_be_changed_from_outside():
    net = Network()
    given = np.linspace(-70, -60, 5)
    part = net.add("E", 5, LIF, I="300 pA", v=given, spikes=rb.poisson("10 Hz", "1 mV"))
    given[:] = 0.0
    assert part.values["I"].value == 0.3
    assert np.array_equal(part.values["v"].value, np.linspace(-70, -60, 5))
    with pytest.raises(TypeError):
        part.values["v"] = 3


class TestPart:
    def test_slices_and_lists_count_from_the_population(self):
        _, E, _ = make()
        assert E[2:8].indices.tolist() == [2, 3, 4, 5, 6, 7]
        assert E[2:8][1:3].indices.tolist() == [3, 4]
        assert E[::-3].indices.tolist() == [9, 6, 3, 0]
        assert E[[5, 1, -1]].indices.tolist() == [5, 1, 9]
        assert E[2:8][[0, -1]].indices.tolist() == [2, 7]
        assert E[3].indices.tolist() == [3]
        assert E[np.arange(10) % 4 == 0].indices.tolist() == [0, 4, 8]
        assert (len(E), len(E[:3])) == (10, 3)
        assert E[[5, 1]].positions.tolist() == [[5.0], [1.0]]
        assert E.is_whole
        assert not E[:9].is_whole
        assert E[:].is_whole

    def test_it_is_printed_as_it_is_written(self):
        _, E, I = make()
        assert [str(x) for x in (E, E[:3], E[[5, 1]], E[::2])] == ["E", "E[0:3]", "E[[5, 1]]", "E[0:10:2]"]
        assert repr(I[:2]) == "<I[0:2]: 2 of CUBA>"

    @pytest.mark.parametrize(
        ("which", "message"),
        [
            (10, "E has no neuron 10; it has 0 to 9"),
            ([3, -11], "E has no neuron -11"),
            ([1, 2, 1], "names a neuron twice"),
            (slice(5, 5), "holds no neuron"),
            ([], "holds no neuron"),
            (np.ones(3, bool), r"the mask has shape \(3,\), but there are 10 neurons"),
            (1.5, "choose by a slice, by numbers of neurons, or by a mask"),
            ("a", "choose by a slice"),
        ],
    )
    def test_a_choice_that_cannot_be_made_is_named(self, which, message):
        _, E, _ = make()
        with pytest.raises(InputError, match=message):
            E[which]

    def test_no_positions(self):
        _, _, I = make()
        assert I.positions is None


class TestAdd:
    @pytest.mark.parametrize(
        ("arguments", "values", "message"),
        [
            (("E", 5, LIF), {"I": 0}, "there is a population 'E' already; give another name"),
            (("", 5, LIF), {"I": 0}, "name = '' must be a text"),
            ((3, 5, LIF), {"I": 0}, "name = 3 must be a text"),
            (("A", 0, LIF), {"I": 0}, "A: n = 0 must be a whole number from 1"),
            (("A", 2.5, LIF), {"I": 0}, "A: n = 2.5 must be a whole number"),
            (("A", float("nan"), LIF), {"I": 0}, "A: n = nan must be"),
            (("A", True, LIF), {"I": 0}, "A: n = True must be"),
            (("A", 2**31, LIF), {"I": 0}, "the most that a population can have"),
            (("A", 5, LIF), {}, r"A: LIF needs the input I \(in nA\); give I=\.\.\."),
            (("A", 5, LIF), {"I": 0, "tua": 3}, "A: 'tua' is no input.* Did you mean 'tau'"),
            (("A", 5, LIF), {"I": np.zeros(4)}, "A: I has 4 values, but there are 5 neurons"),
            (("A", 5, LIF), {"I": 0, "v": np.zeros(4)}, "A: v has 4 values"),
            (("A", 5, LIF), {"I": 0, "spikes": [[1.0], [2.0]]}, "A: spikes has 2 values"),
            (
                ("A", 5, LIF.replace(tau=[10, 20])),
                {"I": 0},
                "A: the arrays of LIF describe 2 neurons, but there are 5",
            ),
            (("A", 5, LIF), {"I": np.inf}, "A: the input I = inf is not finite"),
            (("A", 5, LIF), {"I": np.nan}, "I is NaN"),
            (("A", 5, LIF), {"I": 0, "tau": "-1 ms"}, "A: tau = -1 ms is not positive"),
            (("A", 5, LIF), {"I": 0, "v": np.inf}, "A: the initial value v = inf"),
            (("A", 5, LIF), {"I": 0, "v": rb.step(1.0)}, "A: v is a state; its initial value is a number"),
            (("A", 5, LIF), {"I": 0, "t_ref": rb.step(1.0)}, "A: t_ref is the refractory time"),
            (("A", 5, LIF), {"I": 0, "spikes": rb.step(1.0)}, "spikes is a port where spikes arrive"),
            (("A", 5, rb.LIF), {}, r"is no Neuron and no source of spikes .*; write LIF\(\)"),
            (("A", 5, "LIF"), {}, "model = 'LIF' is no Neuron"),
            (("A", 5, rb.poisson("8 Hz")), {"v": 3}, "A: a source of spikes has no 'v'"),
            (
                ("A", 5, rb.poisson("8 Hz", "1 mV")),
                {},
                "A: the weight of a source population is given by connect",
            ),
            (("A", 5, rb.poisson("8 Hz", 2.0)), {}, "the weight of a source population"),
            (("A", 5, rb.spikes([1, 2], 2.0)), {}, "the weight of a source population"),
            (("A", 5, rb.spikes([1.0]) + rb.spikes([2.0], 3.0)), {}, "the weight of a source population"),
            (("A", 5, rb.poisson([1, 2, 3])), {}, "A: the source describes 3 spike trains, but n = 5"),
            (("A", 5, LIF, np.zeros((5, 4))), {"I": 0}, r"A: positions have shape \(5, 4\)"),
            (("A", 5, LIF, np.zeros(4)), {"I": 0}, r"A: positions have shape \(4,\)"),
            (("A", 2, LIF, [0.0, np.inf]), {"I": 0}, "A: the position of neuron 1 is not finite"),
            (("A", 2, LIF, "here"), {"I": 0}, "A: positions must be an array of numbers"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_added(self, arguments, values, message):
        net, _, _ = make()
        with pytest.raises(InputError, match=message):
            net.add(*arguments, **values)
        assert [*net.populations] == ["E", "I"]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"I": "3 mV"}, "A: I is in mV, but the rows want nA"),
            ({"I": 0, "v": "3 nA"}, "A: v is in nA, but the rows want mV"),
            (
                {"I": 0, "spikes": rb.spikes([1.0], "1 nS")},
                "A: the weight at port spikes is in uS, but the rows want mV",
            ),
        ],
    )
    def test_units(self, values, message):
        with pytest.raises(UnitMismatch, match=message):
            Network().add("A", 5, LIF, **values)

    def test_markov_neurons_run_alone(self):
        from rheobase.model.markov import MarkovNeuron

        markov = MarkovNeuron.__new__(MarkovNeuron)
        with pytest.raises(InputError, match="a Markov chain neuron cannot be part of a network"):
            Network().add("A", 5, markov)


class TestConnect:
    def test_exactly_one_rule(self):
        net, E, _ = make()
        with pytest.raises(
            InputError, match=r"no rule is given; give exactly one of p=0.02, indegree=100, .*distance="
        ):
            net.connect(E, E, weight=1, delay=1)
        with pytest.raises(InputError, match="the rules p and indegree are given; give exactly one"):
            net.connect(E, E, p=0.1, indegree=3, weight=1, delay=1)
        with pytest.raises(InputError, match="one_to_one = 3 must be True"):
            net.connect(E, E, one_to_one=3, weight=1, delay=1)

    def test_the_only_port_need_not_be_named(self):
        net, E, I = make()
        assert net.connect(E, E, p=0.1, weight=1, delay=1).port == "spikes"
        with pytest.raises(InputError, match="CUBA has the ports exc, inh; choose one by to='exc'"):
            net.connect(E, I, p=0.1, weight=1, delay=1)
        with pytest.raises(InputError, match=r"to = 'ecx' is no port of CUBA. Did you mean 'exc'"):
            net.connect(E, I, to="ecx", p=0.1, weight=1, delay=1)

    def test_an_error_at_the_second_target_leaves_the_network_as_it_was(self):
        net, E, I = make()
        with pytest.raises(InputError, match="connect E to I: to = 'spikes' is no port"):
            net.connect(E, [E, I], to="spikes", p=0.1, weight=1, delay=1)
        assert net.projections == ()

    def test_names_stand_for_populations(self):
        net, E, I = make()
        made = net.connect("I", ["E", E[:3]], p=0.1, weight=1, delay=1, name="back")
        assert [p.source for p in made] == [I, I]
        assert [p.name for p in made] == ["back", "back"]
        with pytest.raises(InputError, match=r"there is no population 'F' in this network.* It has: E, I"):
            net.connect("F", E, p=0.1, weight=1, delay=1)
        with pytest.raises(InputError, match="It is empty"):
            Network()["E"]

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"p": 1.5}, "connect E to E: p = 1.5 is no probability"),
            ({"p": -0.1}, "p = -0.1 is no probability"),
            ({"p": float("nan")}, "p is NaN"),
            ({"p": [0.1, 0.2]}, "p = .* must be one number"),
            ({"indegree": -1}, "indegree = -1 must be a whole number from 0"),
            ({"indegree": 2.5}, "indegree = 2.5 must be a whole number"),
            ({"outdegree": "many"}, "outdegree = 'many' must be a whole number"),
            ({"total": -5}, "total = -5 must be"),
            (
                {"indegree": 11, "multapses": False},
                "indegree = 11, but there are only 10 to draw from; say multapses=True",
            ),
            (
                {"indegree": 10, "multapses": False, "self_connections": False},
                "there are only 9 to draw from",
            ),
            ({"outdegree": 11, "multapses": False}, "outdegree = 11, but there are only 10"),
            (
                {"total": 91, "multapses": False, "self_connections": False},
                "total = 91, but there are only 90",
            ),
            ({"p": 0.1, "multapses": True}, "p= joins each pair at most once"),
            ({"p": 0.1, "multapses": "no"}, "multapses = 'no' must be True or False"),
            ({"p": 0.1, "self_connections": "no"}, "self_connections = 'no' must be True or False"),
            ({"p": 0.1, "reach": 3.0}, "reach= belongs to distance="),
            ({"p": 0.1, "periodic": 3.0}, "periodic= is given, but nothing here is a function of distance"),
            ({"pairs": 3}, r"pairs must be two arrays, \(i, j\)"),
            ({"pairs": ([0, 1], [0])}, "pairs has 2 sources and 1 targets"),
            ({"pairs": ([0, 10], [0, 1])}, r"pairs\[1\] names neuron 10 of the source, which has 0 to 9"),
            ({"pairs": ([0, 1], [0, -1])}, r"pairs\[1\] names neuron -1 of the target"),
            ({"pairs": ([0.5], [1])}, "those of the source are float64"),
            ({"pairs": ([0, 0], [1, 1]), "multapses": False}, "pairs= holds a pair twice"),
            (
                {"matrix": np.zeros((10, 4))},
                r"matrix has shape \(10, 4\), but source and target have 10 and 10",
            ),
            ({"matrix": "W"}, "matrix must hold numbers"),
            ({"matrix": np.where(np.eye(10) > 0, np.nan, 0.0)}, r"matrix\[0, 0\] is NaN"),
            ({"where": 0.3}, r"where = 0.3 must be a function of \(i, j\)"),
            ({"distance": 0.3}, r"distance = 0.3 must be a function of \(d\)"),
            ({"distance": np.exp, "reach": -1}, "reach = -1 is negative"),
            ({"distance": np.exp, "periodic": 0}, "periodic = 0 must be positive"),
            ({"distance": np.exp, "periodic": (5, 5)}, "periodic has 2 numbers, but positions have 1"),
            ({"p": 0.1, "weight": None}, r"how strong\? give weight=, for example weight='0.5 mV'"),
            ({"p": 0.1, "delay": None}, r"how late\? give delay="),
            ({"matrix": np.eye(10) > 0, "weight": None}, "how strong"),
            ({"p": 0.1, "weight": np.nan}, "connect E to E: weight is NaN"),
            ({"p": 0.1, "weight": "inf mV"}, "weight = inf mV is not finite"),
            ({"p": 0.1, "weight": np.ones(4)}, "weight is an array, but the synapses are drawn at random"),
            ({"one_to_one": True, "weight": np.ones(4)}, "weight has 4 values, but there are 10 synapses"),
            ({"all_to_all": True, "delay": np.ones(4)}, "delay has 4 values, but there are 100 synapses"),
            ({"pairs": ([0, 1], [1, 2]), "delay": [1.0, 0.0]}, "delay = 0 ms at index 1 is not positive"),
            ({"p": 0.1, "delay": "-1 ms"}, "delay = -1 ms is not positive"),
            ({"p": 0.1, "delay": "inf ms"}, "delay = inf ms is not finite"),
            ({"p": 0.1, "delay": rb.normal("1 ms", "1 ms")}, "is not always positive; bound it from below"),
            ({"p": 0.1, "name": ""}, "name = '' must be a text"),
        ],
    )
    def test_what_cannot_be_is_refused_at_once(self, how, message):
        net, E, _ = make()
        with pytest.raises(InputError, match=message):
            net.connect(E, E, **({"weight": 1.0, "delay": 1.0} | how))
        assert net.projections == ()

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"weight": "1 nS"}, "weight = 1 nS is in uS, but the port's row wants mV"),
            ({"weight": rb.normal("1 nA", "1 nA")}, "is in nA, but the port's row wants mV"),
            ({"delay": "1 mV"}, "delay = 1 mV is in mV; it is a time"),
        ],
    )
    def test_units(self, how, message):
        net, E, _ = make()
        with pytest.raises(UnitMismatch, match=message):
            net.connect(E, E, p=0.1, **({"weight": 1.0, "delay": 1.0} | how))

    def test_ends(self):
        net, E, I = make()
        source = net.add("P", 3, rb.poisson("8 Hz"))
        deaf = net.add("D", 3, DEAF, I=0)
        how = {"p": 0.5, "weight": 1.0, "delay": 1.0}
        with pytest.raises(InputError, match="P is a source of spikes; nothing can arrive there"):
            net.connect(E, source, **how)
        with pytest.raises(InputError, match="deaf has no port; give it a row"):
            net.connect(E, deaf, **how)
        with pytest.raises(InputError, match="E belongs to another network"):
            Network().connect(E, E, **how)
        with pytest.raises(InputError, match="target = 3 is no population"):
            net.connect(E, 3, **how)
        with pytest.raises(InputError, match="the list of targets is empty"):
            net.connect(E, [], **how)
        with pytest.raises(InputError, match=re.escape("one_to_one joins parts of one size, but these have 10 and 4")):
            net.connect(E, I, to="exc", one_to_one=True, weight=1, delay=1)
        with pytest.raises(InputError, match=r"matrix has shape \(4, 10\).*give its transpose, matrix.T"):
            net.connect(E, I, to="exc", matrix=np.ones((4, 10)), delay=1)
        assert net.connect(source, E, **how).source is source

    def test_distances_need_positions(self):
        net, E, I = make()
        flat = net.add("F", 3, LIF, I=0, positions=np.zeros((3, 2)))
        with pytest.raises(InputError, match="distance is a function of distance, but I has no positions"):
            net.connect(I, E, distance=np.exp, weight=1, delay=1)
        with pytest.raises(InputError, match="delay is a function of distance, but I has no positions"):
            net.connect(I, E, p=0.1, weight=1, delay=lambda d: 1 + d)
        with pytest.raises(InputError, match="the positions have 1 and 2 dimensions"):
            net.connect(E, flat, distance=np.exp, weight=1, delay=1)
        with pytest.raises(InputError, match="periodic= asks for positions"):
            net.connect(I, E, p=0.1, periodic=3, weight=1, delay=1)

    def test_a_port_without_weight_needs_none(self):
        net = Network()
        E = net.add("E", 3, BLIND, I=0)
        assert net.connect(E, E, p=0.5, delay=1).weight.value == 1.0
        with pytest.raises(InputError, match="the row at port spikes has no w_i"):
            net.connect(E, E, p=0.5, weight=1, delay=1)

    def test_rules_are_read(self):
        net, E, _ = make()
        how = {"weight": 1, "delay": 1}
        assert net.connect(E, E, p="2 %", **how).rule == Probability(0.02)
        assert net.connect(E, E, indegree=3.0, **how).rule == InDegree(3, True)
        assert net.connect(E, E, total=3, multapses=False, **how).rule == Total(3, False)
        assert isinstance(net.connect(E, E, matrix=sparse.eye(10), delay=1).rule, Pairs)
        assert net.connect(E, E, p=0, **how).rule == Probability(0.0)

    def test_functions_are_checked_when_they_answer(self):
        net, E, _ = make()
        how = {"weight": 1.0, "delay": 1.0}
        for function, message in [
            (lambda i, j: i + 1.0, r"where\(i, j\) returned 2, which is no probability|returned 1"),
            (lambda i, j: np.full(len(i), np.nan), "returned nan, which is no probability"),
            (lambda i, j: i[:3] > 2, r"returned bool of shape \(3,\)"),
            (lambda i, j: None, "returned object"),
        ]:
            with pytest.raises(InputError, match=message):
                build(net.connect(E, E, where=function, **how), 1)
        with pytest.raises(InputError, match=r"connect E to E: distance\(d\) returned 9"):
            build(net.connect(E, E, distance=lambda d: np.where(d == 9, d, 0), **how), 1)
        with pytest.raises(InputError, match="delay = 0 ms at index 0 is not positive"):
            build(net.connect(E, E, all_to_all=True, weight=1, delay=lambda d: d), 1)
        with pytest.raises(InputError, match="weight is NaN at index 1"):
            build(net.connect(E, E, all_to_all=True, weight=lambda d: np.where(d == 1, np.nan, d), delay=1), 1)
        with pytest.raises(InputError, match="returned 2 values for 100 synapses"):
            build(net.connect(E, E, all_to_all=True, weight=lambda d: d[:2], delay=1), 1)


class TestDescribe:
    def test_tables(self):
        net, E, I = make()
        P = net.add("P", 3, rb.poisson("8 Hz"))
        F = net.add(
            "F",
            2,
            LIF,
            I=rb.step("0.3 nA", on="20 ms"),
            v="-60 mV",
            spikes=rb.poisson("9 Hz", "2 mV", sources=7),
        )

        def near(d):
            return np.exp(-d)

        net.connect(E, [E, F], indegree=3, multapses=False, self_connections=False, weight=0.5, delay="1.5 ms")
        net.connect(E, I[:2], to="inh", p=0.25, weight=rb.normal("1 mV", "0.1 mV"), delay=2)
        net.connect(P, I, to="exc", total=7, weight="1 mV", delay="1 ms")
        net.connect(E, E, distance=near, periodic=10, weight=near, delay="1 ms", name="local")
        text = net.describe()
        titles = re.findall(r"^([A-E])  (.*)\n-+$", text, re.MULTILINE)
        assert titles == [
            ("A", "Model summary"),
            ("B", "Populations"),
            ("C", "Connectivity"),
            ("D", "Neuron models"),
            ("E", "Input"),
        ]
        lines = [re.split(r" {2,}", line) for line in text.splitlines()]
        assert ["Populations", "E, I, P, F"] in lines
        assert ["Neuron model", "LIF, CUBA"] in lines
        assert ["F", "LIF", "2", "v = -60 mV"] in lines
        assert ["P", "Poisson spikes", "3"] in lines
        assert [
            "E to E",
            "E",
            "E",
            "spikes",
            "random, fixed in-degree 3, no multapses, no self-connections",
            "0.5 mV",
            "1.5 ms",
        ] in lines
        assert [
            "E to F",
            "E",
            "F",
            "spikes",
            "random, fixed in-degree 3, no multapses",
            "0.5 mV",
            "1.5 ms",
        ] in lines
        assert [
            "E to I[0:2] (inh)",
            "E",
            "I[0:2]",
            "inh",
            "random, each pair with p = 0.25",
            "normal(1.0 mV, 0.1 mV)",
            "2 ms",
        ] in lines
        assert [
            "P to I (exc)",
            "P",
            "I",
            "exc",
            "random, 7 synapses in total, multapses",
            "1 mV",
            "1 ms",
        ] in lines
        assert [
            "local",
            "E",
            "E",
            "spikes",
            "random, p = near(distance), periodic at 10",
            "near(distance)",
            "1 ms",
        ] in lines
        assert ["Constant", "E, I", "0.3 nA"] in lines
        assert ["Poisson spikes", "P", "8 Hz"] in lines
        assert ["Poisson spikes", "F, port spikes", "7 sources of 9 Hz, weight 2 mV"] in lines
        assert "tau dv/dt = E_L - v + R*I" in text
        assert text.count("LIF\n  evolve") == 1

    def test_an_empty_network_has_empty_tables(self):
        assert Network().describe().count("none") == 6 + 1 + 4

    def test_every_input_has_words(self):
        net = Network()
        for i, current in enumerate(
            [
                0.1,
                rb.ramp(0, 1, "1 ms", "2 ms"),
                rb.sine(1, 10),
                2.0 * rb.decay(1, "3 ms"),
                rb.noise(0, 1),
                rb.ou(0, 1, "5 ms"),
                rb.step(1) + rb.pulses(1, [1, 2], 1),
                rb.sampled([1, 2, 3], dt=1),
                lambda t: t,
            ]
        ):
            net.add(f"N{i}", 2, LIF, I=current, spikes=rb.spikes([1, 2]) + rb.poisson(lambda t: 5 + t))
        text = net.describe()
        rows = re.findall(r"^(\S.*?)  +N\d, (?:I|port spikes)  +(\S.*)$", text, re.MULTILINE)
        assert len(rows) == 18
        assert not any("object at 0x" in words or "Quantity(" in words for _, words in rows)


def test_a_network_can_be_pickled():
    net, E, _ = make()
    net.connect(E[:5], E, p=0.5, weight=rb.normal("1 mV", "0.1 mV"), delay="1 ms")
    again = pickle.loads(pickle.dumps(net))
    a, b = build(net.projections[0], 3), build(again.projections[0], 3)
    assert again["E"].network is again
    assert np.array_equal(a.post, b.post)
    assert np.array_equal(a.weight, b.weight)


def test_the_description_loads_no_engine():
    code = """
import importlib.util, sys, types
package = types.ModuleType("rheobase")
package.__path__ = list(importlib.util.find_spec("rheobase").submodule_search_locations)
sys.modules["rheobase"] = package  # so that its __init__, which loads everything, is not run
import rheobase.network.network, rheobase.network.connect
above = ("rheobase.engines", "rheobase.derive", "rheobase.emit", "numba")
print([m for m in sys.modules if m.startswith(above)])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


class TestSigns:
    """A conductance cannot be negative; a current or a voltage can."""

    @pytest.mark.parametrize(
        ("weight", "hint"),
        [
            ("-67 nS", "give it without the sign"),
            (-0.067, "give it without the sign"),
            (rb.normal("6 nS", "3 nS"), "bound it from below, as in low='0 nS'"),
            (rb.uniform("-1 nS", "1 nS"), "bound it from below"),
        ],
    )
    def test_of_a_projection(self, weight, hint):
        net = Network()
        E = net.add("E", 5, rb.COBA())
        with pytest.raises(InputError, match=f"connect E to E: weight = .* is negative, but .* conductance.*{hint}"):
            net.connect(E, E, to="inh", p=0.5, weight=weight, delay=1)
        assert net.projections == ()

    def test_of_a_function_of_distance_when_it_is_called(self):
        net = Network()
        E = net.add("E", 5, rb.COBA(), positions=np.arange(5.0))
        p = net.connect(E, E, to="inh", all_to_all=True, weight=lambda d: 1.0 - d, delay=1)
        with pytest.raises(InputError, match="is negative, but the port's row adds to a conductance"):
            p.synapses(seed=1)

    @pytest.mark.parametrize(
        "source", [rb.poisson("5 Hz", "-6 nS"), rb.spikes([1.0], "-6 nS"), rb.poisson(5) + rb.spikes([1], "-1 nS")]
    )
    def test_of_spikes_from_outside(self, source):
        with pytest.raises(InputError, match=r"E: port exc: weight = .* is negative"):
            Network().add("E", 5, rb.COBA(), exc=source)

    def test_what_may_be_negative_or_is_bounded_passes(self):
        net = Network()
        E, C = net.add("E", 5, rb.COBA(), exc=rb.poisson("5 Hz", "6 nS")), net.add("C", 5, rb.CUBA())
        net.connect(E, E, to="inh", p=0.5, weight=rb.normal("6 nS", "3 nS", low="0 nS"), delay=1)
        net.connect(E, E, to="inh", p=0.5, weight=0, delay=1)
        net.connect(E, E, to="exc", pairs=([], []), weight="6 nS", delay=1)
        net.connect(E, C, to="inh", p=0.5, weight="-9 mV", delay=1)


def test_the_summary_counts_neurons_and_synapses():
    net = Network()
    A, B = net.add("A", 1000, rb.LIF(), positions=np.arange(1000.0)), net.add("B", 50, rb.LIF())
    net.add("outside", 7, rb.poisson("5 Hz"))
    how = {"weight": 1, "delay": 1}

    def size() -> str:
        return (
            next(line for line in net.describe().splitlines() if line.startswith("Size")).removeprefix("Size").strip()
        )

    assert size() == "1,050 neurons, 0 synapses"
    net.connect(A, A, indegree=10, **how)
    net.connect(A, B, outdegree=2, **how)
    net.connect(B, A, total=77, **how)
    net.connect(B, B, all_to_all=True, self_connections=False, **how)
    net.connect(B, A[:50], one_to_one=True, **how)
    net.connect(A, A, pairs=([1, 2, 3], [1, 3, 4]), self_connections=False, **how)
    assert size() == f"1,050 neurons, {10_000 + 2_000 + 77 + 2_450 + 50 + 2:,} synapses"
    assert sum(len(p.synapses(seed=1)) for p in net.projections) == 10_000 + 2_000 + 77 + 2_450 + 50 + 2
    net.connect(B, A, p=0.1, **how)
    assert size() == "1,050 neurons, about 19,579 synapses"
    net.connect(A, A, distance=lambda d: np.exp(-d), **how)
    assert size() == "1,050 neurons, about 19,579 synapses and more"
    summary = next(line for line in net.describe().splitlines() if line.startswith("Connectivity"))
    assert "random, fixed in-degree, random, fixed out-degree, random, fixed number of synapses, all-to-all" in summary


def test_numbers_that_were_computed_are_described_to_six_digits():
    net = Network()
    net.add("A", 5, LIF, I="0.3 nA", R=f"{100 / 3!r} MOhm")
    assert "R = 33.3333 MOhm" in net.describe()


def test_synapses_are_those_of_the_run_with_that_seed():
    net = Network()
    E = net.add("E", 6, rb.LIF(), spikes=rb.spikes([[10.0], [], [], [], [], []], weight="40 mV"))
    p = net.connect(E[:1], E[1:], p=0.5, weight="40 mV", delay="2 ms")
    for seed in (1, 2, 3):
        run = rb.simulate(net, until=20, dt=0.1, seed=seed)
        assert {*run["E"].spikes.neurons} == {0, *p.synapses(seed).post}
