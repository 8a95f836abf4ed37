"""What happened in one cell? Graph breaks with advice, the phases of compiling, and what the model compiled to."""

import linecache
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.formatting import seconds
from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import ROOT
from bakeoff.records.cell import Mode
from bakeoff.records.compile_only import Kernel
from bakeoff.records.diagnostics import Compiled, CompilePhase, Diagnostics, GraphBreak, Kind, with_residual
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Status

SOURCE_LINES = 2  # source lines on each side of a break
BAR = 30  # characters of the longest phase's bar

# what the other framework reports for the same Python code
COUNTERPART = {
    Kind.GRAPH_BREAK: "TensorFlow never splits a trace: there it is a host callback, an effect while tracing, or an error",
    Kind.SKIPPED_FRAME: "TensorFlow: AutoGraph runs a function unconverted (autograph_fallback), or tracing stops",
    Kind.RECOMPILE_LIMIT: "TensorFlow: the Python value is read once while tracing (side_effect), or each value is a retrace",
    Kind.HOST_CALLBACK: "PyTorch: a graph break at a call that Dynamo cannot trace; prim::PythonOp in TorchScript",
    Kind.PYTHON_FALLBACK: "TensorFlow: tf.py_function; torch.compile: a graph break",
    Kind.AUTOGRAPH_FALLBACK: "PyTorch: a frame that Dynamo skips",
    Kind.SIDE_EFFECT: "torch.compile: a graph break, so that the effect happens on every call",
    Kind.BAKED_IN: "torch.compile: a graph break, or a guard and a recompile; TensorFlow: a branch becomes tf.cond",
    Kind.TRACE_ERROR: "PyTorch: a graph break, and Python goes on",
    Kind.UNSUPPORTED_OPERATION: "PyTorch: Inductor falls back to the library's kernel",
    Kind.COMPILE_ERROR: "PyTorch: BackendCompilerFailed",
}
COMPILED_COUNTS = {
    "operations_captured": "operations captured",
    "operations_fused": "after fusion",
    "kernels": "kernels generated",
    "library_calls": "library calls",
    "code_bytes": "bytes of generated source",
}


def show(results: Iterable[CellResult], console: Console) -> None:
    """Print everything that is known about each cell."""
    for result in results:
        console.print(Group(*_cell(result)))


def _cell(result: CellResult) -> Iterator[ConsoleRenderable]:
    trial = result.trials[0]
    fine = result.status.succeeded
    colour = "green" if fine else "red"
    yield Text.assemble((str(result.cell), "bold"), "  ", (str(result.status), colour), style="")
    if result.status is not Status.OK:
        yield Padding(Text(result.reason.splitlines()[0]), (0, 2))
    if result.measurements:
        measured = result.measurements[0]
        speed = f"first call {seconds(measured.first_call_s)}, of which compile {seconds(measured.compile_s)}"
        if result.status is Status.OK:
            speed += f"; a step {seconds(result.step_s)}"
        yield Padding(Text(speed), (0, 2))
        if result.status is Status.OK:
            for finding in result.trust.findings:
                yield Padding(Text(f"{finding.doubt}: {finding.text}", style="yellow"), (0, 2))
        if measured.losses:
            yield Padding(_losses(measured), (0, 2))
    made = result.compile_only
    if made is not None:
        yield Padding(Text(f"first call {seconds(made.first_call_s)}: compiling, and one step that is not timed"), (0, 2))
    found = trial.diagnostics
    if found is not None:
        first = made or (result.measurements[0] if result.measurements else None)
        yield from _record(found, first.first_call_s if first else None, eager=trial.eager)
    if made is not None and made.kernels:
        yield Padding(_kernels(made.kernels), (1, 2, 0, 2))
    if trial.failure is not None and trial.failure.traceback:
        yield Padding(Text(trial.failure.traceback, style="dim"), (1, 2))
    if not fine or (found is not None and found.breaks):
        yield Padding(Text(f"again: {command(result.cell, trial.settings)}"), (1, 2, 0, 2))
        if result.cell.mode is Mode.INFERENCE:  # repro supports no other mode
            yield Padding(Text(f"without Bakeoff: {command(result.cell, trial.settings, 'repro')}"), (0, 2))
    yield Text()


def _losses(measured: Measurement) -> Text:
    """The losses and those of the float64 reference, and the parity error of each first step."""
    lines = [f"losses   {'  '.join('nan' if loss is None else f'{loss:.4g}' for loss in measured.losses)}"]
    lines.append(f"float64  {'  '.join(f'{loss:.4g}' for loss in measured.reference_losses)}")
    checks = measured.parity.checks if measured.parity is not None else ()
    for check in (c for c in checks if c.error is None or c.when != "timed"):  # timed checks need only be finite
        error = "not finite, or missing" if check.error is None else f"error {check.error:.1e}"
        lines.append(f"{check.when} batch {check.batch}: {check.output} {error}, tolerance {check.tolerance or 0:.1e}")
    return Text("\n".join(lines))


