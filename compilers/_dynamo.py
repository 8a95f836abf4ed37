"""Where does Dynamo break the graph? Its structured trace, read in process: breaks, skipped frames, graphs, generated code.

It is the stream that TORCH_TRACE writes and tlparse reads, and the only complete source: `torch._dynamo.explain` leaves out
skipped frames. Formatting its records costs time, so it is switched on only in the diagnosing child.
"""

import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

from bakeoff import GraphBreak, Kind, Recompile, is_users, merged, where

SITE = re.compile(r"in user code at (?P<file>.+?):(?P<line>\d+)\n")
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
CODE = re.compile(r"/gb/gb(\d+)\.html")
HINT = re.compile(r"^ *Hint: (.*)$", re.MULTILINE)
SKIPPED = ("falling back to eager", "will skip tracing the frame")
TRIGGER = re.compile(r"^(?:\d+/\d+: )?(?P<guard>[^\n#]*)")
OPTIMIZER = "/torch/optim/"  # its step breaks the graph on purpose (PyTorch issue 104053): not the user's break
GENERIC = "Please report an issue to PyTorch"  # not a hint for the author of a model

ARTIFACTS = {
    "dynamo_output_graph": ("graph.py", "FX graph as Dynamo captured it"),
    "aot_inference_graph": ("aten.py", "ATen graph after AOTAutograd"),
    "inductor_output_code": ("code.py", "generated kernels, and the wrapper that calls them and the library"),
}


class Trace(logging.Handler):
    """A log handler that keeps the records. Attaching it switches the trace on."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[tuple[dict[str, Any], str]] = []
        logging.getLogger("torch.__trace").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        metadata = getattr(record, "metadata", None)
        if metadata is not None:
            self.records.append((dict(metadata), getattr(record, "payload", None) or ""))

    def payloads(self, kind: str) -> list[tuple[str, str]]:
        """(compile id such as 0_1, text) of the records of one kind, or of the artifacts of one name."""
        return [(_id(m), text) for m, text in self.records if kind in m or m.get("artifact", {}).get("name") == kind]

    def breaks(self) -> tuple[GraphBreak, ...]:
        """Every break and skipped frame."""
        found = (graph_break(text) for _, text in self.payloads("dynamo_graph_break_reason"))
        return merged(b for b in found if OPTIMIZER not in b.where)

    def recompiles(self) -> tuple[Recompile, ...]:
        """Guards that failed, and the place of the code that was compiled again."""
        found: Counter[tuple[str, str]] = Counter()
        for _, text in self.payloads("recompile_reasons"):
            reasons = json.loads(text) if text.lstrip().startswith("[") else [text]
            guard = TRIGGER.search(str(reasons[0]))
            place = users_place(str(reasons[0])) if FRAME.search(str(reasons[0])) else ""
            found[guard["guard"].strip() if guard else str(reasons[0]).splitlines()[0], place] += 1
        return tuple(Recompile(trigger=trigger, where=place, count=n) for (trigger, place), n in found.items())

    def keep(self, folder: Path) -> None:
        """Write graphs and generated sources of each compilation, and contents.json, which describes each file."""
        contents = {}
        for kind, (suffix, what) in ARTIFACTS.items():
            for number, (compilation, text) in enumerate(self.payloads(kind)):
                name = f"{number:02}-compilation-{compilation}.{suffix}"
                (folder / name).write_text(text)
                contents[name] = what
        breaks = "\n\n".join(text for _, text in self.payloads("dynamo_graph_break_reason"))
        if breaks:
            (folder / "graph_breaks.txt").write_text(breaks)
            contents["graph_breaks.txt"] = "Dynamo's report of each break"
        (folder / "contents.json").write_text(json.dumps(contents))


def graph_break(text: str) -> GraphBreak:
    """Dynamo's report of a break as a record. Its first line may be a wrapper, so the code and the last sentence are taken."""
    code = CODE.search(text)
    body = text.partition("User code traceback:")[0]
    hints = [hint.strip() for hint in HINT.findall(body) if GENERIC not in hint]
    return GraphBreak(
        kind=Kind.SKIPPED_FRAME if any(words in text for words in SKIPPED) else Kind.GRAPH_BREAK,
        reason=_reason(text),
        where=users_place(text),
        code=f"GB{code[1]}" if code else None,
        hint=hints[0] if hints else "",
    )


def users_place(text: str) -> str:
    """The innermost line of the user's own files in Dynamo's report of a break, a guard or an exception."""
    site = SITE.search(text)
    if site and is_users(site["file"]):
        return where(site["file"], int(site["line"]))
    frames = FRAME.findall(text.partition("Traceback (most recent call last)")[0]) or FRAME.findall(text)
    users = [(file, line) for file, line in frames if is_users(file)] or frames
    return where(users[-1][0], int(users[-1][1])) if users else "an unknown place"


def _reason(text: str) -> str:
    """The sentence that says what broke the graph, after wrappers such as "Encountered graph break when ..."."""
    head = text.partition("Graph Break Reason:")[2].partition("\n  Explanation:")[0]
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    return lines[-1] if lines else text.strip().splitlines()[0]


def _id(metadata: dict[str, Any]) -> str:
    return f"{metadata.get('frame_id', 'x')}_{metadata.get('frame_compile_id', 'x')}"
