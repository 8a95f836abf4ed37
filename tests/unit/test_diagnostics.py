"""Is the diagnostics record right? Joined from two children, counted in HLO, and printed by `bakeoff explain`."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bakeoff.analysis import rerun
from bakeoff.analysis.results import by_cell
from bakeoff.records.diagnostics import Compiled, CompilePhase, Diagnostics, GraphBreak, joined, merged, with_residual
from bakeoff.system.sandbox import Sandbox
from bakeoff.tasks.diagnose.findings import keep, write_index
from bakeoff.views import explain
from tests.support.builders import BREAK, CELL, measurement, trial


def test_children_that_agree_make_one_record() -> None:
    timed = Diagnostics(graphs=2, counted={"graph_break+skipped_frame": 2}, recompiles=3, cache_hits=0)
    record = joined(timed, Diagnostics(graphs=2, breaks=(replace(BREAK, count=2),), captured_share=0.5))
    assert record is not None
    assert (record.break_count, record.recompiles, record.captured_share, record.remarks) == (2, 3, 0.5, ())


@pytest.mark.parametrize(
    ("graphs", "breaks", "says"),
    [
        (2, (), "the timed child counted 1 graph_break+skipped_frame, the diagnosing child found 0"),
        (3, (BREAK,), "the timed child captured 2 graphs, the diagnosing child 3"),
    ],
)
def test_children_that_disagree_say_so(graphs: int, breaks: tuple[GraphBreak, ...], says: str) -> None:
    timed = Diagnostics(graphs=2, counted={"graph_break+skipped_frame": 1})
    record = joined(timed, Diagnostics(graphs=graphs, breaks=breaks))
    assert record is not None
    assert record.remarks == (says,)


def test_a_dead_diagnosing_child_leaves_the_counts() -> None:
    record = joined(Diagnostics(graphs=2, counted={"graph_break": 4}), None, "the diagnosing child failed: SIGSEGV")
    assert record is not None
    assert (record.break_count, record.remarks) == (4, ("the diagnosing child failed: SIGSEGV",))


def test_equal_breaks_are_counted_in_the_order_of_their_lines() -> None:
    later = replace(BREAK, where="models/branchy.py:100")
    assert merged([later, BREAK, BREAK]) == (replace(BREAK, count=2), later)


def test_phases_add_up_with_the_residual() -> None:
    phases = (CompilePhase(name="tracing", seconds=0.2), CompilePhase(name="AutoGraph", seconds=None, note="within tracing"))
    reported = with_residual(phases, 0.5)
    assert sum(p.seconds or 0.0 for p in reported) == pytest.approx(0.5)
    assert reported[-1].seconds == pytest.approx(0.3)


def shape(*dimensions: int) -> SimpleNamespace:
    return SimpleNamespace(dimensions=dimensions, element_type=11, tuple_shapes=[])


def instruction(number: int, opcode: str, out: SimpleNamespace, *operands: int, calls: tuple[int, ...] = ()) -> SimpleNamespace:
    contracting = SimpleNamespace(lhs_contracting_dimensions=[1])
    return SimpleNamespace(
        id=number,
        opcode=opcode,
        shape=out,
        operand_ids=operands,
        called_computation_ids=calls,
        fusion_kind="kLoop",
        dot_dimension_numbers=contracting,
    )


def test_hlo_is_counted() -> None:
    """dot(f32[2,3], f32[3,4]) and a fusion of two operations over its f32[2,4]."""
    from bakeoff.compilers._hlo import Hlo

    fused = SimpleNamespace(
        id=1,
        instructions=[
            instruction(10, "parameter", shape(2, 4)),
            instruction(11, "add", shape(2, 4), 10, 10),
            instruction(12, "tanh", shape(2, 4), 11),
        ],
    )
    entry = SimpleNamespace(
        id=2,
        instructions=[
            instruction(1, "parameter", shape(2, 3)),
            instruction(2, "parameter", shape(3, 4)),
            instruction(3, "dot", shape(2, 4), 1, 2),
            instruction(4, "fusion", shape(2, 4), 3, calls=(1,)),
        ],
    )
    hlo = Hlo(SimpleNamespace(computations=[fused, entry]))
    assert (hlo.instructions, hlo.launches, hlo.fusions, hlo.library_calls) == (7, 2, 1, 1)
    assert hlo.flops == 2 * 2 * 4 * 3
    assert hlo.bytes_accessed == 4 * ((8 + 6 + 12) + (8 + 8))


def text_of(found: Diagnostics, **changes: object) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    explain.show(by_cell([trial(measurement(), model="branchy", diagnostics=found, **changes)]).values(), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_explain_marks_the_line() -> None:
    found = Diagnostics(
        graphs=2,
        captured_share=0.8,
        breaks=(replace(BREAK, count=2),),
        phases=(CompilePhase(name="Dynamo", seconds=0.4),),
        compiled=Compiled(kernels=7, figures={"guards": 3}),
    )
    text = text_of(found)
    assert "2 graphs, 80% of the operations captured, 2 breaks" in text
    assert '> 51                 print("branchy: one step")' in text
    assert "^" * len('print("branchy: one step")') in text
    assert "what to do: do not" in text
    assert "Dynamo" in text
    assert "█" * explain.BAR in text
    assert "7 kernels generated, 3 guards" in text
    assert "again: bakeoff explain branchy compiler" in text
    assert "\x1b" not in text  # plain where nobody sees colours


def test_explain_of_eager_says_that_nothing_is_captured() -> None:
    assert "no graph is captured" in text_of(Diagnostics(), eager=True)


def test_the_command_has_what_is_not_the_default() -> None:
    settings = replace(trial(measurement()).settings, size="full", batch_size=3)
    assert rerun.command(CELL, settings).startswith("bakeoff explain toy compiler --size full --batch-size 3")


def test_artifacts_are_kept_with_an_index(tmp_path: Path) -> None:
    private = Sandbox(tmp_path / "trial")
    private.artifacts.mkdir(parents=True)
    (private.artifacts / "graph.py").write_text("x = 1\n")
    (private.artifacts / "contents.json").write_text('{"graph.py": "the captured graph"}')
    keep(private, tmp_path / "kept" / str(CELL))
    index = write_index(tmp_path / "kept").read_text()
    assert f"| [graph.py]({CELL}/graph.py) | 6 | the captured graph |" in index