def _record(found: Diagnostics, first_call_s: float | None, *, eager: bool) -> Iterator[ConsoleRenderable]:
    if eager:
        yield Padding(Text("eager: no graph is captured, so there are no breaks"), (0, 2))
        return
    share = "" if found.captured_share is None else f", {found.captured_share:.0%} of the operations captured"
    breaks = f"{found.break_count} break{'s' * (found.break_count != 1)}"
    recompiles = "" if not found.recompiles else f", {found.recompiles} more compilations before timing"
    yield Padding(Text(f"{found.graphs} graph{'s' * (found.graphs != 1)}{share}, {breaks}{recompiles}"), (0, 2))
    for number, seen in enumerate(found.breaks, start=1):
        yield Padding(_break(number, seen), (1, 2, 0, 2))
    for again in found.recompile_triggers:
        yield Padding(Text(f"recompiled ×{again.count} {again.where}: {again.trigger}".replace(" : ", ": ")), (1, 2, 0, 2))
    if found.phases and first_call_s is not None:
        yield Padding(_phases(with_residual(found.phases, first_call_s), first_call_s), (1, 2, 0, 2))
    if found.compiled is not None:
        yield Padding(_compiled(found.compiled), (1, 2, 0, 2))
    for text in (*found.warnings, *(f"remark: {remark}" for remark in found.remarks)):
        yield Padding(Text(text, style="yellow"), (1, 2, 0, 2))


def _break(number: int, seen: GraphBreak) -> ConsoleRenderable:
    code = f" {seen.code}" if seen.code else ""
    times = f" ×{seen.count}" if seen.count > 1 else ""
    parts: list[ConsoleRenderable] = [
        Text.assemble((f"{number}. {seen.kind}{times}{code}", "bold red"), f"  {seen.where}"),
        Padding(Text(seen.reason), (0, 3)),
    ]
    source = _source(seen.where)
    if source is not None:
        parts.append(source)
    if seen.hint:
        parts.append(Padding(Text.assemble(("what to do: ", "bold"), seen.hint), (0, 3)))
    parts.append(Padding(Text.assemble(("elsewhere: ", "bold"), COUNTERPART[seen.kind]), (0, 3)))
    return Group(*parts)


def source_lines(where: str) -> list[tuple[int, str]]:
    """The present source lines around `path:line`, with their numbers; none if there is no such file."""
    path, _, line = where.rpartition(":")
    if not line.isdigit():
        return []
    lines = linecache.getlines(str(ROOT / path if not Path(path).is_absolute() else path))
    if not 1 <= int(line) <= len(lines):
        return []
    numbers = range(max(1, int(line) - SOURCE_LINES), min(len(lines), int(line) + SOURCE_LINES) + 1)
    return [(number, lines[number - 1].rstrip("\n")) for number in numbers]


def _source(where: str) -> ConsoleRenderable | None:
    """The lines around `path:line`, with the line itself marked; None if there is no such file."""
    lines = source_lines(where)
    table = Table.grid(padding=(0, 1))
    for at, text in lines:
        here = where.endswith(f":{at}")
        code = Syntax("", "python").highlight(text)
        code.rstrip()
        table.add_row("   ", Text(">" if here else " ", style="bold red"), Text(str(at), style="" if here else "dim"), code)
        if here:
            stripped = text.partition("  #")[0].rstrip()
            indent = len(stripped) - len(stripped.lstrip())
            table.add_row("", "", "", Text(" " * indent + "^" * len(stripped.strip()), style="bold red"))
    return table if lines else None


def _phases(phases: Iterable[CompilePhase], first_call_s: float) -> ConsoleRenderable:
    rows = list(phases)
    longest = max((p.seconds for p in rows if p.seconds is not None), default=0.0)
    table = Table.grid(padding=(0, 2))
    for phase in rows:
        length = 0 if phase.seconds is None or longest <= 0 else round(BAR * phase.seconds / longest)
        value = "–" if phase.seconds is None else f"{seconds(phase.seconds)} {phase.seconds / first_call_s:4.0%}"
        table.add_row(phase.name, Text(value, justify="right"), Text("█" * length, style="cyan"), Text(phase.note, style="dim"))
    return table


def _kernels(kernels: Sequence[Kernel]) -> ConsoleRenderable:
    """A table of generated kernels, those with the most registers first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("kernel", "configurations", "warps", "registers", "bytes spilled", "shared bytes", "occupancy"):
        table.add_column(name, justify="left" if name == "kernel" else "right", overflow="fold")
    for k in sorted(kernels, key=lambda k: -k.registers):
        values = (k.configurations, k.warps, k.registers, k.spill_bytes, k.shared_bytes)
        table.add_row(k.name, *map(str, values), "–" if k.occupancy is None else f"{k.occupancy:.0%}")
    return table


def _compiled(compiled: Compiled) -> ConsoleRenderable:
    counts = compiled_counts(compiled)
    return Text("compiled to: " + ", ".join(f"{value:,.0f} {label}" for label, value in counts.items()))


def compiled_counts(compiled: Compiled) -> dict[str, float]:
    """Label → number, of everything that is known about the compiled program."""
    counts = {label: getattr(compiled, name) for name, label in COMPILED_COUNTS.items()}
    counts |= {name.replace("_", " "): value for name, value in compiled.figures.items()}
    return {label: value for label, value in counts.items() if value is not None}
