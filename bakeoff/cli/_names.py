"""Which cells do the arguments of a command name? Models, stacks and modes in any order, or whole cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bakeoff.authoring.discovery import Registry, Source, StackSource, named_cell
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode

HELP = "models, stacks and modes in any order, or cells as model-stack-mode"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names. `stacks`: None for the main stacks. `cells`: only these of models × stacks × modes, or None for all."""

    models: list[str]
    stacks: list[str] | None
    modes: list[str]
    cells: frozenset[Cell] | None = None


def chosen(names: Sequence[str], models: Registry[Source], stacks: Registry[StackSource], default_model: str) -> Chosen:
    """The cells that `names` select, by default of `default_model` and inference. UsageError for an unknown name."""
    words = list(dict.fromkeys(word for name in names for word in name.split(",") if word))
    cells = [named_cell(word, models, stacks) for word in words if "-" in word]
    if cells and len(cells) < len(words):
        raise UsageError(f"{' '.join(words)}: name cells as model-stack-mode, or models, stacks and modes, not both")
    if cells:
        found = ([getattr(cell, part) for cell in cells] for part in ("model", "stack", "mode"))
        of_models, of_stacks, of_modes = (list(dict.fromkeys(map(str, each))) for each in found)
        return Chosen(of_models, of_stacks, of_modes, frozenset(cells))
    there = {"model": models.names, "stack": stacks.names, "mode": [str(mode) for mode in Mode]}
    kinds = {word: _kind(word, there) for word in words}
    named = {kind: [word for word in words if kinds[word] == kind] for kind in there}
    return Chosen(named["model"] or [default_model], named["stack"] or None, named["mode"] or [str(Mode.INFERENCE)])


def _kind(word: str, there: dict[str, list[str]]) -> str:
    found = [kind for kind, names in there.items() if word in names]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{word} is a {' and a '.join(found)}: name the cell, as model-stack-mode")
    near = get_close_matches(word, [name for names in there.values() for name in names])
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"there is no model, stack or mode {word}; {meant}`bakeoff list` prints all of them")
