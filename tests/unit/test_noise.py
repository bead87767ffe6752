"""The compiled random numbers are those of `rheobase.random`, and those are Gaussian."""

import numpy as np
import pytest
from scipy import stats

from rheobase import random
from rheobase.engines.noise import fill_normals, fill_uniforms

KEY = 2**64 - 59


@pytest.mark.parametrize(("k0", "k1"), [(0, 6), (1, 6), (1, 7), (0, 7), (3, 4), (4, 5), (1000, 1003), (5, 5)])
@pytest.mark.parametrize("n", [1, 7, 8, 517])
def test_compiled_and_plain_give_the_same_bits(k0: int, k1: int, n: int) -> None:
    keys = random.neuron_keys(123, 0, n)
    for fill, numbers in ((fill_normals, random.normals), (fill_uniforms, random.uniforms)):
        out = np.full((max(k1 - k0, 1), n), np.nan)
        fill(KEY, keys, k0, k1, out, True)
        assert out[: k1 - k0].tobytes() == numbers(KEY, keys, k0, k1).tobytes()


def test_the_logarithm_is_right_to_the_last_digits() -> None:
    x = np.concatenate([np.arange(2000) + 0.5, 2.0**32 - np.arange(2000) - 0.5, np.linspace(0.5, 2.0**32 - 0.5, 9999)])
    exact = np.log(x.astype(np.longdouble) / 2**32).astype(float)
    assert np.abs(random._log_unit(x) / exact - 1).max() < 5e-16


def test_sine_and_cosine_are_right_to_the_last_digits() -> None:
    x = np.linspace(-np.pi / 4, np.pi / 4, 10_001)
    c, s = random._cos_sin(x)
    assert np.abs(c - np.cos(x)).max() < 2.3e-16
    assert np.abs(s - np.sin(x)).max() < 2.3e-16


def test_normals_are_gaussian_and_pairs_point_everywhere() -> None:
    z = random.normals(7, random.neuron_keys(5, 0, 100_000), 0, 2)
    for x in (z[0], z[1], (z[0] + z[1]) / np.sqrt(2), (z[0] - z[1]) / np.sqrt(2)):
        assert stats.kstest(x, "norm").pvalue > 1e-3
    angle = np.arctan2(z[1], z[0]) / (2 * np.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(z[0] ** 2 + z[1] ** 2, angle)[0, 1]) < 0.02
