"""Are the resources that Triton's driver reports for loaded kernels read correctly?"""

from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

GPU = {
    "regs_per_multiprocessor": 65536,
    "max_threads_per_multi_processor": 2048,
    "shared_memory_per_multiprocessor": 233472,
    "shared_memory_per_block_optin": 232448,
}


@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
def test_resources_of_loaded_kernels_are_read_from_the_driver() -> None:
    """Words become bytes, the tightest kernel decides, and one that is still being tuned is left out."""
    from bakeoff.compilers._cubin import loaded

    def tuner(name: str, registers: int | None, spilt: int = 0, launchers: int = 1) -> Any:
        one = SimpleNamespace(n_regs=registers, n_spills=spilt, shared=2048, config=SimpleNamespace(num_warps=4))
        return SimpleNamespace(fn=SimpleNamespace(__name__=name), launchers=[one] * launchers)

    found = loaded([tuner("a", 32), tuner("b", 128, 3), tuner("c", 255, launchers=2), tuner("d", None)], GPU)
    assert found["registers"] == 128
    assert found["spill_bytes"] == 12
    assert (found["registers_a"], found["registers_b"]) == (32, 128)
    assert "registers_c" not in found
    assert found["occupancy"] == pytest.approx(16 / 64)  # 65,536 registers hold 16 warps of 128
    assert loaded([tuner("d", None)], GPU) == {}
