"""The table of test_dynamic_shapes: a row per cell, a column per size. Pure."""

from collections.abc import Sequence
from statistics import median

from bakeoff.analysis.formatting import seconds
from bakeoff.system.terminal import plain
from bakeoff.tasks.shapes.record import ShapeSeries


def terminal(series: Sequence[ShapeSeries], width: int) -> str:
    """As text, one table per axis and sizes."""
    from rich import box  # collecting tests needs none
    from rich.table import Table

    console = plain(max(width, 60))
    with console.capture() as capture:
        for axis, sizes in dict.fromkeys((s.axis, tuple(step.size for step in s.steps)) for s in series if s.steps):
            legend = "one compiled program, size by size: what compiling for it took (– if nothing was), and the step time then"
            console.print(f"{axis}: {legend}", markup=False)
            table = Table(box=box.SIMPLE_HEAD)
            for name in ("", *map(str, sizes)):
                table.add_column(name, no_wrap=True)
            for row in series:
                if row.axis == axis and tuple(step.size for step in row.steps) == sizes:
                    cells = [
                        f"{seconds(step.compile_s) if step.compilations else '–'}\n{seconds(median(step.step_s))}"
                        for step in row.steps
                    ]
                    table.add_row(f"{row.cell.stack}\n{row.cell.model}", *cells)
            console.print(table)
        for row in series:
            if row.failure is not None:
                console.print(
                    f"{row.cell} {row.axis}: {row.failure.status}: {row.failure.message.splitlines()[0]}", markup=False
                )
    return capture.get()
