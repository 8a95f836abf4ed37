"""A row per framework and state of the page cache."""

from collections.abc import Sequence

from bakeoff.analysis.formatting import seconds
from bakeoff.system.terminal import plain
from bakeoff.tasks.import_time.record import ImportTime

IMPORT_LEGEND = "importing a framework in a process of its own; cold: after its files were dropped from the page cache"
IMPORT_COLUMNS = ("framework", "page cache", "import", "CPU", "read from storage", "modules", "peak memory")


def row(record: ImportTime) -> tuple[str, ...]:
    """As text, at IMPORT_COLUMNS; a status instead of figures where there are none."""
    state, found = "cold" if record.cold else "warm", record.found
    if found is None:
        return (record.framework, state, str(record.failure.status) if record.failure else "error", "", "", "", "")
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
    from rich import box  # collecting tests needs none
    from rich.table import Table

    console = plain(max(width, 60))
    table = Table(box=box.SIMPLE_HEAD)
    for name in IMPORT_COLUMNS:
        table.add_column(name, justify="left" if name in IMPORT_COLUMNS[:2] else "right")
    for record in records:
        table.add_row(*row(record))
    with console.capture() as capture:
        console.print(IMPORT_LEGEND, markup=False)
        console.print(table)
        for why in dict.fromkeys(f"{r.framework}: {r.failure.status}: {r.failure.message}" for r in records if r.failure):
            console.print(why, markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
