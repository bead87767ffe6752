# %% [markdown]
# # Digits, learned without a teacher
#
# A network in the manner of Diehl and Cook (2015, Front. Comput. Neurosci. 9:99) is shown handwritten digits, one after
# the other, and nobody tells it which is which. Each pixel is a source of random spikes, as many as it is bright. Every
# excitatory neuron hears all pixels through synapses that learn from the times of spikes (STDP). Whoever answers first
# inhibits all others, and so learns alone; its threshold rises with each of its spikes, so that in time all have
# their turn. In the end each neuron answers to the digits that look like what it has learned.
#
# 200 neurons tell about 85 % of digits right that they have never seen, after one look at 1,347 others. (The paper
# reports 95 % for its largest network, on the 60,000 larger images of MNIST.) It takes half a minute.
#
# The data are the 1,797 images of 8 x 8 pixels that come with scikit-learn (`pip install scikit-learn`).

# %%
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

NEURONS = 200
PRESENT, REST = 200, 50  # ms: how long an image is shown, and a pause
CLOCK = rb.Clock(dt="0.5 ms")
# What the paper's values, made for 60,000 images of 28 x 28 pixels shown three times, become for 1,300 of 8 x 8:
# images are brighter, synapses learn faster, thresholds rise faster.
SHOWN: dict[str, Any] = {"n": NEURONS, "present": PRESENT, "rest": REST, "rate": "128 Hz"}
LEARNED: dict[str, Any] = {"A_plus": 0.1, "A_minus": 0.001, "delta": "0.1 mV", "total": 25}

# %% [markdown]
# ## What is shown
# A quarter of the images is kept apart: the network sees them only when it is tested. All images get the same
# brightness in sum, as a retina would see to it.


# %%
def load_images(seed: int) -> tuple[np.ndarray, ...]:
    """Return (images to learn, images to test, digits to learn, digits to test)."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, digits = load_digits(return_X_y=True)
    bright = 19.5 * pixels / pixels.sum(axis=1, keepdims=True)
    return tuple(train_test_split(bright, digits, test_size=0.25, stratify=digits, random_state=seed))


def count_spikes(run: rb.NetworkRun, images: int) -> np.ndarray:
    """Return how often each neuron fired while each image was shown, shape (n_images, n)."""
    spikes = run["E"].spikes
    which = np.minimum((spikes.times / (PRESENT + REST)).astype(int), images - 1)
    counts = np.zeros((images, spikes.n))
    np.add.at(counts, (which, spikes.neurons), 1)
    return counts


# %% [markdown]
# ## Learning, then asking
# The network is run once through all images. Then synapses and thresholds are held as they are, and the images that it
# has learned from are shown again: this tells which digits each neuron answers to. Labels are used here for the first
# time, to name what was found. A new image is then given the digit for which its spikes speak: each spike counts for
# the digits in the proportion in which its neuron answered to them.


# %%
def learn(seed: int) -> dict[str, Any]:
    """Return what a network has learned, and how many of the images kept apart it recognises."""
    shown, unseen, digits, asked = load_images(seed)

    def show(x: np.ndarray, seed: int, **how: Any) -> rb.NetworkRun:
        net = rb.networks.diehl_cook(x, **SHOWN, **how)
        return rb.simulate(net, until=len(x) * (PRESENT + REST), engine=CLOCK, seed=seed, record=False)

    order = np.random.default_rng(seed).permutation(len(shown))
    run = show(shown[order], seed, **LEARNED)
    state = {"weights": run.weights("input to E"), "theta": run["E"].final["theta"]}

    def answer(x: np.ndarray, seed: int) -> np.ndarray:
        return count_spikes(show(x, seed, learn=False, **state), len(x))

    known = answer(shown, seed + 1000)
    speaks_for = np.stack([known[digits == k].mean(axis=0) for k in range(10)])
    speaks_for /= np.maximum(speaks_for.sum(axis=0), 1e-9)
    said = (answer(unseen, seed + 2000) @ speaks_for.T).argmax(axis=1)
    return {
        "weights": state["weights"].reshape(64, NEURONS),
        "theta": state["theta"],
        "speaks_for": speaks_for,
        "asked": asked,
        "said": said,
        "accuracy": float(np.mean(said == asked)),
        "run": run["E"],
    }


once = cache(learn)


# %% [markdown]
# ## What they have learned
# The synapses of a neuron, laid out as the pixels they come from, are a picture of what it answers to. Below: how often
# a digit was taken for another.


# %%
def pictures() -> tuple[Any, list[Any]]:
    """What 60 neurons have learned, and how often digits are told right"""
    found = once(1)
    assert found["accuracy"] > 0.80, found["accuracy"]
    figure, (left, right) = plot.new_axes(1, 2, size=(10, 4.6))
    best = found["speaks_for"].argmax(axis=0)
    order = np.lexsort((-found["speaks_for"].max(axis=0), best))
    chosen = np.concatenate([order[best[order] == k][:6] for k in range(10)])
    tiles = np.full((10 * 9, 6 * 9), np.nan)
    for i in chosen:
        row, column = best[i], int(np.flatnonzero(chosen[best[chosen] == best[i]] == i)[0])
        tiles[9 * row : 9 * row + 8, 9 * column : 9 * column + 8] = found["weights"][:, i].reshape(8, 8)
    left.imshow(tiles, cmap="Blues", interpolation="nearest")
    left.set(xticks=[], yticks=9 * np.arange(10) + 3.5, yticklabels=range(10), ylabel="answers to", title="synapses")
    right.imshow(count_pairs(found["asked"], found["said"]), cmap="Blues")
    right.set(xticks=range(10), yticks=range(10), xlabel="said", ylabel="shown")
    right.set_title(f"{100 * found['accuracy']:.0f} % of {len(found['asked'])} images kept apart are told right")
    return figure, [found["run"]]


def count_pairs(asked: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Return how often each digit (rows) was taken for which (columns)."""
    counts = np.zeros((10, 10))
    np.add.at(counts, (asked, said), 1)
    return counts


# %%
FIGURES = {"09_digits": pictures}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
    print(f"accuracy on images kept apart: {once(1)['accuracy']:.3f}")
