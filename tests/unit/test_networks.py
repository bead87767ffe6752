"""Published networks: built as their papers' tables say, and refused where a number makes no sense."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.errors import InputError
from rheobase.networks import brunel, coba, cuba, microcircuit, sparse_brain

#: Potjans & Diesmann (2014), Table 5: L2/3E, L2/3I, L4E, L4I, L5E, L5I, L6E, L6I.
SIZES = [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948]


def test_networks_are_a_public_name():
    assert rb.networks.cuba is cuba
    assert "networks" in rb.__all__
    assert [p.n for p in rb.networks.cuba().populations.values()] == [3200, 800]


class TestVogelsAbbott:
    @pytest.mark.parametrize(("make", "exc", "inh"), [(cuba, 1.62, -9.0), (coba, 0.006, 0.067)])
    def test_weights_delays_and_probability(self, make, exc, inh):
        net = make()
        assert [(p.source.name, p.target.name, p.port) for p in net.projections] == [
            ("E", "E", "exc"),
            ("E", "I", "exc"),
            ("I", "E", "inh"),
            ("I", "I", "inh"),
        ]
        assert [p.weight.value for p in net.projections] == pytest.approx([exc, exc, inh, inh])
        assert all(p.delay.value == 0.1 for p in net.projections)
        assert all(p.rule.p == 0.02 for p in net.projections)
        counts = [len(p.synapses(seed=1)) for p in net.projections]
        pairs = [3200 * 3200, 3200 * 800, 800 * 3200, 800 * 800]
        for count, pair in zip(counts, pairs, strict=True):
            assert abs(count - 0.02 * pair) < 5 * np.sqrt(0.02 * 0.98 * pair)

    def test_another_size_keeps_the_synapses_of_a_neuron(self):
        net = cuba(1000)
        assert [p.n for p in net.populations.values()] == [800, 200]
        total = sum(len(p.synapses(seed=3)) for p in net.projections)
        assert total / 1000 == pytest.approx(80, rel=0.03)
        assert coba(50).projections[0].rule.p == 1.0

    def test_neurons_are_those_of_the_paper(self):
        value = {k: v.value for k, v in cuba()["E"].model.parameters.items()}
        assert value == {"tau_m": 20, "tau_e": 5, "tau_i": 10, "E_L": -49, "theta": -50, "v_r": -60, "t_ref": 5}
        value = {k: v.value for k, v in coba()["I"].model.parameters.items()}
        assert value["C"] / value["g_L"] == pytest.approx(20)
        assert (value["E_e"], value["E_i"], value["E_L"], value["t_ref"]) == (0, -80, -60, 5)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: cuba(3), "n = 3 must be a whole number from 5"),
            (lambda: cuba(10.5), "n = 10.5 must be a whole"),
            (lambda: cuba(p=1.2), "p = 1.2 is no probability"),
            (lambda: coba(weight_inh="-67 nS"), "is negative, but the port's row adds to a conductance"),
            (lambda: cuba(delay="0 ms"), "delay = 0 ms is not positive"),
            (lambda: cuba(neuron=rb.LIF()), "to = 'exc' is no port"),
        ],
    )
    def test_bad_numbers_are_named(self, call, words):
        with pytest.raises(InputError, match=words):
            call()


class TestBrunel:
    @pytest.mark.parametrize(
        ("regime", "g", "eta"), [("SR", 3, 2), ("SI fast", 6, 4), ("AI", 5, 2), ("SI slow", 4.5, 0.9)]
    )
    def test_the_four_regimes_of_figure_8(self, regime, g, eta):
        net = brunel(regime)
        assert [p.n for p in net.populations.values()] == [10_000, 2_500]
        assert [p.rule.k for p in net.projections] == [1000, 1000, 250, 250]
        assert [p.weight.value for p in net.projections] == pytest.approx([0.1, 0.1, -0.1 * g, -0.1 * g])
        outside = net["I"].values["ext"]
        assert outside.sources == 1000
        assert outside.rate.value.value == pytest.approx(eta * 20 / (0.1 * 1000 * 20))  # kHz: eta theta / (J C_E tau)
        assert outside.weight.value == 0.1

    def test_in_degrees_and_no_neuron_joined_to_itself_or_twice(self):
        net = brunel(order=50)
        for p, k in zip(net.projections, [20, 20, 5, 5], strict=True):
            s = p.synapses(seed=4)
            assert np.all(np.bincount(s.post, minlength=len(p.target)) == k)
            assert len(np.unique(s.pre * 1000 + s.post)) == len(s)
            if p.source.name == p.target.name:
                assert not np.any(s.pre == s.post)
            assert s.delay == 1.5

    def test_multapses_as_other_scripts_draw_them(self):
        s = brunel(order=50, multapses=True).projections[0].synapses(seed=4)
        assert len(np.unique(s.pre * 1000 + s.post)) < len(s)

    def test_numbers_in_place_of_a_regime(self):
        net = brunel(None, g=4, nu_ext_over_threshold=1.5, order=100, epsilon=0.2, J="0.2 mV")
        assert net.projections[3].weight.value == pytest.approx(-0.8)
        assert net.projections[0].rule.k == 80
        assert net["E"].values["ext"].rate.value.value == pytest.approx(1.5 * 20 / (0.2 * 80 * 20))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"regime": "AL"}, "none of Brunel's.*Did you mean 'AI'"),
            ({"regime": None, "g": 5}, "both g= and nu_ext_over_threshold="),
            ({"g": -1}, "g = -1 must be positive"),
            ({"g": float("nan")}, "g"),
            ({"J": "0.1 ms"}, "J"),
            ({"epsilon": 1.5}, "epsilon = 1.5 is no share"),
            ({"order": 2}, "less than one inhibitory synapse"),
            ({"order": 0}, "order = 0 must be a whole number from 1"),
        ],
    )
    def test_bad_numbers_are_named(self, options, words):
        with pytest.raises(rb.RheobaseError, match=words):
            brunel(**options)


class TestMicrocircuit:
    def test_full_scale_as_in_the_tables(self):
        net = microcircuit()
        assert [p.n for p in net.populations.values()] == SIZES
        assert sum(SIZES) == 77_169
        assert len(net.projections) == 55  # 9 of 64 pairs of populations are not joined
        totals = {(p.source.name, p.target.name): p.rule.count for p in net.projections}
        assert sum(totals.values()) == pytest.approx(298.88e6, rel=1e-4)
        # mean in-degree of an L2/3E neuron from L4E: K = ln(1 - 0.0437)/ln(1 - 1/(N N)), over N
        assert totals["L4E", "L2/3E"] / 20683 == pytest.approx(21915 * -np.log1p(-0.0437), rel=1e-6)
        assert [net[name].values["spikes"].sources for name in net.populations] == [
            1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100,
        ]  # fmt: skip
        assert all(net[name].values["I"].value == 0 for name in net.populations)

    def test_weights_and_delays(self):
        for p in microcircuit().projections:
            w, d = p.weight.value, p.delay.value
            exc = p.source.name.endswith("E")
            doubled = 2 if (p.source.name, p.target.name) == ("L4E", "L2/3E") else 1
            assert w.arguments[0] == pytest.approx(0.0878 * doubled if exc else -4 * 0.0878)
            assert w.arguments[1] == pytest.approx(0.1 * abs(w.arguments[0]))
            assert (w.low == 0) if exc else (w.high == 0)
            assert d.arguments == pytest.approx((1.5, 0.75) if exc else (0.75, 0.375))
            assert d.low == 0.1
        s = microcircuit(0.05).projections[1].synapses(seed=1)
        assert s.weight.max() < 0
        assert s.delay.min() >= 0.1
        assert s.delay.mean() == pytest.approx(0.80, abs=0.02)  # redrawn below 0.1 ms: a little above 0.75

    def test_neuron_of_the_paper(self):
        value = {k: v.value for k, v in microcircuit(0.01)["L5E"].model.parameters.items()}
        assert value["tau"] / value["R"] == pytest.approx(0.25)  # nF
        assert (value["tau"], value["tau_s"], value["t_ref"]) == (10, 0.5, 2)
        assert (value["E_L"], value["v_r"], value["theta"]) == (-65, -65, -50)

    def test_a_weight_makes_a_potential_of_0_15_mv(self):
        cell = microcircuit(0.01)["L4E"].model
        run = rb.simulate(cell, I=0, spikes=rb.spikes([1.0], weight="87.8 pA"), until=20, dt=0.01, v=-65)
        assert run.v.max() + 65 == pytest.approx(0.15, rel=1e-3)

    @pytest.mark.parametrize("drive", ["poisson", "dc"])
    def test_down_scaling_keeps_mean_and_variance_of_the_input(self, drive):
        """At the published rates: sum of in-degree x weight x rate plus the held current, and the sum of squares."""
        rates = 1e-3 * np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])

        def moments(net):
            mean, square = {}, {}
            for name, part in net.populations.items():
                source = part.values.get("spikes")
                outside = 0.0 if source is None else source.sources * source.rate.value.value
                w = 0.0 if source is None else source.weight.value
                mean[name] = part.values["I"].value + 0.5 * outside * w
                square[name] = outside * w**2
            for p in net.projections:
                k = p.rule.count / len(p.target) * rates[[*net.populations].index(p.source.name)]
                w = p.weight.value.arguments[0]
                mean[p.target.name] += 0.5 * k * w
                square[p.target.name] += k * w**2
            return np.array([*mean.values()]), np.array([*square.values()])

        full, small = moments(microcircuit(drive=drive)), moments(microcircuit(0.2, indegree_scale=0.1, drive=drive))
        np.testing.assert_allclose(small[0], full[0], rtol=0.01)
        np.testing.assert_allclose(small[1], full[1], rtol=0.01)

    def test_direct_current_has_the_mean_of_the_spikes(self):
        net = microcircuit(drive="dc")
        assert "spikes" not in net["L6E"].values
        assert net["L6E"].values["I"].value == pytest.approx(2900 * 0.008 * 0.0878 * 0.5)

    def test_in_degrees_kept_at_half_the_neurons(self):
        full, half = microcircuit().projections[0], microcircuit(0.5, indegree_scale=1).projections[0]
        assert half.rule.count / len(half.target) == pytest.approx(full.rule.count / len(full.target), rel=1e-3)
        assert half.weight == full.weight

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"scale": 0}, "scale = 0 must be above 0"),
            ({"scale": 1.1}, "scale = 1.1 must be above 0, up to 1"),
            ({"scale": 1e-4}, "leaves no neuron in L5E"),
            ({"indegree_scale": -1}, "indegree_scale = -1 must be above 0"),
            ({"drive": "ac"}, "drive = 'ac' must be 'poisson' or 'dc'"),
            ({"start": "random"}, "start = 'random' must be"),
            ({"scale": 0.01, "rate": "8 mV"}, "rate"),
        ],
    )
    def test_bad_numbers_are_named(self, options, words):
        with pytest.raises(rb.RheobaseError, match=words):
            microcircuit(**options)


class TestSparseBrain:
    def test_size_and_signs(self):
        net = sparse_brain()
        assert sum(p.n for name, p in net.populations.items() if name != "drive") == 127_000
        assert sum(p.rule.count for p in net.projections[:4]) == 15_000_000
        small = sparse_brain(1000, synapses=20_000, driven=5)
        for p in small.projections[:4]:
            s = p.synapses(seed=1)
            assert np.all(s.weight > 0) if p.source.name == "E" else np.all(s.weight < 0)
            assert abs(s.weight).mean() == pytest.approx(0.275 * 3.3, rel=0.05)
            assert s.delay == 1.8

    def test_driven_neurons_follow_their_input(self):
        net = sparse_brain(300, synapses=0, driven=4, rate="20 Hz")
        run = rb.simulate(net, until="500 ms", dt="0.1 ms", seed=2, record=False)
        assert len(run["drive"].times) > 10
        sent, fired = run["drive"], run["E"].spikes  # one step of delay; the last may still be on its way
        np.testing.assert_allclose(fired.times, sent.times[: len(fired.times)] + 0.1)
        assert len(fired.times) >= len(sent.times) - 1
        assert net["E"].values["t_ref_v"].value[:5].tolist() == [0, 0, 0, 0, 2.2]
        assert set(run["E"].spikes.neurons) <= {0, 1, 2, 3}
        assert len(run["I"].spikes.times) == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"n": 1}, "n = 1 must be a whole number from 2"),
            ({"n": 100, "driven": 99}, "driven = 99, but there are only 70"),
            ({"excitatory": 1.0}, "leaves an empty population"),
            ({"g": -1}, "g = -1 is negative"),
            ({"synapses": -5}, "synapses = -5 must be a whole number from 0"),
        ],
    )
    def test_bad_numbers_are_named(self, options, words):
        with pytest.raises(InputError, match=words):
            sparse_brain(**options)


class TestDiehlCook:
    IMAGES = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 1.0]])

    def test_images_are_shown_one_after_the_other_with_a_pause(self):
        net = rb.networks.diehl_cook(self.IMAGES, n=5, present=300, rest=100, rate="200 Hz")
        run = rb.simulate(net, until=800, dt=0.5, seed=1, record=False)
        spikes = run["input"]
        counts = np.zeros((4, 4), dtype=int)
        np.add.at(counts, ((spikes.times / 200).astype(int), spikes.neurons), 1)
        shown = np.array([np.histogram(spikes[i], [0, 300.2, 400.2, 700.2, 801])[0] for i in range(4)])
        assert shown[:, [1, 3]].sum() == 0
        expected = 0.3 * 200 * self.IMAGES.T
        assert np.all(np.abs(shown[:, [0, 2]] - expected) < 5 * np.sqrt(expected + 1e-9) + 1e-6)

    def test_it_learns_and_what_it_has_learned_can_be_held(self):
        how = {"n": 5, "present": 100, "rest": 0, "rate": "300 Hz"}
        images = np.repeat(np.tile(self.IMAGES, (10, 1)), 16, axis=1)
        net = rb.networks.diehl_cook(images, **how, A_plus=0.1, total=20, delta="0.2 mV")
        run = rb.simulate(net, until=2000, dt=0.5, seed=1, record=False)
        weights, theta = run.weights("input to E"), run["E"].final["theta"]
        assert np.allclose(weights.reshape(64, 5).sum(axis=0), 20)
        assert theta == pytest.approx(0.2 * run["E"].spikes.count, rel=1e-3)
        assert run["I"].spikes.count.sum() > 0
        seen = images[:2] @ weights.reshape(64, 5)
        first, second = seen.argmax(axis=1)
        assert first != second  # each image has found a neuron
        held = rb.networks.diehl_cook(images, **how, learn=False, weights=weights, theta=theta)
        again = rb.simulate(held, until=500, dt=0.5, seed=2, record=False)
        assert np.array_equal(again.weights("input to E"), weights)
        assert np.allclose(again["E"].final["theta"], theta, rtol=1e-9)

    @pytest.mark.parametrize(
        ("images", "how", "message"),
        [
            (np.ones(3), {}, r"shape \(3,\); give \(n_images, n_pixels\)"),
            (np.ones((0, 3)), {}, r"shape \(0, 3\)"),
            ([["a"]], {}, "must be an array of numbers"),
            ([[1.0], [-1.0]], {}, "image 1 has a pixel that is negative"),
            ([[1.0], [np.nan]], {}, "image 1 has a pixel that is negative or not finite"),
            ([[1.0]], {"n": 1}, "n = 1 must be a whole number from 2"),
            ([[1.0]], {"present": 0}, "present = 0 ms must be positive"),
            ([[1.0]], {"rate": "-1 Hz"}, "rate = '-1 Hz' must be one rate from 0"),
            ([[1.0]], {"total": -1}, "must be positive"),
            ([[1.0]], {"weights": np.ones(3)}, "weight has 3 values, but there are 400 synapses"),
            ([[1.0]], {"theta": np.ones(3)}, "theta has 3 values"),
        ],
    )
    def test_what_cannot_be_is_named(self, images, how, message):
        with pytest.raises(rb.InputError, match=message):
            rb.networks.diehl_cook(images, **how)
