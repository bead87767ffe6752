"""Fixtures and settings shared by all tests."""

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline and no too_slow check in any profile: the first example of a test may compile.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=50, derandomize=True, **_COMMON)
settings.register_profile("deep", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def _has_cuda_device() -> bool:
    """Whether the CUDA driver counts a device. Asked of the driver itself: no package for it is required."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is no device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not _has_cuda_device():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of reference values, tests/data."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def _empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _fresh_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests marked `fresh_cache`: generated code goes to one folder of this session, empty at its start.

    All others share the user's cache, since compiling every neuron again takes minutes.
    """
    if request.node.get_closest_marker("fresh_cache"):
        folder = request.getfixturevalue("_empty_cache")
        monkeypatch.setenv("RHEOBASE_CACHE", str(folder))
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder / "numba"))
