"""How is everything that needs a GPU measured in eight minutes? Kernels, the PyTorch stacks of the matrix, and targets.

    make gpu                                   [ARGS="--write FILE --benchmark-storage DIR --minutes 8 --lanes 5"]

A cell spends most of its time on the CPU: importing, generating data, compiling, checking. So units (a pytest process each,
with one model or operation) run in parallel lanes, each with its own CPUs and its own storage. Only one cell at a time is timed
on the GPU (bakeoff/system/device_lock.py). Timed units run first, checks after them. When the time is up, running units are
interrupted and save what they have, and units that have not started are listed. Unsteady cells get two more groups at the end,
beside eager, if there is time. The exit code is 0 only if all other units finished and nothing failed. Requires PyTorch, Triton
and pytest-benchmark; `make gpu-libraries` installs the rest.
"""

import argparse
import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bakeoff.analysis import summary
from bakeoff.analysis.results import by_cell
from bakeoff.archive import saved_runs, saving
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.pytest_plugin import selection
from bakeoff.records.trial import OneTimeCost, Status, Trial
from bakeoff.system.environment import DEVICE_LOCK
from bakeoff.tasks import tables
from benchmarks.lanes import Lanes, Unit, cpu_sets

HOME = ROOT / ".bakeoff" / "gpu"
# started first: if they came last, all would wait for them
LONGEST = ("resnet50", "bert_encoder", "gpt_decoder", "cross_entropy", "embedding_bag", "attention", "matmul")
WITHOUT_OWN_KERNELS = ("branchy", "copy", "lstm", "resnet50")  # they contain no operation that a kernel of Bakeoff replaces
ALSO_COMPILED = ("bert_encoder", "dlrm", "mlp")  # of tests/frameworks/test_gpu.py
RUN = ("--device", "cuda", "--require-all", "--timeout-s", "240")  # time limit of a child, including its wait for the GPU
GROUPS = 2  # of each model: the second one starts from the disk caches of the first
EAGER = "torch_eager"
TIMED = ("--size", "full", "--threads", "{cpus}", "--no-diagnosis", "--allow-unsteady", "--benchmark-autosave")
Groups = dict[str, list[Unit]]


def units(folder: Path) -> tuple[Groups, list[Unit]]:
    """(timed units, by the table to which they belong; units that only check). `folder` belongs to this run."""
    models = discovery.models()
    kernels = _longest_first(m.operation for m in models if m.operation is not None)
    matrix = _longest_first(m.name for m in models if m.in_matrix)

    def timed(group: str, experiment: str, model: str, *arguments: str) -> Unit:
        title = f"{group}: {discovery.operation(model) or model}"
        kept = ("--bakeoff-storage", str(HOME / "lane-{lane}"), "--benchmark-storage", str(saved_by(folder, Unit(title, ()))))
        found = ("pytest", f"experiments/{experiment}.py", "--models", model)
        return Unit(title, (*found, *arguments, *RUN, *TIMED, "--trials", str(GROUPS), *kept))

    group, alone = "kernels, bfloat16", ("-k", "not test_right", "--dtype", "bfloat16")
    groups = {group: [timed(group, "test_kernels", f"kernel_{name}", *alone, *_stacks(name)) for name in kernels]}
    for dtype in ("bfloat16", "float32"):
        group = f"matrix, {dtype}"
        groups[group] = [
            timed(group, "test_step_time", model, "--dtype", dtype, *_stacks(model, "torch_script")) for model in matrix
        ]
    right = ("pytest", "experiments/test_kernels.py", "-k", "test_right", *RUN, "--models")
    checks = [Unit(f"right on the device: {n}", (*right, f"kernel_{n}")) for n in kernels if n not in selection.REFERENCE_ONLY]
    also = ("pytest", "tests/frameworks/test_gpu.py", "--bakeoff-storage", str(HOME / "lane-{lane}"), "-k")
    return groups, [Unit(f"compiled without it, compiled for it: {m}", (*also, m)) for m in ALSO_COMPILED] + checks


def _stacks(name: str, *further: str) -> tuple[str, ...]:
    return "--stacks", ",".join([EAGER, "torch_inductor", *further, *["torch_triton"][: name not in WITHOUT_OWN_KERNELS]])


def again(unit: Unit) -> Unit:
    """The unit that repeats the unsteady cells of a unit."""
    return Unit(f"{unit.title}, verified", unit.words)


def verifying(folder: Path, group: Sequence[Unit]) -> list[Unit]:
    """Further groups of unsteady cells and of eager, which they are compared with. All trials of a cell decide together."""
    found = []
    for unit in group:
        run, _ = merged(folder, [unit])
        results = by_cell(run.trials) if run else {}
        unsteady = [cell.stack for cell, result in results.items() if result.status is Status.UNSTEADY]
        stacks = ",".join(dict.fromkeys([EAGER, *unsteady]))
        more = ("--stacks", stacks, "--benchmark-storage", str(saved_by(folder, again(unit))))
        found += [Unit(again(unit).title, (*unit.words, *more))] if unsteady else []
    return found


def saved_by(folder: Path, unit: Unit) -> Path:
    """A storage per unit: pytest-benchmark counts files to number a new one, so two at the same time would get one number."""
    return folder / "saved" / unit.name


