"""Does each real stack compile what it claims to, count what it compiles, and report an error if it does not?"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, load
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from tests.support.needs import needs_compiler, needs_tensorflow, needs_torch
from tests.support.planting import FAKES, settings
from tests.support.sessions import session_of

RAN = (Status.OK, Status.UNSTEADY)  # a shared machine's noise is no fault of a stack
STACKS = [
    pytest.param("torch_eager", marks=needs_torch),
    pytest.param("torch_script", marks=needs_torch),
    pytest.param("torch_script_frozen", marks=needs_torch),
    pytest.param("torch_inductor", marks=needs_compiler),
    pytest.param("torch_inductor_frozen", marks=needs_compiler),
    pytest.param("tf_eager", marks=needs_tensorflow),
    pytest.param("tf_function", marks=needs_tensorflow),
    pytest.param("tf_xla", marks=needs_tensorflow),
]


# of each model the stacks that a test asks about; whatever one framework runs is measured in one session, as by a user
TIMED = {
    "mlp": [p.values[0] for p in STACKS],
    "shifting": ["torch_inductor", "tf_function", "tf_xla"],
    "restless": ["torch_inductor"],
    "holder": ["torch_eager", "tf_eager"],
    "holder_of_256_mib": ["torch_eager", "tf_eager"],
    "talkative": ["tf_function", "tf_xla"],
    "fallbacks": ["torch_script", "tf_function"],
}
DIAGNOSED = {
    "mlp": ["torch_script", "torch_inductor", "tf_function", "tf_xla"],
    "talkative": TIMED["talkative"],
    "fallbacks": TIMED["fallbacks"],
}
Results = Callable[..., CellResult]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, storage: Callable[[Path], Path]) -> Store:
    return Store(storage(tmp_path_factory.mktemp("stacks")))


def measured(home: Store, cells: list[Cell], diagnosed: list[Cell], *, reference: bool = True) -> dict[Cell, CellResult]:
    models, stacks = discovery.models([FAKES / "models"]), discovery.stacks()
    chosen = [stacks[stack] for stack in dict.fromkeys(cell.stack for cell in cells)]
    plan = Plan(
        settings=settings(timeout_s=120.0),
        models=[models[model] for model in dict.fromkeys(cell.model for cell in cells)],
        stacks=chosen,
        modes=[Mode.INFERENCE],
        cells=frozenset(cells),
        # test_implementations.py tests whether the two frameworks agree
        all_stacks=[s for s in stacks if s.framework == chosen[0].framework] if reference else [],
        warm=False,
    )
    session = session_of(plan, home, diagnose=False, asked={"diagnose": diagnosed}, left_out=["machine_peak"])
    session.run()
    return by_cell(session.trials)


@pytest.fixture(scope="module")
def measure(home: Store) -> Results:
    frameworks = {stack.name: stack.framework for stack in discovery.stacks()}

    def cells(asked: dict[str, list[str]], framework: str) -> list[Cell]:
        return [Cell(m, s, Mode.INFERENCE) for m, stacks in asked.items() for s in stacks if frameworks[s] == framework]

    @cache
    def of(framework: str) -> dict[Cell, CellResult]:
        return measured(home, cells(TIMED, framework), cells(DIAGNOSED, framework))

    return lambda model, stack: of(frameworks[stack])[Cell(model, stack, Mode.INFERENCE)]


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_compiles_and_is_right(measure: Results, stack: str) -> None:
    result = measure("mlp", stack)
    assert result.status in RAN, result.reason
    measurement = result.measurements[0]
    assert measurement.threads.affinity == 1
    assert set(measurement.threads.reported.values()) == {1}
    assert measurement.contention.cpu_s < 1.2 * measurement.contention.wall_s  # one thread, whatever it says
    assert result.break_count == (None if stack.endswith("eager") else 0)
    assert (measurement.compilations_after > 0) == (not stack.endswith("eager"))
    assert (measurement.caches.left_files > 0) >= ("inductor" in stack)


@pytest.mark.parametrize("stack", [p for p in STACKS if p.values[0] in ("torch_inductor", "tf_function", "tf_xla")])
def test_a_new_shape_is_counted_as_a_recompile(measure: Results, stack: str) -> None:
    result = measure("shifting", stack)
    assert result.status in RAN, result.reason  # all in the warm-up
    assert (result.diagnostics.recompiles or 0) >= 1


@pytest.mark.parametrize("stack", [STACKS[3]])
def test_dynamo_at_its_limit_is_not_ok(measure: Results, stack: str) -> None:
    result = measure("restless", stack)
    assert (result.status, "gave up and ran eager" in result.reason) == (Status.UNSUPPORTED, True), result.reason


@pytest.mark.parametrize("stack", [STACKS[3]])
def test_without_a_compiler_inductor_is_unavailable(home: Store, monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    (result,) = measured(home, [Cell("mlp", stack, Mode.INFERENCE)], [], reference=False).values()
    assert result.status is Status.UNAVAILABLE
    assert result.reason == "Inductor needs a C++ compiler: apt-get install g++, or name one in CXX"


@pytest.mark.parametrize("stack", [p for p in STACKS if p.values[0] in ("tf_function", "tf_xla")])
def test_a_host_callback_breaks_the_graph(measure: Results, stack: str) -> None:
    result = measure("talkative", stack)
    if stack == "tf_xla":
        assert result.status is Status.UNSUPPORTED
        assert "compiler refuses" in result.reason
        return
    (found,) = result.diagnostics.breaks
    assert (found.kind, found.reason) == ("host_callback", "tf.numpy_function")
    assert found.where.startswith("tests/support/fakes/models/talkative.py:")


@pytest.mark.parametrize(
    ("stack", "kind", "mark"),
    [
        pytest.param("torch_script", "python_fallback", "# python fallback", marks=needs_torch),
        pytest.param("tf_function", "autograph_fallback", "# autograph fallback", marks=needs_tensorflow),
    ],
)
def test_a_fallback_to_python_has_its_line(measure: Results, stack: str, kind: str, mark: str) -> None:
    result = measure("fallbacks", stack)
    lines = (FAKES / "models" / "fallbacks.py").read_text().splitlines()
    (planted,) = [number for number, line in enumerate(lines, start=1) if line.endswith(mark)]
    found = result.diagnostics
    assert found is not None
    assert found.breaks
    assert {(b.kind, b.where) for b in found.breaks} == {(kind, f"tests/support/fakes/models/fallbacks.py:{planted}")}
    assert found.remarks == ()  # both children count alike


@pytest.mark.parametrize("stack", [p for p in STACKS if not p.values[0].endswith(("eager", "frozen"))])
def test_phases_and_what_it_compiled_to(measure: Results, stack: str) -> None:
    result = measure("mlp", stack)
    found, measured = result.diagnostics, result.measurements[0]
    assert found is not None
    assert found.breaks == ()  # a clean model
    assert found.remarks == ()
    text = sum(phase.seconds or 0.0 for phase in found.phases)
    # TorchScript: what no counter tells is its executor's first run, four fifths of this model's first call
    least = 0.02 if stack == "torch_script" else 0.2
    assert least * measured.first_call_s < text <= measured.first_call_s
    compiled = found.compiled
    assert compiled is not None
    assert compiled.operations_captured
    assert compiled.operations_fused
    assert compiled.operations_fused <= compiled.operations_captured
    assert (compiled.kernels or 0) > 0 or stack in ("torch_script", "tf_function")  # who generate none
    assert compiled.library_calls  # the matrix products
    if stack == "tf_xla":
        shapes = load(ROOT / "models" / "mlp.py", "MODEL").at("small")
        products = 2 * shapes.batch_size * shapes.width**2
        assert compiled.figures["dot_convolution_flops"] >= products * shapes.depth
        assert compiled.figures["hlo_fusions"] >= 1


@pytest.mark.parametrize("stack", [STACKS[0], STACKS[5]])
def test_planted_memory_is_reported(measure: Results, stack: str) -> None:
    """256 MiB of weights, above the same model with 8 KiB of them. TensorFlow sometimes holds 8 MiB more."""
    little, much = (measure(model, stack) for model in ("holder", "holder_of_256_mib"))
    for result in (little, much):
        assert result.status in RAN, result.reason
    peaks = [result.measurements[0].memory.steady_peak_bytes for result in (little, much)]  # it need not be steady
    held = (peaks[1] - peaks[0]) / 2**20
    assert 256 * 0.97 <= held <= (256 if stack == "torch_eager" else 264) * 1.03
