"""On a machine with a GPU, in one command of at most eight minutes: kernels, PyTorch's side of the matrix, targets.

    make gpu                                   [ARGS="--write FILE --minutes 8"]

Each part gets its share of what is left of the time. What runs over is interrupted: its finished trials are saved, and the
next part begins. Everything that was measured is written as one Markdown page with the device, the versions and the date. The
exit code is 0 only if every part came to its end and passed. Needs PyTorch, Triton and pytest-benchmark; `make gpu-libraries`
is the rest.
"""

import argparse
import datetime
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness import archive, tables
from harness.discover import ROOT
from harness.errors import UsageError

GRACE_S = 20.0  # for an interrupted session to end its child, print its tables and save its run
RUN = ("--device", "cuda", "--size", "full", "--no-diagnosis", "--benchmark-autosave", "--require-all")
STACKS = ("--stacks", "torch_eager,torch_inductor,torch_triton")


@dataclass(frozen=True)
class Part:
    """Words after `python -m`, and how much of the time they may take beside the others."""

    title: str
    words: tuple[str, ...]
    share: float


PARTS = (
    Part("kernels, bfloat16", ("pytest", "experiments/test_kernels.py", "--dtype", "bfloat16", *RUN), 4),
    Part("matrix, bfloat16", ("pytest", "experiments/test_step_time.py", "--dtype", "bfloat16", *STACKS, *RUN), 4),
    Part("matrix, float32", ("pytest", "experiments/test_step_time.py", "--dtype", "float32", *STACKS, *RUN), 4),
    Part("compiled without it, compiled for it", ("pytest", "tests/test_gpu.py"), 2),
)


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    part: Part
    exit: int
    wall_s: float
    cut: bool

    def __str__(self) -> str:
        ended = "cut off: what it had measured is saved" if self.cut else "ok" if self.exit == 0 else f"exit code {self.exit}"
        return f"{self.part.title}: {ended}, {self.wall_s:.0f} s"


def run(
    parts: Sequence[Part], total_s: float, *, grace_s: float = GRACE_S, now: Callable[[], float] = time.monotonic
) -> list[Outcome]:
    """One after the other, none longer than its share of what is left when it begins."""
    ends, outcomes = now() + total_s, []
    for number, part in enumerate(parts):
        started = now()
        room = (ends - started) * part.share / sum(p.share for p in parts[number:])
        process = subprocess.Popen([sys.executable, "-m", *part.words], cwd=ROOT, start_new_session=True)
        cut = False
        try:
            process.wait(max(0.0, room - grace_s))
        except subprocess.TimeoutExpired:
            cut = True
            process.send_signal(signal.SIGINT)
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        except KeyboardInterrupt:  # the parts that have ended keep their page
            process.send_signal(signal.SIGINT)
            process.wait()
            outcomes.append(Outcome(part, process.returncode, now() - started, True))
            break
        outcomes.append(Outcome(part, process.returncode, now() - started, cut))
        print(outcomes[-1], flush=True)
    return outcomes


def page(device: str, outcomes: Sequence[Outcome], saved: Sequence[Path]) -> str:
    """What docs/results/ keeps: device, versions, date, how each part ended, and the tables of the saved runs."""
    versions = []
    for name in ("torch", "triton", "pytest-benchmark"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"no {name}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [f"# {device}", "", f"{today}; {', '.join(versions)}.", "", *(f"- {outcome}" for outcome in outcomes), ""]
    for path in saved:
        try:
            found = archive.read(path)
        except UsageError as error:
            lines += [str(error), ""]
            continue
        lines += [f"## `{found.command or path.stem}`", "", tables.markdown(found.trials, found.toolchains, found.exports), ""]
    return "\n".join(lines)


def gpu() -> str:
    """The device's name. UsageError, saying what is missing, where there is none."""
    ask = "import torch, triton; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    if said.returncode:
        raise UsageError(f"{sys.executable} has no PyTorch or no Triton: run `make gpu PYTHON=...` with one that has")
    if not said.stdout.strip():
        raise UsageError("PyTorch sees no GPU here: nothing was measured; `make targets` compiles for one that is not here")
    return said.stdout.strip()


def main(words: Sequence[str]) -> int:
    """Run all parts, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, default=ROOT / ".bakeoff" / "gpu.md", help="default: .bakeoff/gpu.md")
    parser.add_argument("--minutes", type=float, default=7.8, help="for everything together (default: 7.8)")
    asked = parser.parse_args(words)
    started = time.monotonic()
    try:
        device = gpu()
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    before = set(archive.runs(ROOT / ".benchmarks"))
    outcomes = run(PARTS, 60 * asked.minutes - (time.monotonic() - started))
    text = page(device, outcomes, [path for path in archive.runs(ROOT / ".benchmarks") if path not in before])
    asked.write.parent.mkdir(parents=True, exist_ok=True)
    asked.write.write_text(text)
    print(text)
    print(f"written: {asked.write}")
    return int(any(outcome.cut or outcome.exit for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
