"""A row per framework and state of the page cache."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from bakeoff.analysis.formatting import seconds
from bakeoff.system.terminal import plain
from bakeoff.tasks.import_time.record import ImportTime

LEGEND = "importing a framework in a process of its own; cold: after its files were dropped from the page cache"
COLUMNS = ("framework", "page cache", "import", "CPU", "read from storage", "modules", "peak memory")


def row(record: ImportTime) -> tuple[str, ...]:
    """As text, at COLUMNS; a reason instead of figures where there are none."""
    state, found = "cold" if record.cold else "warm", record.found
    if found is None:
        why = record.failure.message.splitlines()[0] if record.failure else "no result"
        return (record.framework, state, f"{record.failure.status if record.failure else 'error'}: {why}", "", "", "", "")
    return (
        f"{record.framework} {found.version}",
        state,
        seconds(found.import_s),
        seconds(found.cpu_s),
        f"{found.read_bytes / 2**20:.0f} MiB",
        f"{found.modules:,}",
        f"{found.peak_bytes / 2**20:.0f} MiB",
    )


def terminal(records: Sequence[ImportTime], width: int) -> str:
    """As text."""
    console = plain(max(width, 60))
    table = Table(box=box.SIMPLE_HEAD)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in COLUMNS[:2] else "right")
    for record in records:
        table.add_row(*row(record))
    with console.capture() as capture:
        console.print(LEGEND, markup=False)
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
