"""The model of many ranks, by hand in small cases."""

import pytest

import rheobase as rb
from rheobase.engines.planning import Costs, plan_ranks

ONES = Costs(
    neuron=1e-6, event=1e-7, look=1e-8, message=1e-5, byte=1e-9, draw=1e-6, synapse=4.0, state=10.0, program=0.0
)


def test_one_rank_sends_nothing():
    plan = plan_ranks(1000, 1, synapses=100, rate=10, dt=0.1, delays=5, costs=ONES)
    # 10,000 steps of 1,000 neurons, in each of which one fires onto 100, and is looked for under 5 delays
    assert plan.parts["neurons"] == pytest.approx(10.0)
    assert plan.parts["events"] == pytest.approx(0.1)
    assert plan.parts["looking"] == pytest.approx(5e-4)
    assert plan.parts["messages"] == 0.0
    assert plan.run == pytest.approx(10.1005)
    assert plan.memory == pytest.approx(400_000 + 24_000 + 10_000)
    assert (plan.build, plan.limit) == (pytest.approx(0.1), "")


def test_four_ranks_share_all_but_looking_and_the_rows():
    how = {"synapses": 100, "rate": 10, "delays": 5, "costs": ONES}
    one, four = plan_ranks(1000, 1, **how), plan_ranks(1000, 4, **how)
    for part in ("neurons", "events", "synapses"):
        assert four.parts[part] == pytest.approx(one.parts[part] / 4)
    for part in ("looking", "rows", "states"):
        assert four.parts[part] == one.parts[part]
    # two stages, and 4 ranks' 2 + 1 + 1.5 * 0.25 integers
    assert four.parts["messages"] == pytest.approx(1e4 * (2e-5 + 16 * 3.375e-9))


def test_longer_delays_hide_messages_behind_computing():
    how = {"synapses": 100, "rate": 10, "delays": 5, "costs": ONES}
    short, long = plan_ranks(1000, 4, **how), plan_ranks(1000, 4, **how, shortest=1.0)
    assert long.parts["messages"] < short.parts["messages"] / 4  # once in five steps
    assert long.run == pytest.approx(sum(long.parts[p] for p in ("neurons", "events", "looking")) * 1.15)
    assert short.run > long.run


def test_what_does_not_shrink_is_named():
    assert plan_ranks(1e8, 2048, delays=1, costs=Costs(byte=1e-6)).limit == "messages"
    assert "rows" in plan_ranks(1e9, 4096, rate=1e-6, delays=400).limit
    assert "looking" in str(plan_ranks(1e9, 4096))


def test_bad_numbers_are_refused():
    with pytest.raises(rb.InputError, match="ranks = 0 must be positive"):
        plan_ranks(1e6, 0)
    with pytest.raises(rb.InputError, match="shorter than one step"):
        plan_ranks(1e6, 4, dt=0.1, shortest=0.05)
