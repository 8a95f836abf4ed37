"""Fixtures and hooks of all tests: a CPU per worker, markers, and the order of the tests."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import tiers


def pytest_configure() -> None:
    """Each worker of pytest-xdist, and the children that it starts, uses its own CPU.

    No test fails because a machine is slow for a moment: hypothesis has no deadline, and draws the same examples every time.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts us in the background may have had it ignored
    with suppress(ImportError):  # `make gpu` runs tests/frameworks/test_gpu.py where it may not be installed
        from hypothesis import HealthCheck, settings

        settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("tests")
    os.environ["FAKES_OF"] = str(os.getpid())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the many processes compiles Bakeoff's source once more
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[int(worker) % len(cpus)]})
        # not for the sessions that tests start: no terminal has these columns, and pytest-benchmark would switch itself off
        for name in [name for name in os.environ if name == "COLUMNS" or name.startswith("PYTEST_XDIST")]:
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its tier and by what it uses; the tiers whose tests take longest come first.

    pytest-xdist gives each worker a file at a time: so no worker is left with a long one while the others have finished.
    """
    for item in items:
        tier = tiers.tier_of(item.path)
        if tier is None:
            continue
        item.add_marker(tier)
        for used in tiers.uses(item) if tier == "frameworks" else ():
            item.add_marker(used)
    order = {tier: number for number, tier in enumerate(("frameworks", "process", "unit"))}
    items.sort(key=lambda item: order.get(tiers.tier_of(item.path) or "", -1))  # stable


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drawing library's text stays from report to report."""
    return tmp_path_factory.mktemp("kept")
