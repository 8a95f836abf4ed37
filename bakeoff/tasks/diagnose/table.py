"""How are the findings in the gallery of graph breaks shown? A row per model, a column per stack."""

from collections import Counter
from collections.abc import Sequence

from bakeoff.records.cell import Cell
from bakeoff.runner.task import Section
from bakeoff.tasks.diagnose.record import Diagnosis

GALLERY_LEGEND = "Models with one known graph break each, and the kinds of breaks that were found on each stack."


def section(title: str, records: Sequence[Diagnosis]) -> Section | None:
    """The table of the report; None without records."""
    if not records:
        return None
    stacks = list(dict.fromkeys(d.cell.stack for d in records))
    kinds = {d.cell: _kinds(d) for d in records}
    places = dict.fromkeys((cell.model, cell.mode) for cell in kinds)
    rows = [(model, *(kinds.get(Cell(model, stack, mode), "–") for stack in stacks)) for model, mode in places]
    return Section(title=title, legend=GALLERY_LEGEND, columns=("model", *stacks), rows=rows)


def _kinds(diagnosis: Diagnosis) -> str:
    """The kinds of breaks that were found, or the status of the failure."""
    if diagnosis.diagnostics is None:
        return str(diagnosis.failure.status) if diagnosis.failure is not None else "–"
    kinds = Counter(str(b.kind).replace("_", " ") for b in diagnosis.diagnostics.breaks)
    return ", ".join(kinds) or "none"
