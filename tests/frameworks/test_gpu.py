"""Does compiling without a GPU give the kernels that run on one? Skipped on machines without a GPU."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from shutil import which

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring import discovery
from bakeoff.records.cell import Mode
from bakeoff.records.compile_only import TARGETS
from bakeoff.records.trial import Status
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from benchmarks.gpu import ALSO_COMPILED
from tests.support.planting import settings
from tests.support.sessions import session_of

pytestmark = pytest.mark.skipif(not (which("nvidia-smi") and find_spec("torch") and find_spec("triton")), reason="needs a GPU")


@pytest.fixture(scope="module")
def target() -> str:
    """The target that is this machine's GPU."""
    ask = "import torch; print('sm_%d%d' % torch.cuda.get_device_capability() if torch.cuda.is_available() else '')"
    output = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=120)
    name = f"cuda:{output.stdout.strip()}"
    if name not in TARGETS:
        pytest.skip(f"no target is {name}")
    return name


@pytest.fixture(scope="module")
def run(pytestconfig: pytest.Config) -> Callable[..., CellResult]:
    home = options.store(pytestconfig.getoption)  # what a machine pays once may have been paid there

    def one(model: str, stack: str, **changes: str) -> CellResult:
        models, stacks = discovery.models(), discovery.stacks()
        asked = replace(settings(timeout_s=240.0), **changes)  # type: ignore[arg-type]
        plan = Plan(
            settings=asked, models=[models[model]], stacks=[stacks[stack]], modes=[Mode.INFERENCE], all_stacks=list(stacks)
        )
        session = session_of(replace(plan, warm=False), home)
        session.run()
        (result,) = by_cell(session.trials).values()
        return result

    return one


@pytest.mark.parametrize("model", ALSO_COMPILED)
def test_compiled_without_it_is_compiled_for_it(run: Callable[..., CellResult], target: str, model: str) -> None:
    """Kernel counts, registers and spills; attention is decomposed only without the device (a known gap)."""
    there, here = run(model, "torch_inductor", device="cuda"), run(model, "torch_inductor", target=target)
    assert there.status in (Status.OK, Status.UNSTEADY), there.reason
    assert here.status is Status.COMPILED, here.reason
    assert there.diagnostics is not None
    assert here.diagnostics is not None
    assert there.diagnostics.compiled is not None
    assert here.diagnostics.compiled is not None
    if model != "bert_encoder":
        assert there.diagnostics.compiled.kernels == here.diagnostics.compiled.kernels
        assert there.diagnostics.compiled.library_calls == here.diagnostics.compiled.library_calls
    assert there.diagnostics.break_count == here.diagnostics.break_count
    assert here.compile_only is not None
    # the driver must report what the assembler reported for the chosen configuration, one of them
    figures = there.diagnostics.compiled.figures
    loaded = {name.removeprefix("registers_"): figures[name] for name in figures if name.startswith("registers_")}
    known = {k.name: k.registers_each for k in here.compile_only.kernels if k.name in loaded}
    assert known
    assert {name: loaded[name] for name in known if loaded[name] not in known[name]} == {}, known
    if not here.compile_only.spill_bytes:
        assert figures["spill_bytes"] == 0