def merged(folder: Path, group: Sequence[Unit]) -> tuple[SavedRun | None, list[str]]:
    """(what the units of a table have saved, as one run; why some of it cannot be read)."""
    trials: list[Trial] = []
    costs: dict[str, OneTimeCost] = {}
    problems: list[str] = []
    for further, unit in ((further, unit) for each in group for further, unit in ((False, each), (True, again(each)))):
        for path in saved_runs.runs(saved_by(folder, unit)):
            try:
                run = saved_runs.read(path)
            except UsageError as error:
                problems.append(str(error))
                continue
            trials += [_further(trial) for trial in run.trials] if further else run.trials
            costs |= {cost.stack: cost for cost in run.one_time_costs}  # every lane has them; one is reported
    return SavedRun(trials=trials, one_time_costs=list(costs.values())) if trials else None, problems


def _further(trial: Trial) -> Trial:
    """A trial of a further group, whose number and name differ from those of the first groups."""
    return replace(trial, index=GROUPS + trial.index, group=None if trial.group is None else f"further-{trial.group}")


def keep(run: SavedRun, storage: Path, name: str) -> Path:
    """Save it in pytest-benchmark's format, for `bakeoff show`, `report` and `compare`."""
    parts = {
        "command": f"python -m benchmarks.gpu: {name}",
        "trials": run.trials,
        "schema_version": saved_runs.SCHEMA_VERSION,
        "summaries": summary.of_trials(run.trials),
        "one_time_costs": run.one_time_costs,
    }
    return saving.save(storage, f"gpu_{name}", {key: saved_runs.to_json(value) for key, value in parts.items()})


def page(head: Sequence[str], lanes: Lanes, groups: Mapping[str, tuple[SavedRun | None, list[str]]]) -> str:
    """The page for docs/results/: device, versions, date, how each unit ended, and a table for each group."""
    lines = [*head, ""]
    for outcome in lanes.outcomes:
        lines.append(f"- {outcome}")
        lines += (
            [f"  - `{line}`" for line in _problem_lines(lanes.log(outcome.unit))] if outcome.exit and not outcome.cut else []
        )
    for title, (run, problems) in groups.items():
        lines += ["", f"## {title[:1].upper()}{title[1:]}", "", *problems]
        lines += [tables.markdown(run.trials, run.one_time_costs, {}) if run else "Nothing was measured."]
    return "\n".join([*lines, ""])


def _problem_lines(log: Path) -> list[str]:
    """The lines in which pytest names failures, otherwise its last lines."""
    lines = [line.strip()[:300].replace("`", "'") for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return [line for line in lines if line.startswith(("FAILED ", "ERROR "))][:5] or lines[-3:]


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (LONGEST.index(name) if name in LONGEST else len(LONGEST), name))


def _head(device: str, lanes: Lanes, wall_s: float) -> list[str]:
    versions = []
    for name in ("torch", "triton", "pytest-benchmark"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"no {name}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    count, each = len(lanes.cpus), len(lanes.cpus[0])
    lane_text = f"{count} lane{'s' * (count > 1)} of {each} CPU{'s' * (each > 1)}, {wall_s:.0f} s in all"
    return [f"# {device}", "", f"{today}; {', '.join(versions)}; {lane_text}."]


def gpu() -> str:
    """The name of the GPU. UsageError, with what is missing, if there is none."""
    ask = "import torch, triton; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{sys.executable} has no PyTorch or no Triton: run `make gpu PYTHON=...` with one that has")
    if not done.stdout.strip():
        raise UsageError("PyTorch sees no GPU here: nothing was measured; `make targets` compiles for a GPU without having one")
    return done.stdout.strip()


def main(words: Sequence[str]) -> int:
    """Run all units, save a run for each table, and print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--write", type=Path, default=HOME / "page.md", help="write the page to this file (default: .bakeoff/gpu/page.md)"
    )
    parser.add_argument(
        "--benchmark-storage", type=Path, default=ROOT / ".benchmarks", help="folder of saved runs (default: .benchmarks)"
    )
    parser.add_argument("--minutes", type=float, default=7.8, help="time limit for the whole command (default: 7.8)")
    parser.add_argument(
        "--lanes", type=int, help="number of units in parallel (default: one for every two CPUs, at most eight)"
    )
    asked = parser.parse_args(words)
    # a shell that starts this in the background has SIGINT ignored; units would inherit that and could not be interrupted
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # units have their own process sessions, so nothing else would end them
    started = time.monotonic()
    try:
        device = gpu()
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    folder = HOME / datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    groups, checks = units(folder)
    cpus = cpu_sets(asked.lanes, sorted(os.sched_getaffinity(0)))
    lanes = Lanes(cpus, folder / "logs", {DEVICE_LOCK: str(folder / "device.lock")})
    timed = [unit for group in groups.values() for unit in group]

    def waves() -> Iterator[list[Unit]]:
        yield timed
        yield checks
        yield verifying(folder, timed)

    lanes.work(waves(), 60 * asked.minutes - (time.monotonic() - started))
    found = {title: merged(folder, group) for title, group in groups.items()}
    text = page(_head(device, lanes, time.monotonic() - started), lanes, found)
    asked.write.parent.mkdir(parents=True, exist_ok=True)
    asked.write.write_text(text)
    print(text)
    print(f"written: {asked.write}; what each unit printed: {lanes.folder}")
    for title, (run, _) in found.items():
        if run is not None:
            path = keep(run, asked.benchmark_storage, title.replace(", ", "_"))
            print(f"saved: {path}; bakeoff show {path.name[:4]} --benchmark-storage {asked.benchmark_storage}")
    first = {unit.title for unit in (*timed, *checks)}  # further trials are optional
    late = [o for o in lanes.outcomes if o.unit.title not in first and (o.cut or o.exit is None)]
    return int(not all(outcome.ok or outcome in late for outcome in lanes.outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
